"""The runs of a project by hand: listed, searched, charted, and compared as `mlopskit diff` does."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from mlopskit import explore
from mlopskit.errors import RunError
from mlopskit.explore.points import PairedBars, Points, round_numbers
from mlopskit.explore.run_table import compared, course, differences, fitting, run_table
from mlopskit.explore.runs_widget import RunsExplorer

SITE = runpy.run_path(str(Path(__file__).with_name("site_runs.py")))
FIRST, SECOND, THIRD = "20260101T000000Z-aaaaaa", "20260102T000000Z-bbbbbb", "20260103T000000Z-cccccc"
HOSTILE = SITE["HOSTILE"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mlops.toml").write_text("", encoding="utf-8")
    runs = tmp_path / "runs"
    SITE["make_run"](runs, FIRST, value=0.8, report=False)
    SITE["make_run"](runs, SECOND, value=0.6, report=False, criteria=[SITE["criterion"]("not-met")])
    SITE["make_run"](runs, THIRD, value=0.81, report=False, label="another figure")
    (runs / SECOND / "report.html").write_text("<p>report</p>", encoding="utf-8")
    marks = {SECOND: {"tags": ["<b>best</b>"], "pinned": False}}
    (runs / "marks.json").write_text(json.dumps(marks), encoding="utf-8")
    return tmp_path


def test_the_newest_run_comes_first_with_what_its_manifest_says(project: Path) -> None:
    table = run_table(project)
    assert table["run"].tolist() == [THIRD, SECOND, FIRST]
    second = table.iloc[1]
    assert (second["value"], second["met"], second["criteria"], second["tags"]) == (0.6, 0, 1, "<b>best</b>")


def test_a_damaged_manifest_or_mark_hides_no_other_run(project: Path) -> None:
    (project / "runs" / FIRST / "run.json").write_text("{", encoding="utf-8")
    (project / "runs" / "marks.json").write_text("[]", encoding="utf-8")
    assert run_table(project)["run"].tolist() == [THIRD, SECOND]


def test_runs_are_searched_and_charted_by_their_figure(project: Path) -> None:
    table = run_table(project)
    assert fitting(table, "BEST roc")["run"].tolist() == [SECOND]
    assert fitting(table, "").equals(table)
    assert course(table, "ROC AUC")["run"].tolist() == [FIRST, SECOND]


def test_two_runs_are_compared_as_the_command_does(project: Path) -> None:
    found = differences(compared(project, FIRST, SECOND))
    judged = found[found["kind"] == "criterion"].iloc[0]
    assert judged[["before", "after", "verdict"]].tolist() == ["met", "not-met", "worse"]
    auc = found[found["what"] == "roc_auc"].iloc[0]
    assert (auc["before"], auc["verdict"]) == ("0.800 (0.780 to 0.820)", "worse")
    with pytest.raises(RunError, match="`mlopskit diff nothing"):
        compared(project, "nothing", SECOND)


def test_only_what_differs_is_laid_out() -> None:
    same = {"metric": "recall", "slice": "", "group": "", "before": {"value": 1}, "after": None, "verdict": "equal"}
    moved = same | {"verdict": "noise"}
    change = {"name": "fingerprint", "before": "a" * 64, "after": None}
    table = differences({"metrics": [same, moved], "slices": [moved], "environment": [change]})
    assert table.to_numpy().tolist() == [
        ["metric", "recall", "1", "–", "inside the noise"],
        ["environment", "fingerprint", "a" * 12, "–", "changed"],
    ]


def test_choosing_a_run_shows_its_criteria_report_and_place(project: Path) -> None:
    shown = explore.runs(project)
    assert (shown.chosen, shown.beside) == (THIRD, SECOND)
    shown._list.value = SECOND
    assert f"{SECOND}:" in shown._words.value
    assert "not-met" in shown._detail.value
    assert "report.html" in shown._link.outputs[0]["data"]["text/html"]
    assert "2 runs, oldest first" in shown._course.value
    shown.chosen = FIRST
    assert shown._link.outputs == ()
    assert shown.beside == SECOND


def test_the_list_follows_the_search_and_looks_again(project: Path) -> None:
    shown = RunsExplorer(project)
    shown._search.value = "best"
    assert (shown._list.options, shown.chosen) == ((SECOND,), SECOND)
    assert "1 of 3 runs" in shown._listed.value
    SITE["make_run"](project / "runs", "20260104T000000Z-dddddd", report=False)
    shown._search.value = ""
    shown._again.click()
    assert "4 of 4 runs" in shown._listed.value


def test_runs_that_are_deleted_are_gone_when_looked_for_again(project: Path) -> None:
    shown = RunsExplorer(project)
    assert (shown.chosen, shown.beside) == (THIRD, SECOND)
    shutil.rmtree(project / "runs" / SECOND)
    shown.refresh()
    assert (shown.chosen, shown.beside) == (THIRD, FIRST)
    shutil.rmtree(project / "runs")
    with pytest.raises(RunError, match=r"There is no run in .* any more; make one"):
        shown.refresh()
    shown._again.click()
    assert "any more; make one with `mlopskit run`" in shown._words.value


def test_comparing_says_what_got_worse_or_why_it_cannot(project: Path) -> None:
    shown = RunsExplorer(project)
    shown.chosen, shown.beside = SECOND, FIRST
    shown._show_comparison()
    assert "worse beyond noise" in shown._differences.value
    assert set(shown.compare()["kind"]) >= {"criterion", "metric"}
    shown.beside = THIRD
    assert shown._differences.value == ""


def test_unknown_runs_are_refused_and_no_run_is_a_note(project: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="There is no run 'r9'"):
        RunsExplorer(project).chosen = "r9"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "There is no run yet" in repr(explore.runs(empty))
    SITE["make_run"](empty / "runs", FIRST, report=False)
    with pytest.raises(RunError, match="no other run to compare with"):
        RunsExplorer(empty).compare()


def test_without_a_kernel_the_state_is_a_picture_and_nothing_in_it_is_code(project: Path) -> None:
    shown = RunsExplorer(project)
    shown.chosen = SECOND
    bundle = shown._repr_mimebundle_()
    assert bundle["text/html"].count("<svg") == 1
    assert "<b>best" not in bundle["text/html"]
    assert "&lt;b&gt;best" in bundle["text/html"]
    assert bundle["text/plain"].startswith(f"{SECOND}: ")


@pytest.mark.parametrize(
    ("low", "high", "first", "step"), [(0, 1, 0.0, 0.2), (0.84, 0.873, 0.84, 0.01), (-3, 7, -2, 2)]
)
def test_axes_have_round_numbers(low: float, high: float, first: float, step: float) -> None:
    found = round_numbers(low, high)
    assert found[0] == pytest.approx(first)
    assert np.diff(found) == pytest.approx(step)
    assert low <= found[0]
    assert found[-1] <= high


def test_drawings_escape_names_and_survive_what_is_missing() -> None:
    nothing = np.full(2, np.nan)
    drawn = Points([HOSTILE, "b"], nothing, nothing, nothing, HOSTILE, "y", chance=nothing).svg(chosen=0, alt=HOSTILE)
    drawn += PairedBars([HOSTILE], np.zeros(1), nothing[:1], (HOSTILE, HOSTILE)).svg(alt=HOSTILE)
    assert "<script" not in drawn
    assert drawn.count("–") == 3
