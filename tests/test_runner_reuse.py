"""Which results of an earlier run are taken into a new one, and what keeps a run from being pruned."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlopskit.errors import NotebookError, RunError
from mlopskit.runner import Outcome, Phase, cache, manifest, plan, reuse
from mlopskit.runner.catalogue import newest_first
from mlopskit.runner.shelf import Rules, plan_pruning
from mlopskit.runs import is_finished, latest_run
from tests.tiny import Choice, code, make_project, manifest_of, phase_notebook, run

pytestmark = pytest.mark.usefixtures("forked")

BODIES = {
    "one": "run.write('x', {'n': n})",
    "two": "run.write('y', {'v': run.read('one/x')['n']})",
    "three": "run.write('z', {'v': run.read('two/y')['v']})",
}


def late(phase: str) -> dict[str, Any]:
    """A phase that fails behind its `run.finish()` when n is 7 or more."""
    made = phase_notebook(BODIES[phase], phase=phase)
    made["cells"].append(code("assert n < 7, 'too late'", name="late"))
    return made


@pytest.fixture
def phases(tmp_path: Path) -> tuple[Phase, ...]:
    return make_project(tmp_path, {**BODIES, "one": late("one"), "two": late("two")})


def again(phases: tuple[Phase, ...], folder: Path, *arguments: str, **options: Any) -> Outcome:
    return run(folder, phases, *arguments, reuse_unchanged=True, **options)


def statuses(outcome: Outcome) -> list[str]:
    return [phase["status"] for phase in manifest_of(outcome)["phases"]]


def origins(outcome: Outcome) -> list[str | None]:
    return [phase["reused_from"] for phase in manifest_of(outcome)["phases"]]


def test_phase_that_failed_behind_its_finish_is_not_taken_from_a_base(phases: Any, tmp_path: Path) -> None:
    failed = again(phases, tmp_path, "one.n=7")
    assert statuses(failed) == ["failed", "never-ran", "never-ran"]
    assert is_finished(failed.folder / "one"), "its trace alone says that it ended"
    with pytest.raises(RunError, match=rf"Phase one did not end well in {failed.folder.name}"):
        plan(tmp_path, phases=phases, choice=Choice(only=["two"], base=failed.folder.name))


def test_phase_that_nobody_needs_and_that_failed_behind_its_finish_is_left_out(phases: Any, tmp_path: Path) -> None:
    with (tmp_path / "mlops.toml").open("a", encoding="utf-8") as file:
        file.write("[parameters.two]\nn = 7\n")
    failed = again(phases, tmp_path)
    later = again(phases, tmp_path, only=["one"], base=failed.folder.name)
    assert statuses(later) == ["done", "never-ran", "never-ran"]
    assert manifest_of(later)["phases"][1]["reason"] == f"left out, and it did not end well in {failed.folder.name}"


def test_phase_that_failed_behind_its_finish_is_not_reused_for_an_equal_one(tmp_path: Path) -> None:
    """Two phases with one notebook and equal parameters have one key, so the run is a candidate for both."""
    one = phase_notebook("run.write('x', {'n': n})", phase="one")
    one["cells"].append(code("assert run.phase == 'one', 'too late'", name="late"))
    (phase,) = make_project(tmp_path, {"one": one})
    phases = (phase, Phase("other", phase.notebook, ()))
    failed = again(phases, tmp_path)
    assert statuses(failed) == ["done", "failed"]
    name, now = failed.folder.name, cache.Now(tmp_path, {})
    assert cache.misfit(failed.folder / "one", now, ancestors=()) is None
    assert cache.misfit(failed.folder / "other", now, ancestors=()) == f"it did not end well in {name}"
    assert cache.misfit(failed.folder / "never", now, ancestors=()) == f"it is not in {name}"
    assert statuses(again(phases, tmp_path)) == ["reused", "failed"]


def test_reused_results_name_the_run_that_executed_them_and_hold_no_other(phases: Any, tmp_path: Path) -> None:
    first = again(phases, tmp_path)
    second = again(phases, tmp_path, "three.n=2")
    third = again(phases, tmp_path, "three.n=3")
    fourth = again(phases, tmp_path, only=["three"])
    assert origins(second) == origins(third) == origins(fourth) == [first.folder.name, first.folder.name, None]
    assert manifest_of(fourth)["base"] == third.folder.name
    assert manifest_of(fourth)["phases"][0]["reason"] == f"copied from {third.folder.name}"
    pruning = plan_pruning(tmp_path / "runs", Rules(keep=1))
    assert {item.name for item in pruning.going} == {second.folder.name, third.folder.name}
    assert pruning.spared == {first.folder.name: f"{fourth.folder.name} took results from it"}


@pytest.mark.parametrize("lost", ["gone", "other results"])
def test_where_the_run_that_executed_is_gone_or_holds_other_results_the_copied_one_is_named(
    phases: Any, tmp_path: Path, lost: str
) -> None:
    first = again(phases, tmp_path)
    second = again(phases, tmp_path, "three.n=2")
    if lost == "gone":
        shutil.rmtree(first.folder)
    else:
        (first.folder / "one" / "trace.jsonl").write_text("", encoding="utf-8")
    third = again(phases, tmp_path, "three.n=3")
    assert origins(third)[0] == second.folder.name


@pytest.mark.parametrize(
    "choice",
    [{"first": "one"}, {"last": "three"}, {"only": ["one", "two", "three"]}, {"first": "one", "last": "three"}],
)
def test_phases_chosen_explicitly_are_executed_also_when_they_are_all(
    phases: Any, tmp_path: Path, choice: dict[str, Any]
) -> None:
    again(phases, tmp_path)
    assert statuses(again(phases, tmp_path, **choice)) == ["done"] * 3
    made = again(phases, tmp_path, "three.n=2")
    assert statuses(made) == ["reused", "reused", "done"]
    assert statuses(again(phases, tmp_path, resume=made.folder.name)) == ["reused"] * 3


def test_pointer_that_is_no_text_names_no_run(tmp_path: Path) -> None:
    (tmp_path / "latest").write_bytes(b"2026\xff\xfe\n")
    assert latest_run(tmp_path) is None


def test_manifest_of_another_form_stands_for_nothing_and_stops_nothing(phases: Any, tmp_path: Path) -> None:
    made = again(phases, tmp_path)
    for form in ({"phases": None}, {"criteria": None}, {"parameters": None}):
        said = {**manifest_of(made), **form}
        (made.folder / "run.json").write_text(json.dumps(said), encoding="utf-8")
        assert cache.standing(plan(tmp_path, phases=phases, reuse_unchanged=True)) is None
        assert reuse.previous(made.folder, "one", otherwise={"n": 1}).parameters == {"n": 1}


def test_cache_that_cannot_be_written_costs_only_reuse(phases: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / cache.FOLDER).write_text("a file where the folder would be", encoding="utf-8")
    assert statuses(again(phases, tmp_path)) == ["done"] * 3
    assert statuses(again(phases, tmp_path)) == ["done"] * 3


@pytest.mark.parametrize("step", ["_first_manifest", "_save"])
def test_run_that_could_not_begin_leaves_no_folder(
    phases: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"mlopskit.runner.pipeline._Execution.{step}", full)
    with pytest.raises(RunError, match=r"cannot be made in .*No space left on device.*Make room there"):
        again(phases, tmp_path)
    assert list((tmp_path / "runs").glob("*Z-*")) == []


def test_runs_from_a_clock_that_was_ahead_count_as_older(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-a", "20260102T000000Z-b", "20260103T000000Z-c", "20990101T000000Z-d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}", encoding="utf-8")
    assert [folder.name[-1] for folder in newest_first(tmp_path)] == ["d", "c", "b", "a"]
    (tmp_path / "begun").write_text("20260103T000000Z-c\n", encoding="utf-8")
    assert [folder.name[-1] for folder in newest_first(tmp_path)] == ["c", "b", "a", "d"]


def test_missing_notebook_is_put_back_in_the_way_that_fits_it(tmp_path: Path) -> None:
    said = str(NotebookError.from_missing([tmp_path / "notebooks/3_model.ipynb"], []))
    assert "`mlopskit new --here --notebooks-only`" in said
    assert "version control" in said
    assert "mlops.toml" in said


def test_all_missing_notebooks_are_named_at_once(tmp_path: Path) -> None:
    phases = make_project(tmp_path, dict.fromkeys(("one", "two", "three"), "1"))
    for phase in phases[1:]:
        phase.path(tmp_path).unlink()
    with pytest.raises(NotebookError, match=r"Notebooks 2_two\.ipynb, 3_three\.ipynb are missing in .*1_one\.ipynb"):
        plan(tmp_path, phases=phases)


def test_phase_that_is_read_past_its_after_is_told_to_be_added_there(tmp_path: Path) -> None:
    one, two = make_project(tmp_path, {"one": "1 / 0", "two": BODIES["two"]})
    made = run(tmp_path, (one, replace(two, after=())))
    assert "add it to `after`" in manifest_of(made)["phases"][1]["error"]["message"]


def test_where_latest_names_a_removed_run_those_that_are_there_are_named(phases: Any, tmp_path: Path) -> None:
    made = again(phases, tmp_path)
    (tmp_path / "runs" / "latest").write_text("20260101T000000Z-abcdef\n", encoding="utf-8")
    with pytest.raises(RunError, match=rf"latest names 20260101T000000Z-abcdef.*--base.*{made.folder.name}"):
        reuse.find_base(tmp_path / "runs", None)
    (tmp_path / "runs" / "latest").unlink()
    with pytest.raises(RunError, match=rf"no finished run.*--base.*{made.folder.name}"):
        reuse.find_base(tmp_path / "runs", None)


def test_a_base_whose_manifest_is_damaged_is_taken_by_what_its_trace_says(phases: Any, tmp_path: Path) -> None:
    made = again(phases, tmp_path)
    (made.folder / manifest.FILE).write_text("{", encoding="utf-8")
    later = again(phases, tmp_path, only=["two"], base=made.folder.name)
    assert statuses(later) == ["reused", "done", "reused"]
