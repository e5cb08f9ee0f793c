"""A model that decides by group, served: the group is asked for, and one row gets the answer that a batch gives it."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlopskit.deploy.rows import Given, quick_model
from mlopskit.deploy.schema import InputSchema
from mlopskit.deploy.scoring import Arm
from mlopskit.mitigation import GroupThresholds

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mitigated_rows.py"))))
TABLE = pd.DataFrame(
    {
        "feature": ["x", "job", "sex"],
        "kind": ["numeric", "categorical", "categorical"],
        "dtype": ["float64", "str", "str"],
        "nullable": [False, False, True],
        "low": [-4.0, None, None],
        "high": [4.0, None, None],
        "categories": [None, '["a", "b"]', '["f", "m"]'],
    }
)


@pytest.fixture(scope="module")
def model() -> GroupThresholds:
    return GroupThresholds(made.pipeline(made.rows(seed=1)), "sex").fit(made.rows(seed=2, missing=0.1))


def schema(*also: str) -> InputSchema:
    return InputSchema.from_table(TABLE, columns=made.COLUMNS, target="y", also=also)


def test_a_request_must_name_the_group_that_the_model_does_not_see(model: GroupThresholds) -> None:
    row = {"x": 0.1, "job": "a"}
    assert schema().problems(row) == []
    asked = schema(*model.asks_for)
    assert asked.problems(row) == [("sex", "is missing; send null when it is not known")]
    assert asked.problems({**row, "sex": None}) == []


@pytest.mark.parametrize("short", [True, False])
def test_a_row_gets_the_same_answer_alone_in_a_batch_and_from_a_table(model: GroupThresholds, short: bool) -> None:
    asked = schema("sex")
    quick = quick_model(model, asked, made.BINARY)
    assert quick is not None
    arm = Arm("challenger", model, made.BINARY, None, quick if short else None)
    frame = made.rows(120, seed=7, missing=0.2).assign(job=lambda rows: rows["job"].where(rows["x"] < 1, "new"))
    frame.loc[:5, "sex"] = "never seen"
    values = (
        frame[["x", "job", "sex"]].astype(object).where(frame[["x", "job", "sex"]].notna(), None).to_dict("records")
    )
    scores, together = arm.answer(Given(values, asked))
    alone = [arm.answer(Given([row], asked))[1][0] for row in values]
    np.testing.assert_array_equal(together, model.predict(frame))
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_allclose(scores, model.predict_proba(frame)[:, 1], rtol=1e-12)
    assert ((scores >= 0.5) != together).any(), "not the decisions of one threshold"
