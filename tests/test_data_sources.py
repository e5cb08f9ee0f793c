"""Rows arrive with proof of where they came from, and no password is ever written down."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlopskit import artefacts
from mlopskit.data import databases, read_source
from mlopskit.data.sources import Source
from mlopskit.errors import DataError, RunError
from mlopskit.runs import Run, read_trace
from mlopskit.scope import Data, Scope

ROWS = "age,bought\n" + "".join(f"{20 + i},{'yes' if i % 3 else 'no'}\n" for i in range(30))


def read(project: Path, **data: Any) -> Source:
    tables = {
        "project": {"name": "demo"},
        "data": {"source": "rows.csv", "task": "binary", "target": "bought", "positive": "yes"} | data,
    }
    folder = project / "runs" / "r1"
    first = Run(project, folder, "scope")
    first.freeze(Scope.model_validate(tables))
    first.finish()
    return read_source(Run(project, folder, "data"))


def test_a_file_is_recorded_with_hash_size_and_terms(project: Path) -> None:
    (project / "rows.csv").write_text(ROWS)
    source = read(project, origin="the shop", licence="CC0")
    assert source.record["sha256"] == artefacts.sha256(project / "rows.csv")
    assert source.record["bytes"] == len(ROWS)
    assert (source.record["rows"], source.record["columns"]) == (30, 2)
    assert (source.record["origin"], source.record["licence"]) == ("the shop", "CC0")
    assert [(item.op, item.name) for item in read_trace(project / "runs/r1/data") if item.op == "source"] == [
        ("source", "rows.csv")
    ]


def test_an_example_brings_its_own_terms(project: Path) -> None:
    source = read(project, source="example:mortgage", target="denied")
    assert "Boston" in source.record["origin"]
    assert len(source.frame) == 2380


def test_a_query_is_recorded_as_live(project: Path) -> None:
    with sqlite3.connect(project / "shop.db") as connection:
        pd.DataFrame({"age": range(30), "bought": ["yes", "no"] * 15}).to_sql("sales", connection, index=False)
    source = read(project, source="sqlite:///shop.db", query="SELECT age, bought FROM sales WHERE age < 20")
    assert len(source.frame) == 20
    assert source.record["source"] == "sqlite:///shop.db"
    assert source.record["sha256"] is None
    assert [item.name for item in read_trace(project / "runs/r1/data") if item.op == "live"] == [
        "sqlite:///shop.db: SELECT age, bought FROM sales WHERE age < 20"
    ]


def test_a_password_comes_by_reference_and_is_not_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP", f"sqlite:///{project}/shop.db?timeout=77")
    (project / "shop.db").touch()
    data = Data(source="env:SHOP", query="SELECT 1", task="regression", target="y")
    engine = databases.connect(data, project)
    assert databases.safe_url(engine) == "sqlite:///shop.db"


@pytest.mark.parametrize(
    ("source", "query", "said"),
    [
        ("postgresql://me:hunter2@host/db", "SELECT 1", "holds a password in the open"),
        ("env:NO_SUCH_VARIABLE", "SELECT 1", "NO_SUCH_VARIABLE is not set"),
        ("sqlite:///none.db", "SELECT 1", "does not exist"),
        ("sqlite:///shop.db", None, "needs `query`"),
        ("sqlite:///shop.db", "SELECT a FROM nowhere", "did not answer the query: no such table"),
        ("://", "SELECT 1", "URL cannot be read"),
    ],
)
def test_a_database_that_cannot_answer_is_refused(project: Path, source: str, query: str | None, said: str) -> None:
    sqlite3.connect(project / "shop.db").close()
    with pytest.raises(DataError, match=said) as refused:
        read(project, source=source, query=query)
    assert "hunter2" not in str(refused.value)


def test_missing_and_empty_files_are_refused(project: Path) -> None:
    with pytest.raises(RunError, match=r"nothing\.csv cannot be read"):
        read(project, source="nothing.csv")
    (project / "rows.csv").write_text("age,bought\n")
    with pytest.raises(DataError, match="has no rows"):
        read(project)


def test_columns_that_the_scope_names_must_be_there(project: Path) -> None:
    (project / "rows.csv").write_text(ROWS)
    with pytest.raises(DataError, match=r"sensitive = 'agee': there is no such column \(did you mean age\?\)"):
        read(project, sensitive=["agee"])


def test_what_was_changed_while_reading_is_handed_on(project: Path) -> None:
    (project / "rows.csv").write_bytes(ROWS.replace("20,", "inf,").encode())
    source = read(project)
    assert [item.code for item in source.findings] == ["DAT012"]
    assert "rows" in source.table.frame["fact"].tolist()
