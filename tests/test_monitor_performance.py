"""Performance by window, with labels and without, and for whom."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlopskit.data import Columns, Target
from mlopskit.errors import DataError
from mlopskit.monitor import (
    Calibrator,
    Profile,
    estimate_binary,
    estimate_note,
    estimate_table,
    expected_confusion,
    group_table,
    make_reference,
    read_traffic,
    software_table,
    window_table,
)
from mlopskit.monitor.estimate import estimate_accuracy

WATCHED = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("watched.py"))))
TARGET, COLUMNS, rows, stream = WATCHED.TARGET, WATCHED.COLUMNS, WATCHED.rows, WATCHED.stream
watch, reference = WATCHED.watch, WATCHED.reference


def test_expected_confusion_is_the_sum_of_probabilities():  # KNOWN_ANSWERS, Performance without labels
    cells = expected_confusion(np.array([0.9, 0.6, 0.3, 0.2]), np.array([1, 1, 0, 0]))
    assert cells == {"tp": 1.5, "fp": 0.5, "fn": 0.5, "tn": 1.5}


def test_expected_accuracy_is_the_mean_probability_of_being_right():
    p, decided = np.array([0.9, 0.6, 0.3, 0.2]), np.array([1, 1, 0, 0])
    made = {item.metric: item.value for item in estimate_binary(p, decided, ["accuracy", "precision", "recall"])}
    assert made == pytest.approx({"accuracy": np.mean([0.9, 0.6, 0.7, 0.8]), "precision": 0.75, "recall": 0.75})
    assert estimate_accuracy(np.array([0.9, 0.6, 0.7, 0.8]))[0].value == pytest.approx(0.75)


@pytest.mark.parametrize(("shift", "covered"), [(0.0, True), (1.0, False)])
def test_estimates_come_true_when_calibrated_and_not_when_miscalibrated(shift, covered):
    rng, hits = np.random.default_rng(0), 0
    for seed in range(100):
        logit = rng.normal(0, 1.5, 400)
        p, claimed = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(-logit * (1 + shift)))
        y, decided = rng.random(400) < p, (p >= 0.5).astype(int)
        made = estimate_binary(claimed, decided, ["accuracy"], seed=seed)[0]
        hits += made.low <= np.mean(y == decided) <= made.high
    assert hits >= 89 if covered else hits <= 20


def test_estimated_area_agrees_with_what_comes_true():
    data = rows(3000, seed=5)
    made = {
        item.metric: item
        for item in estimate_binary(data["score"].to_numpy(), data["prediction"].to_numpy(), ["roc_auc", "brier_score"])
    }
    from sklearn.metrics import brier_score_loss, roc_auc_score

    assert made["roc_auc"].low <= roc_auc_score(data["_target"], data["score"]) <= made["roc_auc"].high
    assert made["brier_score"].low <= brier_score_loss(data["_target"], data["score"]) <= made["brier_score"].high


def test_calibrator_undoes_a_known_distortion():
    data = rows(20_000, seed=6)
    logit = np.log(data["score"] / (1 - data["score"]))
    fitted = Calibrator.fit(data["_target"].to_numpy(), (1 / (1 + np.exp(-(0.5 * logit + 0.4)))).to_numpy())
    assert (fitted.slope, fitted.intercept) == pytest.approx((2.0, -0.8), abs=0.1)
    assert Calibrator.fit(np.zeros(5), np.linspace(0.1, 0.9, 5)) == Calibrator()


def test_labels_of_the_newest_windows_are_held_back():
    traffic = watch([rows(200, seed=i) for i in range(4)], label_delay_windows=2)
    assert traffic.held_back == ("2002", "2003")
    table = window_table(traffic, reference().profile, target=TARGET, metrics=["accuracy"])
    status = table[table["metric"] == "accuracy"].set_index("window")["status"]
    assert status.tolist() == ["measured", "measured", "labels not yet known", "labels not yet known"]
    assert window_table(watch([rows(200, seed=1)], label_delay_windows=0), reference().profile, target=TARGET,
                        metrics=["accuracy"])["status"].eq("measured").all()  # fmt: skip


def test_windows_agree_with_plain_counting_and_name_a_worse_one():
    parts = [rows(1500, seed=1), rows(1500, seed=2, flip=0.3)]
    table = window_table(watch(parts, label_delay_windows=0), reference().profile, target=TARGET, metrics=["accuracy"])
    values = table.set_index(["metric", "window"])
    for label, part in zip(["2000", "2001"], parts, strict=True):
        assert values.loc[("accuracy", label), "value"] == pytest.approx((part["_target"] == part["prediction"]).mean())
        assert values.loc[("selection_rate", label), "value"] == pytest.approx(part["prediction"].mean())
    assert values.loc["accuracy", "change"].tolist() == ["within noise", "worse"]


def test_beside_each_metric_stands_what_guessing_the_commonest_class_of_the_reference_scores():
    parts = [rows(500, seed=1), rows(500, seed=2, flip=0.3)]
    validation = rows(600, seed=3).assign(_target=[1] * 400 + [0] * 200)
    names = ["accuracy", "precision", "recall", "balanced_accuracy", "roc_auc", "log_loss"]
    made = make_reference(parts[0], validation, target=TARGET, columns=COLUMNS, metrics=names)
    traffic = watch(parts, label_delay_windows=0)
    table = window_table(traffic, made.profile, target=TARGET, metrics=names)
    found = table.set_index(["metric", "window"])["majority"]
    for label, part in zip(["2000", "2001"], parts, strict=True):
        share = part["_target"].mean()
        assert [found[name, label] for name in names] == pytest.approx([share, share, 1, 0.5, 0.5, np.nan], nan_ok=True)
    assert found.loc[["requests", "selection_rate", "target_rate"]].isna().all()
    nobody = made.profile.__class__(made.profile.features, 600, target={"n": 600, "value": 0.5})
    found = window_table(traffic, nobody, target=TARGET, metrics=names).set_index(["metric", "window"])["majority"]
    rest = 1 - parts[0]["_target"].mean()
    given = [found[name, "2000"] for name in names]
    assert given == pytest.approx([rest, np.nan, 0, 0.5, 0.5, np.nan], nan_ok=True)


def test_the_guess_is_the_mean_of_the_reference_for_numbers_and_the_commonest_of_many_classes():
    from sklearn.metrics import f1_score, mean_absolute_error, r2_score

    part = rows(300, seed=1)
    part["_target"], part["prediction"] = part["x"] * 10, part["x"] * 10 + 1
    target = Target("regression", "y")
    log, labels = stream([part.drop(columns="score")])
    traffic = read_traffic(log, labels, target=target, columns=COLUMNS, width=1, label_delay_windows=0)
    profile = Profile((), 300, target={"n": 300, "value": 4.0})
    found = window_table(traffic, profile, target=target, metrics=["mae", "r2"]).set_index("metric")["majority"]
    guess = np.full(300, 4.0)
    wanted = [mean_absolute_error(part["_target"], guess), r2_score(part["_target"], guess)]
    assert found[["mae", "r2"]].tolist() == pytest.approx(wanted)

    several = Target("multiclass", "y", ("a", "b", "c"))
    part["_target"] = part["prediction"] = np.arange(300) % 3
    log, labels = stream([part.drop(columns="score")])
    traffic = read_traffic(log, labels, target=several, columns=COLUMNS, width=1, label_delay_windows=0)
    profile = Profile((), 300, target={"n": 300, "counts": {"a": 100, "b": 50, "c": 150}})
    found = window_table(traffic, profile, target=several, metrics=["accuracy", "f1_macro"]).set_index("metric")
    wanted = [1 / 3, f1_score(part["_target"], np.full(300, 2), average="macro")]
    assert found.loc[["accuracy", "f1_macro"], "majority"].tolist() == pytest.approx(wanted)


def test_each_group_has_the_guess_beside_it_unless_it_is_not_measured():
    part = rows(600, seed=3)
    part.loc[:9, "who"] = "few"
    traffic, profile = watch([part], label_delay_windows=0), Profile((), 1, target={"n": 1, "value": 0.9})
    made = group_table(traffic, ["who"], target=TARGET, metric="accuracy", profile=profile).set_index("group")
    shares = part.groupby("who")["_target"].mean()
    wanted = [shares["a"], shares["b"], np.nan]
    assert made["majority"][["a", "b", "few"]].tolist() == pytest.approx(wanted, nan_ok=True)
    without = group_table(traffic, ["who"], target=TARGET, metric="accuracy")
    assert without["majority"].isna().all()


def test_estimates_fail_where_the_relation_changed_and_the_note_warns():
    traffic = watch([rows(1500, seed=i, flip=0.3) for i in range(3)])
    ref = reference()
    windows = window_table(traffic, ref.profile, target=TARGET, metrics=["accuracy", "roc_auc"])
    made = estimate_table(traffic, windows, target=TARGET, calibrator=ref.calibrator, metrics=["accuracy", "roc_auc"])
    assert made.groupby("window")["status"].first().tolist() == ["did not come true"] * 2 + ["labels not yet known"]
    assert estimate_note(made, target=TARGET).tone == "warning"


def test_groups_with_few_labels_are_not_measured_and_confidence_grows_with_their_number():
    part = rows(600, seed=3)
    part.loc[:9, "who"] = "few"
    table = group_table(watch([part], label_delay_windows=0), ["who", "unlogged"], target=TARGET, metric="accuracy")
    status = table.set_index("group")["status"].to_dict()
    assert (status["a"], status["few"], status["–"]) == ("measured", "cannot-be-estimated", "not logged")
    from mlopskit.intervals import wilson

    members = part[part["who"] == "a"]
    low, _ = wilson((members["_target"] == members["prediction"]).sum(), len(members), confidence=1 - 0.05 / 3)
    assert table.set_index("group").loc["a", "low"] == pytest.approx(float(low))


def test_rows_of_the_model_to_be_replaced_and_errors_do_not_count_as_its_answers():
    log, labels = stream([rows(100, seed=1)])
    log.loc[:9, "arm"] = "champion"
    log.loc[10:14, "status"] = "error"
    log.loc[15:16, "status"] = "fallback"
    traffic = read_traffic(log, labels, target=TARGET, columns=COLUMNS, width=1, label_delay_windows=0)
    assert (traffic.failed.sum(), traffic.answered.sum(), traffic.known.sum()) == (5, 83, 83)
    software = software_table(traffic, None).set_index(["window", "metric"])
    assert software.loc[("all", "error_rate"), "value"] == 0.05
    assert software.loc[("all", "latency_p95_ms"), "status"] == "could not check"


def test_latency_quantiles_have_intervals_from_order_statistics():
    log, labels = stream([rows(100, seed=1)])
    traffic = read_traffic(log, labels, target=TARGET, columns=COLUMNS, width=1)
    latency = pd.DataFrame({"_row": range(100), "latency_ms": np.arange(1.0, 101.0)})
    row = software_table(traffic, latency).set_index(["window", "metric"]).loc[("all", "latency_p50_ms")]
    assert (row["value"], row["low"], row["high"]) == (50.5, 40.0, 61.0)  # the textbook ranks for n = 100: 40 and 61


def test_a_logged_column_with_a_reserved_name_is_found_again():
    log, labels = stream([rows(50, seed=1)])
    columns = Columns(("x", "status"), numeric=("x",), categorical=("status",))
    log["status (logged)"] = "fine"
    traffic = read_traffic(log, labels, target=TARGET, columns=columns, width=50)
    assert traffic.inputs["status"].tolist() == ["fine"] * 50
    assert traffic.not_logged == ()


def test_an_empty_log_is_refused():
    log, labels = stream([rows(5, seed=1)])
    with pytest.raises(DataError, match="nothing was served"):
        read_traffic(log.head(0), labels, target=TARGET, columns=COLUMNS)
    with pytest.raises(DataError, match="no column prediction"):
        read_traffic(log.drop(columns="prediction"), labels, target=TARGET, columns=COLUMNS)
