"""A table that nobody described gets a project file that holds, guesses marked as such."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlopskit.data import infer_scope, preflight
from mlopskit.errors import DataError
from mlopskit.scope import Scope


def inferred(folder: Path, frame: pd.DataFrame, target: str = "y") -> tuple[Scope, str]:
    frame.to_parquet(folder / "a.parquet")
    text = infer_scope(folder / "a.parquet", target, project="demo")
    scope = Scope.parse(text)
    assert [problem for problem in preflight(folder, scope) if problem.fatal] == []
    return scope, text


def table(n: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=n), "y": ["no", "yes"] * (n // 2)})


def test_two_labels_are_a_binary_task_with_yes_positive(tmp_path: Path) -> None:
    scope, text = inferred(tmp_path, table())
    assert (scope.data.task, scope.data.positive, scope.data.modality) == ("binary", "yes", "tabular")
    assert text.count("guess") >= 4


@pytest.mark.parametrize(
    ("values", "task", "positive"),
    [
        ([0, 1] * 50, "binary", "1"),
        ([True, False] * 50, "binary", "True"),
        (["a"] * 80 + ["b"] * 20, "binary", "b"),
        (["a", "b", "c", "d"] * 25, "multiclass", None),
        ([0, 1, 2, 3] * 25, "multiclass", None),
        (list(np.linspace(0, 1, 100)), "regression", None),
        (list(range(100)), "regression", None),
    ],
)
def test_the_task_follows_from_the_target(
    tmp_path: Path, values: list[object], task: str, positive: str | None
) -> None:
    scope, _ = inferred(tmp_path, table().assign(y=values))
    assert (scope.data.task, scope.data.positive) == (task, positive)


def test_columns_are_guessed_by_name_and_value(tmp_path: Path) -> None:
    frame = table().assign(
        customer_id=np.repeat(np.arange(50), 2),
        rowid=[f"r{i}" for i in range(100)],
        year=2000,
        maritalStatus="m",
        split="a",
    )
    scope, text = inferred(tmp_path, frame)
    assert (scope.data.group, scope.data.split, scope.data.time) == ("customer_id", "group", "year")
    assert scope.data.exclude == ["rowid", "split"]
    assert scope.data.sensitive == []
    assert '# sensitive = ["maritalStatus"]' in text


def test_texts_and_images_are_known(tmp_path: Path) -> None:
    words = [f"this is message number {i} of many" for i in range(100)]
    assert inferred(tmp_path, table().drop(columns="x").assign(text=words))[0].data.modality == "text"
    images = [np.full(9, i) for i in range(100)]
    assert inferred(tmp_path, table().drop(columns="x").assign(image=images))[0].data.modality == "image"


def test_names_that_would_break_toml_are_quoted(tmp_path: Path) -> None:
    name = 'a "b"\\\n<script>'
    scope, _ = inferred(tmp_path, table().rename(columns={"y": name}), target=name)
    assert scope.data.target == name


@pytest.mark.parametrize(
    ("frame", "target", "said"),
    [
        (table(), "yy", r"no column 'yy' \(did you mean y\?\)"),
        (table().assign(y="yes"), "y", "1 distinct values"),
        (table().assign(y=["a"] * 50 + ["b"] * 48 + ["c"] * 2), "y", "fewer than 5 rows .c."),
        (table(500).assign(y=[f"l{i // 2}" for i in range(500)]), "y", "250 different labels"),
        (table().assign(wav=[b"RIFF"] * 100), "y", "raw bytes in wav .*spectral bands"),
    ],
)
def test_tables_that_leave_nothing_to_learn_are_refused(
    tmp_path: Path, frame: pd.DataFrame, target: str, said: str
) -> None:
    with pytest.raises(DataError, match=said):
        inferred(tmp_path, frame, target)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        infer_scope(tmp_path / "none.csv", "y", project="demo")
