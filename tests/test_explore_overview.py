"""The overview: criteria and figures of the runs that have ended, whatever else is under way."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from mlopskit import explore
from mlopskit.errors import RunError
from mlopskit.explore.overview import manifests, run_before
from mlopskit.explore.run_table import run_table
from mlopskit.runs import Run
from mlopskit.runs.presence import present

SITE = runpy.run_path(str(Path(__file__).with_name("site_runs.py")))
FIRST, SECOND, EMPTY, THIRD = (f"2026010{day}T000000Z-aaaaaa" for day in (1, 2, 3, 4))


def lay(project: Path, name: str, value: float | None, **said: object) -> None:
    """A run that judged one criterion, and whose evaluation left a figure unless it is None."""
    folder = SITE["make_run"](project / "runs", name, report=False, **said)
    if value is not None:
        fact = {"label": "ROC AUC", "value": value, "low": value - 0.1, "high": value + 0.1}
        Run(project, folder, "evaluate").write("summary", {"facts": [fact]})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three runs with a figure, and one without it before the last."""
    for name, value in ((FIRST, 0.5), (SECOND, 0.6), (EMPTY, None), (THIRD, 0.7)):
        lay(tmp_path, name, value)
    return tmp_path


def test_the_newest_run_is_compared_with_the_one_before_that_left_figures(project: Path) -> None:
    (row,) = explore.compare(project).frame.to_dict("records")
    assert list(row) == ["figure", SECOND, THIRD]
    assert list(row.values()) == ["ROC AUC", "0.600 (0.500 to 0.700)", "0.700 (0.600 to 0.800)"]
    assert list(explore.compare(project, SECOND).frame) == ["figure", FIRST, SECOND]
    assert list(explore.compare(project, THIRD, FIRST).frame) == ["figure", FIRST, THIRD]
    assert run_before(project, FIRST) == ""


def test_without_two_runs_there_is_nothing_to_compare(project: Path, tmp_path: Path) -> None:
    assert "there is one" in repr(explore.compare(project, FIRST))
    assert "there is none" in repr(explore.compare(tmp_path / "empty"))
    with pytest.raises(RunError, match="There is no run 'r9'"):
        explore.compare(project, "r9")


def test_a_run_at_work_is_called_so_and_is_not_yet_the_newest_that_ended(project: Path) -> None:
    lay(project, THIRD, 0.7, status="interrupted", criteria=[])
    with present(project / "runs" / THIRD):
        assert manifests(project)[0][1]["status"] == "running"
        assert run_table(project)["status"].iloc[0] == "running"
        assert f"{EMPTY}: passed" in explore.criteria(project)._repr_html_()
        assert list(explore.compare(project).frame) == ["figure", FIRST, SECOND]
    assert f"{THIRD}: interrupted" in explore.criteria(project)._repr_html_()
    assert "no run has ended yet" in repr(explore.criteria(project / "empty"))


def test_criteria_are_those_of_the_run_that_is_named(project: Path) -> None:
    lay(project, FIRST, 0.5, criteria=[SITE["criterion"]("not-met")])
    assert explore.criteria(project, FIRST).frame["status"].tolist() == ["✗ not-met"]
    assert explore.criteria(project).frame["status"].tolist() == ["✓ met"]
    with pytest.raises(RunError, match="There is no run 'r9'"):
        explore.criteria(project, "r9")


def test_what_other_hands_left_in_manifest_or_summary_hides_nothing_else(project: Path) -> None:
    (project / "runs" / THIRD / "run.json").write_text("{}", encoding="utf-8")
    assert f"{THIRD}: unknown" in explore.criteria(project)._repr_html_()
    facts = [{"value": 1.0}, "text", {"label": "bare", "value": 0.123456, "low": None}, {"label": "n", "value": 1234}]
    Run(project, project / "runs" / THIRD, "evaluate").write("summary", {"facts": facts})
    Run(project, project / "runs" / THIRD, "monitor").write("summary", ["no", "facts"])
    rows = explore.compare(project).frame.set_index("figure")[THIRD]
    assert rows.to_dict() == {"ROC AUC": "–", "bare": "0.123", "n": "1,234"}


def test_what_is_no_manifest_hides_no_other_run(project: Path) -> None:
    (project / "runs" / THIRD / "run.json").write_text("[1]", encoding="utf-8")
    assert [folder.name for folder, _ in manifests(project)] == [EMPTY, SECOND, FIRST]
