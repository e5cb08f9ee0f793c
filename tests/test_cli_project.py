"""`mlopskit new` and `mlopskit check`, called as a person does, and what they refuse."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlopskit import __version__
from mlopskit.cli import main
from mlopskit.errors import DataError, ProjectError
from mlopskit.runner import PHASES
from mlopskit.runner.health import environment_findings, notebook_findings
from mlopskit.runner.scaffold import EXAMPLES, make_from_data, make_from_example
from mlopskit.scope import Scope
from tests import tiny

ROWS = "age,city,bought\n" + "\n".join(
    f"{18 + row % 50},{'abc'[row % 3]},{'yes' if row * 7 % 5 < 2 else 'no'}" for row in range(200)
)


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize("example", EXAMPLES)
def test_new_project_owns_stamped_notebooks_and_passes_its_check(
    project: Path, example: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("new", "my project", "--example", example) == 0
    folder = project / "my project"
    assert Scope.load(folder / "mlops.toml").project.name == "my project"
    for phase in PHASES:
        assert json.loads(phase.path(folder).read_text(encoding="utf-8"))["metadata"]["mlopskit"] == {
            "version": __version__
        }
    assert "runs/" in (folder / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "mlopskit run" in (folder / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(folder)
    assert call("check") == 0, capsys.readouterr().out


def test_new_from_a_file_copies_it_and_checks(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "rows é.csv").write_text(ROWS, encoding="utf-8")
    assert call("new", "mine", "--data", "rows é.csv", "--target", "bought") == 0
    assert "rows é.csv was copied to mine/data/rows é.csv" in capsys.readouterr().out
    scope = Scope.load(project / "mine" / "mlops.toml")
    assert (scope.project.name, scope.data.source, scope.data.target) == ("mine", "data/rows é.csv", "bought")
    assert (project / "mine" / "data" / "rows é.csv").read_text(encoding="utf-8") == ROWS
    monkeypatch.chdir(project / "mine")
    assert call("check") == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["new"], 2, "Give the folder to make"),
        (["new", "a", "--here"], 2, "Give the folder to make"),
        (["new", "a", "--example", "incom"], 2, "did you mean income?"),
        (["new", "a", "--data", "rows.csv"], 2, "belong together"),
        (["new", "a", "--target", "bought"], 2, "belong together"),
        (["new", "a", "--notebooks-only"], 2, "--here"),
        (["new", "a", "--data", "no.csv", "--target", "bought"], 1, "There is no data file no.csv"),
        (["new", "a", "--data", "rows.csv", "--target", "bouht"], 1, "did you mean bought?"),
        (["new", "full"], 1, "exists and is no empty folder"),
        (["new", "--here"], 1, "is a project already"),
    ],
)
def test_new_refuses_and_leaves_nothing(
    project: Path, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "rows.csv").write_text(ROWS, encoding="utf-8")
    (project / "full").mkdir()
    (project / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    before = sorted(path.name for path in project.rglob("*"))
    assert call(*arguments) == code
    said = capsys.readouterr()
    assert message in said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in project.rglob("*")) == before


def test_new_that_fails_half_way_leaves_nothing(project: Path) -> None:
    (project / "rows.csv").write_text(ROWS, encoding="utf-8")

    def fail(draft: Path, name: str) -> str:
        assert (draft / "data" / "rows.csv").is_file()
        raise DataError("the rows are of no use")

    with pytest.raises(DataError, match="of no use"):
        make_from_data(project / "a", project / "rows.csv", describe=fail)
    assert sorted(path.name for path in project.iterdir()) == ["mlops.toml", "rows.csv"]


def test_new_here_keeps_what_is_there(project: Path) -> None:
    (project / "mlops.toml").rename(project / "notes.txt")
    assert call("new", "--here") == 0
    assert {"notes.txt", "mlops.toml", "notebooks"} <= {path.name for path in project.iterdir()}
    (project / "mlops.toml").unlink()
    with pytest.raises(ProjectError, match="already holds"):
        make_from_example(project, "income", here=True)
    assert not (project / "mlops.toml").exists()


def test_new_in_the_empty_folder_that_one_is_in(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "empty").mkdir()
    before = (project / "empty").stat().st_ino
    monkeypatch.chdir(project / "empty")
    assert call("new", ".") == 0
    assert "Next: mlopskit run " in capsys.readouterr().out
    assert Scope.load(Path("mlops.toml")).project.name == "empty"
    assert (project / "empty").stat().st_ino == before, "a shell that stands in the folder would be left in none"


def test_missing_notebooks_are_put_back_and_others_kept(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_from_example(project / "p", "income")
    monkeypatch.chdir(project / "p")
    PHASES[0].path(Path()).unlink()
    PHASES[1].path(Path()).write_text("my own", encoding="utf-8")
    assert call("new", "--here", "--notebooks-only") == 0
    assert capsys.readouterr().out.strip() == "Put back: 1_scope.ipynb."
    assert PHASES[1].path(Path()).read_text(encoding="utf-8") == "my own"


def test_check_tells_everything_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check") == 1
    said = capsys.readouterr().out
    for expected in ("1_scope.ipynb", "7_monitor.ipynb", "rows.csv", "[project] question", "open questions."):
        assert expected in said


def test_check_of_a_project_file_with_errors_is_one_of_sentences(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mlops.toml").write_text("[project]\nname = 'a'\n[data\n", encoding="utf-8")
    assert call("check") == 1
    said = capsys.readouterr()
    assert "line 3" in said.out
    assert "Traceback" not in said.out + said.err


def test_notebook_form_is_examined(project: Path) -> None:
    good = {phase.name: "n" for phase in PHASES}
    cells = tiny.phase_notebook("n = 3\nx = n", phase="data")
    cells["cells"].append(tiny.code("n = 1", name="injected", tags=("injected-parameters",)))
    cells["cells"].append(tiny.code("if True print(1)", name="broken"))
    late = tiny.phase_notebook("1", phase="model", finish=False)
    late["cells"].insert(0, tiny.code("x = 1", name="first"))
    late["metadata"]["kernelspec"]["language"] = "R"
    late["metadata"]["mlopskit"] = {"version": "0.0.1"}
    tiny.make_project(project / "p", {**good, "data": cells, "model": late})
    found = notebook_findings(project / "p", {})
    said = {(place[10:], text.split(",")[0].split(";")[0]) for _, place, text in found}
    assert {
        ("2_data.ipynb", "code cell 3 assigns `n` again"),
        ("2_data.ipynb", "it holds a cell that an earlier run put in (tag `injected-parameters`)"),
        ("2_data.ipynb", "code cell 6"),
        ("3_model.ipynb", "its first code cell is not the one tagged `parameters`"),
        ("3_model.ipynb", "it is written in R"),
        ("3_model.ipynb", "no cell calls run.finish()"),
        ("3_model.ipynb", "it came from mlopskit 0.0.1"),
    } <= said
    assert not [place for place, _ in said if place.startswith(("1", "4", "5", "6", "7"))]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that take the process over, which they do not; what is put into the environment goes again."""
    found: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: found.append(command))
    for name in ("PYTHONPATH", "JUPYTER_CONFIG_PATH", "MLOPSKIT_PROJECT"):
        monkeypatch.setenv(name, "")
    return found


def test_lab_opens_the_overview_of_the_project(
    project: Path, called: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_from_example(project / "p", "income")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert call("lab", "--no-browser", "--port", "8890", "--project", str(project / "p"), "--", "--allow-root") == 0
    assert "--allow-root" in called[0]
    assert called[0][1:3] == ["-m", "jupyterlab"]
    assert {"--no-browser", "--port=8890", str(project / "p" / "notebooks" / "0_overview.ipynb")} <= set(called[0])
    assert os.environ["PYTHONPATH"] == f"{project / 'p'}{os.pathsep}/elsewhere"
    config = json.loads((Path(os.environ["JUPYTER_CONFIG_PATH"]) / "labconfig" / "page_config.json").read_text())
    assert config == {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}


def test_lab_makes_an_example_once_and_opens_it(
    project: Path, called: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = project / "leerer Ordner é"
    place.mkdir()
    monkeypatch.chdir(place)
    assert call("lab", "--example", "income", "--no-browser") == 0
    assert capsys.readouterr().out == f"Made {place / 'income'}.\n"
    (place / "income" / "mlops.toml").write_text("# mine now\n", encoding="utf-8")
    assert call("lab", "--example", "income", "--no-browser") == 0
    assert capsys.readouterr().out == ""
    assert (place / "income" / "mlops.toml").read_text(encoding="utf-8") == "# mine now\n"
    assert called[0] == called[1]
    assert called[0][-1] == str(place / "income" / "notebooks" / "0_overview.ipynb")


def test_lab_makes_no_example_that_does_not_exist_or_has_no_room(
    project: Path, called: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    make_from_example(project / "incom", "income")  # a project of such a name is no example either
    assert call("lab", "--example", "incom") == 2
    assert "did you mean income?" in capsys.readouterr().err
    (project / "income").mkdir()
    (project / "income" / "letter.txt").write_text("mine", encoding="utf-8")
    (project / "mortgage").write_text("a file", encoding="utf-8")
    for example in ("income", "mortgage"):
        assert call("lab", "--example", example) == 1
        said = capsys.readouterr().err
        assert f"{project / example} is there and no project; nothing in it was changed" in said
        assert f"mlopskit lab --example {example} --project my-project" in said
    assert [path.name for path in (project / "income").iterdir()] == ["letter.txt"]
    assert called == []


def test_environment_of_the_tests_is_in_order() -> None:
    assert [finding for finding in environment_findings() if finding[0] == "issue"] == []


def test_missing_and_old_distributions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlopskit.runner.health.requirements", lambda: ["nosuchthing>=1", "pandas>=999", "numpy"])
    said = [text for kind, _, text in environment_findings() if kind == "issue"]
    assert said[0].startswith("nosuchthing is missing")
    assert said[1].startswith("pandas ")
    assert ">=999 is needed" in said[1]
    assert len(said) == 2
