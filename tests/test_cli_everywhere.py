"""What holds for every command: `--json` is one document, `--quiet` is quiet, and nothing steers a terminal unasked."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import sys
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlopskit.cli import main, steps
from mlopskit.cli.app import app
from mlopskit.cli.output import Output, document_text
from mlopskit.cli.run import to_resume
from tests import tiny

fake_run = runpy.run_path(str(Path(__file__).with_name("fake_run.py")))["fake_run"]

OnTerminal = Callable[[Callable[[], object]], str]

OLD, NEW = "20260304T050607Z-abc123", "20260305T050607Z-def456"
STEER = "\x1b[2J\x9b31m"
COMMANDS = {
    "new": ["made", "--example", "mortgage"],
    "run": ["--to", "scope"],
    "params": ["scope"],
    "lab": ["--no-browser"],
    "runs": [],
    "show": [NEW],
    "report": [NEW],
    "card": [NEW],
    "verify": ["latest", "--cold"],
    "diff": [OLD, NEW],
    "site": ["--into", "public"],
    "tag": [NEW, "kept"],
    "pin": [NEW],
    "unpin": [NEW],
    "prune": ["--keep", "2", "--yes"],
    "check": ["notebooks/1_scope.ipynb"],
}
ANSWERS = {
    "run": r"✓ passed in \S+ s  runs/\S+/report\.html\n",
    "params": r"scope\.n\nscope\.seed\n",
    "runs": rf"\S+\n{NEW}\n{OLD}\n",
    "show": rf"{NEW}  ✗ criteria-not-met\n",
    "verify": r"✓ \S+ reproduced: .*\n",
    "diff": r"Every artefact is equal; .*\n",
}
"""What is left of the commands that are asked for something; of the others nothing is."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one phase, with a run of it and two finished runs whose names would steer a terminal."""
    home = tmp_path_factory.mktemp("everywhere") / "home"
    tiny.make_project(home, {"scope": "run.write('summary', {'facts': [], 'statements': [], 'next': []})"})
    (home / "rows.csv").write_text("age,bought\n30,yes\n40,no\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["run", "--to", "scope", "--cold", "--quiet", "--project", str(home)])
    (made,) = home.glob("runs/*/run.json")
    (home / "runs" / "latest").write_text(f"{made.parent.name}\n", encoding="utf-8")
    for name in (OLD, NEW):
        path = fake_run(home / "runs" / name) / "run.json"
        said = json.loads(path.read_text(encoding="utf-8"))
        said["criteria"][0]["name"] += STEER
        said["parameters"]["model"]["method"] = f"{STEER}{name}"
        path.write_text(json.dumps(said), encoding="utf-8")
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CI", "GITHUB_ACTIONS", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("MLOPSKIT_PROJECT", "")
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.setattr(os, "execv", lambda *_: None)
    folder = shutil.copytree(template, tmp_path / "home")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> OnTerminal:
    """Do something with standard output and error on a terminal, and return all that it was sent."""

    def watch(act: Callable[[], object]) -> str:
        master, slave = os.openpty()
        sent: list[bytes] = []
        reader = threading.Thread(target=_read, args=(master, sent))
        reader.start()
        with monkeypatch.context() as patch, os.fdopen(slave, "w", encoding="utf-8", buffering=1) as screen:
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            act()
        reader.join(timeout=180)
        os.close(master)
        return b"".join(sent).decode("utf-8").replace("\r\n", "\n")

    return watch


def _read(master: int, sent: list[bytes]) -> None:
    while True:
        try:
            sent.append(os.read(master, 4096))
        except OSError:  # the last writer closed it
            return


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def control_characters(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) == "Cc" and char != "\n"]


def test_every_command_is_tried_here() -> None:
    assert set(COMMANDS) == {command.name for command in (*app.registered_commands, *app.registered_groups)}


def test_what_keeps_the_runs_in_order_stands_under_runs_as_well(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (group,) = app.registered_groups
    assert {command.name for command in group.typer_instance.registered_commands} == {"tag", "pin", "unpin", "prune"}
    assert call("runs", "tag", NEW, "kept") == 0
    assert capsys.readouterr().out == f"{NEW}  kept\n", "and lists nothing beside"
    assert call("runs", "--tag", "kept", "--quiet") == 0
    assert capsys.readouterr().out == f"{NEW}\n"
    assert call("runs", "--limit", "1", "pin", NEW) == 2
    assert "Put them behind it: `mlopskit runs pin" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_both_options(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    assert re.search(r"--quiet +-q", shown)
    assert ("--json" in shown) == (command != "lab")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"lab", "run"}))
def test_json_is_one_document_and_nothing_else(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, *COMMANDS[command], "--json", "--quiet") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)
    assert said.out.startswith(("{\n", "[\n"))
    assert control_characters(said.out) == []
    assert said.err == ""


def test_run_tells_an_event_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--to", "scope", "--json") == 0
    events = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert (events[0], events[-1]) == ("run", "finished")


@pytest.mark.parametrize("command", COMMANDS)
def test_quiet_is_silent_or_answers_briefly(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, *COMMANDS[command], "--quiet") == 0
    said = capsys.readouterr()
    assert re.fullmatch(ANSWERS.get(command, ""), said.out)
    assert said.err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_color_keeps_control_characters_off_a_terminal(
    command: str, home: Path, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert control_characters(on_terminal(lambda: call(command, *COMMANDS[command]))) == []
    shown = on_terminal(lambda: call(command, "--help"))
    assert "Usage" in shown
    assert control_characters(shown + on_terminal(lambda: call(command, "--nonsense"))) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_terminal_gets_no_control_characters(
    command: str, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(command, *COMMANDS[command]) == 0
    said = capsys.readouterr()
    assert control_characters(said.out + said.err) == []
    assert said.err == "", "what takes its time is told on terminals only"


@pytest.mark.parametrize("form", ["--json", "--quiet"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["new", "runs"], 1),
        (["new", "a", "--here"], 2),
        (["new", "phase", "scope", "--after", "scope"], 1),
        (["params", "modl"], 2),
        (["check", "gone.ipynb"], 2),
        *[([command, "nosuch"], 1) for command in ("show", "report", "card", "pin", "unpin", "verify", "diff")],
        (["tag", "latest", "two words"], 2),
        (["prune", "--older-than", "soon"], 2),
        (["runs", "--status", "odd"], 2),
        (["site", "--into", "notebooks"], 1),
    ],
)
def test_errors_go_to_standard_error_in_every_form(
    arguments: list[str], code: int, form: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments, form) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("mlopskit: ")


def test_documents_name_what_was_made(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> dict[str, object]:
        assert call(*arguments, "--json") == 0
        return dict(json.loads(capsys.readouterr().out))

    made = said("new", "made", "--example", "digits")
    assert (made["project"], made["data"]) == (str(home / "made"), None)
    copied = said("new", "copied", "--data", "rows.csv", "--target", "bought")["data"]
    assert copied == str(home / "copied" / "data" / "rows.csv")
    assert Path(str(said("report", NEW)["report"])).is_file()
    assert said("tag", NEW, "b", "a") == {"run": NEW, "tags": ["a", "b"], "pinned": False}
    assert said("pin", NEW)["pinned"] is True
    added = said("new", "phase", "extra", "--after", "scope")
    assert {key: added[key] for key in ("phase", "after", "reads")} == {
        "phase": "extra", "after": ["scope"], "reads": "scope/summary"
    }  # fmt: skip
    assert (home / str(added["notebook"])).is_file()
    assert (home / str(added["test"])).is_file()


def test_params_as_json_hold_limits_and_values(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (home / "mlops.toml").open("a") as file:
        file.write("\n[parameters.scope]\nn = 4\n")
    assert call("params", "--json") == 0
    found = json.loads(capsys.readouterr().out)["scope"]["parameters"]
    n = next(item for item in found if item["name"] == "n")
    expected = {
        "type": "int",
        "default": 1,
        "value": 4,
        "from_project_file": True,
        "low": 0,
        "high": 9,
        "help": "how many",
    }
    assert {key: n[key] for key in expected} == expected


def test_check_tells_issues_in_every_form(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    issues = [item for item in said["findings"] if item["kind"] == "issue"]
    assert said["issues"] == len(issues) > 0
    assert call("check", "--quiet") == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  ")]
    assert len(lines) == len(issues)
    assert all(line.startswith("✗ ") for line in lines)


def test_prune_names_what_would_go_and_what_cannot_be_reached(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("prune", "--keep", "2", "--quiet") == 0
    assert capsys.readouterr().out == f"{OLD}\n"
    assert call("prune", "--to-size", "1B", "--yes", "--quiet") == 0
    assert capsys.readouterr().out.startswith("1 B cannot be reached")
    assert not (home / "runs" / OLD).exists()


def test_open_questions_are_ids_when_quiet(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("card", NEW, "--questions", "--quiet") == 0
    assert "data.collection.consent" in capsys.readouterr().out.splitlines()


def test_lab_is_told_to_be_quiet(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: called.append(command))
    call("lab", "--quiet")
    call("lab")
    assert ["--log-level=ERROR" in command for command in called] == [True, False]


def test_a_long_step_says_what_it_does_and_how_long_it_took(
    home: Path, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    first = on_terminal(lambda: call("site", "--into", "public"))
    assert first.startswith("Writing the pages of the runs that are new or changed …\n")
    (home / "runs" / steps.FILE).write_text('{"site": 75.0}', encoding="utf-8")
    again = on_terminal(lambda: call("site", "--into", "public"))
    assert again.startswith("Writing the pages of the runs that are new or changed …  last time 1 min 15 s\n")
    assert json.loads((home / "runs" / steps.FILE).read_text(encoding="utf-8"))["site"] < 60
    assert on_terminal(lambda: call("site", "--into", "public", "--quiet")) == ""


def test_a_step_leaves_no_line_on_a_terminal_that_may_be_steered(home: Path, on_terminal: OnTerminal) -> None:
    shown = on_terminal(lambda: call("report", NEW))
    assert "Rendering the report" in shown
    assert "\x1b[2K" in shown, "the line is taken away when the step ends"


def test_damaged_durations_are_no_hindrance(home: Path, on_terminal: OnTerminal) -> None:
    for text in ("{ torn", "[1]", '{"report": "soon"}', '{"report": null}'):
        (home / "runs" / steps.FILE).write_text(text, encoding="utf-8")
        assert "last time" not in on_terminal(lambda: call("report", NEW))
    shutil.rmtree(home / "runs")
    with Output().step("check", "Looking", runs=home / "runs"):
        pass
    assert not (home / "runs").exists()


def test_a_document_has_no_nan_and_no_control_characters() -> None:
    text = document_text({"a": float("nan"), "b": [float("-inf"), Path("x")], f"{STEER}é\udcff": "\u2028"})
    assert control_characters(text) == []
    assert "é" in text
    text.encode("utf-8")
    assert json.loads(text) == {"a": None, "b": ["-inf", "x"], f"{STEER}é\udcff": "\u2028"}


def test_a_second_execution_says_how_long_the_first_took(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["verify", "latest", "--cold", "--project", str(home)])
    assert re.search(r"1/\d+  scope …  last time \S+ s\n", capsys.readouterr().out)


def test_the_latest_run_to_resume_began_last_though_latest_names_one_that_ended_well(home: Path) -> None:
    runs = home / "runs"
    failed = fake_run(runs / "19991231T235959Z-abcdef", failed="model")
    (runs / "begun").write_text(failed.name, encoding="utf-8")
    assert to_resume("latest", runs) == failed.name
    later = fake_run(runs / "29991231T235959Z-abcdef", failed="model")
    (runs / "begun").unlink()  # as in folders of earlier versions
    assert to_resume("latest", runs) == later.name
    assert (runs / "latest").read_text(encoding="utf-8").strip() != failed.name
    assert (to_resume(OLD, runs), to_resume("latest", home / "none")) == (OLD, "latest")


def test_a_run_says_what_it_checks_before_it_starts(
    home: Path, on_terminal: OnTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = on_terminal(lambda: call("run", "--to", "scope", "--cold", "--fresh", "--project", str(home)))
    assert re.match(r"Checking project file, notebooks, parameters and data …\nRun \S+\n", shown)
    assert control_characters(shown) == []
