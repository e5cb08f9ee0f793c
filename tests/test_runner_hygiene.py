"""What must not get into git: told with notebook, cell and heading, never with the value; and what `--fix` leaves."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.cli import main
from mlopskit.runner.fingerprint import fingerprint
from mlopskit.runner.giveaways import paths_in_code, secrets_in_code
from mlopskit.runner.graph import graph
from mlopskit.runner.hiddenstate import early_uses
from mlopskit.runner.hygiene import notebook_hygiene, project_hygiene
from mlopskit.runner.scaffold import make_from_example
from mlopskit.runner.stripping import normal_form, strip_file, stripped, unsteady
from tests import tiny

REPO = Path(__file__).resolve().parents[1]
SECRET = "ghp_" + "a1B2" * 9


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def of_sources(*sources: str) -> dict[str, Any]:
    return tiny.notebook([tiny.code(source, name=f"c{number}") for number, source in enumerate(sources)])


def ran(notebook: dict[str, Any], *counts: int) -> dict[str, Any]:
    """The notebook as if its code cells had been run by hand."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for cell, count in zip(code, counts, strict=False):
        cell["execution_count"] = count
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["42\n"]}]
    return notebook


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "MLOPSKIT"))}
    environment = {**clean, **names, "PATH": programs, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, env=environment)


def save(path: Path, notebook: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(normal_form(notebook), encoding="utf-8")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("x = 1", "y = x"), []),
        (("y = x", "x = 1"), [(0, "x", 1)]),
        (("x += 1",), [(0, "x", 0)]),
        (("x = x + 1", "x = 1"), [(0, "x", 0)]),
        (("print(nowhere)",), [(0, "nowhere", None)]),
        (("def f():\n    return later", "later = 1\nf()"), []),
        (("def f():\n    return never",), [(0, "never", None)]),
        (("def f(a, *b, c=late):\n    d = a\n    return d, b, c", "late = 1"), [(0, "late", 1)]),
        (("[i for i in range(3) if i]", "i"), [(1, "i", None)]),
        (("{k: v for k, v in rows}", "rows = []"), [(0, "rows", 1)]),
        (("if (n := 1):\n    n", "n"), []),
        (("[(last := i) for i in range(3)]\nlast",), []),
        (("for a, (b, *c) in []:\n    a, b, c",), []),
        (("with open('f') as f, f as g:\n    g",), []),
        (("try:\n    import a.b\nexcept ImportError as e:\n    e\na",), []),
        (("try:\n    done\nexcept NameError:\n    done = 1",), []),
        (("try:\n    done\nexcept ValueError:\n    done = 1",), [(0, "done", 0)]),
        (("class A(Base):\n    x = 1\n    y = x\n    def m(self):\n        return self, A",), [(0, "Base", None)]),
        (
            ("match [1]:\n  case [p, *q]:\n    p, q\n  case {'k': r, **s}:\n    r, s\n  case t:\n    t",),
            [],
        ),
        (("from somewhere import *\nanything", "else_"), []),
        (("y = x", "x = 1", "%run other"), [(0, "x", 1)]),
        (("%run setup", "whatever"), []),
        (("%matplotlib inline\nfiles = !ls\nfiles\nlen?\n!pip list",), []),
        (("%%time\nx = 1", "%%bash\necho $x", "%%capture out\nx", "out.show()"), []),
        (("display(_, __, _3, In, Out, get_ipython())\n__name__",), []),
        (("await thing", "import asyncio as thing"), [(0, "thing", 1)]),
        (("def f():\n    global g\n    g = 1\nf()", "g"), []),
        (("key = lambda r: r[column]", "column = 0"), []),
        (("x: Kind = 1", "Kind = int"), [(0, "Kind", 1)]),
        (("del gone", "gone = 1"), [(0, "gone", 1)]),
    ],
)
def test_hidden_state_is_seen_without_running(sources: tuple[str, ...], expected: list[Any]) -> None:
    found = [(use.cell, use.name, use.defined_in) for use in early_uses(of_sources(*sources))]
    assert found == expected


@settings(max_examples=60)
@given(st.permutations(range(5)))
def test_cells_work_from_top_to_bottom_if_and_only_if_python_says_so(order: list[int]) -> None:
    cells = ["a = 1", "b = a", "c = [a for _ in (b,)]", "d = lambda: e", "e = c"]
    sources = [cells[place] for place in order]
    names: dict[str, Any] = {}
    try:
        for source in sources:
            exec(source, names)
        works = True
    except NameError:
        works = False
    assert (early_uses(of_sources(*sources)) == []) is works


def test_the_bundled_notebooks_have_nothing_to_hide() -> None:
    assert project_hygiene(REPO, graph([])) == []


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (f"x = '{SECRET}'", "a GitHub token"),
        ("k = 'AKIA" + "B7" * 8 + "'", "an AWS access key"),
        ("url = 'postgresql://ada:hunter22@db/x'", "a password in a URL"),
        ("pem = '''-----BEGIN RSA PRIVATE KEY-----'''", "a private key"),
        ("connect(password='hunter22')", "a literal given to `password`"),
        ("settings['api_key'] = 'abcd1234efgh'", "a literal given to `api_key`"),
        ("db.secret: str = 'tr0ub4dor'", "a literal given to `secret`"),
        ("{'access_token': 'abcd1234efgh'}", "a literal given to `access_token`"),
    ],
)
def test_what_looks_like_a_secret_is_told_and_never_repeated(source: str, kind: str) -> None:
    assert secrets_in_code(source) == [(1, kind)]
    notebook = tiny.notebook([tiny.markdown("# T\n\n## Connect", name="t"), tiny.code(source, name="c")])
    found = [(severity, text) for severity, _, text in notebook_hygiene("n.ipynb", notebook, left="")]
    ((severity, text),) = [item for item in found if "secret" in item[1]]
    assert severity == "issue"
    assert text.startswith(f"code cell 1 (Connect), line 1, holds what looks like a secret: {kind}; take it out")
    assert not re.search(r"ghp_a|AKIAB|hunter22|abcd1234|tr0ub4dor", text)


@pytest.mark.parametrize(
    "source",
    [
        'token: "secret" = "env:TOKEN"',
        "password = reveal(reference)",
        "tokenizer(pad_token='<pad>')",
        "token = 'subword'",
        "url = f'postgresql://{user}:{password}@db/x'",
        "url = 'https://example.org:8080/a@b'",
        "password = 'your-password'",
        f"x = '{SECRET}'  # pragma: allowlist secret",
    ],
)
def test_what_is_no_secret_is_left_alone(source: str) -> None:
    assert secrets_in_code(source) == []


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("read('/home/ada/rows.csv')", ["/home/ada/rows.csv"]),
        ("a = r'C:\\Users\\ada\\x'", ["C:\\Users\\ada\\x"]),
        ("u = 'sqlite:////Users/ada/x.db'", ["/Users/ada/x.db"]),
        ("%cd /mnt/share/x\nx = 1", ["/mnt/share/x"]),
        ("a = '~/rows.csv'", ["~/rows.csv"]),
        ("get('/predict/v1'); b = 'data/rows.csv'; c = 'https://x.org/home/y'; d = 'a / b'", []),
    ],
)
def test_paths_of_one_machine_are_told(source: str, paths: list[str]) -> None:
    assert [path for _, path in paths_in_code(source)] == paths


def test_each_finding_names_cell_and_heading_and_what_to_do() -> None:
    notebook = ran(tiny.phase_notebook("x = y", phase="data", parameters=None), 3, 1, 2)
    notebook["cells"][3]["outputs"][0]["text"] = [SECRET]
    said = {text for _, _, text in notebook_hygiene("n", notebook, left="issue")}
    assert any(text.startswith("code cell 2 (Work) uses `y`, which no cell defines; define it above") for text in said)
    assert any(text.startswith("the output of code cell 2 (Work) holds what looks like a secret") for text in said)
    assert any("code cell 2 (Work) was run before code cell 1 (data)" in text for text in said)
    assert any("no cell is tagged `parameters`" in text and "tag code cell 1 (data)" in text for text in said)
    assert any(text.endswith("hold outputs or counts; strip it: mlopskit check --fix") for text in said)
    assert SECRET not in "".join(said)


def test_stripping_takes_what_running_left_and_nothing_else(tmp_path: Path) -> None:
    clean = tiny.phase_notebook("'é'", phase="data")
    clean["metadata"]["jupytext"] = {"formats": "ipynb,py:percent"}
    clean["cells"][1]["metadata"]["mine"] = {"z": 1, "a": 2}
    for ordered, ascii_only in ((True, False), (False, True)):
        before = json.dumps(clean, indent=1, sort_keys=ordered, ensure_ascii=ascii_only) + "\n"
        used = ran(json.loads(before), 1, 2, 3)
        used["cells"][1]["metadata"]["execution"] = {"iopub.execute_input": "2024-01-01T00:00:00Z"}
        used["metadata"]["widgets"] = {"state": {}}
        path = tmp_path / f"{ordered}.ipynb"
        path.write_text(json.dumps(used, indent=1, sort_keys=ordered, ensure_ascii=ascii_only) + "\n", encoding="utf-8")
        path.chmod(0o640)
        assert strip_file(path)
        assert path.read_text(encoding="utf-8") == before
        assert path.stat().st_mode & 0o777 == 0o640
        assert not strip_file(path)


def test_forms_that_make_diffs_unreadable_are_told_and_mended(tmp_path: Path) -> None:
    notebook = of_sources("1", "1", "2")
    del notebook["cells"][0]["id"]
    notebook["cells"][2]["id"] = "c1"
    assert "lack an id or share one" in unsteady(normal_form(notebook), notebook)
    named = [cell["id"] for cell in stripped(notebook)["cells"]]
    assert len(set(named)) == 3
    assert named == [cell["id"] for cell in stripped(notebook)["cells"]]
    good = of_sources("1")
    for text in (json.dumps(good), json.dumps(good, indent=4) + "\n", json.dumps(good, indent=1)):
        assert "not in the form in which Jupyter saves" in unsteady(text, good)
        (tmp_path / "n.ipynb").write_text(text, encoding="utf-8")
        strip_file(tmp_path / "n.ipynb")
        assert (tmp_path / "n.ipynb").read_text(encoding="utf-8") == normal_form(good)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a git repository, everything committed."""
    folder = make_from_example(tmp_path / "income", "income")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "all")):
        done = git(folder, *arguments)
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLOPSKIT_PROJECT", raising=False)
    return folder


def test_outputs_are_an_issue_where_git_has_them_and_a_note_where_it_has_not(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = repository / "notebooks" / "4_evaluate.ipynb"
    clean = path.read_bytes()
    save(path, ran(json.loads(clean), 1, 2))
    assert call("check") == 0
    assert "· notebooks/4_evaluate.ipynb: code cell 1 (4 Evaluate" in capsys.readouterr().out
    git(repository, "add", ".")
    assert call("check") == 1
    assert "✗ notebooks/4_evaluate.ipynb: git has it with outputs: code cell 1" in capsys.readouterr().out
    assert call("check", "--fix") == 1
    assert "Stripped: notebooks/4_evaluate.ipynb. What git has stays until git add." in capsys.readouterr().out
    assert path.read_bytes() == clean
    git(repository, "add", ".")
    assert call("check") == 0


def test_what_git_ignores_or_outside_of_git_may_hold_outputs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(repository / "runs" / "scratch" / "x.ipynb", ran(of_sources("1"), 1))
    save(repository / "drafts" / "x.ipynb", ran(of_sources("1"), 1))
    assert call("check") == 0
    said = capsys.readouterr().out
    assert "drafts/x.ipynb: code cell 1 holds outputs" in said
    assert "runs/scratch" not in said
    (repository / ".git").rename(tmp_path / "away")
    path = repository / "notebooks" / "2_data.ipynb"
    save(path, ran(json.loads(path.read_bytes()), 1))
    assert call("check") == 0
    assert "outputs" not in capsys.readouterr().out


def test_the_hook_refuses_commits_by_what_is_staged_only(repository: Path) -> None:
    (hook,) = yaml.safe_load((REPO / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert hook["id"] == "mlopskit-check"
    program = repository / ".git" / "hooks" / "pre-commit"
    program.write_text(f"#!/bin/sh\nexec {hook['entry']}\n", encoding="utf-8")
    program.chmod(0o755)
    path, other = repository / "notebooks" / "my own.ipynb", repository / "notebooks" / "2_data.ipynb"
    save(path, of_sources(f"token = '{SECRET}'"))
    save(other, ran(json.loads(other.read_bytes()), 1))  # not staged: none of the commit's business
    (repository / "mlops.toml").write_text("not TOML, and not staged", encoding="utf-8")
    git(repository, "add", "notebooks/my own.ipynb")
    save(path, of_sources("1"))  # mended, and not staged
    refused = git(repository, "commit", "-qm", "mine")
    said = refused.stdout + refused.stderr
    assert refused.returncode == 1
    assert "my own.ipynb: code cell 1, line 1, holds what looks like a secret: a GitHub token" in said
    assert "1 issue." in said
    assert SECRET not in said
    assert "2_data" not in said
    git(repository, "add", "notebooks/my own.ipynb")
    passed = git(repository, "commit", "-qm", "mine")
    assert passed.returncode == 0, passed.stdout + passed.stderr


def test_the_hook_takes_the_files_that_pre_commit_names(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (hook,) = yaml.safe_load((REPO / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    offered = ["notebooks/3_model.ipynb", "mlops.toml", "README.md", "runs/a/data/notebook.ipynb"]
    taken = [name for name in offered if re.search(hook["files"], name) and not re.search(hook["exclude"], name)]
    assert taken == ["notebooks/3_model.ipynb", "mlops.toml"]
    file = repository / "mlops.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("example:income", "/home/ada/rows.csv"), encoding="utf-8")
    git(repository, "add", ".")
    assert call(*shlex.split(hook["entry"])[1:], *taken) == 1
    said = capsys.readouterr().out
    assert "mlops.toml: `data.source` names /home/ada/rows.csv, which is on this machine only" in said
    monkeypatch.chdir(repository / "notebooks")
    assert call("check", "--staged", "3_model.ipynb") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--staged"], "is in no git repository"),
        (["--staged", "--fix"], "git add, then --staged"),
        (["README.md"], "neither a notebook nor mlops.toml"),
        (["no.ipynb"], "cannot be read"),
    ],
)
def test_check_refuses_what_it_cannot_look_at(
    project: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("check", *arguments) == 2
    assert message in capsys.readouterr().err


def test_single_files_are_stripped_and_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(project / "a.ipynb", ran(of_sources("1"), 1))
    (project / "b.ipynb").write_text("{", encoding="utf-8")
    assert call("check", "a.ipynb") == 1
    assert call("check", "--fix", "a.ipynb") == 0
    assert call("check", "b.ipynb") == 1
    assert "b.ipynb: it is not a readable notebook" in capsys.readouterr().out


def test_a_text_that_is_paired_with_a_notebook_is_no_module_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "1_data.ipynb").write_text("{}", encoding="utf-8")
    before = fingerprint(tmp_path).project
    (tmp_path / "notebooks" / "1_data.py").write_text('# %% tags=["parameters"]\nn = 1\n', encoding="utf-8")
    assert fingerprint(tmp_path).project == before
    (tmp_path / "helpers.py").write_text("n = 1\n", encoding="utf-8")
    assert fingerprint(tmp_path).project != before
