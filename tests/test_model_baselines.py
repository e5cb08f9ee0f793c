"""Baselines predict what they should, on rows of any split."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlopskit.data import TARGET
from mlopskit.errors import ModelError
from mlopskit.model import ColumnBaseline, MajorityBaseline, RuleBaseline, fit_baselines, fit_first, headline_metric
from mlopskit.scope import Baseline

examples = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("model_rows.py"))))

FRAME = pd.DataFrame({"x": [1, 2, 3, 4], "doctor": ["yes", None, "no", "yes"], "points": [0.0, 5.0, np.nan, 10.0]})


def test_the_majority_knows_the_shares() -> None:
    majority = MajorityBaseline(3).fit(FRAME, [0, 2, 2, 1])
    assert majority.predict(FRAME).tolist() == [2, 2, 2, 2]
    assert majority.predict_proba(FRAME)[0].tolist() == [0.25, 0.25, 0.5]


def test_the_majority_of_a_quantity_is_its_mean() -> None:
    assert MajorityBaseline(0).fit(FRAME, [1.0, 2.0, 3.0, 6.0]).predict(FRAME.head(2)).tolist() == [3.0, 3.0]


def test_a_rule_decides_and_knows_how_often_it_is_right() -> None:
    rule = RuleBaseline("x > 2").fit(FRAME, [0, 0, 1, 0])
    assert rule.predict(FRAME).tolist() == [0, 0, 1, 1]
    assert rule.predict_proba(FRAME)[:, 1].tolist() == [0.0, 0.0, 0.5, 0.5]


def test_decisions_of_people_are_taken_as_they_are() -> None:
    human = ColumnBaseline("doctor", "human", ("no", "yes")).fit(FRAME, [1, 0, 0, 0])
    assert human.predict(FRAME).tolist() == [1, 0, 0, 1]
    assert human.missing(FRAME) == 1
    # "yes" was given twice and right once; with a pseudo-row a class (1 + 1) / (2 + 2).
    assert human.predict_proba(FRAME)[0].tolist() == [0.5, 0.5]
    assert human.predict_proba(FRAME)[1].tolist() == [0.75, 0.25], "no entry: the shares of the training rows"


@pytest.mark.parametrize(
    "labels", [[1, 0, 1, 1], [1.0, 0.0, 1.0, 1.0], ["1", "0", "1", "1"], [True, False, True, True]]
)
def test_labels_are_recognised_however_they_are_spelt(labels: list[object]) -> None:
    classes = ("False", "True") if isinstance(labels[0], bool) else ("0", "1")
    previous = ColumnBaseline("old", "previous", classes).fit(pd.DataFrame({"old": labels}), [1, 0, 1, 0])
    assert (previous.holds_, previous.predict(pd.DataFrame({"old": labels})).tolist()) == ("labels", [1, 0, 1, 1])


def test_scores_are_rescaled_and_cut() -> None:
    previous = ColumnBaseline("points", "previous", ("no", "yes"), 0.6).fit(FRAME, [0, 0, 1, 1])
    assert previous.predict_proba(FRAME)[:, 1].tolist() == [0.0, 0.5, 0.5, 1.0], "a missing one gets the share"
    assert previous.predict(FRAME).tolist() == [0, 0, 0, 1]
    assert previous.predict_proba(FRAME.assign(points=99.0))[0, 1] == 1.0


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("docter", r"'docter' is not in the table \(did you mean doctor\?\)"),
        ("empty", "is empty"),
        ("words", "neither the target's labels nor numbers"),
    ],
)
def test_a_column_that_cannot_be_used_is_refused(column: str, why: str) -> None:
    frame = FRAME.assign(empty=np.nan, words=["may", "be", "a", "b"])
    with pytest.raises(ModelError, match=why):
        ColumnBaseline(column, "human", ("no", "yes")).fit(frame, [0, 1, 0, 1])


def test_all_baselines_of_a_project_stand_in_one_table() -> None:
    data = examples.make_data("binary")
    doctor = np.where(data.validation["x"] > 0, "yes", None)
    train = data.train.assign(doctor="yes")
    data = type(data)(train, data.validation.assign(doctor=doctor), data.target, data.preparation)
    scope = [
        Baseline(kind="majority"),
        Baseline(kind="rule", rule="x > 0"),
        Baseline(kind="rule", rule="x > 1", source="a colleague"),
        Baseline(kind="linear"),
        Baseline(kind="human", column="doctor"),
        Baseline(kind="literature", metric="accuracy", value=0.8, source="a paper"),
        Baseline(kind="literature", metric="mae", value=0.8, source="another"),
    ]
    headline = headline_metric("roc_auc", data.target)
    found = fit_baselines(scope, data, headline, first=fit_first(data, headline))
    table = found.table.set_index("name")
    assert list(table.index) == ["majority", "rule", "rule_2", "linear", "human", "literature", "literature_2"]
    assert sorted(found.estimators) == [
        f"baseline_{name}" for name in ("human", "linear", "majority", "rule", "rule_2")
    ]
    assert table.loc["majority", "value"] == 0.5
    assert table.loc["rule_2", "source"] == "a colleague"
    assert "rows without an entry" in table.loc["human", "status"]
    assert table.loc["literature", "status"].startswith("published figure")
    assert table.loc["literature_2", "status"].startswith("could not compare")


def test_a_rule_needs_a_binary_task() -> None:
    data = examples.make_data("regression")
    headline = headline_metric("mae", data.target)
    found = fit_baselines([Baseline(kind="rule", rule="x > 0")], data, headline, first=fit_first(data, headline))
    assert found.estimators == {}
    assert found.table["status"].iloc[0].startswith("not applicable")


def test_the_linear_baseline_decides_at_its_own_threshold() -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target)
    first = fit_first(data, headline)
    linear = fit_baselines([Baseline(kind="linear")], data, headline, first=first).estimators["baseline_linear"]
    expected = linear.predict_proba(data.validation)[:, 1] >= first.threshold
    assert np.array_equal(linear.predict(data.validation), expected)
    assert 0 < expected.mean() < 1
    assert TARGET in data.validation
