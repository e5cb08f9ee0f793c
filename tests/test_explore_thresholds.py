"""Rates at every threshold agree with scikit-learn, and the explorer shows what its state says."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn

from mlopskit.errors import MetricError
from mlopskit.explore.controls import Keys
from mlopskit.explore.threshold_table import ThresholdTable
from mlopskit.explore.threshold_widget import ThresholdExplorer, by_group
from mlopskit.explored import RATES
from mlopskit.tally import Tally

HOSTILE = '<script>alert(1)</script> & "it\'s" {x}'
REFERENCE = {
    "selection_rate": lambda y, p: float(np.mean(p)),
    "recall": lambda y, p: sklearn.recall_score(y, p, zero_division=np.nan),
    "false_positive_rate": lambda y, p: 1 - sklearn.recall_score(y, p, pos_label=0, zero_division=np.nan),
    "precision": lambda y, p: sklearn.precision_score(y, p, zero_division=np.nan),
    "accuracy": sklearn.accuracy_score,
}


def rows(n: int, *, seed: int = 0, groups: tuple[str, ...] = ("a", "b", "c")) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 2, n)
    drawn = {"_target": (rng.random(n) < score).astype(np.int64), "score": score, "group": rng.choice(groups, n)}
    return pd.DataFrame(drawn).assign(prediction=(score >= 0.3).astype(np.int64))


def table_of(frame: pd.DataFrame) -> ThresholdTable:
    return ThresholdTable.from_tally(Tally.from_table(frame, ["group"]))


def explorer(frame: pd.DataFrame | None = None, **options: object) -> ThresholdExplorer:
    table = table_of(rows(600) if frame is None else frame)
    return ThresholdExplorer({"group": table, "other <b>": table}, start=0.3, **options)


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 80), threshold=st.floats(0, 1))
def test_rates_agree_with_scikit_learn_at_any_threshold(seed: int, n: int, threshold: float) -> None:
    frame = rows(n, seed=seed)
    table = table_of(frame)
    found = table.at(threshold)
    called = frame["score"] >= table.snap(threshold)
    for name, metric, value in found[["group", "metric", "value"]].itertuples(index=False):
        inside = np.ones(n, dtype=bool) if name == "overall" else (frame["group"] == name).to_numpy()
        expected = REFERENCE[metric](frame.loc[inside, "_target"], called[inside].astype(int))
        assert value == pytest.approx(expected, nan_ok=True), (name, metric)


def test_a_rate_has_its_own_denominator_and_wilsons_interval() -> None:
    frame = rows(400)
    found = table_of(frame).at(0.4).set_index(["group", "metric"])
    row = found.loc[("b", "recall")]
    positives = frame[(frame["group"] == "b") & (frame["_target"] == 1)]
    assert row["denominator"] == len(positives)
    hits = int((positives["score"] >= table_of(frame).snap(0.4)).sum())
    expected = stats.binomtest(hits, len(positives)).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_below_ten_rows_in_a_denominator_nothing_is_claimed() -> None:
    frame = pd.concat([rows(200), rows(9, groups=("few",))], ignore_index=True)
    few = table_of(frame).at(0.5).query("group == 'few'")
    assert set(few["status"]) == {"cannot-be-estimated"}
    assert few[["low", "high"]].isna().to_numpy().all()
    assert by_group(table_of(frame).at(0.5)).set_index("group").loc["few", "accuracy"] == "too few: 9 rows"


@given(threshold=st.floats(0, 1))
def test_a_threshold_snaps_to_the_nearest_edge_and_stays_there(threshold: float) -> None:
    table = table_of(rows(50))
    edge = table.snap(threshold)
    assert table.snap(edge) == edge
    assert abs(edge - threshold) < 0.0016


def test_the_course_of_a_rate_is_the_table_at_each_edge_and_never_rises_for_recall() -> None:
    table = table_of(rows(500))
    places = table.steps(60)
    course = table.course("recall", places)
    at = [table.at(table.edges[place]).query("metric == 'recall'")["value"].to_numpy() for place in places]
    np.testing.assert_allclose(course, np.transpose(at))
    assert (np.diff(course, axis=1) <= 0).all()
    assert len(places) <= 62


def test_rates_and_scores_that_are_not_there_are_refused() -> None:
    with pytest.raises(MetricError, match=r"No rate 'recal' .*did you mean recall"):
        table_of(rows(50)).course("recal")
    with pytest.raises(MetricError, match="this tally has none"):
        ThresholdTable.from_tally(Tally.from_table(rows(50).drop(columns="score"), ["group"]))


def test_a_change_of_state_shows_in_every_widget() -> None:
    shown = explorer()
    assert "(the model’s own)" in shown._words.value
    before = shown._figures.value, shown._drawing.value
    shown.threshold = 0.7
    assert shown._number.value == pytest.approx(0.7, abs=0.002)
    assert shown._slider.value == pytest.approx(0.7, abs=0.002)
    assert shown._words.value.startswith('<p role="status"')
    assert "Threshold 0.7" in shown._words.value
    assert before[0] != shown._figures.value
    assert before[1] != shown._drawing.value
    recall = shown.rates.query("group == 'overall' and metric == 'recall'")["value"].iloc[0]
    assert f"{recall:.3f}" in shown._figures.value


def test_moving_the_widgets_changes_the_state() -> None:
    shown = explorer()
    shown._slider.value = 0.6
    assert shown.threshold == pytest.approx(0.6, abs=0.001)
    assert shown._first.snap(shown._number.value) == shown.threshold
    shown._number.value = 0.123
    assert shown.threshold == pytest.approx(0.123, abs=0.001)
    assert shown._number.value == 0.123
    assert "Threshold 0.12" in shown._words.value
    shown._metric.value = "precision"
    shown._column.value = "other <b>"
    assert (shown.metric, shown.column) == ("precision", "other <b>")
    assert "precision is" in shown._words.value


def test_the_slider_has_a_name_and_its_script_and_style_ask_the_network_for_nothing() -> None:
    slider = explorer()._slider
    sent = slider.get_state()
    assert sent["description"] == "Slide threshold"
    assert (sent["min"], sent["max"], sent["step"]) == (0.0, 1.0, 0.005)
    scripts = [sent["_esm"], sent["_css"], Keys().get_state()["_esm"]]
    assert not re.search(r"https?:|import |@import|url\(|fetch", "".join(scripts))


def test_where_all_scores_are_low_the_slider_ends_above_the_highest() -> None:
    frame = rows(800)
    low = explorer(frame.assign(score=frame["score"] / 50))
    assert low._slider.max == pytest.approx(0.02)
    assert low._slider.step == pytest.approx(0.0001)
    assert explorer(frame)._slider.max == 1
    low.threshold = 0.9
    assert (low._slider.value, low._number.value) == (low._slider.max, pytest.approx(0.9, abs=0.001))
    assert low.threshold == pytest.approx(0.9, abs=0.001)


def test_a_column_or_rate_that_is_not_there_is_refused() -> None:
    shown = explorer()
    with pytest.raises(MetricError, match=r"Column 'grop' is not declared \(did you mean group\?\)"):
        shown.column = "grop"
    with pytest.raises(MetricError, match="No rate 'f1'"):
        shown.metric = "f1"
    with pytest.raises(MetricError, match="is not declared"):
        explorer(column="nothing")


def test_without_a_kernel_the_state_is_a_picture_and_nothing_in_it_is_code() -> None:
    shown = explorer(rows(300, groups=(HOSTILE, "plain")), column="other <b>")
    bundle = shown._repr_mimebundle_()
    page = bundle["text/html"]
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert len(re.findall(r"<svg [^>]*role=\"img\"[^>]*><title>[^<]+</title>", page)) == 1
    assert "Threshold 0.2995 (the model’s own)" in bundle["text/plain"]
    assert HOSTILE in bundle["text/plain"]


def test_with_a_privacy_floor_figures_are_live_only() -> None:
    shown = explorer(floor=10)
    assert "overall" in shown._figures.value
    bundle = shown._repr_mimebundle_()
    for saved in (bundle["text/html"], bundle["text/plain"], repr(shown)):
        assert "privacy floor is 10 rows" in saved
        assert "overall" not in saved


def test_rows_of_withheld_groups_still_count_overall() -> None:
    frame = rows(300)
    seen, whole = Tally.from_table(frame[frame["group"] != "c"], ["group"]), Tally.from_table(frame)
    table = ThresholdTable.from_tally(seen, whole=whole)
    assert table.groups == ("overall", "a", "b")
    assert table.sizes[0] == 300


def test_labels_of_many_groups_do_not_meet() -> None:
    names = tuple(f"group {i:02}" for i in range(22))
    page = explorer(rows(4000, groups=names))._drawing.value
    heights = [float(y) for y in re.findall(r'<text x="510" y="([\d.]+)"', page)]
    assert len(heights) == 23
    assert np.diff(heights).min() > 14
    assert len(page) < 80_000


@pytest.mark.parametrize(("share", "guess"), [(0.2, 0), (0.8, 1)])
def test_rates_stand_beside_what_one_answer_for_everybody_has(share: float, guess: int) -> None:
    frame = rows(400)
    shown = explorer(frame.assign(_target=(np.arange(400) < 400 * share).astype(np.int64)))
    told = f"the majority guess, has a recall of {guess} in every group"
    assert told in shown._words.value
    shown.metric = "precision"
    assert "majority guess" not in shown._words.value


def test_every_rate_is_named() -> None:
    assert list(by_group(table_of(rows(50)).at(0.5)).columns) == ["group", "n", *RATES.values()]


def test_widgets_and_picture_are_outputs_of_their_own_and_a_batch_run_has_the_picture_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = explorer()
    found: list[dict[str, Any]] = []
    monkeypatch.delenv("MLOPSKIT_RUN", raising=False)
    monkeypatch.setattr("mlopskit.explore.explorer.display", lambda bundle, *, raw: found.append(bundle))
    shown._ipython_display_()
    live, picture = found
    assert live["application/vnd.jupyter.widget-view+json"]["model_id"] == shown.widget.model_id
    assert "text/html" not in live
    assert picture == shown._repr_mimebundle_()
    monkeypatch.setenv("MLOPSKIT_RUN", "runs/r")
    shown._ipython_display_()
    assert found[2:] == [picture]
