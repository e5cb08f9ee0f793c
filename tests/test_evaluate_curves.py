"""Curves and tables against scikit-learn and figures worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mlopskit.data import Target
from mlopskit.display import Chart, Note
from mlopskit.evaluate.curves import (
    calibration_error,
    calibration_table,
    confusion_table,
    precision_recall_curve,
    quantile_bins,
    residual_table,
    roc_curve,
)
from mlopskit.evaluate.plots import (
    calibration_chart,
    confusion_chart,
    gains_chart,
    literal,
    metrics_chart,
    precision_recall_chart,
    residual_chart,
    roc_chart,
)
from mlopskit.metrics import get_metric, measure

BINARY = Target("binary", "rich", ("no", "<b>yes $x$"), "<b>yes $x$")
SEVERAL = Target("multiclass", "kind", ("a", "b", "c"))
NUMBER = Target("regression", "price", unit="$")


def binary_table(n=300, seed=0, digits=3):
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    truth = (rng.random(n) < score).astype(int)
    truth[:2] = [0, 1]
    columns = {"_row": np.arange(n), "_target": truth, "prediction": (score > 0.5).astype(int)}
    return pd.DataFrame(columns).assign(score=np.round(score, digits))


def several_table(n=90):
    rng = np.random.default_rng(1)
    score = rng.dirichlet([1, 1, 1], n)
    table = pd.DataFrame({"_row": np.arange(n), "_target": np.arange(n) % 3, "prediction": score.argmax(1)})
    return table.assign(**{f"score_{k}": score[:, k] for k in range(3)})


def number_table(n=200):
    rng = np.random.default_rng(2)
    predicted = rng.normal(100, 20, n)
    return pd.DataFrame({"_row": np.arange(n), "_target": predicted + rng.normal(0, 5, n), "prediction": predicted})


def test_confusion_table_counts_every_row_once_and_keeps_empty_cells():
    table = confusion_table(several_table(), SEVERAL)
    frame = several_table()
    expected = sk.confusion_matrix(frame["_target"], frame["prediction"], labels=[0, 1, 2])
    assert table["n"].to_numpy().reshape(3, 3).tolist() == expected.tolist()
    assert table.groupby("actual")["share_of_actual"].sum().to_numpy() == pytest.approx(1)


def test_a_class_without_rows_has_no_share():
    frame = pd.DataFrame({"_target": [0, 0], "prediction": [0, 1]})
    table = confusion_table(frame, SEVERAL)
    assert table["n"].sum() == 2
    assert table.loc[table["actual"] == "c", "share_of_actual"].isna().all()


@given(seed=st.integers(0, 10_000), digits=st.sampled_from([1, 6]))
@settings(max_examples=30)
def test_whole_roc_curve_has_the_area_of_scikit_learn(seed, digits):
    frame = binary_table(80, seed, digits)
    curve = roc_curve(frame, BINARY, points=1000)
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(sk.roc_auc_score(frame["_target"], frame["score"]))


def test_roc_points_are_what_the_threshold_gives():
    frame = binary_table()
    for row in roc_curve(frame, BINARY, points=20).to_dict("records"):
        called = frame["score"] >= row["threshold"]
        assert row["true_positive_rate"] == pytest.approx(called[frame["_target"] == 1].mean())
        assert row["false_positive_rate"] == pytest.approx(called[frame["_target"] == 0].mean())


def test_precision_recall_points_are_those_of_scikit_learn():
    frame = binary_table()
    curve = precision_recall_curve(frame, BINARY, points=1000).sort_values("threshold")
    precision, recall, threshold = sk.precision_recall_curve(frame["_target"], frame["score"])
    assert curve["threshold"].to_numpy() == pytest.approx(threshold)
    assert curve["precision"].to_numpy() == pytest.approx(precision[:-1])
    assert curve["recall"].to_numpy() == pytest.approx(recall[:-1])


def test_thinned_curves_stay_close_keep_their_ends_and_their_bound():
    frame = binary_table(20_000, digits=9)
    thin = roc_curve(frame, BINARY)
    assert len(thin) <= 200
    assert thin.iloc[0, 2:].tolist() == [0, 0]
    assert thin.iloc[-1, 2:].tolist() == [1, 1]
    area = np.trapezoid(thin["true_positive_rate"], thin["false_positive_rate"])
    assert area == pytest.approx(sk.roc_auc_score(frame["_target"], frame["score"]), abs=1e-3)
    assert len(precision_recall_curve(frame, BINARY)) <= 200


def test_several_classes_each_have_a_curve_against_the_rest():
    curve = roc_curve(several_table(), SEVERAL, points=1000)
    assert curve["class"].unique().tolist() == ["a", "b", "c"]
    part, frame = curve[curve["class"] == "b"], several_table()
    area = np.trapezoid(part["true_positive_rate"], part["false_positive_rate"])
    assert area == pytest.approx(sk.roc_auc_score(frame["_target"] == 1, frame["score_1"]))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=200), st.integers(2, 12))
def test_bins_lose_no_row_keep_order_and_never_part_equal_values(values, bins):
    array = np.array(values)
    number = quantile_bins(array, bins)
    assert number.size == array.size
    assert set(number) == set(range(number.max() + 1))
    assert number.max() < bins
    order = np.argsort(array, kind="stable")
    assert (np.diff(number[order]) >= 0).all()
    assert all(len(set(number[array == value])) == 1 for value in set(values))


def test_calibration_bins_hold_what_they_say():
    frame = binary_table()
    table = calibration_table(frame, BINARY, bins=5)
    assert table["n"].tolist() == [60] * 5
    lowest = frame.nsmallest(60, "score")
    assert table.loc[0, "score"] == pytest.approx(lowest["score"].mean())
    assert table.loc[0, "observed"] == pytest.approx(lowest["_target"].mean())
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()


def test_calibration_error_by_hand():
    frame = pd.DataFrame({"_target": [0, 1, 1, 1], "prediction": 0, "score": [0.1, 0.1, 0.8, 0.8]})
    row = calibration_error(frame, BINARY, bins=2).iloc[0]
    assert row["error"] == pytest.approx((2 * 0.4 + 2 * 0.2) / 4)
    assert row["mean_gap"] == pytest.approx(0.45 - 0.75)


def test_true_probabilities_are_seldom_called_miscalibrated_and_wrong_ones_are():
    alarms = [
        calibration_error(binary_table(400, seed), BINARY, replicates=300).loc[0, "status"] == "miscalibrated"
        for seed in range(80)
    ]
    assert np.mean(alarms) <= 0.12
    wrong = binary_table(2000)
    wrong["score"] = wrong["score"] ** 2
    assert calibration_error(wrong, BINARY).loc[0, "status"] == "miscalibrated"


def test_perfect_calibration_error_is_that_of_a_simulation():
    frame = binary_table(500)
    rng = np.random.default_rng(9)
    score, number = frame["score"].to_numpy(), quantile_bins(frame["score"].to_numpy(), 10)
    errors = []
    for _ in range(500):
        drawn = rng.random(500) < score
        gaps = [abs(drawn[number == b].mean() - score[number == b].mean()) * np.mean(number == b) for b in range(10)]
        errors.append(sum(gaps))
    assert calibration_error(frame, BINARY).loc[0, "perfect"] == pytest.approx(np.mean(errors), rel=0.05)


def test_residual_bins_hold_every_row_and_their_quantiles():
    frame = number_table()
    table = residual_table(frame, NUMBER, bins=4)
    assert table["n"].tolist() == [50] * 4
    top = frame.nlargest(50, "prediction")
    assert table.loc[3, "actual"] == pytest.approx(top["_target"].mean())
    assert table.loc[3, "q50"] == pytest.approx((top["_target"] - top["prediction"]).median())
    assert (table[["q05", "q25", "q50", "q75", "q95"]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_what_a_task_has_not_is_an_empty_table_and_a_note():
    for made, chart in (
        (roc_curve(number_table(), NUMBER), lambda t: roc_chart(t, predictions=number_table())),
        (confusion_table(number_table(), NUMBER), confusion_chart),
        (precision_recall_curve(number_table(), NUMBER), lambda t: precision_recall_chart(t, predictions=t)),
        (calibration_table(number_table(), NUMBER), lambda t: calibration_chart(t, t)),
        (residual_table(binary_table(), BINARY), lambda t: residual_chart(t, target=BINARY)),
    ):
        assert made.empty
        assert len(made.columns) > 3
        assert isinstance(chart(made), Note)


def test_one_class_in_the_test_rows_gives_no_curve():
    frame = binary_table().assign(_target=1)
    assert roc_curve(frame, BINARY).empty
    assert calibration_error(frame, BINARY).empty


@pytest.mark.parametrize(("frame", "target"), [(binary_table(), BINARY), (several_table(), SEVERAL)])
def test_charts_are_the_same_bytes_twice_and_escape_names(frame, target):
    roc, pr = roc_curve(frame, target), precision_recall_curve(frame, target)
    calibration, error = calibration_table(frame, target), calibration_error(frame, target)

    def charts():
        return [
            roc_chart(roc, predictions=frame, threshold=0.5 if target is BINARY else None),
            precision_recall_chart(pr, predictions=frame),
            calibration_chart(calibration, error),
            confusion_chart(confusion_table(frame, target)),
        ]

    one, two = charts(), charts()
    assert all(isinstance(chart, Chart) and chart.alt for chart in one)
    assert [chart.svg for chart in one] == [chart.svg for chart in two]
    assert "<b>" not in "".join(chart.svg for chart in one)


def test_residual_chart_takes_a_unit_that_looks_like_a_formula():
    chart = residual_chart(residual_table(number_table(), NUMBER), target=NUMBER)
    assert isinstance(chart, Chart)
    assert literal("$a$") == r"\$a\$"


def test_metric_chart_leaves_out_what_is_no_share_and_gains_need_a_baseline():
    frame = number_table()
    table = measure(frame["_target"], frame["prediction"], task="regression").assign(majority=0.0)
    assert isinstance(metrics_chart(table), Note)
    empty = pd.DataFrame(columns=["baseline", "metric", "gain", "low", "high", "n"])
    assert isinstance(gains_chart(empty, metric=get_metric("mae", "regression")), Note)
