"""Which cases the model decides, and the degrees of automation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.data import ROW, TARGET, Target
from mlopskit.deploy import (
    DeferralRule,
    automation_table,
    deferral_curve,
    deferred_by_group,
    deferred_rows,
    tune_deferral,
)

BINARY = Target("binary", "y", ("no", "yes"), "yes")
RULE = DeferralRule(0.9, 0.3, 0.4, 0.2)


def _calibrated(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Rows whose score is the true probability."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.6, 0.6, n)
    truth = (rng.random(n) < score).astype("int64")
    return pd.DataFrame(
        {ROW: np.arange(n), TARGET: truth, "prediction": (score >= 0.5).astype("int64"), "score": score}
    )


def test_sets_hold_the_truth_as_often_as_promised() -> None:
    curve = deferral_curve(_calibrated(8000), target=BINARY)
    assert np.abs(curve["coverage"] - curve["confidence"]).max() < 0.03


def test_deferring_unsure_cases_makes_the_rest_more_often_right() -> None:
    curve = deferral_curve(_calibrated(8000), target=BINARY)
    sure = curve[curve["confidence"] >= 0.9]
    assert (sure["accuracy"] > sure["accuracy_all"]).all()
    assert sure["deferred"].is_monotonic_increasing


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.6])
def test_no_more_is_deferred_than_people_can_take(limit: float) -> None:
    rule = tune_deferral(_calibrated(8000), target=BINARY, max_deferred=limit)
    assert rule is not None
    fresh = _calibrated(8000, seed=1)
    assert deferred_rows(fresh, rule, degree="partial").mean() <= limit + 0.03


def test_the_rule_says_what_mapie_says() -> None:
    rows = _calibrated(4000)
    rule = tune_deferral(rows, target=BINARY, max_deferred=None, confidence=0.9)
    assert rule is not None
    misfit = np.where(rows[TARGET] == 1, 1 - rows["score"], rows["score"])
    rank = int(np.ceil((len(rows) + 1) * 0.9))
    assert rule.min_probability == pytest.approx(1 - np.sort(misfit)[rank - 1], abs=1.01e-4)


def test_an_empty_or_contradicting_set_goes_to_a_person() -> None:
    strict = DeferralRule(0.5, 0.9, None, 0.5)
    assert strict.defers(np.array([0.5, 0.95, 0.05]), np.array([1, 1, 0])).tolist() == [True, False, False]
    assert strict.defers(np.array([0.95]), np.array([0])).tolist() == [True]


@given(st.lists(st.floats(0, 1), min_size=1), st.floats(0, 1))
def test_what_is_decided_alone_has_one_likely_class_the_predicted_one(scores: list[float], least: float) -> None:
    values = np.array(scores)
    predicted = (values >= 0.5).astype(int)
    deferred = DeferralRule(0.9, least, None, 0.0).defers(values, predicted)
    for score, guess, person in zip(values, predicted, deferred, strict=True):
        likely = [k for k, p in enumerate([1 - score, score]) if p >= least]
        assert person == (likely != [guess])


def test_several_classes_can_be_deferred_too() -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([0.4] * 3, 3000)
    truth = np.array([rng.choice(3, p=p) for p in scores])
    table = pd.DataFrame({ROW: np.arange(3000), TARGET: truth, "prediction": scores.argmax(axis=1)})
    table[["score_0", "score_1", "score_2"]] = scores
    rule = tune_deferral(table, target=Target("multiclass", "y", ("a", "b", "c")), max_deferred=0.3)
    assert rule is not None
    assert 0.15 < deferred_rows(table, rule, degree="partial").mean() <= 0.33


def test_regression_has_nothing_to_be_unsure_of_so_people_decide() -> None:
    target = Target("regression", "y")
    table = pd.DataFrame({ROW: range(100), TARGET: 1.0, "prediction": 1.0})
    assert deferral_curve(table, target=target).empty
    assert tune_deferral(table, target=target, max_deferred=0.5) is None
    partial = automation_table(table, None, target=target, chosen="partial").set_index("degree").loc["partial"]
    assert (partial["applies"], partial["deferred"]) == (False, 1.0)


def test_degrees_run_from_nothing_decided_to_everything() -> None:
    table = automation_table(_calibrated(2000), RULE, target=BINARY, chosen="assistance")
    assert table["degree"].tolist() == ["human-only", "shadow", "assistance", "partial", "full"]
    assert table["decided"].tolist()[:3] == [0, 0, 0]
    assert 0 < table["decided"][3] < table["decided"][4] == 1
    assert table.loc[table["chosen"], "degree"].tolist() == ["assistance"]


def test_deferred_shares_by_group_add_up() -> None:
    table = _calibrated(500)
    groups: Any = pd.DataFrame({ROW: table[ROW], "sex": ["f", "m", None, "f", "<b>"] * 100})
    deferred = deferred_rows(table, RULE, degree="partial")
    shown = deferred_by_group(table, groups, deferred, columns=["sex", "absent"])
    assert shown["n"].sum() == 500
    assert (shown["n"] * shown["deferred"]).sum() == pytest.approx(deferred.sum())
    assert set(shown["group"]) == {"f", "m", "<b>", "missing"}
