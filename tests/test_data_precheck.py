"""What cannot work is refused before any kernel starts, in one sentence each."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlopskit.data import preflight
from mlopskit.scope import Scope

EXAMPLES = ["income", "mortgage", "digits"]


def scope(**data: Any) -> Scope:
    more = {key: data.pop(key) for key in ("criterion", "baseline", "deployment") if key in data}
    described = {
        "source": "rows.parquet",
        "task": "binary",
        "target": "y",
        "positive": "yes",
        "sensitive": ["g"],
    } | data
    return Scope.model_validate({"project": {"name": "demo"}, "data": described} | more)


def frame(**columns: Any) -> pd.DataFrame:
    whole = {"x": np.arange(40.0), "g": ["a", "b"] * 20, "y": ["yes", "no"] * 20} | columns
    return pd.DataFrame({name: values for name, values in whole.items() if values is not None})


def fatal(project: Path, table: pd.DataFrame, **data: Any) -> str:
    table.to_parquet(project / "rows.parquet")
    in_parquet = [problem.message for problem in preflight(project, scope(**data)) if problem.fatal]
    return "\n".join(in_parquet)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_have_no_fatal_problem(repo: Path, name: str) -> None:
    found = preflight(repo, Scope.load(repo / "templates" / "project" / f"{name}.toml"))
    assert [problem for problem in found if problem.fatal] == []


@pytest.mark.parametrize(
    ("table", "data", "said"),
    [
        ({"y": None}, {}, "[data] target = 'y': there is no such column"),
        ({"y": ["yes"] * 40}, {}, "has one class"),
        ({"y": ["no", "nope"] * 20}, {}, "positive label 'yes' does not occur among the development rows"),
        ({"y": ["no"] * 38 + ["yes"] * 2}, {}, "fewer rows than the 3 splits"),
        ({"y": [None] * 40}, {}, "missing in all 40"),
        ({}, {"sensitive": ["gg"]}, "sensitive = 'gg'"),
        ({}, {"exclude": ["z"]}, "exclude = 'z'"),
        ({}, {"exclude": ["x", "g"]}, "No feature is left"),
        ({}, {"time": "when"}, "time = 'when'"),
        ({}, {"time": "x", "production_from": 99}, "leaves no production row"),
        ({}, {"time": "x", "production_from": "never"}, "is no number"),
        ({"_row": [1] * 40}, {}, "'_row' is reserved"),
        ({"b": [b"x"] * 40}, {}, "holds raw bytes"),
        ({"l": [[1, 2]] * 40}, {}, "holds lists of numbers"),
        ({}, {"criterion": [{"metric": "recall", "at_least": 0.5, "every_slice_of": "gg"}]}, "[[criterion]]"),
        ({}, {"baseline": [{"kind": "previous", "column": "old"}]}, "[[baseline]] column = 'old'"),
        ({}, {"deployment": {"logging": ["zz"]}}, "[deployment] logging = 'zz'"),
    ],
)
def test_bad_input_is_refused(project: Path, table: dict[str, Any], data: dict[str, Any], said: str) -> None:
    assert said in fatal(project, frame(**table), **data)


def test_parquet_and_csv_are_refused_alike(project: Path) -> None:
    table = frame(y=["yes"] * 40)
    table.to_csv(project / "rows.csv", index=False)
    in_text = [problem.message for problem in preflight(project, scope(source="rows.csv")) if problem.fatal]
    assert "\n".join(in_text) == fatal(project, table)


def test_production_rows_do_not_count_as_development_rows(project: Path) -> None:
    table = frame(y=["no"] * 20 + ["yes"] * 20)
    assert "does not occur among the development rows" in fatal(project, table, time="x", production_from=20)
    dated = table.assign(x=pd.date_range("2020-01-01", periods=40))
    assert "does not occur among" in fatal(project, dated, time="x", production_from="2020-01-21")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.parquet", b"nonsense", "not a readable Parquet file"),
        ("rows.csv", b"x,x\n1,2\n", "more than once"),
        ("rows.csv", b"x,g,y\n", "no rows"),
        ("rows.csv", b"", "0 bytes"),
        ("rows.csv", b"x,g,y\n\x81,a,yes\n", "not Windows-1252 either"),
        ("rows.doc", b"x", "tables are read from"),
    ],
)
def test_unreadable_files_are_refused(project: Path, name: str, content: bytes, said: str) -> None:
    (project / name).write_bytes(content)
    assert said in "\n".join(problem.message for problem in preflight(project, scope(source=name)) if problem.fatal)


def test_a_missing_file_says_what_lies_there(project: Path) -> None:
    (problem,) = [item for item in preflight(project, scope(source="row.parquet")) if item.fatal]
    assert "that folder holds mlops.toml" in problem.message
    assert "is a folder" in preflight(project, scope(source="."))[0].message


def test_a_database_is_asked_for_its_columns(project: Path) -> None:
    with sqlite3.connect(project / "a.db") as connection:
        frame().drop(columns="g").to_sql("t", connection, index=False)
    asked = scope(source="sqlite:///a.db", query="SELECT * FROM t")
    assert "sensitive = 'g'" in preflight(project, asked)[0].message


def test_what_can_be_handled_is_not_refused(project: Path) -> None:
    odd = frame(
        **{
            "<script>": [1.0, np.inf] * 20,
            "a.b 'c'": ["u"] * 40,
            "empty": [None] * 40,
            "many": [f"v{i}" for i in range(40)],
        }
    )
    assert fatal(project, odd) == ""


def test_advice_is_not_fatal(project: Path) -> None:
    frame().to_parquet(project / "rows.parquet")
    (advice,) = preflight(project, scope(sensitive=[]))
    assert not advice.fatal


def test_looking_loads_neither_pandas_nor_scikit_learn(repo: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlopskit.cli import checks; from mlopskit.scope import Scope; "
        f"scope = Scope.load(Path({str(repo / 'templates/project/income.toml')!r})); "
        "assert not checks.scope_problems(scope, Path('.')); checks.data_problems(Path('.'), scope); "
        "print(sorted(set(sys.modules) & {'pandas', 'sklearn', 'scipy', 'matplotlib', 'pandera', 'cleanlab'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
