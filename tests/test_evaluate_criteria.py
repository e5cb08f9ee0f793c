"""Criteria are judged by intervals; gains are improvements on the same rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlopskit.data import Target
from mlopskit.display import note
from mlopskit.evaluate.criteria import judge, judge_groups, judge_overall, verdict_table
from mlopskit.evaluate.gains import baseline_gains, majority_guess, metric_table
from mlopskit.evaluate.summary import (
    criteria_note,
    gains_note,
    metrics_note,
    scored_note,
    strongest_baseline,
    summarise_evaluation,
)
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED, get_metric
from mlopskit.scope import Criterion

BINARY = Target("binary", "rich", ("no", "yes"), "yes")
SEVERAL = Target("multiclass", "kind", ("a", "b", "c"))
NUMBER = Target("regression", "price", unit="dollars")
FLOOR = Criterion(metric="recall", at_least=0.6)
CEILING = Criterion(metric="false_positive_rate", at_most=0.2)


@pytest.mark.parametrize(
    ("criterion", "interval", "status"),
    [
        (FLOOR, (0.7, 0.6, 0.8), "met"),
        (FLOOR, (0.7, 0.59, 0.8), "undecided"),
        (FLOOR, (0.5, 0.4, 0.6), "undecided"),
        (FLOOR, (0.5, 0.4, 0.599), "not-met"),
        (CEILING, (0.1, 0.05, 0.2), "met"),
        (CEILING, (0.1, 0.05, 0.21), "undecided"),
        (CEILING, (0.3, 0.21, 0.4), "not-met"),
        (FLOOR, (np.nan, np.nan, np.nan), "undecided"),
        (FLOOR, (0.9, np.nan, np.nan), "undecided"),
    ],
)
def test_the_whole_interval_decides(criterion, interval, status):
    assert judge(criterion, *interval, scope="overall", n=100).status == status


@example(value=0.0, width=0.5, bound=8.12221889812795e-301)
@given(value=st.floats(0, 1), width=st.floats(0, 0.5), bound=st.floats(0, 1))
def test_at_least_and_at_most_are_mirror_images(value, width, bound):
    floor = judge(Criterion(metric="recall", at_least=bound), value, value - width, value + width, scope="overall", n=9)
    mirrored = Criterion(metric="recall", at_most=-bound)
    ceiling = judge(mirrored, -value, -value - width, -value + width, scope="overall", n=9)
    assert floor.status == ceiling.status


def test_undecided_says_how_many_rows_would_decide():
    # half width 0.05 has to become 0.02: (0.05 / 0.02) ** 2 = 6.25 times as many rows
    verdict = judge(FLOOR, 0.62, 0.57, 0.67, scope="overall", n=400)
    assert "about 2,500 rows would decide; there are 400" in verdict.reason


def test_a_value_on_the_bound_is_never_decided_by_rows():
    assert "no number of rows" in judge(FLOOR, 0.6, 0.5, 0.7, scope="overall", n=400).reason


def test_what_cannot_be_estimated_says_why_and_stops_unless_told_otherwise():
    verdict = judge(FLOOR, np.nan, np.nan, np.nan, scope="overall", n=4, why="4 in its denominator")
    assert "cannot be estimated (4 in its denominator)" in verdict.reason
    assert verdict.on_undecided == "stop"
    passing = Criterion(metric="recall", at_least=0.6, on_undecided="pass")
    assert judge(passing, np.nan, np.nan, np.nan, scope="overall", n=4).on_undecided == "pass"


def group_table(*rows):
    columns = ["group", "n", "value", "low", "high", "status"]
    return pd.DataFrame(rows, columns=columns).assign(method="Wilson")


GOOD = ("a", 500, 0.8, 0.75, 0.85, ESTIMATED)
UNSURE = ("b", 50, 0.65, 0.5, 0.8, ESTIMATED)
BAD = ("c", 500, 0.5, 0.45, 0.55, ESTIMATED)
UNKNOWN = ("d", 4, np.nan, np.nan, np.nan, NOT_ESTIMATED)
SLICES = Criterion(metric="recall", at_least=0.6, every_slice_of="group")


@pytest.mark.parametrize(
    ("rows", "status", "group"),
    [
        ((GOOD,), "met", "a"),
        ((GOOD, UNSURE), "undecided", "b"),
        ((GOOD, UNKNOWN), "undecided", "d"),
        ((GOOD, UNKNOWN, UNSURE), "undecided", "b"),
        ((GOOD, UNSURE, BAD, UNKNOWN), "not-met", "c"),
    ],
)
def test_the_worst_group_decides_and_is_named(rows, status, group):
    verdict = judge_groups(SLICES, group_table(*rows), scope="slice", slice="group")
    assert (verdict.status, verdict.group, verdict.slice) == (status, group, "group")
    assert f"Of {len(rows)} groups" in verdict.reason


def test_among_many_groups_the_wider_interval_condemns():
    table = group_table(BAD).assign(outer_low=0.38, outer_high=0.62)
    verdict = judge_groups(SLICES, table, scope="slice", slice="group")
    assert verdict.status == "undecided"
    assert "many groups" in verdict.reason
    # the wider half, 0.12, has to become 0.1: 500 · 1.2² rows
    assert "about 720 rows would decide; there are 500" in verdict.reason


def test_no_groups_at_all_are_never_met():
    assert judge_groups(SLICES, group_table(), scope="slice", slice="group").status == "undecided"


def test_verdicts_without_criteria_keep_their_columns():
    assert verdict_table([]).columns.tolist()[:4] == ["name", "metric", "scope", "slice"]


def rows_of(target, n=400, seed=0):
    rng = np.random.default_rng(seed)
    if target is NUMBER:
        truth = rng.normal(10, 3, n)
        return pd.DataFrame({"_row": range(n), "_target": truth, "prediction": truth + rng.normal(0, 1, n)})
    k = len(target.classes)
    truth = rng.integers(0, k, n)
    score = rng.dirichlet(np.ones(k), n) * 0.5 + np.eye(k)[truth] * 0.5 * rng.random((n, 1))
    score /= score.sum(axis=1, keepdims=True)
    table = pd.DataFrame({"_row": range(n), "_target": truth, "prediction": score.argmax(1)})
    return table.assign(score=score[:, 1]) if k == 2 else table.assign(**{f"score_{i}": score[:, i] for i in range(k)})


@pytest.mark.parametrize("target", [BINARY, SEVERAL, NUMBER])
def test_a_majority_guess_knows_the_training_rows_alone(target):
    train, test = rows_of(target, seed=1), rows_of(target, seed=2)
    guess = majority_guess(train, test, target=target)
    expected = train["_target"].mean() if target is NUMBER else train["_target"].mode()[0]
    assert (guess["prediction"] == expected).all()
    assert guess.columns.tolist() == test.columns.tolist()
    assert guess["_row"].tolist() == test["_row"].tolist()


def test_a_guess_stands_beside_every_metric():
    train, test = rows_of(BINARY, seed=1), rows_of(BINARY, seed=2)
    table = metric_table(test, majority_guess(train, test, target=BINARY), target=BINARY).set_index("metric")
    share = test["_target"].mean()
    assert table.loc["roc_auc", "majority"] == 0.5
    assert table.loc["average_precision", "majority"] == pytest.approx(share)
    assert table.loc["balanced_accuracy", "majority"] == 0.5
    assert table.loc["accuracy", "majority"] == pytest.approx(max(share, 1 - share), abs=0.1)
    assert table["meaning"].str.len().min() > 10


@pytest.mark.parametrize(("target", "metric"), [(BINARY, "log_loss"), (SEVERAL, "accuracy"), (NUMBER, "mae")])
def test_a_better_model_has_a_gain_above_zero_whichever_way_the_metric_goes(target, metric):
    train, test = rows_of(target, seed=1), rows_of(target, seed=2)
    guess = majority_guess(train, test, target=target)
    row = baseline_gains(test, {"majority": guess}, target=target, metrics=[metric]).iloc[0]
    assert row["verdict"] == "better"
    assert 0 < row["low"] < row["gain"] < row["high"]
    sign = 1 if get_metric(metric, target.task).greater_is_better else -1
    assert row["gain"] == pytest.approx(sign * (row["model"] - row["value"]))
    back = baseline_gains(guess, {"model": test}, target=target, metrics=[metric]).iloc[0]
    assert back["verdict"] == "worse"


def test_a_model_that_is_a_baseline_is_no_rival_of_its_own():
    train, test = rows_of(BINARY, seed=1), rows_of(BINARY, seed=2)
    others = {"linear": test.copy(), "majority": majority_guess(train, test, target=BINARY)}
    gains = baseline_gains(test, others, target=BINARY, metrics=["accuracy"])
    assert gains["verdict"].tolist() == ["the same answers", "better"]
    assert strongest_baseline(gains)["baseline"] == "majority"
    assert "since the model is this baseline" in gains_note(gains).text
    assert strongest_baseline(gains.iloc[:1]) is None


def test_a_published_figure_is_compared_with_the_interval_of_the_model():
    test = rows_of(NUMBER)
    published = {"literature": ("mae", 2.0)}
    row = baseline_gains(test, {}, target=NUMBER, metrics=["mae", "rmse"], published=published).iloc[0]
    own = metric_table(test, test, target=NUMBER, metrics=["mae"]).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx((2 - own["high"], 2 - own["low"]))
    assert row["method"].startswith("not paired")


def evaluated(target, criteria):
    train, test = rows_of(target, seed=1), rows_of(target, seed=2)
    guess = majority_guess(train, test, target=target)
    metrics = metric_table(test, guess, target=target)
    gains = baseline_gains(test, {"majority": guess}, target=target, metrics=[c.metric for c in criteria])
    return test, metrics, gains, judge_overall(criteria, metrics, gains)


def test_overall_and_gain_criteria_are_judged_and_those_of_groups_are_left_to_others():
    criteria = [
        Criterion(metric="roc_auc", at_least=0.6),
        Criterion(metric="roc_auc", at_least=0.05, gain_over="majority"),
        Criterion(metric="recall", at_least=0.6, every_slice_of="sex"),
        Criterion(metric="recall", at_most=0.2, between="sex"),
        Criterion(metric="roc_auc", at_least=0.05, gain_over="linear"),
    ]
    table = evaluated(BINARY, criteria)[3]
    assert table["status"].tolist() == ["met", "met", "undecided"]
    assert table["scope"].tolist() == ["overall", "gain", "gain"]
    assert table["method"].tolist()[:2] == ["DeLong, logit scale", "DeLong, joined by squares"]
    assert "no linear baseline" in table["reason"].iloc[2]


@pytest.mark.parametrize(("target", "metric"), [(BINARY, "roc_auc"), (SEVERAL, "accuracy"), (NUMBER, "mae")])
def test_the_summary_holds_what_the_first_screen_needs(target, metric):
    headline = get_metric(metric, target.task)
    criteria = [Criterion(metric=metric, at_least=0.999 if target is not NUMBER else 50, gain_over="majority")]
    test, metrics, gains, verdicts = evaluated(target, criteria)
    empty = pd.DataFrame(columns=["class", "status"])
    summary = summarise_evaluation(
        metrics, gains, verdicts, headline=headline, target=target, calibration=empty, explanation=note("why")
    )
    first = summary["facts"][0]
    assert first["low"] < first["value"] < first["high"]
    assert first["artefact"] == "evaluate/metrics"
    assert any(step["phase"] == "model" and "Not met" in step["text"] for step in summary["next"])
    assert {s["tone"] for s in summary["statements"]} <= {"plain", "good", "warning", "bad"}
    assert len(summary["facts"]) <= 3
    assert all("\n" not in s["text"] for s in summary["statements"])
    assert f"{len(test):,} test rows" in metrics_note(metrics, headline).text
    assert criteria_note(verdicts).tone == "bad"
    assert gains_note(gains).tone == "good"
    assert f"{len(test):,} test rows" in scored_note(test, target).text


def test_the_strongest_baseline_is_a_simple_one_unless_there_is_only_guessing():
    columns = ["baseline", "metric", "model", "value", "gain", "low", "high", "method", "n", "verdict"]
    made = [
        ("majority", "roc_auc", 0.8, 0.79, 0.01, 0.0, 0.02, "DeLong", 90, "better"),
        ("literature", "roc_auc", 0.8, 0.9, -0.1, -0.2, 0.0, "not paired, DeLong", 90, "worse"),
        ("rule", "roc_auc", 0.8, 0.6, 0.2, 0.1, 0.3, "DeLong", 90, "better"),
        ("linear", "roc_auc", 0.8, 0.75, 0.05, 0.01, 0.09, "DeLong", 90, "better"),
    ]
    gains = pd.DataFrame(made, columns=columns)
    assert strongest_baseline(gains)["baseline"] == "linear"
    assert strongest_baseline(gains.head(1))["baseline"] == "majority"
    assert strongest_baseline(gains.assign(gain=np.nan)) is None


def test_what_guessing_scores_stands_beside_each_criterion_and_what_it_gains_beside_a_gain():
    criteria = [
        Criterion(metric="accuracy", at_least=0.6),
        Criterion(metric="accuracy", at_least=0.05, gain_over="majority"),
        Criterion(metric="log_loss", at_least=0.05, gain_over="coin"),
        Criterion(metric="precision", at_least=0.5),
    ]
    train, test = rows_of(BINARY, seed=1), rows_of(BINARY, seed=2)
    guess = majority_guess(train, test, target=BINARY)
    coin = test.assign(prediction=1, score=0.5)
    metrics = metric_table(test, guess, target=BINARY)
    rivals = {"majority": guess, "coin": coin}
    gains = baseline_gains(test, rivals, target=BINARY, metrics=["accuracy", "log_loss"], majority=guess)
    table = judge_overall(criteria, metrics, gains).set_index("name")["majority"]
    common, share = train["_target"].mode()[0], train["_target"].mean()
    of_guess = -np.log(np.where(test["_target"] == 1, share, 1 - share)).mean()
    precision = test["_target"].mean() if common else np.nan
    expected = [(test["_target"] == common).mean(), 0, np.log(2) - of_guess, precision]
    assert table.tolist() == pytest.approx(expected, nan_ok=True)
    beside = gains.groupby("metric")["majority"].unique()
    assert beside["accuracy"].tolist() == pytest.approx([expected[0]])
    assert beside["log_loss"].tolist() == pytest.approx([of_guess])
    without = baseline_gains(test, rivals, target=BINARY, metrics=["accuracy"])
    assert without["majority"].isna().all()


def test_the_guess_of_the_deciding_group_is_taken_and_told():
    table = group_table(GOOD, BAD).assign(majority=[0.9, 0.25])
    verdict = judge_groups(SLICES, table, scope="slice", slice="group")
    assert (verdict.group, verdict.majority) == ("c", 0.25)
    assert (
        "Of 2 groups: 1 not-met, 1 met. A majority guess gives 0.250." in criteria_note(verdict_table([verdict])).text
    )
    unknown = judge(FLOOR, 0.7, 0.65, 0.75, scope="overall", n=9)
    assert "guess" not in criteria_note(verdict_table([unknown])).text
    of_numbers = judge(Criterion(metric="mae", at_most=3), 2, 1.5, 2.5, scope="overall", n=9, majority=2.75)
    assert "A mean guess gives 2.750." in criteria_note(verdict_table([of_numbers])).text
