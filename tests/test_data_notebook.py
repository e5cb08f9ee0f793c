"""The data notebook, cell by cell in this process, on every kind of project, and twice with the same result."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlopskit import artefacts
from mlopskit.data import ROW, TARGET, Columns, Target, infer_scope
from mlopskit.errors import DataError
from mlopskit.runs import Run, written
from mlopskit.scope import Scope


def run_notebook(repo: Path, project: Path, monkeypatch: pytest.MonkeyPatch, *, name: str = "r1") -> Run:
    """Freeze the scope, then execute the code cells of the notebook in order."""
    folder = project / "runs" / name
    scoping = Run(project, folder, "scope")
    scoping.freeze(scoping.load_project_file())
    scoping.finish()
    for key, value in {"PROJECT": project, "RUN": folder, "PHASE": "data"}.items():
        monkeypatch.setenv(f"MLOPSKIT_{key}", str(value))
    notebook = json.loads((repo / "notebooks" / "2_data.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    return Run(project, folder, "data")


def example(repo: Path, tmp_path: Path, name: str) -> Path:
    project = tmp_path / name
    project.mkdir()
    shutil.copy(repo / "templates" / "project" / f"{name}.toml", project / "mlops.toml")
    return project


@pytest.mark.parametrize("name", ["income", "mortgage", "digits"])
def test_an_example_runs_and_its_parts_fit_together(
    repo: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_notebook(repo, example(repo, tmp_path, name), monkeypatch)
    target, columns = Target.from_dict(run.read("data/target")), Columns.from_dict(run.read("data/columns"))
    tables = {split: run.read(f"data/{split}") for split in ("train", "validation", "test", "production")}
    assert pd.concat(tables.values())[ROW].is_unique
    assert set(columns.features) | set(columns.by) <= set(tables["test"].columns)
    assert set(tables["test"][TARGET]) == set(target.labels)
    prepared = run.read("data/preparation").transform(tables["production"].head(50))
    assert np.isfinite(prepared).all()
    assert {"facts", "statements", "next"} == set(run.read("data/summary"))


def test_the_same_run_twice_gives_equal_artefacts(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = example(repo, tmp_path, "mortgage")
    digests = [
        {file: record.digest for file, record in written(run.home).items() if not record.volatile}
        for run in (run_notebook(repo, project, monkeypatch, name=name) for name in ("r1", "r2"))
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) >= 20


def test_awkward_names_and_values_come_through(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "<script>": rng.choice(["<b>", "'q'", "{x}"], n), "a.b c": rng.normal(size=n), "7": rng.integers(0, 9, n),
            "empty": np.nan, "same": "s", "many": [f"v{i}" for i in rng.integers(0, 10_000, n)],
            "mixed": rng.choice(["1", "two"], n), "inf": rng.choice([1.0, np.inf, 3.0], n), "flag": rng.random(n) < 0.5,
            "day": pd.date_range("2020-01-01", periods=n).astype(str), "y": rng.choice(["oui", "non"], n, p=[0.3, 0.7]),
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "rows.csv", index=False)
    text = infer_scope(tmp_path / "rows.csv", "y", project="odd").replace(
        "# sensitive = []", 'sensitive = ["<script>"]'
    )
    (tmp_path / "mlops.toml").write_text(text, encoding="utf-8")
    run = run_notebook(repo, tmp_path, monkeypatch)
    codes = set(run.read("data/quality").query("outcome == 'issue'")["code"])
    assert {"DAT009", "DAT011", "DAT012", "DAT013", "DAT019"} <= codes
    assert "<script>" not in run.read("data/by_group").svg


def test_a_regression_and_a_text_project_run(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    words = rng.choice(["cheap", "offer", "dear", "friend", "now"], (300, 6))
    frame = pd.DataFrame(
        {"text": [f"{' '.join(row)} {i}" for i, row in enumerate(words)], "price": rng.normal(size=300)}
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    (tmp_path / "mlops.toml").write_text(infer_scope(tmp_path / "rows.parquet", "price", project="t"), encoding="utf-8")
    run = run_notebook(repo, tmp_path, monkeypatch)
    assert run.read("data/target")["task"] == "regression"
    assert run.read("data/columns")["text"] == ["text"]
    assert run.read("data/train")[TARGET].dtype == "float64"


def test_a_target_with_one_class_stops_the_notebook(repo: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "rows.csv").write_text("x,bought\n" + "1,yes\n" * 30)
    assert Scope.load(project / "mlops.toml").data.target == "bought"
    with pytest.raises(DataError, match="one class"):
        run_notebook(repo, project, monkeypatch)
    assert not any((project / "runs" / "r1" / "data").glob(f"train{artefacts.extension_of(pd.DataFrame())}"))
