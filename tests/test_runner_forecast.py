"""What `--explain` says is what the run then does, and its reasons are true."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import Outcome, Phase, plan
from mlopskit.runner.forecast import forecast, forecasts
from tests.tiny import Choice, code, make_project, manifest_of, run

pytestmark = pytest.mark.usefixtures("forked")

BODIES = {
    "one": "run.write('x', {'n': n})",
    "two": "run.write('y', {'v': run.read('one/x')['n']})\nassert n < 7",
    "three": "run.write('z', {'v': run.read('two/y')['v']})",
}


@pytest.fixture
def phases(tmp_path: Path) -> tuple[Phase, ...]:
    return make_project(tmp_path, BODIES)


def again(phases: tuple[Phase, ...], folder: Path, *arguments: str, **options: Any) -> Outcome:
    return run(folder, phases, *arguments, reuse_unchanged=True, **options)


def statuses(outcome: Outcome) -> list[str]:
    return [phase["status"] for phase in manifest_of(outcome)["phases"]]


def told(phases: tuple[Phase, ...], folder: Path, *arguments: str, **choice: Any) -> list[str]:
    planned = plan(folder, arguments=arguments, phases=phases, reuse_unchanged=True, choice=Choice(**choice))
    return [f"{item.verdict}: {item.why}" for item in forecast(planned)]


@pytest.mark.parametrize(
    ("body", "limit", "words"),
    [
        ("assert n > 5", None, "it failed in {}, code cell 3"),
        ("import os\nos.kill(os.getpid(), 9)", None, "it was killed in {}, code cell 3"),
        ("import time\ntime.sleep(60)", 3.0, "it timed out in {}, code cell 3"),
    ],
)
def test_phase_that_never_ended_well_is_told_how_it_ended(
    tmp_path: Path, body: str, limit: float | None, words: str
) -> None:
    phases = make_project(tmp_path, {"one": body})
    failed = again(phases, tmp_path, limit=limit)
    assert told(phases, tmp_path) == [f"run: {words.format(failed.folder.name)}"]


def test_phase_that_failed_behind_its_finish_has_failed(tmp_path: Path) -> None:
    phases = make_project(tmp_path, {"one": "run.write('x', 1)"})
    path = phases[0].path(tmp_path)
    made = json.loads(path.read_text(encoding="utf-8"))
    made["cells"].append(code("1 / 0", name="late"))
    path.write_text(json.dumps(made), encoding="utf-8")
    failed = again(phases, tmp_path)
    assert told(phases, tmp_path) == [f"run: it failed in {failed.folder.name}, code cell 5"]


def test_time_zone_is_part_of_what_a_phase_depends_on_and_no_variable_leads_back_to_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trace has it: `datetime` asks the C library."""
    phases = make_project(
        tmp_path, {"one": "import time\nrun.write('x', {'at': time.strftime('%H %z', time.localtime(0))})"}
    )
    monkeypatch.delenv("TZ", raising=False)
    again(phases, tmp_path)
    [zone] = told(phases, tmp_path)
    assert zone.startswith("reuse")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    [why] = told(phases, tmp_path)
    assert re.fullmatch(r"run: since [-\w]+: the variable TZ [\w/+-]+ → Asia/Tokyo", why)
    monkeypatch.setenv("TZ", "")
    [why] = told(phases, tmp_path)
    assert why.endswith("→ empty")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    moved = again(phases, tmp_path)
    assert json.loads((moved.folder / "one/x.json").read_text(encoding="utf-8")) == {"at": "09 +0900"}
    monkeypatch.delenv("TZ")
    assert told(phases, tmp_path) == [zone]


def test_what_does_not_fit_a_base_is_left_with_the_reason(phases: Any, tmp_path: Path) -> None:
    name = again(phases, tmp_path, "two.n=2").folder.name
    said = told(phases, tmp_path, only=["one"], base=name)
    assert said == [
        "run: it was asked for",
        f"leave: left out of this run, and its results in {name} were made with other parameters",
        f"leave: left out of this run, and its results in {name} were made from another two/y.json",
    ]
    assert statuses(again(phases, tmp_path, only=["one"], base=name)) == ["done", "never-ran", "never-ran"]


def test_what_failed_or_is_damaged_in_a_base_is_left_and_the_rest_depends(phases: Any, tmp_path: Path) -> None:
    whole = again(phases, tmp_path).folder
    assert (
        told(phases, tmp_path, only=["one"], base=whole.name)[1:]
        == [f"depends: taken from {whole.name} if what it read comes out equal"] * 2
    )
    assert (
        told(phases, tmp_path, only=["three"], base=whole.name)[:2]
        == [f"reuse: left out of this run; taken from {whole.name}"] * 2
    )
    (whole / "three" / "z.json").write_text("damaged", encoding="utf-8")
    assert told(phases, tmp_path, only=["one"], base=whole.name)[2] == (
        "leave: left out of this run, and its artefact three/z.json is damaged or gone"
    )


def test_phase_with_the_notebook_of_another_has_not_run_before(phases: Any, tmp_path: Path) -> None:
    again(phases, tmp_path)
    repeated = (*phases, replace(phases[0], name="again", after=()))
    assert told(repeated, tmp_path)[3] == "run: it has not run before"
    renamed = (*phases[:2], replace(phases[2], name="drei"))
    assert told(renamed, tmp_path)[2] == "run: it has not run before"


@pytest.mark.parametrize("lost", ["one", "one/trace.jsonl"])
def test_phase_depends_where_what_it_reads_is_gone_from_the_run_and_will_be_made_again(
    phases: Any, tmp_path: Path, lost: str
) -> None:
    folder = again(phases, tmp_path).folder
    shutil.rmtree(folder / lost) if lost == "one" else (folder / lost).unlink()
    first, second, third = told(phases, tmp_path)
    assert first == f"run: its results in {folder.name} are damaged or gone"
    assert second == "depends: if one writes something else than before"
    assert third == "depends: if two writes something else than before"
    assert statuses(again(phases, tmp_path)) == ["done", "reused", "reused"]


def test_cell_that_was_put_in_is_added_and_another_changed(phases: Any, tmp_path: Path) -> None:
    name = again(phases, tmp_path).folder.name
    path = phases[0].path(tmp_path)
    made = json.loads(path.read_text(encoding="utf-8"))
    made["cells"].insert(4, code("k = 1", name="new"))
    made["cells"][5]["source"] += "\n"
    made["cells"][5]["source"] += "k"
    path.write_text(json.dumps(made), encoding="utf-8")
    said = told(phases, tmp_path)[0]
    assert said == f"run: since {name}: code cell 3 (Work) added; code cell 4 (Work) changed"


def test_newest_run_is_the_one_that_was_begun_last_and_not_the_one_of_the_latest_name(
    phases: Any, tmp_path: Path
) -> None:
    ahead = again(phases, tmp_path, "one.n=8").folder
    shutil.rmtree(tmp_path / "runs" / ".cache")
    said = (ahead / "run.json").read_text(encoding="utf-8")
    (ahead / "run.json").write_text(said.replace(ahead.name, "20990101T000000Z-abcdef"), encoding="utf-8")
    ahead.rename(tmp_path / "runs" / "20990101T000000Z-abcdef")
    made = again(phases, tmp_path, "one.n=2").folder.name
    assert told(phases, tmp_path, "one.n=3")[0] == f"run: since {made}: `n` 2 → 3"


@pytest.mark.parametrize("form", [{"phases": None}, {"parameters": None}, {"environment": None}])
def test_manifest_of_another_form_does_not_stop_a_forecast(phases: Any, tmp_path: Path, form: dict[str, Any]) -> None:
    made = again(phases, tmp_path)
    (made.folder / "run.json").write_text(json.dumps({**manifest_of(made), **form}), encoding="utf-8")
    plans = [plan(tmp_path, arguments=[f"one.n={n}"], phases=phases, reuse_unchanged=True) for n in (2, 3)]
    words = f"run.json of {made.folder.name} is damaged, so what changed since is not known"
    assert [items[0].why for items in forecasts(plans)] == [words] * 2
