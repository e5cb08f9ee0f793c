"""Rows prepared one by one, against the same preparation of their table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.data import Columns, make_preparation
from mlopskit.data.rowwise import RowPreparation

COLUMNS = Columns(("age", "size", "job", "code", "member"), ("age", "size"), ("job", "code", "member"))
TRAIN = pd.DataFrame(
    {
        "age": [20.0, None, 40.5, 61.0] * 25,
        "size": np.arange(100),
        "job": [*(["a'b", "<i>", None, "Köln", "a'b"] * 20)[:99], "rare"],
        "code": [1.0, 2.0, None, 1.0] * 25,
        "member": pd.Series([True, False] * 50, dtype=object),
    }
)
ROWS = st.fixed_dictionaries(
    {
        "age": st.none() | st.floats(-1e6, 1e6) | st.integers(-(2**62), 2**62),
        "size": st.none() | st.integers(-1000, 1000),
        "job": st.none() | st.sampled_from(["a'b", "<i>", "Köln", "rare", "missing", ""]) | st.text(max_size=5),
        "code": st.none() | st.sampled_from([1, 2, 1.0, 2.5, -0.0]),
        "member": st.none() | st.booleans(),
    }
)

_FITTED: dict[str, Any] = {}


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = {"age": "float64", "size": "float64", "job": "str", "code": "float64", "member": object}
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()})


@pytest.mark.parametrize("limits", [{}, {"max_categories": 2}, {"min_share": 0.02}, {"min_share": 0}])
@given(rows=st.lists(ROWS, min_size=1, max_size=4))
@settings(max_examples=40)
def test_rows_become_the_same_numbers_as_their_table(limits: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    fitted = _FITTED.setdefault(str(limits), make_preparation(COLUMNS, **limits).fit(TRAIN))
    found = RowPreparation(fitted).transform(rows)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, fitted.transform(_table(rows)))


def test_texts_and_images_go_through_the_parts_that_were_fitted() -> None:
    columns = Columns(("note", "image"), text=("note",), image="image", image_shape=(1, 2))
    train = pd.DataFrame({"note": ["red car", "red bus", "blue car"], "image": [[0, 8], [4, 4], [1, 16]]})
    fitted = make_preparation(columns).fit(train)
    rows = [{"note": "red car", "image": [16.0, 2.0]}, {"note": None, "image": None}]
    table = pd.DataFrame({"note": pd.Series(["red car", None], dtype="str"), "image": [[16.0, 2.0], None]})
    np.testing.assert_array_equal(RowPreparation(fitted).transform(rows), fitted.transform(table))


def test_dates_and_foreign_parts_are_left_to_the_table() -> None:
    days = pd.DataFrame({"day": pd.to_datetime(["2020-01-01", "2021-01-01"])})
    with pytest.raises(ValueError, match="dates"):
        RowPreparation(make_preparation(Columns(("day",), ("day",))).fit(days))
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import MinMaxScaler

    with pytest.raises(ValueError, match="MinMaxScaler"):
        RowPreparation(make_column_transformer((MinMaxScaler(), ["size"])).fit(TRAIN))
