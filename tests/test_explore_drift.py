"""Drift by hand: bins that add up to the statistics of the run, its verdicts unchanged, and escaped names."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit import explore, load_run
from mlopskit.errors import RunError
from mlopskit.explore.drift_table import DriftEvidence, psi_parts
from mlopskit.explore.drift_widget import DriftExplorer
from mlopskit.monitor import psi

EXPLORED = runpy.run_path(str(Path(__file__).with_name("explored.py")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = tmp_path_factory.mktemp("drift")
    EXPLORED["make"](project)
    return load_run(project=project)


@pytest.fixture
def shown(run: Any) -> DriftExplorer:
    return explore.drift(run)


counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=12)


@given(counts)
def test_the_parts_of_bins_add_up_to_the_index(pairs: list[tuple[int, int]]) -> None:
    before, now = np.array([[1, 1], *pairs]).T
    assert psi_parts(before, now).sum() == pytest.approx(
        psi(before, now, floors=(0.5 / before.sum(), 0.5 / now.sum()))
    )  # fmt: skip


def test_bins_counted_anew_give_the_statistics_of_the_run(run: Any, shown: DriftExplorer) -> None:
    psi_rows = run["monitor"].drift.query("statistic == 'psi' and value == value")
    assert len(psi_rows) >= 6
    for row in psi_rows.itertuples():
        bins = shown.evidence.bins(row.feature, row.window)
        assert bins["part"].sum() == pytest.approx(row.value)
        assert bins["n_current"].sum() == row.n
        assert bins["reference"].sum() == pytest.approx(1)


def test_it_begins_where_most_has_moved_and_tells_the_alert(run: Any, shown: DriftExplorer) -> None:
    farthest = run["monitor"].drift.query("statistic == 'psi'").sort_values("value").dropna(subset="value").iloc[-1]
    assert (shown.feature, shown.window) == (farthest["feature"], farthest["window"])
    assert f"PSI {farthest['value']:.3f}" in shown._words.value
    assert "An alert is raised for this column" in shown._words.value
    assert "told: whoever is on duty." in shown._words.value


def test_choosing_shows_the_other_column_and_window(shown: DriftExplorer) -> None:
    shown._feature.value = "age"
    shown._window.value = shown.evidence.windows[0]
    assert "age in rows 1–100" in shown._words.value
    assert "marked" not in shown._course.value
    assert "up to " in shown._bars.value
    assert "Kolmogorov–Smirnov test" in shown._figures.value
    assert "threshold 0.200" in shown._course.value


def test_what_was_not_logged_could_not_be_checked(shown: DriftExplorer) -> None:
    shown.feature = "town"
    assert "could not check, the log does not hold this column" in shown._words.value
    assert shown.bins.empty
    assert "No bins of town can be shown" in shown._bars.value


def test_unknown_columns_and_windows_are_refused(run: Any, shown: DriftExplorer) -> None:
    with pytest.raises(RunError, match=r"No column 'agee' was watched \(did you mean age\?\)"):
        shown.feature = "agee"
    with pytest.raises(RunError, match="There is no window '1999'"):
        shown.window = "1999"
    assert explore.drift(run, feature="age").feature == "age"


def test_the_picture_says_what_the_widgets_do(shown: DriftExplorer) -> None:
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"].startswith(f"{shown.feature} in {shown.window}: PSI")
    assert bundle["text/html"].count("<svg") == 2
    assert 'class="mlopskit-static"' in bundle["text/html"]


def test_with_a_privacy_floor_a_picture_shows_no_bins(shown: DriftExplorer) -> None:
    private = DriftExplorer(replace(shown.evidence, floor=10))
    assert "".join(private.picture()).count("<svg") == 1
    assert "privacy floor is 10 rows" in private._repr_mimebundle_()["text/html"]


def test_what_the_monitor_withholds_is_withheld_here(shown: DriftExplorer) -> None:
    evidence, first = shown.evidence, shown.evidence.windows[0]
    hidden = evidence.drift["window"] == first
    drift = evidence.drift.assign(n=evidence.drift["n"].astype("Int64").mask(hidden))
    drift.loc[hidden, ["value", "chance", "status"]] = np.nan, np.nan, "hidden"
    profiles = {**evidence.profiles, "score": replace(evidence.profiles["score"], counts=())}
    private = DriftExplorer(replace(evidence, drift=drift, profiles=profiles, floor=10), feature="age")
    private.window = first
    assert "hidden, withheld by the project's privacy floor" in private.words()
    assert private.bins.empty
    private.feature, private.window = "score", evidence.windows[1]
    assert private.bins.empty
    assert "<svg" in private._course.value


def test_names_from_the_data_are_never_code(shown: DriftExplorer) -> None:
    name = EXPLORED["HOSTILE"]
    evidence = shown.evidence
    profile = replace(evidence.profiles["age"], feature=name, kind="categorical", edges=(), categories=(name,),
                      counts=(50, 5, 0))  # fmt: skip
    made = DriftEvidence(
        {name: profile}, {name: np.array([[30, 10, 0]] * len(evidence.windows))}, evidence.windows,
        evidence.drift.assign(feature=name).drop_duplicates(["window", "statistic"]), evidence.alerts,
    )  # fmt: skip
    pieces = "".join(DriftExplorer(made).picture())
    assert "<img" not in pieces
    assert "&lt;img" in pieces


def test_of_many_bins_the_largest_are_drawn_in_their_order_and_the_rest_is_told_of(shown: DriftExplorer) -> None:
    evidence, names = shown.evidence, tuple(f"c{place:02}" for place in range(30))
    counts = tuple(range(1, 31))
    profile = replace(evidence.profiles["age"], kind="categorical", edges=(), categories=names, counts=(*counts, 0, 0))
    windows = np.array([(*counts, 0, 0)] * len(evidence.windows))
    made = DriftExplorer(replace(evidence, profiles={**evidence.profiles, "age": profile}, counts={"age": windows}),
                         feature="age")  # fmt: skip
    drawn = [name for name in names if f">{name}</text>" in made._bars.value]
    assert drawn == list(names[8:])
    assert "The largest 22 of 30 bins are drawn." in made._bars.value
