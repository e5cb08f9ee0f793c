"""Explorers opened on a finished run: they read what its phases wrote, and leave it as it was."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from mlopskit import explore, load_run
from mlopskit.display import Note
from mlopskit.errors import MlopskitError, RunError
from mlopskit.runs import Run

EXPLORED = runpy.run_path(str(Path(__file__).with_name("explored.py")))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = tmp_path_factory.mktemp("explored")
    EXPLORED["make"](project)
    return load_run(project=project)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_at_the_models_own_threshold_the_rates_are_those_of_the_predictions(run: Any) -> None:
    before = files(run.folder)
    shown = explore.thresholds(run, column="town")
    predictions, test = run["evaluate"].predictions, run["data"].test
    inside = (test["town"] == "south") & (test["_target"] == 1)
    found = shown.rates.query("group == 'south' and metric == 'recall'").iloc[0]
    assert found["denominator"] == inside.sum()
    assert found["value"] == pytest.approx(predictions.loc[inside, "prediction"].mean(), abs=0.01)
    assert list(shown._column.options) == [("town", "town"), ("age", "age")]
    assert files(run.folder) == before


def test_the_planted_slice_is_on_top_and_its_rows_are_those_that_it_counts(run: Any) -> None:
    shown = explore.slices(run)
    assert EXPLORED["HOSTILE"] in shown.worst(1).frame["slice"].iloc[0]
    for name in shown.table["slice"]:
        shown.chosen = name
        rows = shown.rows()
        assert len(rows) == shown.table.set_index("slice").loc[name, "n"]
        assert {"age", "town", "prediction", "score"} <= set(rows.columns)


def test_rows_stay_out_of_batch_runs(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = explore.slices(run)
    monkeypatch.setenv("MLOPSKIT_RUN", str(run.folder))
    with pytest.raises(MlopskitError, match="not shown in a batch run"):
        shown.rows()
    shown._button.click()
    assert "not shown in a batch run" in shown._single.value


def test_where_there_is_no_threshold_it_says_so(run: Any, tmp_path: Path) -> None:
    EXPLORED["make"](tmp_path)
    again = Run(tmp_path, tmp_path / "runs" / EXPLORED["NAME"], "evaluate")
    again.write("predictions", run["evaluate"].predictions.drop(columns="score"))
    shown = explore.thresholds(load_run(project=tmp_path))
    assert isinstance(shown, Note)
    assert "Not applicable" in shown.text


def test_a_run_without_the_phase_says_which_is_missing(project: Path) -> None:
    folder = project / "runs" / "r"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}", encoding="utf-8")
    for opened in (explore.thresholds, explore.slices):
        with pytest.raises(RunError, match="has no finished results in r"):
            opened(load_run("r"))


def test_explore_names_what_it_has() -> None:
    assert dir(explore) == sorted(explore.__all__)
    with pytest.raises(AttributeError, match="it has compare, criteria"):
        _ = explore.threshold
