"""Running from a notebook: progress from events and manifests, the process and who finds it again, panel and form."""

from __future__ import annotations

import json
import os
import runpy
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd
import pytest

from mlopskit import explore
from mlopskit.errors import ParameterError, RunError
from mlopskit.explore.form import Form
from mlopskit.explore.form_widget import NewRun
from mlopskit.explore.progress import Progress, from_events, from_manifest
from mlopskit.explore.run_pieces import criteria_table, declared_criteria, judged_so_far, phases_table
from mlopskit.explore.run_widget import RunPanel
from mlopskit.explore.running import EVENTS, Request, Runner
from mlopskit.runs.durations import usual_seconds
from mlopskit.runs.presence import is_locked, is_running

TINY = runpy.run_path(str(Path(__file__).with_name("tiny.py")))
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
SEVEN = ("scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor")
WORK = "run.write('x', {'n': n})"
WAITS = "import time\nfor _ in range(6000):\n    time.sleep(0.1)"
BEGUN: list[dict[str, Any]] = [
    {"event": "run", "run": "r1", "folder": "/runs/r1", "phases": ["one", "two"]},
    {"event": "phase", "phase": "one", "index": 1, "of": 2},
    {"event": "cell", "phase": "one", "cell": 3, "cells": 4, "heading": "Work"},
]
ERROR = {"name": "ValueError", "message": "boom", "cell": 3, "id": "work", "heading": "Work", "signal": None}


def ended(phase: str, status: str, *, error: Any = None, reason: str | None = None) -> dict[str, Any]:
    return {"event": "ended", "phase": phase, "status": status, "seconds": 1.5, "cells": 4, "error": error,
            "reason": reason}  # fmt: skip


def finished(status: str, *, criteria: Any = (), alerts: Any = ()) -> dict[str, Any]:
    return {"event": "finished", "run": "r1", "status": status, "seconds": 3.2, "criteria": list(criteria),
            "alerts": list(alerts), "report": "/runs/r1/report.html"}  # fmt: skip


def lay(project: Path, **bodies: str) -> Path:
    """A project of phases of its own, in place of the seven."""
    own = "".join(f'[[phase]]\nname = "{name}"\nnotebook = "notebooks/{i}_{name}.ipynb"\nafter = []\n'
                  for i, name in enumerate(bodies, 1))  # fmt: skip
    dropped = "".join(f'[[phase]]\nname = "{name}"\ndrop = true\n' for name in SEVEN)
    TINY["make_project"](project, bodies, toml=TINY["PROJECT"] + own + dropped)
    return project


def until(condition: Any, *, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Runner]]:
    """Runners whose processes are gone when the test ends, however it ends."""
    runners: list[Runner] = []
    yield runners
    for runner in runners:
        if runner._process is not None and runner._process.poll() is None:
            runner._process.kill()
            runner._process.wait()


def test_a_phase_is_followed_from_cell_to_cell_to_its_end() -> None:
    progress = from_events(BEGUN)
    assert (progress.phases["one"].status, progress.phases["one"].doing()) == ("running", "cell 3 of 4, Work")
    assert progress.sentence() == "Run r1: 0 of 2 phases ended; now one."
    for event in (ended("one", "done"), {"event": "phase", "phase": "two"}, {"event": "unheard of"}):
        progress.take(event)
    assert progress.sentence() == "Run r1: 1 of 2 phases ended; now two."
    progress.take(ended("two", "reused", reason="nothing changed"))
    progress.take(finished("passed", criteria=[{"name": "c", "status": "met"}], alerts=[{"metric": "psi"}]))
    assert not progress.active
    assert progress.sentence() == "Run r1 passed: every criterion is met. It took 3 s. Monitoring raised 1 alert."


def test_a_failure_names_cell_heading_and_error() -> None:
    progress = from_events([*BEGUN, ended("one", "failed", error=ERROR), finished("failed")])
    assert progress.failures() == ["one failed: cell 3, under “Work”: ValueError: boom"]
    assert progress.tone == "bad"


def test_a_process_that_is_gone_without_its_last_event_was_killed() -> None:
    progress = from_events(BEGUN)
    progress.close("", code=-9)
    assert [phase.status for phase in progress.phases.values()] == ["killed", "never-ran"]
    assert progress.sentence() == "Run r1 was killed before its end. 1 of 2 phases did not run."
    assert progress.notes == ["Its process was ended by SIGKILL."]
    assert progress.failures() == ["one killed: cell 3, under “Work”: the run ended while this phase was running"]


def test_what_has_ended_by_itself_is_not_called_killed() -> None:
    progress = from_events([*BEGUN, finished("interrupted")])
    progress.close("", code=1)
    assert progress.status == "interrupted"


def test_a_run_that_was_refused_says_what_for() -> None:
    progress = Progress("starting")
    progress.close("mlopskit: There is no phase 'modle'; did you mean model?\n", code=2)
    assert progress.status == "refused"
    assert progress.notes == ["There is no phase 'modle'; did you mean model?"]


@pytest.mark.parametrize(
    ("running", "status", "phases"),
    [(True, "running", ["done", "running", "waiting"]), (False, "killed", ["done", "killed", "never-ran"])],
)
def test_a_manifest_tells_a_run_that_goes_on_from_one_that_was_killed(
    running: bool, status: str, phases: list[str]
) -> None:
    died = {"name": "RunnerDied", "message": "The runner ended", "cell": None, "heading": None}
    entries = [{"name": "a", "status": "done"}, {"name": "b", "status": "killed", "error": died},
               {"name": "c", "status": "never-ran"}]  # fmt: skip
    progress = from_manifest({"run": "r", "status": "interrupted", "phases": entries}, running=running)
    assert (progress.status, [phase.status for phase in progress.phases.values()]) == (status, phases)


def test_how_long_a_phase_takes_is_known_from_when_it_was_last_executed() -> None:
    newest = {
        "phases": [{"name": "a", "status": "reused", "seconds": 0.0}, {"name": "b", "status": "done", "seconds": 2}]
    }
    before = {
        "phases": [{"name": "a", "status": "done", "seconds": 4.0}, {"name": "b", "status": "done", "seconds": 9}]
    }
    usual = usual_seconds([newest, before])
    assert usual == {"a": 4.0, "b": 2.0}
    begun = [{"event": "run", "run": "r", "phases": ["a"]}, {"event": "phase", "phase": "a"}]
    assert "last time 4.0 s" in phases_table(from_events(begun[:1]), usual)
    assert "first time here" in phases_table(from_events(begun), {})
    assert "first time here" not in phases_table(from_events(begun[:1]), {})


def test_what_is_shown_is_escaped() -> None:
    error = {**ERROR, "message": HOSTILE, "heading": HOSTILE}
    progress = from_events([*BEGUN, ended("one", "failed", error=error)])
    shown = phases_table(progress, {}) + criteria_table([{"name": HOSTILE, "status": "met", "reason": HOSTILE}])
    assert "<img" not in shown
    assert shown.count("&lt;img") == 4


def test_criteria_wait_until_they_are_judged() -> None:
    rows = declared_criteria(["a", "b"], [{"name": "b", "status": "met", "value": 0.9, "low": 0.8, "high": 1.0}])
    assert [(row["name"], row["status"]) for row in rows] == [("a", "waiting"), ("b", "met")]
    assert "0.900 (0.800 to 1.000)" in criteria_table(rows)
    assert declared_criteria(["a"], [], ended=True)[0]["status"] == "not judged"


def test_a_request_is_what_one_would_type() -> None:
    request = Request(("data", "model"), fresh=True, jobs=2, parameters=("model.text=a b",))
    assert request.command() == "mlopskit run --only=data --only=model --fresh --jobs=2 -p 'model.text=a b'"
    assert Request().arguments() == []


def test_phases_are_ticked_in_any_order_and_run_in_theirs(tmp_path: Path) -> None:
    panel = RunPanel(Runner(lay(tmp_path / "project", one=WORK, two=WORK)))
    boxes = [child for child in _below(panel.widget) if isinstance(child, widgets.Checkbox)]
    ticks = {box.description: box for box in boxes}
    ticks["two"].value = True
    ticks["one"].value = True
    assert panel.only == ("one", "two")
    assert panel.request.command() == "mlopskit run --only=one --only=two"
    panel.only = ("two",)
    assert (ticks["one"].value, ticks["two"].value, panel.only) == (False, True, ("two",))


def _below(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _below(child)


def test_another_runner_finds_a_run_again_follows_it_and_stops_it(tmp_path: Path, started: list[Runner]) -> None:
    project = lay(tmp_path / "project", one=WORK, two=WAITS, three=WORK)
    first = Runner(project)
    started.append(first)
    first.start(Request(fresh=True, jobs=1, parameters=("one.n=3",)))
    with pytest.raises(RunError, match="A run is in progress"):
        first.start()
    until(lambda: first.refresh().phases.get("two") and first.progress.phases["two"].cell == 3)
    again = Runner(project)
    assert again.progress.active
    assert again.request == ["--fresh", "--jobs=1", "-p", "one.n=3"]
    assert [item.status for item in again.progress.phases.values()] == ["done", "running", "waiting"]
    assert again.progress.phases["two"].doing() == "cell 3 of 4, Work"
    assert "kill -9" in again.stop()
    progress = again.wait(timeout=180)
    assert progress.status == "interrupted"
    assert first.wait(timeout=180).sentence() == progress.sentence()
    assert again.folder is not None
    assert (again.folder / "report.html").is_file()
    assert again.stop() == "No run is in progress."
    assert Runner(project).progress.status == "interrupted"


def test_a_killed_run_is_told_as_killed_by_who_started_it_and_who_comes_later(
    tmp_path: Path, started: list[Runner]
) -> None:
    project = lay(tmp_path / "project", one=WAITS)
    first = Runner(project)
    started.append(first)
    first.start()
    until(lambda: first.refresh().phases and first.progress.phases["one"].cell == 3)
    watching = Runner(project)
    os.kill(first._owner["pid"], signal.SIGKILL)
    first._process.wait(timeout=180)  # type: ignore[union-attr]
    for runner in (first, watching):
        progress = runner.wait(timeout=180)
        assert (progress.status, progress.phases["one"].status) == ("killed", "killed")
    later = Runner(project)
    assert (later.progress.status, later.progress.phases["one"].status) == ("killed", "killed")


def test_a_run_from_elsewhere_is_followed_by_its_manifest(tmp_path: Path) -> None:
    from mlopskit.runs.presence import present

    folder = tmp_path / "runs" / "20260101T000000Z-abcdef"
    folder.mkdir(parents=True)
    said = {"run": folder.name, "status": "interrupted", "phases": [{"name": "a", "status": "never-ran"}]}
    (folder / "run.json").write_text(json.dumps(said), encoding="utf-8")
    with present(folder):
        assert is_running(folder)
        runner = Runner(tmp_path)
        assert runner.progress.status == "running"
        assert "started elsewhere" in runner.stop()
    done = {**said, "status": "passed", "seconds": 2.0, "phases": [{"name": "a", "status": "done", "seconds": 2.0}]}
    (folder / "run.json").write_text(json.dumps(done), encoding="utf-8")
    assert runner.refresh().sentence() == f"Run {folder.name} ended well; no criterion was judged. It took 2 s."


def test_the_process_says_what_is_wrong_before_anything_starts(tmp_path: Path, started: list[Runner]) -> None:
    runner = Runner(lay(tmp_path / "project", one=WORK))
    started.append(runner)
    runner.start(Request(parameters=("one.n=12", "one.sed=1")))
    progress = runner.wait(timeout=180)
    assert progress.status == "refused"
    assert "one.n = 12 is out of range; allowed is 0..9" in " ".join(progress.notes)
    assert not list(runner.runs.glob("*/run.json"))


def test_nothing_starts_in_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = explore.runner(lay(tmp_path / "project", one=WORK))
    monkeypatch.setenv("MLOPSKIT_RUN", str(tmp_path))
    panel._run.click()
    assert "runs in batch starts no run" in panel._status.value
    assert not (tmp_path / "project" / "runs").exists()


def test_the_panel_runs_from_one_phase_on_and_links_the_report(
    tmp_path: Path, started: list[Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = lay(tmp_path / "project", one=WORK, two=WORK)
    monkeypatch.chdir(project / "notebooks")
    panel = explore.runner(project)
    started.append(panel.runner)
    assert panel.words() == "No run yet."
    assert [name for name, _ in panel._first.options] == ["the first", "one", "two"]
    panel._run.click()
    assert panel._run.disabled
    assert not panel._stop.disabled
    until(lambda: not panel._run.disabled)
    panel._first.value, panel._fresh.value = "two", True
    assert "mlopskit run --from=two --fresh" in panel._command.value
    panel._run.click()
    until(lambda: not panel._run.disabled and panel._links.outputs)
    assert [item.status for item in panel.runner.progress.phases.values()] == ["reused", "done"]
    (shown,) = panel._links.outputs
    newest = panel.runner.progress.run
    assert f'href="../runs/{newest}/report.html"' in shown["data"]["text/html"]
    assert 'data-state="reused"' in panel._repr_mimebundle_()["text/html"]
    assert not is_locked(next((project / "runs" / EVENTS).glob("*.jsonl")))


def test_the_newest_run_is_shown_beside_the_one_before(tmp_path: Path) -> None:
    for name, value in (("20260101T000000Z-aaaaaa", 0.5), ("20260102T000000Z-bbbbbb", 0.7)):
        folder = tmp_path / "runs" / name / "evaluate"
        folder.mkdir(parents=True)
        fact = {"label": "recall", "value": value, "low": value - 0.1, "high": value + 0.1}
        (folder / "summary.json").write_text(json.dumps({"facts": [fact]}), encoding="utf-8")
        (folder.parent / "run.json").write_text(json.dumps({"run": name, "status": "passed"}), encoding="utf-8")
    panel = explore.runner(tmp_path)
    (shown,) = panel._links.outputs
    assert "0.500 (0.400 to 0.600)" in shown["data"]["text/html"]
    assert "0.700 (0.600 to 0.800)" in panel._repr_mimebundle_()["text/html"]


def test_a_criterion_turns_while_the_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "r1" / "one"
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"name": ["recall at least 0.6"], "status": ["met"], "value": [0.7]})
    frame.to_parquet(folder / "criteria.parquet")
    progress = from_events(BEGUN)
    assert judged_so_far(folder.parent, progress) == []
    progress.take(ended("one", "done"))
    (row,) = judged_so_far(folder.parent, progress)
    assert 'data-state="met"' in criteria_table([row])


PARAMETERS = """
count: int = 5                         # 1..9: how many
share: float = 0.5                     # 0..1: how much
big: int = 9007199254740993            # beyond what a browser holds
method: str = "auto"                   # auto | slow: how
careful: bool = False                  # whether
names: list[str] = ["a", "b"]          # which
since: "date | None" = None            # from when
token: "secret" = "env:TOKEN"          # where the token is
"""


@pytest.fixture
def filled(tmp_path: Path) -> NewRun:
    project = lay(tmp_path / "project", one=WORK)
    body = TINY["phase_notebook"](WORK, phase="one", parameters=PARAMETERS.strip())
    (project / "notebooks" / "1_one.ipynb").write_text(json.dumps(body), encoding="utf-8")
    text = (project / "mlops.toml").read_text(encoding="utf-8")
    (project / "mlops.toml").write_text(f"{text}\n[parameters.one]\ncount = 7\n", encoding="utf-8")
    return NewRun(Form.of(project), RunPanel(Runner(project)))


def test_each_parameter_gets_a_field_of_its_kind_with_the_value_that_a_run_would_take(filled: NewRun) -> None:
    kinds = {field.parameter.name: field.kind for field in filled.form.fields}
    assert kinds == {"count": "number", "share": "number", "big": "text", "method": "choice", "careful": "checkbox",
                     "names": "text", "since": "text", "token": "text"}  # fmt: skip
    count, _, _ = filled._rows["one.count"]
    assert isinstance(count, widgets.IntText)
    assert count.value == 7
    assert filled.form.entry("one.names") == '["a", "b"]'
    assert (filled.form.changed(), filled.form.arguments()) == ({}, [])


def test_what_differs_becomes_arguments_that_mean_the_same(filled: NewRun) -> None:
    filled._rows["one.count"][0].value = 3
    filled._rows["one.careful"][0].value = True
    filled._rows["one.names"][0].value = "x, y z"
    filled._rows["one.since"][0].value = "1974-01-31"
    assert filled.form.arguments() == [
        "one.count=3",
        "one.careful=true",
        'one.names=["x", "y z"]',
        "one.since=1974-01-31",
    ]
    assert "changed from 7" in filled._rows["one.count"][1].value
    assert "-p one.count=3" in filled._status.value
    for name, value in filled.form.changed().items():
        field = filled.form.field(name)
        assert field.read(field.typed(value) if field.is_typed else value) == (value, [])
    filled._rows["one.count"][0].value = 7
    assert "one.count" not in filled.form.changed()
    filled._reset.click()
    assert filled.form.changed() == {}
    assert filled._rows["one.names"][0].value == '["a", "b"]'


def test_what_is_wrong_is_said_in_the_words_of_the_checks_and_nothing_starts(filled: NewRun) -> None:
    filled._rows["one.since"][0].value = "yesterday"
    said = "one.since = yesterday is not a date like 1974-01-31"
    assert filled.form.problems() == [said]
    assert said in filled._status.value
    filled._rows["one.count"][0].value = 70  # it stays, and is not made 9 behind one's back
    assert filled._rows["one.count"][0].value == 70
    assert "one.count = 70" in filled._status.value
    assert filled._start.disabled
    filled.start()
    assert not filled.panel.runner.runs.exists()


def test_a_secret_that_is_no_reference_is_refused_and_kept_nowhere(filled: NewRun) -> None:
    control, words, _ = filled._rows["one.token"]
    control.value = "hunter2hunter2"
    assert control.value == "env:TOKEN"
    assert "must be a reference" in words.value
    assert "hunter2" not in filled._status.value + words.value + filled.words()
    control.value = "file:token.txt"
    assert filled.form.arguments() == ["one.token=file:token.txt"]


def test_a_name_that_is_not_there_is_refused_with_the_nearest(filled: NewRun) -> None:
    with pytest.raises(ParameterError, match=r"did you mean .*one\.count"):
        filled.enter("one.cuont", 3)
    with pytest.raises(ParameterError, match="has no parameters"):
        filled.phase = "two"


def test_a_project_file_that_cannot_be_read_is_told_by_panel_and_form(tmp_path: Path) -> None:
    (tmp_path / "mlops.toml").write_text("[project\n", encoding="utf-8")
    panel = explore.runner(tmp_path)
    assert "mlops.toml" in panel.words()
    form = explore.new_run(panel)
    assert "mlops.toml" in form.words()


def test_the_form_starts_a_run_with_what_was_changed(tmp_path: Path, started: list[Runner]) -> None:
    panel = explore.runner(lay(tmp_path / "project", one=WORK))
    started.append(panel.runner)
    form = explore.new_run(panel)
    form.enter("one.n", 4)
    form._start.click()
    panel.runner.wait(timeout=180)
    assert json.loads((panel.runner.folder / "run.json").read_text())["parameters"]["one"]["n"] == 4  # type: ignore[operator]
