"""`mlopskit run`, `params`, `runs`, `show`, `report`, called as a person does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlopskit import __version__
from mlopskit.cli import main
from mlopskit.cli.app import app
from mlopskit.cli.progress import Plain
from mlopskit.cli.words import safe
from mlopskit.runner.catalogue import find_run, list_runs
from tests import tiny

COMMANDS = (
    "new", "run", "params", "lab", "runs", "show", "report", "card", "verify", "diff", "site", "tag", "pin", "unpin",
    "prune", "check",
)  # fmt: skip


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def shell(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlopskit", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def scope_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose first phase is tiny; `--to scope` runs it."""
    folder = project / "p"
    tiny.make_project(folder, {"scope": "run.write('n', {'n': n})"})
    monkeypatch.chdir(folder)
    return folder


def test_every_command_has_an_example_that_names_it() -> None:
    callbacks = {command.name: command.callback for command in app.registered_commands}
    for group in app.registered_groups:
        callbacks[group.name] = group.typer_instance.registered_callback.callback
    assert set(callbacks) == set(COMMANDS)
    for name, callback in callbacks.items():
        assert callback is not None
        assert re.search(rf"Example: mlopskit {name}\b", callback.__doc__ or "")


def test_version_and_usage_errors(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert capsys.readouterr().out.strip() == f"mlopskit {__version__}"
    assert call("run", "--bogus") == 2
    assert "No such option: --bogus" in capsys.readouterr().err
    assert call("frob") == 2
    assert "No such command 'frob'" in capsys.readouterr().err


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"pandas", "numpy", "pydantic", "papermill", "nbformat", "sklearn", "matplotlib"}
    code = f"import sys, mlopskit.cli.app; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.notebooks
def test_run_prints_phases_outcome_and_report_without_control_characters(
    scope_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "--to", "scope", "-p", "scope.n=3") == 0
    said = capsys.readouterr().out
    assert re.search(r"1/7  scope +✓ done +\d+\.\d s  4 cells", said)
    assert re.search(r"7/7  monitor +· never-ran +left out", said)
    assert re.search(r"✓ passed in \d+\.\d s  runs/\S+/report\.html\n$", said)
    assert all(char.isprintable() or char == "\n" for char in said)
    (made,) = list_runs(scope_only / "runs")
    assert (made.status, made.latest) == ("passed", False)
    assert call("show", made.name[-6:]) == 0
    assert "scope" in capsys.readouterr().out
    assert call("report", made.name) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


@pytest.mark.notebooks
def test_json_events_are_one_object_a_line_and_nothing_else(scope_only: Path) -> None:
    done = shell("run", "--to", "scope", "--json", cwd=scope_only)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [event["event"] for event in events[:2]] == ["run", "phase"]
    assert events[-1]["event"] == "finished"
    assert events[-1]["status"] == "passed"


@pytest.mark.notebooks
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_ends_with_exit_1_a_report_and_no_traceback(scope_only: Path) -> None:
    notebook = tiny.phase_notebook("import time\ntime.sleep(600)", phase="scope")
    (scope_only / "notebooks" / "1_scope.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    command = [sys.executable, "-m", "mlopskit", "run", "--to", "scope", "--json"]
    with subprocess.Popen(command, cwd=scope_only, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        for line in runner.stdout:
            event = json.loads(line)
            if event["event"] == "cell" and event["cell"] == 3:
                runner.send_signal(signal.SIGINT)
        assert runner.wait(timeout=30) == 1
        assert runner.stderr is not None
        assert runner.stderr.read() == ""
    assert event["event"] == "finished"
    assert (event["status"], Path(event["report"]).is_file()) == ("interrupted", True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--to", "scope", "-p", "scope.m=1"], 2, "unknown parameter scope.m; there are n, seed"),
        (["run", "--to", "scope", "-p", "scope.n=99"], 2, "out of range; allowed is 0..9"),
        (["run", "--to", "scpe"], 2, "did you mean scope?"),
        (["run", "--only", "scope", "--from", "scope"], 2, "cannot be combined"),
        (["run", "--project", "nowhere", "--to", "scope"], 1, "No mlops.toml was found; looked at nowhere"),
        (["run"], 1, "Notebooks 2_data.ipynb, 3_model.ipynb, 4_evaluate.ipynb"),
        (["show", "nosuch"], 1, "There is no run 'nosuch'"),
        (["report"], 1, "There is no run 'latest'"),
        (["params", "modl"], 2, "There is no phase 'modl'"),
    ],
)
def test_bad_input_is_one_sentence_and_makes_nothing(
    scope_only: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("mlopskit: ")
    assert "Traceback" not in said.err
    assert not (scope_only / "runs").exists()


def test_bad_parameter_in_the_project_file_is_bad_input_not_usage(
    scope_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = scope_only / "mlops.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "\n[parameters.scope]\nn = '3'\n", encoding="utf-8")
    assert call("run", "--to", "scope") == 1
    assert "scope.n = '3' is not a whole number but text" in capsys.readouterr().err


def test_params_prints_the_schema_with_values_of_the_project_file(
    scope_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toml = scope_only / "mlops.toml"
    toml.write_text(toml.read_text(encoding="utf-8") + "\n[parameters.scope]\nn = 4\n", encoding="utf-8")
    assert call("params", "scope") == 0
    assert re.search(r"n +int +4 \(mlops\.toml\) +0\.\.9 +how many", capsys.readouterr().out)


def test_runs_lists_newest_first_and_survives_a_damaged_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("runs") == 0
    assert "No runs yet" in capsys.readouterr().out
    said = {
        "run": "x",
        "status": "criteria-not-met",
        "started": "2026",
        "seconds": 75.0,
        "criteria": [{"name": "a", "status": "met"}, {"name": "b", "status": "not-met"}],
        "alerts": [{"status": "alert"}],
        "headline": {"label": "ROC \x1b[31mAUC", "value": 0.8, "low": 0.7, "high": 0.9, "phase": "evaluate"},
    }
    for name, text in (("20260101T000000Z-aaaaaa", json.dumps(said)), ("20260102T000000Z-bbbbbb", "{ torn")):
        (project / "runs" / name).mkdir(parents=True)
        (project / "runs" / name / "run.json").write_text(text, encoding="utf-8")
    (project / "runs" / "latest").write_text("20260101T000000Z-aaaaaa\n", encoding="utf-8")
    assert [item.name[-6:] for item in list_runs(project / "runs")] == ["bbbbbb", "aaaaaa"]
    assert call("runs") == 0
    first, second, _ = capsys.readouterr().out.splitlines()
    assert "✗ damaged" in first
    for expected in (
        "aaaaaa*",
        "✗ criteria-not-met",
        "1 min 15 s",
        "ROC \\x1b[31mAUC 0.800 [0.700, 0.900]",
        "1/2 criteria",
        "1 alert",
    ):
        assert expected in second
    assert find_run(project / "runs", "latest").name == "20260101T000000Z-aaaaaa"
    assert call("show", "bbb") == 1
    for misshapen in ("phases", "criteria", "parameters", "headline"):
        text = json.dumps({**said, misshapen: [5]})
        (project / "runs" / "20260102T000000Z-bbbbbb" / "run.json").write_text(text, encoding="utf-8")
        assert call("show", "bbb") == 1
        assert f"is damaged ({misshapen} in it is not in the form" in capsys.readouterr().err
    assert call("show", "2026") == 1
    assert "fits 2 runs" in capsys.readouterr().err


def test_control_characters_from_data_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J<b>\r\n"
    row = {"name": hostile, "status": "met", "slice": hostile, "group": hostile, "value": 0.5, "reason": hostile}
    alert = {"status": "alert", "metric": "drift", "feature": hostile, "bound": 1, "tell": hostile}
    Plain()(
        {"event": "finished", "criteria": [row], "alerts": [alert], "report": None, "status": "passed", "seconds": 1.0}
    )
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\r" not in said
    assert safe("é ✓") == "é ✓"


def test_completion_knows_phases_and_parameters(scope_only: Path) -> None:
    words = {"_MLOPSKIT_COMPLETE": "complete_bash", "COMP_WORDS": "mlopskit run -p sc", "COMP_CWORD": "3"}
    done = shell(cwd=scope_only, **words)
    assert done.stdout.split() == ["scope.n=", "scope.seed="]
