"""`mlopskit run` when nothing changed, something changed, or somebody asks why; a project of two phases of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlopskit.cli import _run
from mlopskit.cli.app import app
from mlopskit.errors import RunError
from mlopskit.runner import warm
from mlopskit.runner.catalogue import list_runs
from tests.tiny import PROJECT, make_project

OWN = "".join(
    f'[[phase]]\nname = "{name}"\ndrop = true\n'
    for name in ("scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor")
) + "".join(
    f'[[phase]]\nname = "{name}"\nnotebook = "notebooks/{number}_{name}.ipynb"\nafter = {after}\n'
    for number, (name, after) in enumerate({"read": [], "count": ["read"]}.items(), start=1)
).replace("'", '"')
BODIES = {
    "read": "run.write('rows', {'text': run.source_file('rows.csv').read_text()})",
    "count": "run.write('count', {'count': len(run.read('read/rows')['text'].split()) + n})",
}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MLOPSKIT_PROJECT", "MLOPSKIT_RUN", "MLOPSKIT_PHASE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "own"
    make_project(folder, BODIES, toml=PROJECT + OWN)
    rows = "".join(f"{number},{'yes' if number % 2 else 'no'}\n" for number in range(200))
    (folder / "rows.csv").write_text(f"age,bought\n{rows}", encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


def events(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, object]]:
    capsys.readouterr()
    assert _run(["run", "--json", "--cold", *arguments]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def ended(told: list[dict[str, object]]) -> dict[object, object]:
    return {event["phase"]: event["status"] for event in told if event["event"] == "ended"}


def test_phases_of_ones_own_run_and_an_unchanged_project_is_not_run_again(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(events(capsys)) == {"read": "done", "count": "done"}
    (stands,) = events(capsys)
    assert (stands["event"], stands["status"]) == ("stands", "passed")
    assert len(list((own / "runs").glob("*/run.json"))) == 1
    assert ended(events(capsys, "--fresh")) == {"read": "done", "count": "done"}


def test_grid_makes_a_run_a_point_and_repeats_none(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = events(capsys, "--grid", "count.n=1,2")
    assert [event["status"] for event in told if event["event"] == "ended"] == ["done", "done", "reused", "done"]
    assert [event["event"] for event in events(capsys, "--grid", "count.n=2,1")] == ["stands", "stands"]


@pytest.mark.skipif(not warm.is_supported(), reason="kernels are forked on Linux only")
@pytest.mark.parametrize("spoilt", ["-p", "notebook", "criterion", ""])
def test_no_kernel_is_asked_for_before_every_check_has_passed(
    own: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server starts with the command; project file, notebooks, parameters and what they name are checked first."""
    asked, started = [], []
    begin = warm.ForkServer.__init__

    def fork(*_: object, **__: object) -> None:
        asked.append(1)
        raise RunError("no kernel here")

    monkeypatch.setattr(warm.ForkServer, "__init__", lambda self, *given: (started.append(1), begin(self, *given))[1])
    monkeypatch.setattr(warm.ForkServer, "fork", fork)
    if spoilt == "notebook":
        (own / "notebooks" / "2_count.ipynb").write_text("{", encoding="utf-8")
    if spoilt == "criterion":
        with (own / "mlops.toml").open("a", encoding="utf-8") as file:
            file.write('[[criterion]]\nmetric = "recal"\nat_least = 0.5\n')
    code = _run(["run", *(["-p", "count.nn=1"] if spoilt == "-p" else [])])
    assert (code != 0, bool(started), bool(asked)) == (True, True, not spoilt), capsys.readouterr().err


def test_run_does_not_stand_for_criteria_that_it_was_not_judged_by(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events(capsys)
    with (own / "mlops.toml").open("a", encoding="utf-8") as file:
        file.write('[[criterion]]\nmetric = "accuracy"\nat_least = 0.9\n')
    for _ in range(2):
        told = events(capsys, code=3)
        assert told[-1]["status"] == "criteria-not-met"
    assert told[-1]["event"] == "stands"


def test_run_that_stands_without_a_report_says_so(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events(capsys)
    next((own / "runs").glob("*/report.html")).unlink()
    assert events(capsys)[-1]["report"] is None
    assert _run(["run", "--cold"]) == 0
    assert "no report; `mlopskit report" in capsys.readouterr().out


def test_what_is_wrong_at_any_point_of_a_grid_is_told_at_once(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["run", "--grid", "count.n=1,x", "--grid", "read.n=2,77"]) == 2
    said = capsys.readouterr().err
    assert "2 parameters are wrong" in said
    assert said.count("count.n = x is not a whole number") == said.count("read.n = 77 is out of range") == 1
    assert not (own / "runs").exists()


def test_no_run_that_ended_well_is_no_latest_and_the_newest_is_named(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(["run", "-q", "--to", "read"]) == 0
    [folder] = (path.parent for path in (own / "runs").glob("*/run.json"))
    capsys.readouterr()
    assert _run(["show", "latest"]) == 1
    said = capsys.readouterr().err
    assert f"none is `latest`; the newest is {folder.name}. `mlopskit show {folder.name}` tells" in said


def test_damaged_run_is_shown_as_no_latest(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events(capsys)
    assert [item.latest for item in list_runs(own / "runs")] == [True]
    next((own / "runs").glob("*/run.json")).write_text("{", encoding="utf-8")
    assert [(item.latest, item.status) for item in list_runs(own / "runs")] == [(False, "damaged")]


def test_explain_names_the_points_of_a_grid(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["run", "--explain", "--grid", "count.n=1,2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["1  count.n=1", "2  count.n=2"]
    assert any("shared with point 1" in line for line in lines)


def test_explain_runs_nothing(own: Path) -> None:
    said = CliRunner().invoke(app, ["run", "--explain"])
    assert said.exit_code == 0
    assert "it has not run before" in said.output
    assert not (own / "runs").exists()


def test_resume_of_what_needs_none_says_which_run_stands(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events(capsys, "-p", "count.n=7")
    assert [event["event"] for event in events(capsys, "--resume", "latest")] == ["stands"]


@pytest.mark.parametrize("other", [["--fresh"], ["--only", "read"], ["--grid", "count.n=1,2"]])
def test_resume_refuses_what_contradicts_it(own: Path, other: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(["run", "--resume", "latest", *other]) == 2
    assert "--resume goes on with a whole run" in capsys.readouterr().err


def test_a_run_that_goes_on_shows_its_phase_as_running(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second phase asks from within what `show` says of its own run."""
    path = own / "notebooks" / "2_count.ipynb"
    asked = "[sys.executable, '-m', 'mlopskit', 'show', run.folder.name]"
    body = f"import subprocess, sys\\nrun.write('said', subprocess.check_output({asked}, text=True))"
    path.write_text(path.read_text(encoding="utf-8").replace(json.dumps(BODIES["count"])[1:-1], body), encoding="utf-8")
    events(capsys)
    (said,) = own.glob("runs/2*/count/said.md")
    lines = said.read_text(encoding="utf-8").splitlines()
    assert "▸ running" in lines[0]
    assert ["done" in line for line in lines if "read " in line] == [True]
    assert ["running" in line for line in lines if "count " in line] == [True]
