"""Charts and tables of monitoring for every task, with hostile names, and where there is nothing to show."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from mlopskit import display, monitor
from mlopskit.data import Columns, Target

WATCHED = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("watched.py"))))
HOSTILE = "<script>alert('$x$')</script> {y}"


def task_of(name):
    """Validation rows, a request log and labels of a task, with a column whose name and categories are hostile."""
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {"_row": np.arange(n), HOSTILE: rng.choice([HOSTILE, "b"], n), "score (x)": rng.normal(size=n)}
    )
    if name == "regression":
        target = Target("regression", "y")
        frame["_target"] = frame["score (x)"] * 3 + rng.normal(size=n)
        frame["prediction"] = frame["score (x)"] * 3
    else:
        classes = ("no", "yes") if name == "binary" else (HOSTILE, "b", "c")
        target = Target(name, "y", classes, "yes" if name == "binary" else None)
        p = rng.dirichlet(np.ones(len(classes)), n)
        frame["_target"] = [rng.choice(len(classes), p=row) for row in p]
        frame["prediction"] = p.argmax(axis=1)
        scores = {"score": p[:, 1]} if name == "binary" else {f"score_{k}": p[:, k] for k in range(3)}
        frame = frame.assign(**scores)
    columns = Columns((HOSTILE, "score (x)"), numeric=("score (x)",), categorical=(HOSTILE,), sensitive=(HOSTILE,))
    return frame, target, columns


def tables(name, *, delay=1, columns=None):
    frame, target, every = task_of(name)
    log = frame.drop(columns="_target").rename(
        columns=lambda column: f"{column} (logged)" if column.startswith("score (") else column
    )
    metrics = ["mae"] if name == "regression" else ["accuracy"]
    traffic = monitor.read_traffic(
        log, frame[["_row", "_target"]], target=target, columns=every, width=100, label_delay_windows=delay
    )
    ref = monitor.make_reference(frame, frame, target=target, columns=every, metrics=metrics)
    windows = monitor.window_table(traffic, ref.profile, target=target, metrics=metrics)
    drift = monitor.drift_table(ref.profile, traffic.frame, traffic.windows, reference=ref.values)
    made = monitor.estimate_table(traffic, windows, target=target, calibrator=ref.calibrator, metrics=metrics)
    return SimpleNamespace(
        traffic=traffic, ref=ref, windows=windows, drift=drift, estimates=made, target=target, metric=metrics[0]
    )


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_every_chart_is_a_picture_without_markup_from_data(name):
    all_of = tables(name)
    charts = [
        monitor.drift_heatmap(all_of.drift),
        monitor.score_chart(all_of.traffic, all_of.ref.validation, target=all_of.target),
        monitor.metric_chart(all_of.windows, all_of.estimates, metric=all_of.metric, bound=0.5),
        monitor.decision_chart(all_of.windows, all_of.traffic, all_of.ref.validation, target=all_of.target),
    ]
    for chart in charts:
        ElementTree.fromstring(chart.svg)
        assert "<script" not in chart.svg
        assert chart.alt


def test_a_heat_map_shows_every_cell_and_marks_drift():
    rows = [
        {
            "feature": feature,
            "role": "input",
            "window": window,
            "n": 100,
            "statistic": "psi",
            "value": value,
            "chance": 0.1,
            "status": status,
        }
        for feature, window, value, status in [
            ("a", "w1", 0.512, "drift"),
            ("a", "w2", 0.02, "within chance"),
            ("b", "w1", 0.15, "beyond chance"),
        ]
    ]
    chart = monitor.drift_heatmap(pd.DataFrame(rows))
    assert all(text in chart.svg for text in ("0.51 •", "0.02", "0.15", "?"))
    assert "largest is a in w1: PSI 0.51" in chart.alt


def test_figures_in_pale_cells_keep_their_ink_on_a_dark_page():
    rows = [{"feature": "a", "window": w, "statistic": "psi", "value": value, "chance": 0.01, "n": 50, "status": status}
            for w, value, status in [("w1", 0.04, "beyond chance"), ("w2", 0.03, "within chance")]]  # fmt: skip
    svg = monitor.drift_heatmap(pd.DataFrame(rows)).svg
    inks = {words: style for style, words in re.findall(r'<text style="([^"]*)"[^>]*>(0\.\d+)<', svg)}
    assert "fill:#101010" in inks["0.04"]
    assert "fill" not in inks["0.03"], "a blank cell has the ground of the page, so its figure has the page's ink"


def test_no_cell_has_a_colour_that_the_report_lightens_on_a_dark_page():
    rows = [{"feature": "a", "window": f"w{place}", "statistic": "psi", "value": value, "chance": 0.01, "n": 50,
             "status": "drift"} for place, value in enumerate(np.linspace(0.12, 0.13, 24))]  # fmt: skip
    svg = monitor.drift_heatmap(pd.DataFrame(rows)).svg.lower()
    assert [ink for ink in display.PALETTE if ink in svg] == []


def test_a_chart_by_window_names_its_axes_its_sizes_and_its_levels():
    all_of = tables("binary")
    svg = monitor.metric_chart(all_of.windows, all_of.estimates, metric=all_of.metric, bound=0.5).svg
    words = re.findall(r"<text[^>]*>(.*?)</text>", svg)
    assert any(re.fullmatch(r"window \(n = [\d,]+ (to [\d,]+ )?rows each\)", text) for text in words)
    assert {"Accuracy, 95 % interval", "reference", "threshold", "measured"} <= set(words)


def test_regression_has_no_estimates_without_labels_and_says_why():
    all_of = tables("regression")
    assert all_of.estimates.empty
    assert "holds no probability" in monitor.estimate_note(all_of.estimates, target=all_of.target).text


@pytest.mark.parametrize("name", ["binary", "multiclass", "regression"])
def test_nothing_breaks_while_no_label_has_arrived(name):
    all_of = tables(name, delay=100)
    concept = monitor.concept_table(
        all_of.traffic, all_of.ref.validation, target=all_of.target, calibrator=all_of.ref.calibrator
    )
    stream = monitor.error_stream(all_of.traffic, all_of.ref.validation, target=all_of.target)
    verdicts = monitor.explain(concept, all_of.drift, all_of.windows, metric=all_of.metric)
    assert set(concept["status"]) == {"labels not yet known"}
    assert "No labels" in monitor.stream_sentence(stream, all_of.traffic)
    assert verdicts["verdict"].str.contains("labels not yet known").all()
    chart = monitor.metric_chart(all_of.windows, all_of.estimates, metric=all_of.metric)
    assert chart.alt == f"{all_of.metric} by window: no window has been measured."


def test_figures_come_out_the_same_twice():
    first, second = tables("binary"), tables("binary")
    pd.testing.assert_frame_equal(first.windows, second.windows)
    pd.testing.assert_frame_equal(first.estimates, second.estimates)
    assert monitor.drift_heatmap(first.drift) == monitor.drift_heatmap(second.drift)


def test_inputs_that_are_not_logged_are_not_called_unmoved():
    frame, target, columns = task_of("multiclass")
    log = frame[["_row", "prediction", "score_0", "score_1", "score_2"]]
    traffic = monitor.read_traffic(log, frame[["_row", "_target"]], target=target, columns=columns, width=200)
    ref = monitor.make_reference(frame, frame, target=target, columns=columns, metrics=["accuracy"])
    drift = monitor.drift_table(ref.profile, traffic.frame, traffic.windows)
    windows = monitor.window_table(traffic, ref.profile, target=target, metrics=["accuracy"])
    concept = monitor.concept_table(traffic, ref.validation, target=target, calibrator=ref.calibrator)
    verdicts = monitor.explain(concept, drift, windows, metric="accuracy")
    assert verdicts["verdict"].tolist()[0] == "no concept drift; inputs could not be checked"
    steps = monitor.next_steps(
        pd.DataFrame(columns=["status", "leads_to", "metric", "feature", "name"]), verdicts, windows
    )
    assert "data drift would go unseen" in steps[-1].text


def test_underconfident_scores_of_many_classes_are_calibrated_before_they_are_believed():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 2000)
    decided = np.where(rng.random(2000) < 0.95, truth, (truth + 1) % 3)
    scores = np.full((2000, 3), 0.2)
    scores[np.arange(2000), decided] = 0.6 + 0.01 * rng.random(2000)
    frame = pd.DataFrame(
        {
            "_row": np.arange(2000),
            "_target": truth,
            "prediction": decided,
            **{f"score_{k}": scores[:, k] for k in range(3)},
        }
    )
    target = Target("multiclass", "y", ("a", "b", "c"))
    calibrator = monitor.fit_calibrator(frame, target=target)
    assert calibrator(scores.max(axis=1)).mean() == pytest.approx((truth == decided).mean(), abs=0.005)
