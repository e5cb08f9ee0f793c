"""What a request may say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.data import Columns
from mlopskit.deploy.schema import Field, InputSchema

AGE = Field("age", "numeric", "int64", True, nullable=False, low=18, high=89)
TOWN = Field("town", "categorical", "str", True, categories=("Bonn", "Köln"))
PIXELS = Field("image", "image", "object", True, size=4)
WHEN = Field("when", "datetime", "datetime64[us]", False)
FLAG = Field("member", "boolean", "bool", True)
ALL = InputSchema((AGE, TOWN, PIXELS, WHEN, FLAG))
GOOD = {"age": 30, "town": "Bonn", "image": [0, 1.5, 2, 3], "when": "2026-01-02", "member": True}


def test_a_row_like_the_training_data_has_no_problem_and_no_warning() -> None:
    assert ALL.problems(GOOD) == []
    assert ALL.warnings(GOOD) == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (AGE, "30", "needs a number"),
        (AGE, True, "needs a number"),
        (AGE, float("nan"), "finite"),
        (AGE, 10**400, "too large"),
        (TOWN, 3, "needs text"),
        (TOWN, "\ud800", "Unicode"),
        (PIXELS, [1, 2, 3], "4 pixels, got 3"),
        (PIXELS, [[1], [2, 3]], "one a pixel"),
        (PIXELS, ["a", 1, 2, 3], "one a pixel"),
        (WHEN, "yesterday-ish", "ISO 8601"),
        (WHEN, 7, "ISO 8601"),
        (FLAG, 1, "true or false"),
    ],
)
def test_values_of_another_type_are_problems_that_do_not_repeat_the_value(
    field: Field, value: object, said: str
) -> None:
    assert said in field.problem(value)
    assert repr(value) not in field.problem(value)


@pytest.mark.parametrize("field", ALL.fields)
def test_null_can_always_be_read(field: Field) -> None:
    assert field.problem(None) == ""
    assert field.series([None]).isna().all()


def test_missing_and_unknown_fields_are_problems_and_optional_ones_may_be_left_out() -> None:
    row = {key: value for key, value in GOOD.items() if key not in {"age", "when"}} | {"agee": 3}
    assert [name for name, _ in ALL.problems(row)] == ["agee", "age"]
    assert "did you mean age" in ALL.problems(row)[0][1]


def test_unusual_values_are_warnings() -> None:
    row = {**GOOD, "age": 120, "town": "Ulm"}
    assert dict(ALL.warnings(row)) == {
        "age": "outside the training range 18 to 89",
        "town": "a category that training never saw",
    }
    assert "never was" in AGE.warning(None)


def test_the_frame_has_the_types_of_training() -> None:
    frame = ALL.frame([GOOD, {**GOOD, "age": None, "town": None}])
    assert frame["age"].dtype == "float64"
    assert ALL.frame([GOOD])["age"].dtype == "int64"
    assert pd.isna(frame.loc[1, "town"])
    assert frame.loc[0, "image"].tolist() == [0, 1.5, 2, 3]
    assert frame.loc[0, "when"] == pd.Timestamp("2026-01-02")


def test_the_schema_comes_from_the_data_phase_without_target_and_group() -> None:
    heads = ["feature", "role", "kind", "dtype", "nullable", "low", "high", "categories"]
    lines = [[name, "feature", "numeric", "float64", False, 0.0, 1.0, []] for name in ("x", "y", "person", "note")]
    columns = Columns(features=("x",), numeric=("x",), group="person")
    schema = InputSchema.from_table(pd.DataFrame(lines, columns=heads), columns=columns, target="y")
    assert [(field.name, field.required) for field in schema.fields] == [("x", True), ("note", False)]
    assert InputSchema.from_list(schema.to_list()) == schema


@given(
    st.lists(
        st.one_of(st.none(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False)), min_size=1
    )
)
def test_numbers_arrive_as_they_were_sent(values: list[float | None]) -> None:
    field = Field("x", "numeric", "float64", True)
    readable = [value for value in values if not field.problem(value)]
    arrived = field.series(readable).tolist() if readable else []
    expected = [np.nan if value is None else float(value) for value in readable]
    np.testing.assert_array_equal(arrived, expected)
