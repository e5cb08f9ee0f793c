"""Which cases the model decides, and the degrees of automation."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.data import ROW, TARGET, Target
from mlopskit.deploy import (
    DeferralRule,
    automation_table,
    deferral_curve,
    deferred_by_group,
    deferred_rows,
    deploy_summary,
    tune_deferral,
)
from mlopskit.deploy.floored import EVERY_GROUP
from mlopskit.deploy.plots import deferral_chart
from mlopskit.deploy.rollout import _share as share_in_words
from mlopskit.evaluate.curves import roc_curve
from mlopskit.tally.floor.scores import class_cells

BINARY = Target("binary", "y", ("no", "yes"), "yes")
SEVERAL = Target("multiclass", "y", ("a", "b", "c"))
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


def test_beside_the_accuracy_stands_what_guessing_the_commonest_class_scores_on_the_same_rows() -> None:
    truth, scores = [1, 1, 1, 0, 0, 1, 0, 1], [0.99, 0.98, 0.97, 0.96, 0.01, 0.6, 0.5, 0.4]  # the rule leaves out three
    rows = pd.DataFrame({ROW: range(8), TARGET: truth, "score": scores})
    rows = rows.assign(prediction=(rows["score"] >= 0.5).astype("int64"))
    plain, floored = (
        automation_table(rows, DeferralRule(0.9, 0.9, None, 0.5), target=BINARY, chosen="full", floor=floor)
        for floor in (0, 2)
    )
    assert plain["majority"].tolist() == pytest.approx([np.nan, np.nan, np.nan, 3 / 5, 5 / 8], nan_ok=True)
    assert floored["majority"].tolist() == pytest.approx([np.nan] * 4 + [5 / 8], nan_ok=True)


def test_under_a_floor_the_guess_is_not_told_of_the_rows_that_partial_automation_decides() -> None:
    rows = _calibrated(700)
    table = automation_table(rows, DeferralRule(0.9, 0.8, None, 0.2), target=BINARY, chosen="partial", floor=FLOOR)
    partial = table.set_index("degree").loc["partial"]
    assert (np.isnan(partial["majority"]), np.isnan(partial["accuracy"])) == (True, False)


def test_deferred_shares_by_group_add_up() -> None:
    table = _calibrated(500)
    groups: Any = pd.DataFrame({ROW: table[ROW], "sex": ["f", "m", None, "f", "<b>"] * 100})
    deferred = deferred_rows(table, RULE, degree="partial")
    shown = deferred_by_group(table, groups, deferred, columns=["sex", "absent"])
    assert shown["n"].sum() == 500
    assert (shown["n"] * shown["deferred"]).sum() == pytest.approx(deferred.sum())
    assert set(shown["group"]) == {"f", "m", "<b>", "missing"}


def _several(n: int, *, seed: int) -> pd.DataFrame:
    """Rows of three classes whose scores are the true probabilities."""
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet([0.4] * 3, n)
    truth = (scores.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1)
    table = pd.DataFrame({ROW: np.arange(n), TARGET: truth, "prediction": scores.argmax(axis=1)})
    return table.assign(**{f"score_{i}": scores[:, i] for i in range(3)})


FLOOR = 8


@settings(max_examples=12)
@given(seed=st.integers(0, 1000), n=st.integers(40, 900), classes=st.sampled_from([2, 3]))
def test_no_two_steps_of_the_curve_nor_its_ends_differ_by_few_right_or_wrong_rows(
    seed: int, n: int, classes: int
) -> None:
    rows = _calibrated(n, seed=seed) if classes == 2 else _several(n, seed=seed)
    target = BINARY if classes == 2 else Target("multiclass", "y", ("a", "b", "c"))
    shown = deferral_curve(rows, target=target, floor=FLOOR)
    if shown.empty:
        return
    total, decided = int(shown["n"][0]), shown["decided"].to_numpy(int)
    all_right = round(shown["accuracy_all"][0] * total)
    right = (decided * shown["accuracy"].fillna(0)).round().to_numpy(int)
    held = (shown["coverage"] * total).round().to_numpy(int) - right  # the sets of deferred rows that hold the truth
    chains = {"right": (right, all_right), "wrong": (decided - right, total - all_right)}
    for counts, most in (*chains.values(), (held, None), (total - decided - held, None)):
        known = counts if most is None else np.append(counts, [0, most])
        gaps = np.abs(np.subtract.outer(known, known)) if most is not None and classes == 2 else known
        assert ((gaps == 0) | (gaps >= FLOOR)).all()
        assert most is None or ((most - known == 0) | (most - known >= FLOOR)).all()


@pytest.mark.parametrize("half", [10, 19, 20, 24, 49, 99])
def test_a_confidence_that_the_rows_cannot_support_is_left_out(half: int) -> None:
    curve = deferral_curve(_calibrated(2 * half), target=BINARY)
    assert 1 - 2.01 / half < curve["confidence"].max() <= 1 - 0.99 / half


def test_the_rule_is_the_same_under_a_floor_and_its_step_is_shown_first() -> None:
    rows = _calibrated(3000)
    plain, floored = (tune_deferral(rows, target=BINARY, max_deferred=0.4, floor=floor) for floor in (0, FLOOR))
    assert plain == floored
    assert plain is not None
    whole, shown = (deferral_curve(rows, target=BINARY, rule=plain, floor=floor) for floor in (0, FLOOR))
    assert plain.confidence in set(shown["confidence"])
    assert 3 < len(shown) < len(whole)
    pd.testing.assert_frame_equal(
        shown, whole[whole["confidence"].isin(shown["confidence"])].reset_index(drop=True), check_dtype=False
    )


def test_what_a_rule_defers_is_not_told_where_its_step_is_not_shown() -> None:
    rows = _calibrated(60)
    plain, floored = (tune_deferral(rows, target=BINARY, max_deferred=0.9, floor=floor) for floor in (0, 20))
    assert plain is not None
    assert floored is not None
    assert plain.expected_deferred is not None
    assert floored.expected_deferred is None
    assert floored.min_probability == plain.min_probability
    curve = deferral_curve(rows, target=BINARY, rule=floored, floor=20)
    assert curve.empty
    assert "privacy floor" in deferral_chart(curve, floored)._repr_html_()


@pytest.mark.parametrize("least", [0.34, 0.6, 0.75])
def test_what_is_decided_cannot_be_subtracted_from_the_curves_of_the_evaluation(least: float) -> None:
    rows = _calibrated(700)
    rule = DeferralRule(0.9, least, None, 0.2)
    deferred = deferred_rows(rows, rule, degree="partial", floor=FLOOR)
    edges = np.sort(roc_curve(rows, BINARY, points=10_000, floor=FLOOR)["threshold"])
    score = rows["score"].to_numpy()
    for low, high in pairwise(edges):
        assert len(set(deferred[(score >= low) & (score < high)])) == 1
    assert 0 < np.mean(deferred != deferred_rows(rows, rule, degree="partial")) < 0.1
    table = automation_table(rows, rule, target=BINARY, chosen="partial", floor=FLOOR).set_index("degree")
    assert table.loc["partial", "n"] == (~deferred).sum()


@pytest.mark.parametrize("least", [0.5, 0.7, 0.8, 0.9])
def test_rows_of_several_classes_are_decided_as_the_curves_of_all_classes_divide_them(least: float) -> None:
    rows = _several(2000, seed=1)
    rule = DeferralRule(0.9, least, None, 0.5)
    deferred = deferred_rows(rows, rule, degree="partial", floor=FLOOR)
    cells = class_cells(rows["prediction"], rows[TARGET], rows[["score_0", "score_1", "score_2"]], floor=FLOOR)
    assert cells is not None
    assert all(len(set(deferred[cells == cell])) == 1 for cell in set(cells))
    assert (deferred != deferred_rows(rows, rule, degree="partial")).any()
    told = (
        automation_table(rows, rule, target=SEVERAL, chosen="partial", floor=FLOOR).set_index("degree").loc["partial"]
    )
    right = told["n"] * told["accuracy"]
    assert np.isnan(right) or all(count < 0.5 or count > FLOOR - 0.5 for count in (right, told["n"] - right))


def test_partial_automation_is_not_told_where_it_decides_few_rows() -> None:
    rows, rule = _calibrated(400), DeferralRule(0.9, 0.9999, None, 0.5)
    plain, floored = (
        automation_table(rows, rule, target=BINARY, chosen="full", floor=floor).set_index("degree") for floor in (0, 20)
    )
    assert 0 < plain.loc["partial", "n"] < 20
    assert floored.loc["partial", ["decided", "deferred", "accuracy", "low", "high", "n"]].isna().all()
    assert floored.loc["full", "n"] == len(rows)


def test_groups_are_not_told_where_everything_seems_to_be_deferred() -> None:
    rows = _calibrated(500)
    groups: Any = pd.DataFrame({ROW: rows[ROW], "sex": ["f", "m"] * 250})
    table = deferred_by_group(rows, groups, np.ones(500, dtype=bool), columns=["sex"], floor=FLOOR)
    assert table["group"].tolist() == [EVERY_GROUP]


@pytest.mark.parametrize(("wrong", "told"), [(30, True), (3, False)])
def test_how_right_the_model_is_alone_is_told_where_enough_rows_are_right_and_wrong(wrong: int, told: bool) -> None:
    n = 400
    requests = pd.DataFrame({ROW: range(n), "prediction": 1, "status": "ok"})
    requests["decided_by"] = np.where(np.arange(n) < 200, "model", "person")
    truth = np.ones(n, dtype=int)
    truth[:wrong] = 0
    truth[-50:] = 0
    facts = {"criteria": [], "automation": "partial", "champion": "rule"}
    bundle: Any = SimpleNamespace(facts=facts, target=BINARY, deferral=RULE)
    steps = pd.DataFrame({"decision": ["Go on."]})
    rollout: Any = SimpleNamespace(steps=steps, strategy="canary", promoted=True)
    made = deploy_summary(bundle, requests, rollout, production=pd.DataFrame({ROW: range(n), TARGET: truth}), floor=10)
    assert any("decided 200 alone" in item["text"] for item in made["statements"]) is told
    assert any(item["label"] == "cases left to people" for item in made["facts"])
    requests["decided_by"] = np.where(np.arange(n) < 3, "person", "model")
    made = deploy_summary(bundle, requests, rollout, production=pd.DataFrame({ROW: range(n), TARGET: truth}), floor=10)
    assert not any(item["label"] == "cases left to people" for item in made["facts"])


@pytest.mark.parametrize(("agreement", "words"), [(0.995, "nearly all of"), (0.005, "hardly any of"), (0.9, "90.0%")])
def test_agreement_that_would_count_few_rows_is_told_in_words(agreement: float, words: str) -> None:
    assert words in share_in_words(agreement, 1000, 10)
    assert "%" in share_in_words(agreement, 1000, 0)


@pytest.mark.parametrize(("few", "hidden"), [(3, True), (0, False)])
def test_a_group_with_few_rows_beside_where_deferral_begins_is_not_told(few: int, hidden: bool) -> None:
    rows = _calibrated(2000)
    deferred = deferred_rows(rows, DeferralRule(0.9, 0.7, None, 0.2), degree="partial", floor=FLOOR)
    edges = np.sort(roc_curve(rows, BINARY, points=10_000, floor=FLOOR)["threshold"])
    cell = np.searchsorted(edges, rows["score"], side="right")
    begins = np.flatnonzero(np.diff([deferred[cell == number].any() for number in range(1, cell.max() + 1)])) + 1
    assert len(begins) == 2
    sex = np.where(np.isin(cell, [*begins, *(begins + 1)]), "m", "f").astype(object)  # whole cells, none of them mixed
    sex[np.flatnonzero(cell == begins[0])[:few]] = "f"
    groups: Any = pd.DataFrame({ROW: rows[ROW], "sex": sex, "other": ["p", "q"] * 1000})
    table = deferred_by_group(rows, groups, deferred, columns=["sex", "other"], floor=FLOOR)
    told = table[table["group"] != EVERY_GROUP]
    assert set(told["slice"]) == ({"other"} if hidden else {"sex", "other"})
