"""The short way from a request's rows to an answer, and when it is not taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mlopskit.data import Columns, Target, make_preparation
from mlopskit.deploy.rows import Given, quick_model
from mlopskit.deploy.schema import Field, InputSchema
from mlopskit.model import LinearBaseline

SCHEMA = InputSchema(
    (
        Field("age", "numeric", "float64", True, low=18, high=80),
        Field("town", "categorical", "str", True, categories=("Köln", "Ulm")),
        Field("member", "boolean", "bool", True, nullable=False, categories=("False", "True")),
    )
)
COLUMNS = Columns(("age", "town", "member"), ("age",), ("town", "member"))
BINARY = Target("binary", "bought", ("no", "yes"), "yes")
ROWS = [{"age": 33, "town": "Ulm", "member": True}, {"age": None, "town": "elsewhere", "member": False}]


def _pipeline(estimator: Any, columns: Columns = COLUMNS) -> Pipeline:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.integers(18, 80, 200).astype(float), "member": rng.random(200) < 0.5})
    table["town"] = pd.Series(rng.choice(["Köln", "Ulm"], 200), dtype="str")
    table.loc[::9, "age"] = np.nan
    prepare = make_preparation(columns).fit(table)
    bought = (table["age"].fillna(50) > 50).astype(int)
    return Pipeline([("prepare", prepare), ("estimate", estimator.fit(prepare.transform(table), bought))])


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_short_way_answers_as_the_pipeline_does(wrapped: bool) -> None:
    pipeline = _pipeline(LogisticRegression())
    quick = quick_model(LinearBaseline(pipeline, 0.4) if wrapped else pipeline, SCHEMA, BINARY)
    assert quick is not None
    np.testing.assert_array_equal(quick.ask(ROWS, "predict_proba"), pipeline.predict_proba(SCHEMA.frame(ROWS)))


def test_a_quantity_is_predicted_on_the_short_way_too() -> None:
    pipeline = _pipeline(HistGradientBoostingRegressor(max_iter=5))
    quick = quick_model(pipeline, SCHEMA, Target("regression", "bought"))
    assert quick is not None
    np.testing.assert_array_equal(quick.ask(ROWS, "predict"), pipeline.predict(SCHEMA.frame(ROWS)))


class _Shifted(Pipeline):  # type: ignore[misc]  # scikit-learn is not annotated
    """A pipeline that does more than its steps."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X)[:, ::-1]


def test_a_model_whose_answers_differ_keeps_to_the_table() -> None:
    assert quick_model(_Shifted(_pipeline(LogisticRegression()).steps), SCHEMA, BINARY) is None


def test_a_column_that_a_table_would_convert_keeps_to_the_table() -> None:
    fields = (Field("age", "numeric", "str", True), *SCHEMA.fields[1:])
    assert quick_model(_pipeline(LogisticRegression()), InputSchema(fields), BINARY) is None


def test_a_model_that_changes_its_table_does_not_change_that_of_the_next() -> None:
    given = Given(ROWS, SCHEMA)
    table = given.table()
    table["age"] = 0
    assert given.table()["age"].tolist()[0] == 33
