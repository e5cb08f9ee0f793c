"""`mlopskit new phase`: what it lays down has the right form, runs as it is, and leaves the project file as it was."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jupytext.cli import jupytext

from mlopskit.cli import main
from mlopskit.errors import MlopskitError, ProjectError, UsageError
from mlopskit.runner import newphase
from mlopskit.runner.graph import graph
from mlopskit.runner.newphase import lay_down_phase, phase_problems, try_phase, why_not_yet
from mlopskit.runner.scaffold import make_from_example
from mlopskit.scope import Scope
from tests import tiny

pytestmark = pytest.mark.usefixtures("forked")

HERE = Path(__file__).resolve().parent
REPO = HERE.parent

DROPPED = "".join(
    f'\n[[phase]]\nname = "{name}"\ndrop = true\n'
    for name in ("scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor")
)
FIRST = '\n[[phase]] # mine\nname   = "first"\nnotebook = "notebooks/1_first.ipynb"\nafter = []'
FACTS = [{"label": "recall", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}, {"label": "decided by", "value": "<b>"}]


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def tiny_project(folder: Path, body: str) -> Path:
    """A project with one phase of its own instead of the seven."""
    tiny.make_project(folder, {"first": body}, toml=tiny.PROJECT + DROPPED + FIRST)
    return folder


@pytest.fixture(scope="module")
def income(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_from_example(tmp_path_factory.mktemp("laid") / "income", "income")


def style_rules() -> list[Any]:
    """Every rule that the bundled phase notebooks keep and that looks at one notebook."""
    spec = importlib.util.spec_from_file_location("style", HERE / "notebooks" / "test_notebooks_style.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rules = [item for name, item in vars(module).items() if name.startswith("test_")]
    return [rule for rule in rules if list(inspect.signature(rule).parameters) == ["path"]]


@pytest.mark.parametrize("kind", ["summary", "artefact"])
def test_what_is_laid_down_keeps_every_rule_of_the_bundled_notebooks(tmp_path: Path, kind: str) -> None:
    project = tiny_project(tmp_path / "p", f"run.write('{kind}', {{'facts': []}})")
    made = lay_down_phase(project, "fairness_review")
    assert made.reads == f"first/{kind}"
    rules = style_rules()
    assert len(rules) > 10
    for rule in rules:
        rule(path=project / made.notebook)


@pytest.mark.parametrize("after", ["scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"])
def test_a_phase_can_come_after_each_of_the_seven(income: Path, after: str) -> None:
    made = lay_down_phase(income, f"after_{after}", after=[after])
    assert made.reads == f"{after}/summary"
    assert phase_problems(income, made.name) == []
    placed = next(phase for phase in graph(Scope.load(income / "mlops.toml").phase) if phase.name == made.name)
    assert (placed.after, placed.path(income).is_file()) == ((after,), True)
    assert "There is no finished run yet" in why_not_yet(income, made.name)


def test_numbers_go_on_and_the_last_phase_is_the_default(tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "p", "run.write('made', [1])")
    (project / "notebooks" / "11_scribbles.ipynb").write_text("{}", encoding="utf-8")
    assert lay_down_phase(project, "second").notebook.name == "12_second.ipynb"
    third = lay_down_phase(project, "third")
    assert (third.notebook.name, third.after, third.reads) == ("13_third.ipynb", ("second",), "second/summary")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_project_file_keeps_every_byte_and_gains_a_table(tmp_path: Path, end: str) -> None:
    project = tiny_project(tmp_path / "p", "run.write('made', [1])")
    file = project / "mlops.toml"
    before = file.read_text(encoding="utf-8").replace("\n", end).encode()  # its last line has no end
    file.write_bytes(before)
    file.chmod(0o640)
    lay_down_phase(project, "second", after=["first"])
    after = file.read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == after.count(end.encode())
    assert tomllib.loads(after.decode())["phase"][-1] == {
        "name": "second", "notebook": "notebooks/2_second.ipynb", "after": ["first"],
    }  # fmt: skip
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "after", "error", "message"),
    [
        ("Second", ["first"], UsageError, "lower-case letters"),
        ("../x", ["first"], UsageError, "cannot name a phase"),
        ("second", ["frist"], UsageError, "did you mean first?"),
        ("first", ["first"], ProjectError, "has a \\[\\[phase\\]\\] table 'first' already"),
        ("model", ["first"], ProjectError, "already"),
        ("taken", ["first"], ProjectError, "tests/test_taken.py is there already"),
    ],
)
def test_what_cannot_be_added_is_refused_and_nothing_changes(
    tmp_path: Path, name: str, after: list[str], error: type[Exception], message: str
) -> None:
    project = tiny_project(tmp_path / "p", "run.write('made', [1])")
    (project / "tests").mkdir()
    (project / "tests" / "test_taken.py").write_text("mine", encoding="utf-8")
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    with pytest.raises(error, match=message):
        lay_down_phase(project, name, after=after)
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_a_phase_that_writes_nothing_and_a_file_that_takes_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="writes no artefact"):
        lay_down_phase(tiny_project(tmp_path / "p", "1 + 1"), "second")
    project = make_from_example(tmp_path / "q", "mortgage")
    file = project / "mlops.toml"
    file.write_text("phase = []\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ProjectError, match="another form"):
        lay_down_phase(project, "second")
    assert not (project / "tests").exists() or not list((project / "tests").iterdir())


@pytest.mark.parametrize("named", [True, False])  # a disk that is full when a file is written to, not opened: no name
def test_a_failure_at_the_last_moment_takes_everything_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    project = tiny_project(tmp_path / "p", "run.write('made', [1])")
    write = newphase.write_text

    def full(path: Path, text: str) -> None:
        if path.name == "mlops.toml":
            raise OSError(28, "No space left on device", *([str(path)] if named else []))
        write(path, text)

    monkeypatch.setattr(newphase, "write_text", full)
    with pytest.raises(MlopskitError, match=r"No space left on device. Nothing was changed") as caught:
        lay_down_phase(project, "second")
    assert "None" not in str(caught.value)
    assert [path.name for path in project.rglob("*second*")] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["phase"], 2, "mlopskit new ./phase"),
        (["a", "b"], 2, "mlopskit new phase"),
        (["a", "--after", "evaluate"], 2, "mlopskit new phase"),
        (["phase", "x", "--here"], 2, "only --after and --project fit"),
    ],
)
def test_the_command_tells_phases_and_projects_apart(
    project: Path, words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("new", *words) == code
    assert message in capsys.readouterr().err


def test_a_project_can_be_called_phase(project: Path) -> None:
    assert call("new", "./phase", "--example", "digits") == 0
    assert Scope.load(project / "phase" / "mlops.toml").project.name == "phase"


@pytest.mark.notebooks
@pytest.mark.parametrize("body", [f"run.write('summary', {{'facts': {FACTS!r}}})", "run.write('made', {'a': 1})"])
def test_the_laid_down_phase_runs_and_its_test_passes(
    tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tiny_project(tmp_path / "p", body)
    made = lay_down_phase(project, "fairness_review", after=["first"])
    notebook = json.loads((project / made.notebook).read_text(encoding="utf-8"))
    notebook["metadata"]["jupytext"] = {"formats": "ipynb,py:percent", "text_representation": {"extension": ".py"}}
    (project / made.notebook).write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")
    monkeypatch.setenv("MLOPSKIT_PROJECT", str(project))
    assert call("run") == 0, capsys.readouterr()
    run = project / "runs" / (project / "runs" / "latest").read_text().strip()
    said = json.loads((run / "fairness_review" / "summary.json").read_text())["statements"][0]["text"]
    expected = "first states 2 facts; 1 of them say" if "facts" in body else "first/made has 1 rows and 1 columns."
    assert said.startswith(expected)
    assert said in (run / "report.html").read_text(encoding="utf-8")
    before = sorted(path.name for path in (project / "runs").iterdir())
    assert (why_not_yet(project, "fairness_review"), try_phase(project, "fairness_review", folder=tmp_path / "t")) == (
        "",
        "",
    )
    assert sorted(path.name for path in (project / "runs").iterdir()) == before
    broken = (project / made.notebook).read_text(encoding="utf-8").replace("note(answer)", "1 / 0")
    (project / made.notebook).write_text(broken, encoding="utf-8")
    assert "ZeroDivisionError" in try_phase(project, "fairness_review", folder=tmp_path / "u")


def test_a_phase_edited_as_text_by_jupytext_keeps_its_form_its_ids_and_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tiny_project(tmp_path / "p", "run.write('made', {'a': 1})")
    path = project / lay_down_phase(project, "fairness_review", after=["first"]).notebook
    ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    jupytext(["--quiet", "--set-formats", "ipynb,py:percent", str(path)])
    words = path.with_suffix(".py")
    text = words.read_text(encoding="utf-8")
    assert '# %% tags=["parameters"]\nrows: int = 12  # 1..20' in text
    words.write_text(text.replace("rows: int = 12", "rows: int = 7"), encoding="utf-8")
    os.utime(words, ns=(path.stat().st_mtime_ns + 10**9,) * 2)
    jupytext(["--quiet", "--sync", str(path)])
    assert [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]] == ids
    monkeypatch.setenv("MLOPSKIT_PROJECT", str(project))
    assert call("check", str(path)) == 0, capsys.readouterr()
    assert call("params", "--json") == 0
    assert '"value": 7' in capsys.readouterr().out.partition('"fairness_review"')[2]


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the guide with this environment's programs."""
    words = shlex.split(line)
    words = [sys.executable, *words[1:]] if words[0] == "python" else [sys.executable, "-m", *words]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLOPSKIT", "PYTEST"))}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, env=kept)


@pytest.mark.notebooks
def test_the_guide_works_as_it_is_written(tmp_path: Path) -> None:
    guide = (REPO / "docs" / "your-own-phase.md").read_text(encoding="utf-8")
    said, folder = "", tmp_path
    for language, block in re.findall(r"```(sh|python)\n(.*?)```", guide, re.DOTALL):
        if language == "python":
            file = next(folder.glob("notebooks/8_*.ipynb"))
            notebook = json.loads(file.read_text(encoding="utf-8"))
            next(cell for cell in notebook["cells"] if cell["id"] == "keep")["source"] = block.splitlines(keepends=True)
            file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            continue
        for line in block.splitlines():
            if line.startswith("cd "):
                folder = folder / line[3:]
                continue
            done = shell(line, folder)
            assert done.returncode in ({0, 3, 4} if line == "mlopskit run" else {0}), line + done.stdout + done.stderr
            said += done.stdout
    run = folder / "runs" / (folder / "runs" / "latest").read_text().strip()
    assert "criteria about groups are not shown to be met" in (run / "report.html").read_text(encoding="utf-8")
    statuses = {entry["name"]: entry["status"] for entry in json.loads((run / "run.json").read_text())["phases"]}
    assert [name for name, status in statuses.items() if status == "done"] == ["fairness_review"], said
    assert "2 passed" in said
