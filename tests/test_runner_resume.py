"""Going on after a failure, grids, and the forecast of a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlopskit.errors import ParameterError, RunError, UsageError
from mlopskit.runner import Outcome, Phase, cache, plan
from mlopskit.runner.forecast import forecast
from mlopskit.runner.grid import points
from tests.tiny import Choice, make_project, manifest_of, phase_notebook, run

pytestmark = pytest.mark.usefixtures("forked")

BODIES = {
    "first": "run.write('rows', {'n': n, 'lines': len(run.source_file('rows.csv').read_text().splitlines())})",
    "second": "run.write('count', {'count': run.read('first/rows')['lines'] + n})",
    "third": "run.write('doubled', {'value': 2 * run.read('second/count')['count']})",
}


@pytest.fixture
def phases(tmp_path: Path) -> tuple[Phase, ...]:
    (tmp_path / "rows.csv").write_text("bought\nyes\nno\n", encoding="utf-8")
    return make_project(tmp_path, BODIES)


def again(phases: tuple[Phase, ...], folder: Path, *arguments: str, **options: Any) -> Outcome:
    return run(folder, phases, *arguments, reuse_unchanged=True, **options)


def verdicts(folder: Path, phases: tuple[Phase, ...], *arguments: str) -> list[str]:
    told = forecast(plan(folder, arguments=arguments, phases=phases, reuse_unchanged=True))
    return [f"{item.verdict}: {item.why}" for item in told]


def edit(folder: Path, phase: Phase, cell: str, source: str) -> None:
    path = phase.path(folder)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    next(item for item in notebook["cells"] if item["id"] == cell)["source"] = source
    path.write_text(json.dumps(notebook), encoding="utf-8")


def digests(outcome: Outcome) -> dict[str, str]:
    return {item["name"]: item["digest"] for phase in manifest_of(outcome)["phases"] for item in phase["writes"]}


def test_resumed_run_has_the_parameters_and_artefacts_of_an_undisturbed_one(
    phases: tuple[Phase, ...], tmp_path: Path
) -> None:
    edit(tmp_path, phases[1], "work", "raise MemoryError")
    failed = again(phases, tmp_path, "first.n=3", "second.n=4")
    edit(tmp_path, phases[1], "work", BODIES["second"])
    resumed = again(phases, tmp_path, resume=failed.folder.name)
    assert [phase["status"] for phase in manifest_of(resumed)["phases"]] == ["reused", "done", "done"]
    undisturbed = run(tmp_path, phases, "first.n=3", "second.n=4")
    assert digests(resumed) == digests(undisturbed)
    assert manifest_of(resumed)["parameters"] == manifest_of(undisturbed)["parameters"]
    for phase in phases:
        assert _cells(resumed.folder / phase.name) == _cells(undisturbed.folder / phase.name)


def _cells(folder: Path) -> list[str]:
    cells = json.loads((folder / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells]


def test_value_on_the_command_line_wins_over_the_resumed_runs(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    first = again(phases, tmp_path, "first.n=3", "second.n=4")
    resumed = again(phases, tmp_path, "second.n=5", resume=first.folder.name)
    assert [manifest_of(resumed)["parameters"][name]["n"] for name in ("first", "second", "third")] == [3, 5, 1]


def test_value_of_a_resumed_run_that_no_longer_fits_is_refused_or_replaced(tmp_path: Path) -> None:
    made = phase_notebook("run.write('method', {'method': method})", phase="one", parameters="method: str = 'auto'")
    phases = make_project(tmp_path, {"one": made})
    first = again(phases, tmp_path)
    edit(tmp_path, phases[0], "parameters", "method: float = 0.5")
    with pytest.raises(ParameterError, match=r"one\.method = 'auto' is not a number but text"):
        plan(tmp_path, phases=phases, choice=Choice(resume=first.folder.name))
    resumed = again(phases, tmp_path, "one.method=0.7", resume=first.folder.name)
    assert manifest_of(resumed)["parameters"] == {"one": {"method": 0.7}}


def test_run_whose_parameters_are_not_known_any_more_is_not_gone_on_with(
    phases: tuple[Phase, ...], tmp_path: Path
) -> None:
    made = again(phases, tmp_path)
    for name in ("run.json", "lineage.jsonl"):
        (made.folder / name).write_text("{")
    with pytest.raises(RunError, match="damaged"):
        plan(tmp_path, phases=phases, choice=Choice(resume=made.folder.name))
    (made.folder / "run.json").unlink()
    with pytest.raises(RunError, match="no run"):
        plan(tmp_path, phases=phases, choice=Choice(resume=made.folder.name))


@pytest.mark.parametrize(
    "torn", ["{", "[]", "\x00", '{"run": "x", "parameters": [1]}', '{"run": "x", "parameters": 3}']
)
def test_run_with_a_corrupted_manifest_is_gone_on_with_as_any_other(
    phases: tuple[Phase, ...], tmp_path: Path, torn: str
) -> None:
    edit(tmp_path, phases[1], "work", "raise MemoryError")
    failed = again(phases, tmp_path, "first.n=3", "second.n=4")
    edit(tmp_path, phases[1], "work", BODIES["second"])
    (failed.folder / "run.json").write_text(torn, encoding="utf-8")
    resumed = again(phases, tmp_path, resume=failed.folder.name)
    assert [phase["status"] for phase in manifest_of(resumed)["phases"]] == ["reused", "done", "done"]
    undisturbed = run(tmp_path, phases, "first.n=3", "second.n=4")
    assert digests(resumed) == digests(undisturbed)
    assert manifest_of(resumed)["parameters"] == manifest_of(undisturbed)["parameters"]


@pytest.mark.parametrize("moment", ["first", "second", "third"])
def test_killed_runner_loses_no_finished_phase(tmp_path: Path, moment: str) -> None:
    """SIGKILL while each phase works: what was finished is reused, what was not is never shown as done."""
    wait = "import time\nif (run.project / 'wait').exists(): (run.project / 'there').touch(); time.sleep(600)\n"
    (tmp_path / "rows.csv").write_text("bought\nyes\nno\n", encoding="utf-8")
    phases = make_project(tmp_path, {name: (wait if name == moment else "") + body for name, body in BODIES.items()})
    (tmp_path / "wait").touch()
    names = [(phase.name, phase.notebook) for phase in phases]
    program = (
        "from mlopskit.runner import Phase, execute, plan\nfrom pathlib import Path\n"
        f"execute(plan(Path({str(tmp_path)!r}), phases=[Phase(*item) for item in {names!r}], reuse_unchanged=True))"
    )
    runner = subprocess.Popen([sys.executable, "-c", program])
    for _ in range(1800):
        if (tmp_path / "there").exists():
            break
        time.sleep(0.1)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    (tmp_path / "wait").unlink()
    killed = next((tmp_path / "runs").glob("*/run.json"))
    said = {phase["name"]: phase["status"] for phase in json.loads(killed.read_text(encoding="utf-8"))["phases"]}
    before = list(said)[: list(said).index(moment)]
    assert said[moment] == "killed"
    assert {said[name] for name in before} <= {"done"}
    resumed = again(phases, tmp_path, resume=killed.parent.name)
    assert [phase["name"] for phase in manifest_of(resumed)["phases"] if phase["status"] == "reused"] == before
    assert digests(resumed) == digests(run(tmp_path, phases))


def stopping_at(phase: str) -> Any:
    """A listener that stops the run in the first cell of a phase, as Ctrl-C does."""

    def listener(event: dict[str, Any]) -> None:
        if event["event"] == "phase" and event["phase"] == phase:
            signal.raise_signal(signal.SIGINT)

    return listener


def test_what_a_run_was_to_execute_anew_is_taken_from_no_older_run_when_it_is_gone_on_with(
    phases: tuple[Phase, ...], tmp_path: Path
) -> None:
    before = again(phases, tmp_path)
    for moment in ("second", "third"):
        stopped = run(tmp_path, phases, listener=stopping_at(moment))
        assert stopped.manifest.status == "interrupted"
    assert stopped.manifest.anew == ["first", "second", "third"]
    planned = plan(tmp_path, phases=phases, reuse_unchanged=True, choice=Choice(resume=stopped.folder.name))
    assert cache.standing(planned) is None, "that nothing changed since an older run is not what was asked"
    told = [item.why for item in forecast(planned)]
    assert told[:2] == [f"nothing changed since {stopped.folder.name}"] * 2
    assert told[2] == f"it was asked for in {stopped.folder.name}, which did not finish it"
    for damage in (None, "{"):
        if damage:
            (stopped.folder / "run.json").write_text(damage, encoding="utf-8")
        again_stopped = again(phases, tmp_path, resume=stopped.folder.name, listener=stopping_at("third"))
        resumed = again(phases, tmp_path, resume=again_stopped.folder.name)
        entries = manifest_of(resumed)["phases"]
        assert [entry["status"] for entry in entries] == ["reused", "reused", "done"]
        assert {entry["reused_from"] for entry in entries[:2]} == {stopped.folder.name}
    whole = plan(tmp_path, phases=phases, reuse_unchanged=True, choice=Choice(resume=resumed.folder.name))
    assert cache.standing(whole) == resumed.folder
    assert again(phases, tmp_path, resume=before.folder.name).manifest.anew == []


def test_phases_that_were_named_are_executed_by_who_goes_on_and_the_others_reused(
    phases: tuple[Phase, ...], tmp_path: Path
) -> None:
    again(phases, tmp_path)
    stopped = again(phases, tmp_path, only=["second"], listener=stopping_at("second"))
    resumed = again(phases, tmp_path, resume=stopped.folder.name)
    assert [entry["status"] for entry in manifest_of(resumed)["phases"]] == ["reused", "done", "reused"]


def test_forecast_of_a_new_project_runs_everything(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    assert verdicts(tmp_path, phases) == ["run: it has not run before"] * 3
    assert not (tmp_path / "runs").exists()


def test_forecast_says_what_changed(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    again(phases, tmp_path)
    assert all(verdict.startswith("reuse: nothing changed since") for verdict in verdicts(tmp_path, phases))
    first, second, third = verdicts(tmp_path, phases, "second.n=3")
    assert first.startswith("reuse")
    assert second.endswith("`n` 1 → 3")
    assert third == "depends: if second writes something else than before"
    edit(tmp_path, phases[2], "work", BODIES["third"] + " ")
    assert verdicts(tmp_path, phases)[2].endswith("code cell 3 (Work) changed")
    (tmp_path / "rows.csv").write_text("bought\n", encoding="utf-8")
    assert verdicts(tmp_path, phases)[0] == "run: rows.csv changed"
    (tmp_path / "own.py").write_text("", encoding="utf-8")
    assert "a module of the project changed" in verdicts(tmp_path, phases)[0]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("rows", "told"), [(5, "3 rows more"), (1, "1 row fewer"), (2, "as many rows")])
def test_forecast_says_by_how_many_rows_a_table_changed(tmp_path: Path, kind: str, rows: int, told: str) -> None:
    import pandas as pd

    def table(count: int, value: str) -> None:
        frame = pd.DataFrame({"bought": [value] * count})
        frame.to_csv(tmp_path / f"rows.{kind}") if kind == "csv" else frame.to_parquet(tmp_path / f"rows.{kind}")

    table(2, "yes")
    note = f"path = run.source_file('rows.{kind}')\nrun.write('source', {{'source': path.name, 'rows': 2}})"
    phases = make_project(tmp_path, {"data": note})
    again(phases, tmp_path)
    table(rows, "no")
    assert verdicts(tmp_path, phases) == [f"run: rows.{kind} changed: {told}"]


def test_grid_is_every_combination() -> None:
    assert len(points(["a.x=1,2,3", "b.y=[1,2],[3]", 'c.z="p,q"'])) == 6
    assert points([]) == [[]]


@pytest.mark.parametrize("axis", ["model.seed", "model.seed=", "=1,2", "model.seed=1,,2", "model.seed=1,1"])
def test_grid_without_values_or_with_one_twice_is_refused(axis: str) -> None:
    with pytest.raises(UsageError, match="--grid"):
        points([axis])


def test_points_of_a_grid_share_what_is_equal(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    made = [again(phases, tmp_path, *point) for point in points(["second.n=1,2"])]
    assert [phase["status"] for phase in manifest_of(made[1])["phases"]] == ["reused", "done", "done"]


@pytest.mark.parametrize("moment", ["first", "second", "third"])
def test_kernel_killed_in_any_phase_is_gone_on_from(phases: tuple[Phase, ...], tmp_path: Path, moment: str) -> None:
    struck = next(phase for phase in phases if phase.name == moment)
    edit(tmp_path, struck, "work", "import os\nos.kill(os.getpid(), 9)")
    killed = again(phases, tmp_path)
    entry = next(phase for phase in manifest_of(killed)["phases"] if phase["name"] == moment)
    assert (entry["status"], entry["error"]["signal"]) == ("killed", "SIGKILL")
    edit(tmp_path, struck, "work", BODIES[moment])
    assert digests(again(phases, tmp_path, resume=killed.folder.name)) == digests(run(tmp_path, phases))


def test_phase_that_timed_out_is_gone_on_from(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    edit(tmp_path, phases[1], "work", "run.write('half', {'half': 1})\nimport time\ntime.sleep(600)")
    for limit in (3.0, 12.0, 48.0):  # the first phase has to fit into it, on a slow machine too
        ended = again(phases, tmp_path, limit=limit)
        statuses = [phase["status"] for phase in manifest_of(ended)["phases"]]
        if (ended.folder / "second" / "half.json").exists():
            break
    assert statuses == ["done", "timed-out", "never-ran"]
    edit(tmp_path, phases[1], "work", BODIES["second"])
    resumed = again(phases, tmp_path, resume=ended.folder.name)
    assert [phase["status"] for phase in manifest_of(resumed)["phases"]] == ["reused", "done", "done"]
    assert digests(resumed) == digests(run(tmp_path, phases))


HOSTILE = {
    "prints 50 MB": "for i in range(500_000): print(f'{i:099d}')\n",
    "leaves a fork": "import os\nif os.fork() == 0: import time; time.sleep(600)\n",
    "closes stdout": "import os, sys\nsys.stdout.close(); os.close(1)\n",
}


@pytest.mark.parametrize("does", HOSTILE)
def test_what_a_hostile_cell_finished_is_reused_by_resume(phases: tuple[Phase, ...], tmp_path: Path, does: str) -> None:
    edit(tmp_path, phases[0], "work", HOSTILE[does] + BODIES["first"])
    edit(tmp_path, phases[1], "work", "raise MemoryError")
    failed = again(phases, tmp_path)
    assert [phase["status"] for phase in manifest_of(failed)["phases"]] == ["done", "failed", "never-ran"]
    edit(tmp_path, phases[1], "work", BODIES["second"])
    resumed = again(phases, tmp_path, resume=failed.folder.name)
    assert [phase["status"] for phase in manifest_of(resumed)["phases"]] == ["reused", "done", "done"]
    for spilled in (failed.folder / "first").glob("outputs/*"):
        assert spilled.stat().st_size == (resumed.folder / "first/outputs" / spilled.name).stat().st_size == 50_000_000
    assert digests(resumed) == digests(run(tmp_path, phases))


@pytest.mark.parametrize("damage", ["other text", None])
def test_damage_to_an_output_beside_the_notebook_is_noticed_and_it_is_made_again(
    phases: tuple[Phase, ...], tmp_path: Path, damage: str | None
) -> None:
    edit(tmp_path, phases[0], "work", "print('x' * 1_000_001)\n" + BODIES["first"])
    spilled = again(phases, tmp_path).folder / "first/outputs/work-1.txt"
    assert spilled.stat().st_size == 1_000_002
    spilled.write_text(damage) if damage else spilled.unlink()
    mended = again(phases, tmp_path)
    assert [phase["status"] for phase in manifest_of(mended)["phases"]] == ["done", "reused", "reused"]
    assert (mended.folder / "first/outputs/work-1.txt").stat().st_size == 1_000_002


@pytest.mark.parametrize("damaged", ["first/rows.json", "first/trace.jsonl", "first/notebook.ipynb", ".cache"])
def test_damage_to_what_was_finished_is_noticed_by_resume(
    phases: tuple[Phase, ...], tmp_path: Path, damaged: str
) -> None:
    edit(tmp_path, phases[1], "work", "raise MemoryError")
    failed = again(phases, tmp_path)
    edit(tmp_path, phases[1], "work", BODIES["second"])
    place = failed.folder.parent / ".cache" if damaged == ".cache" else failed.folder / damaged
    for path in place.iterdir() if place.is_dir() else [place]:
        path.write_bytes(b"\x00{damaged")
    resumed = again(phases, tmp_path, resume=failed.folder.name)
    assert manifest_of(resumed)["status"] == "passed"
    assert cache.damaged(resumed.folder / "first") is None
    json.loads((resumed.folder / "first" / "notebook.ipynb").read_text(encoding="utf-8"))
    assert digests(resumed) == digests(run(tmp_path, phases))


def test_two_runs_at_once_disturb_neither(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    names = [(phase.name, phase.notebook) for phase in phases]
    program = (
        "from mlopskit.runner import Phase, execute, plan\nfrom pathlib import Path\n"
        f"execute(plan(Path({str(tmp_path)!r}), phases=[Phase(*item) for item in {names!r}], reuse_unchanged=True))"
    )
    together = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in together] == [0, 0]
    said = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "runs").glob("*/run.json")]
    assert [item["status"] for item in said] == ["passed", "passed"]
    first, second = (
        {item["name"]: item["digest"] for phase in one["phases"] for item in phase["writes"]} for one in said
    )
    assert first == second
    assert again(phases, tmp_path, "third.n=2").exit_code == 0


def test_run_from_a_clock_that_was_ahead_hides_nothing(phases: tuple[Phase, ...], tmp_path: Path) -> None:
    ahead = again(phases, tmp_path, "first.n=8")
    ahead.folder.rename(tmp_path / "runs" / "20990101T000000Z-abcdef")
    made = again(phases, tmp_path)
    assert (tmp_path / "runs/latest").read_text(encoding="utf-8").strip() == made.folder.name
    assert [phase["status"] for phase in manifest_of(made)["phases"]] == ["done", "done", "done"]
    assert manifest_of(made)["seconds"] > 0
