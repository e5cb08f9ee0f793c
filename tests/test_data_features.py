"""The preparation takes whatever a table or a request holds, and skops keeps it without a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from mlopskit import artefacts
from mlopskit.data.columns import Columns
from mlopskit.data.features import (
    ImagePixels,
    Labels,
    Numbers,
    describe_preparation,
    fit_preparation,
    make_preparation,
    source_columns,
)
from mlopskit.data.view import feature_view
from mlopskit.errors import DataError

COLUMNS = Columns(
    ("a b", "d", "empty", "<script>", "yes", "s", "txt", "img"),
    ("a b", "d", "empty"),
    ("<script>", "yes", "s"),
    ("txt",),
    "img",
    (2, 2),
)


@pytest.fixture
def table() -> pd.DataFrame:
    n = 60
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=n)
    numbers[3] = np.nan
    return pd.DataFrame(
        {
            "a b": numbers,
            "<script>": np.where(rng.random(n) < 0.3, None, "x"),
            "yes": rng.random(n) < 0.5,
            "d": pd.date_range("2020-01-01", periods=n),
            "txt": [f"hello world {i % 3}" for i in range(n)],
            "img": [np.arange(4.0) for _ in range(n)],
            "empty": np.nan,
            "s": pd.Series(["u", "v", None] * 20, dtype="str"),
            "unused": "z",
        }
    )


@pytest.fixture
def fitted(table: pd.DataFrame) -> Any:
    return fit_preparation(make_preparation(COLUMNS, min_share=0.01), table)


def test_it_survives_skops_and_gives_the_same_numbers(fitted: Any, table: pd.DataFrame, tmp_path: Path) -> None:
    artefacts.write(fitted, tmp_path / "p.skops")
    again = artefacts.read(tmp_path / "p.skops")
    np.testing.assert_array_equal(again.transform(table), fitted.transform(table))
    clone(again).fit(table)


def test_two_fits_have_equal_digests(table: pd.DataFrame, tmp_path: Path) -> None:
    for name in ("one", "two"):
        artefacts.write(fit_preparation(make_preparation(COLUMNS), table), tmp_path / f"{name}.skops")
    assert artefacts.digest(tmp_path / "one.skops") == artefacts.digest(tmp_path / "two.skops")


def test_a_request_of_python_objects_with_unseen_labels_is_prepared(fitted: Any) -> None:
    request = {
        "img": [4, 3, 2, 1], "s": 3, "empty": 1, "txt": None, "d": "2020-03-01", "yes": None, "<script>": "zz",
        "a b": None,
    }  # fmt: skip
    row = fitted.transform(pd.DataFrame([request], dtype=object))
    assert np.isfinite(row).all()
    assert row.shape == (1, len(source_columns(fitted)))


def test_each_output_is_traced_to_its_column(fitted: Any, table: pd.DataFrame) -> None:
    names = [name.split("__", 1)[1] for name in fitted.get_feature_names_out()]
    sources = source_columns(fitted)
    assert len(names) == fitted.transform(table).shape[1]
    for name, source in zip(names, sources, strict=True):
        assert source in name or source in {"txt", "img"}
    assert set(sources) == set(COLUMNS.features)


def test_similar_column_names_are_not_mixed_up() -> None:
    frame = pd.DataFrame({"a": ["b_c", "d"] * 5, "a_b": ["c", "e"] * 5, "1": ["x", "y"] * 5})
    columns = Columns(tuple(frame.columns), categorical=("a", "a_b", "1"))
    fitted = fit_preparation(make_preparation(columns, min_share=0), frame)
    assert source_columns(fitted) == ["a", "a", "a_b", "a_b", "1", "1"]


def test_rare_categories_share_one_output_with_unknown_ones() -> None:
    frame = pd.DataFrame({"c": ["a"] * 50 + ["b"] * 48 + ["x", "y"]})
    fitted = fit_preparation(make_preparation(Columns(("c",), categorical=("c",)), min_share=0.05), frame)
    new = fitted.transform(pd.DataFrame({"c": ["x", "never seen", "a"]}))
    assert new.tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]


def test_missing_numbers_get_the_median_and_a_mark() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, 9.0, np.nan]})
    fitted = fit_preparation(make_preparation(Columns(("x",), numeric=("x",))), frame)
    rows = fitted.transform(frame)
    assert rows[3, 0] == rows[1, 0]
    assert (rows[:, 1] > 0).tolist() == [False, False, False, True]


def test_numbers_come_from_words_dates_and_booleans() -> None:
    frame = pd.DataFrame({"x": [True, False], "d": pd.to_datetime(["1970-01-02", None])})
    np.testing.assert_array_equal(Numbers().fit(frame).transform(frame), [[1, 1], [0, np.nan]])


def test_one_label_has_one_spelling() -> None:
    column = pd.DataFrame({"x": [1, 1.0, "1", None, np.nan]}, dtype=object)
    assert Labels().fit_transform(column).ravel().tolist() == ["1", "1", "1", "missing", "missing"]


def test_images_are_scaled_by_the_brightest_training_pixel() -> None:
    pixels = ImagePixels(1, 2).fit([[0, 16], [8, 4]])
    assert pixels.transform([[16, 8], None]).tolist() == [[1.0, 0.5], [0.0, 0.0]]
    with pytest.raises(DataError, match="3 pixels where 1 × 2 are needed"):
        pixels.transform([[1, 2, 3]])


def test_a_text_without_repeated_words_is_refused() -> None:
    frame = pd.DataFrame({"t": ["one", "two", "three"]})
    with pytest.raises(DataError, match="no word that occurs in two rows"):
        fit_preparation(make_preparation(Columns(("t",), text=("t",))), frame)


def test_the_description_counts_every_output(fitted: Any) -> None:
    described = describe_preparation(fitted)
    assert described["outputs"].sum() == len(source_columns(fitted))
    assert described["feature"].tolist() == list(COLUMNS.features)


def test_text_is_viewed_by_its_length() -> None:
    columns = Columns(("t",), text=("t",))
    view = feature_view(pd.DataFrame({"t": ["ab 12", None]}), columns)
    assert view.iloc[0].tolist() == [5.0, 2.0, 0.4]
    assert view.iloc[1].isna().all()


def test_the_view_keeps_sensitive_columns_that_the_model_may_not_see() -> None:
    columns = Columns(("x",), numeric=("x",), sensitive=("g",))
    assert feature_view(pd.DataFrame({"x": [1], "g": ["a"], "z": [0]}), columns).columns.tolist() == ["x", "g"]
