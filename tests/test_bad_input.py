"""Bad input is refused through the command line: one sentence, exit 1 or 2, and nothing made before any kernel."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mlopskit.cli import main

REPO = Path(__file__).resolve().parents[1]
TOML = """
[project]
name = "demo"

[data]
source = "rows.csv"
task = "binary"
target = "y"
positive = "yes"
sensitive = ["g"]
"""
ROWS = "x,g,y\n" + "".join(f"{i},{'ab'[i % 2]},{'yes' if i % 2 else 'no'}\n" for i in range(60))
Spoil = Callable[[Path], object]


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that would run, as the working directory."""
    for name in ("MLOPSKIT_PROJECT", "MLOPSKIT_RUN", "MLOPSKIT_PHASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("mlopskit.runner.execute", lambda *_, **__: pytest.fail("a run was begun"))
    shutil.copytree(REPO / "notebooks", tmp_path / "notebooks")
    (tmp_path / "mlops.toml").write_text(TOML, encoding="utf-8")
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def toml(old: str, new: str) -> Spoil:
    assert old in TOML
    return lambda folder: (folder / "mlops.toml").write_text(TOML.replace(old, new), encoding="utf-8")


def more(text: str) -> Spoil:
    return toml('name = "demo"\n', f'name = "demo"\n{text}')


def rows(content: str | bytes) -> Spoil:
    raw = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / "rows.csv").write_bytes(raw)


def parquet(content: bytes | pd.DataFrame) -> Spoil:
    def spoil(folder: Path) -> None:
        toml("rows.csv", "rows.parquet")(folder)
        path = folder / "rows.parquet"
        path.write_bytes(content) if isinstance(content, bytes) else content.to_parquet(path)

    return spoil


def labels(of: Callable[[int], str]) -> Spoil:
    return rows("x,g,y\n" + "".join(f"{i},{'ab'[i % 2]},{of(i)}\n" for i in range(60)))


def untagged(folder: Path) -> None:
    path = folder / "notebooks" / "3_model.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"].pop("tags", None)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def in_r(folder: Path) -> None:
    path = folder / "notebooks" / "3_model.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"] = {"language_info": {"name": "R"}}
    path.write_text(json.dumps(notebook), encoding="utf-8")


CONSTANT = pd.DataFrame({"x": [1] * 60, "g": [None] * 60, "y": ["yes", "no"] * 30})
CASES: dict[str, tuple[Spoil, str]] = {
    "no project file": (lambda folder: (folder / "mlops.toml").unlink(), "No mlops.toml was found"),
    "empty project file": (toml(TOML, ""), "`project` is missing"),
    "malformed": (toml("[data]", "[data"), "mlops.toml, line 5: not valid TOML"),
    "not UTF-8": (lambda folder: (folder / "mlops.toml").write_bytes(b"\xff"), "must be a UTF-8 text file"),
    "unknown key": (toml("positive", "positiv"), "line 9: unknown key `data.positiv` (did you mean positive?)"),
    "unknown table": (more("[modle]\n"), "unknown key `modle` (did you mean model?)"),
    "unknown parameter": (more("[parameters.model]\nsede = 1\n"), "unknown parameter model.sede (did you mean seed?)"),
    "parameter of wrong type": (more('[parameters.model]\nseed = "a"\n'), "is not a whole number but text"),
    "wrong type": (toml('["g"]', '"g"'), "line 10: `data.sensitive` = 'g': input should be a valid list"),
    "unknown candidate": (more('[model]\ncandidates = ["forrest"]\n'), "'forrest' (did you mean forest?)"),
    "candidate without module": (more('[model]\ncandidates = ["mine:Tree"]\n'), "there is no module 'mine'"),
    "unknown metric": (more('[[criterion]]\nmetric = "recal"\nat_least = 0.5\n'), "did you mean recall?"),
    "missing file": (toml("rows.csv", "row.csv"), "that folder holds mlops.toml, rows.csv"),
    "a folder": (toml("rows.csv", "notebooks"), "is a folder; name one file in it"),
    "not a table": (toml("rows.csv", "mlops.toml"), "tables are read from .parquet"),
    "no bytes": (rows(""), "is empty (0 bytes)"),
    "blank": (rows("\n \n"), "nothing but white space"),
    "no rows": (rows("x,g,y\n"), "has no rows, only a header"),
    "ragged": (rows("x,g,y\n1,a,yes\n1,2,3,4\n"), "not a regular table: Expected 3 fields in line 3, saw 4"),
    "zero bytes in text": (rows(b"x,g,y\n\0"), "is not text: byte 6 is zero"),
    "neither encoding": (rows(b"x,g,y\n\x81,a,yes\n"), "not Windows-1252 either"),
    "damaged Parquet": (parquet(b"PAR1"), "is not a readable Parquet file"),
    "Parquet without rows": (parquet(CONSTANT.head(0)), "has no rows, only columns"),
    "missing target": (toml('target = "y"', 'target = "yy"'), "there is no such column (did you mean y?)"),
    "no target values": (labels(lambda _: ""), "missing in all 60 development rows"),
    "one class": (labels(lambda _: "yes"), "has one class among the development rows ('yes', 60 rows)"),
    "small class": (labels(lambda i: "yes" if i > 1 else "no"), "fewer rows than the 3 splits"),
    "positive label absent": (labels(lambda i: "ja" if i % 2 else "no"), "labels there are 'ja', 'no'"),
    "words for numbers": (
        toml('"binary"\ntarget = "y"\npositive = "yes"', '"regression"\ntarget = "y"'),
        "holds 2 values that are not numbers ('no', 'yes'), and a regression needs numbers",
    ),
    "sensitive column absent": (toml('["g"]', '["gg"]'), "[data] sensitive = 'gg': there is no such column"),
    "duplicate names": (rows("x,x,y\n1,2,yes\n"), "column names occur more than once: 'x'"),
    "duplicate names after a line break": (rows('"a\nb",x,x,y\n1,2,3,yes\n'), "more than once: 'x'"),
    "nothing varies": (rows("x,g,y\n" + "1,,yes\n1,,no\n" * 30), "Every feature is constant or empty ('x', 'g')"),
    "nothing varies, Parquet": (parquet(CONSTANT), "Every feature is constant or empty ('x', 'g')"),
    "another language": (in_r, "3_model.ipynb is written in R; only Python notebooks can be phases"),
    "no parameters cell": (untagged, "3_model.ipynb has no cell tagged `parameters`"),
    "no notebook": (lambda folder: (folder / "notebooks" / "3_model.ipynb").unlink(), "3_model.ipynb is missing"),
    "torn notebook": (lambda folder: (folder / "notebooks" / "3_model.ipynb").write_text("{"), "not a readable"),
}


@pytest.mark.parametrize(("spoil", "said"), CASES.values(), ids=CASES)
def test_bad_input_is_refused_in_a_sentence_and_nothing_is_made(
    ready: Path, spoil: Spoil, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(ready)
    assert call("run") == 1
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.startswith("mlopskit: ")
    assert "Traceback" not in told.err
    assert told.out == ""
    assert not (ready / "runs").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("model.sede=1", "unknown parameter model.sede (did you mean seed?)"),
        ("model.seed=many", "model.seed = many is not a whole number"),
        ("modl.seed=1", "there is no phase modl (did you mean model?)"),
        ("seed", "is not of the form phase.name=value"),
    ],
)
def test_a_bad_argument_is_wrong_usage(ready: Path, given: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "-p", given) == 2
    assert said in capsys.readouterr().err
    assert not (ready / "runs").exists()


def test_an_interrupt_during_the_checks_ends_in_a_sentence(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlopskit.data.precheck.preflight", interrupted)
    assert call("run") == 1
    assert capsys.readouterr().err.startswith("mlopskit: Stopped before anything was run.")
    assert not (ready / "runs").exists()


def test_an_interrupt_while_the_commands_are_imported_ends_in_a_sentence(project: Path) -> None:
    code = "import sys, mlopskit.cli, interrupted; sys.modules['mlopskit.cli.app'] = interrupted; mlopskit.cli.main()"
    (project / "interrupted.py").write_text("def __getattr__(name): raise KeyboardInterrupt", encoding="utf-8")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = "mlopskit: Stopped before anything was run. Give the command again to start over.\n"
    assert (ended.returncode, ended.stderr) == (1, said)


@pytest.mark.parametrize("name", ["missing target", "one class", "nothing varies, Parquet", "unknown candidate"])
def test_check_says_the_same_without_a_run(ready: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, said = CASES[name]
    spoil(ready)
    assert call("check") == 1
    assert said in capsys.readouterr().out


def test_columns_that_vary_in_one_row_or_by_missing_values_are_no_constant(ready: Path) -> None:
    from mlopskit.data import preflight
    from mlopskit.scope import Scope

    scope = Scope.load(ready / "mlops.toml")
    for spoil in (labels(lambda i: "yes" if i % 2 else "no"), rows("x,g,y\n" + "1,a,yes\n,a,no\n" * 30)):
        spoil(ready)
        assert [problem for problem in preflight(ready, scope) if problem.fatal] == []
    parquet(CONSTANT.assign(x=[1] * 59 + [2]))(ready)
    assert [p for p in preflight(ready, Scope.load(ready / "mlops.toml")) if p.fatal] == []
