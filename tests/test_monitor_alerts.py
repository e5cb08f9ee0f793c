"""Alerts, concept drift, DDM and what to do next."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlopskit.errors import ProjectError
from mlopskit.monitor import (
    check_thresholds,
    concept_table,
    ddm,
    drift_table,
    error_stream,
    explain,
    next_markdown,
    next_steps,
    observations,
    raise_alerts,
    summarise,
    threshold_problems,
    window_table,
)
from mlopskit.monitor.alerts import OBSERVED
from mlopskit.monitor.concept import Residuals, _compared
from mlopskit.scope import Monitoring, Scope

WATCHED = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("watched.py"))))
TARGET, rows, watch, reference = WATCHED.TARGET, WATCHED.rows, WATCHED.watch, WATCHED.reference

SCOPE = """
[project]
name = "x"
[data]
source = "x.csv"
task = "binary"
target = "y"
positive = "yes"
"""


def test_ddm_gives_the_published_alarms():  # KNOWN_ANSWERS, Drift
    np.random.seed(1)
    errors = np.concatenate([np.random.normal(0, 0.1, 1000), np.random.normal(0.5, 0.1, 1000)]) > 0
    assert [change.index for change in ddm(errors) if change.kind == "alarm"] == [103, 1060]


def test_ddm_is_quiet_on_a_steady_stream_and_warns_before_it_alarms():
    assert [change for change in ddm([0, 1] * 500) if change.kind == "alarm"] == []
    kinds = [change.kind for change in ddm([0, 0, 0, 1] * 100 + [1] * 100)]
    assert kinds[:2] == ["warning", "alarm"]


def judge(observed, text, **options):
    monitoring = Scope.parse(SCOPE + "[monitoring]\nnotify = ['ops']\n" + text).monitoring
    return raise_alerts(pd.DataFrame(observed, columns=OBSERVED), monitoring, **options)


def seen(metric, values, *, feature="", chance=np.nan, width=0.01):
    return [
        [metric, feature, f"w{i}", 100, value, value - width, value + width, chance, not np.isnan(value)]
        for i, value in enumerate(values)
    ]


BOUND = "[[monitoring.threshold]]\nmetric = 'error_rate'\nat_most = 0.05\n"


@pytest.mark.parametrize(
    ("values", "width", "status"),
    [([0.1], 0.01, "alert"), ([0.055], 0.01, "ok"), ([0.01], 0.01, "ok"), ([np.nan], 0.01, "could not check")],
)
def test_an_alert_needs_the_whole_interval_outside_the_bound(values, width, status):
    assert judge(seen("error_rate", values, width=width), BOUND)["status"].tolist() == [status]


def test_nothing_observed_is_not_well():
    table = judge([], BOUND)
    assert table["status"].tolist() == ["could not check"]


def test_one_line_tells_first_worst_and_latest_window_whom_to_tell_and_where_it_leads():
    row = judge(seen("error_rate", [0.01, 0.1, 0.3, 0.2]), BOUND).iloc[0]
    assert (row["first"], row["window"], row["latest"], row["windows"]) == ("w1", "w2", "w3", 3)
    assert (row["value"], row["latest_value"], row["tell"], row["leads_to"]) == (0.3, 0.2, "ops", "deploy")
    assert "worst of 3 windows since w1" in row["text"]


def test_an_alert_that_has_passed_says_so():
    row = judge(seen("error_rate", [0.3, 0.01]), BOUND).iloc[0]
    assert row["status"] == "alert"
    assert "no longer an alert" in row["text"]


@pytest.mark.parametrize(("chance", "status"), [(0.1, "alert"), (0.5, "ok")])
def test_drift_must_exceed_threshold_and_chance(chance, status):
    observed = [["drift", "age", "w0", 100, 0.3, np.nan, np.nan, chance, True]]
    table = judge(observed, "[[monitoring.threshold]]\nmetric = 'drift'\nat_most = 0.2\n")
    assert table["status"].tolist() == [status]
    assert table["leads_to"].tolist() == ["data"]


def test_a_threshold_for_one_feature_takes_it_out_of_the_general_one():
    observed = [["drift", name, "w0", 100, 0.3, np.nan, np.nan, 0.0, True] for name in ("age", "job")]
    text = "[[monitoring.threshold]]\nmetric = 'drift'\nat_most = 0.2\n"
    table = judge(observed, text + "[[monitoring.threshold]]\nmetric = 'drift'\nfeature = 'age'\nat_most = 0.4\n")
    assert table.set_index("feature")["status"].to_dict() == {"job": "alert", "age": "ok"}


def test_a_group_leads_to_slices_and_bias_and_latency_is_kept_apart():
    text = "[[monitoring.threshold]]\nmetric = 'accuracy'\nat_least = 0.9\n"
    text += "[[monitoring.threshold]]\nmetric = 'latency_p95_ms'\nat_most = 9\n"
    observed = [*seen("accuracy", [0.5], feature="sex = f"), *seen("latency_p95_ms", [20.0])]
    table = judge(observed, text, groups=["sex = f"])
    assert table[["metric", "leads_to"]].to_numpy().tolist() == [["accuracy", "slices_and_bias"]]
    assert judge(observed, text, volatile=True)[["metric", "status"]].to_numpy().tolist() == [
        ["latency_p95_ms", "alert"]
    ]


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ("metric = 'latencyp95_ms'\nat_most = 1", r"unknown metric 'latencyp95_ms' \(did you mean latency_p95_ms\?\)"),
        ("metric = 'mae'\nat_most = 1", "unknown metric 'mae'.*binary"),
        ("metric = 'accuracy'\nfeature = 'age'\nat_least = 1", "not measured feature by feature"),
        ("metric = 'accuracy'\nat_least = 0.9\nat_most = 0.1", "0.9 is above at_most 0.1"),
    ],
)
def test_thresholds_that_cannot_be_checked_are_refused_with_a_sentence(threshold, message):
    scope = Scope.parse(SCOPE + f"[[monitoring.threshold]]\n{threshold}\n")
    assert len(threshold_problems(scope)) == 1
    with pytest.raises(ProjectError, match=message):
        check_thresholds(scope)


def test_known_thresholds_have_no_problems():
    names = ["drift", "requests", "error_rate", "latency_p99_ms", "throughput", "missing_share", "schema_violations",
             "selection_rate", "deferred_share", "roc_auc", "brier_score", "false_positive_rate"]  # fmt: skip
    text = "".join(f"[[monitoring.threshold]]\nmetric = '{name}'\nat_most = 1\n" for name in names)
    assert threshold_problems(Scope.parse(SCOPE + text)) == []


def verdicts(parts):
    ref, traffic = reference(), watch(parts, label_delay_windows=1)
    drift = drift_table(ref.profile, traffic.frame, traffic.windows, reference=ref.values, thresholds={"*": 0.2})
    windows = window_table(traffic, ref.profile, target=TARGET, metrics=["accuracy"])
    concept = concept_table(traffic, ref.validation, target=TARGET, calibrator=ref.calibrator)
    return (
        explain(concept, drift, windows, metric="accuracy"),
        drift,
        windows,
        error_stream(traffic, ref.validation, target=TARGET),
    )


def moved(part):
    """The same relation, other inputs: only rows with high x."""
    return part[part["x"] > 0.3]


def test_data_drift_and_concept_drift_are_told_apart():
    table, *_ = verdicts([rows(1500, seed=1), moved(rows(3000, seed=2)), rows(1500, seed=3, flip=0.35),
                          moved(rows(3000, seed=4, flip=0.35)), moved(rows(1000, seed=5))])  # fmt: skip
    assert table["verdict"].tolist() == [
        "no drift", "data drift", "concept drift", "data and concept drift", "data drift; labels not yet known",
    ]  # fmt: skip


def test_concept_drift_is_rarely_claimed_where_there_is_none():
    ref, found = reference(), 0
    for seed in range(20):
        traffic = watch([rows(500, seed=1000 + 5 * seed + i) for i in range(5)], label_delay_windows=0)
        table = concept_table(traffic, ref.validation, target=TARGET, calibrator=ref.calibrator)
        found += (table["status"] == "concept drift").any()
    assert found <= 4


def test_a_single_rare_event_is_no_proof_of_concept_drift():
    def drawn(rng, n):
        p = 10.0 ** rng.uniform(-4, -0.3, n)  # most of the scores are tiny and right
        return Residuals(p, (rng.random(n) < p) - p, p * (1 - p))

    rng = np.random.default_rng(0)
    reference = drawn(rng, 5000)
    p_values = np.array([_compared(drawn(rng, 300), reference, 10)["p_value"] for _ in range(1000)])
    assert np.mean(p_values < 0.001) <= 0.006  # with bins of ten rows it was 0.06
    assert np.mean(p_values < 0.05) <= 0.09
    turned = drawn(rng, 300)
    wrong = Residuals(turned.predicted, 0.3 - turned.predicted, turned.variance)
    assert _compared(wrong, reference, 10)["p_value"] < 1e-6


def test_the_error_stream_names_the_row_and_window_where_errors_rise():
    *_, stream = verdicts([rows(1500, seed=1), rows(1500, seed=2, flip=0.5), rows(100, seed=3)])
    alarms = stream[stream["kind"] == "alarm"]
    assert "2001" in set(alarms["window"])


def test_next_steps_follow_from_findings_and_markup_in_names_is_harmless():
    table, drift, windows, _ = verdicts([rows(1500, seed=1, flip=0.35), rows(500, seed=2)])
    observed = observations(drift=drift, windows=windows)
    observed.loc[len(observed)] = ["drift", "<script>x*", "2000", 9, 0.9, np.nan, np.nan, 0.1, True]
    monitoring = Monitoring.model_validate({"threshold": [{"metric": "drift", "at_most": 0.2}]})
    alerts = raise_alerts(observed, monitoring)
    steps = next_steps(alerts, table, windows)
    assert [step.phase for step in steps][:2] == ["model", "data"]
    assert r"\<script\>x\*" in next_markdown(steps)
    summary = summarise(windows=windows, drift=drift, verdicts=table, alerts=alerts, steps=steps, metric="accuracy")
    assert summary["facts"][0]["value"] == pytest.approx(windows.loc[windows["metric"] == "accuracy", "value"].iloc[0])
    assert [item["phase"] for item in summary["next"]] == [step.phase for step in steps]


def test_when_nothing_is_wrong_it_says_so():
    table, drift, windows, _ = verdicts([rows(1500, seed=1), rows(500, seed=2)])
    alerts = raise_alerts(
        observations(drift=drift), Monitoring.model_validate({"threshold": [{"metric": "drift", "at_most": 0.2}]})
    )
    steps = next_steps(alerts, table, windows.assign(change="within noise"))
    assert [step.phase for step in steps] == ["monitor"]
    summary = summarise(windows=windows, drift=drift, verdicts=table, alerts=alerts, steps=steps, metric="accuracy")
    assert {item["tone"] for item in summary["statements"]} == {"good"}
