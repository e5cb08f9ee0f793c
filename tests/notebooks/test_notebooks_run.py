"""All seven notebooks run, on three examples, by the command that the README gives, and say the same when run again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from mlopskit.runs import written
from mlopskit.scope import Scope

REPO = Path(__file__).resolve().parents[2]
PHASES = ["scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"]
FINISHED = {0: "passed", 3: "criteria-not-met"}

pytestmark = [pytest.mark.notebooks]


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment as a newcomer's shell would, free of this test's own settings."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT", "PYTEST"))}
    return subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, env=environment)


def run(project: Path, *arguments: str) -> Path:
    done = command("mlopskit", "run", *arguments, cwd=project)
    assert done.returncode in {0, 3, 4}, done.stdout[-3000:] + done.stderr[-3000:]
    return project / "runs" / (project / "runs" / "latest").read_text().strip()


def manifest(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "run.json").read_text()))


def digests(folder: Path) -> dict[str, str]:
    """Name → content digest of every artefact that does not measure time."""
    return {
        record.name: record.digest
        for phase in PHASES
        for record in written(folder / phase).values()
        if not record.volatile
    }


def normalised(notebook: Path) -> list[tuple[str, str, str]]:
    """What a notebook says: sources and outputs, without ids, clock times and cells that measure time."""
    said = []
    for cell in json.loads(notebook.read_text())["cells"]:
        volatile = "volatile" in cell["metadata"].get("tags", [])
        outputs = [] if volatile else [{**output, "execution_count": None} for output in cell.get("outputs", [])]
        for output in outputs:
            output.pop("metadata", None)
        said.append((cell["cell_type"], "".join(cell["source"]), json.dumps(outputs, sort_keys=True)))
    return said


def one_worker(example: str) -> Any:
    """Keep the tests of one example in one process, so that it is run once."""
    return pytest.param(example, marks=pytest.mark.xdist_group(example))


@pytest.fixture(scope="module", params=[one_worker("income"), one_worker("mortgage"), one_worker("digits")])
def finished(request: pytest.FixtureRequest, example: Any) -> tuple[Path, Path]:
    """A project made and run by the commands of the README, and the folder of its run."""
    made: tuple[Path, Path] = example(request.param)
    return made


only_income = pytest.mark.parametrize("finished", [one_worker("income")], indirect=True)


def test_every_example_runs_to_its_end_and_judges_every_criterion(finished: tuple[Path, Path]) -> None:
    project, folder = finished
    record = manifest(folder)
    jsonschema.validate(record, json.loads((REPO / "templates" / "run.schema.json").read_text()))
    assert [(phase["name"], phase["status"]) for phase in record["phases"]] == [(name, "done") for name in PHASES]
    asked = [criterion.name for criterion in Scope.load(project / "mlops.toml").criterion]
    assert sorted({criterion["name"] for criterion in record["criteria"]}) == sorted(asked)
    assert (folder / "report.html").stat().st_size < 3_000_000


def test_no_row_is_in_two_splits_and_the_test_rows_are_those_evaluated(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    rows = {name: set(pd.read_parquet(folder / "data" / f"{name}.parquet")["_row"]) for name in
            ("train", "validation", "test", "production")}  # fmt: skip
    assert sum(map(len, rows.values())) == len(set.union(*rows.values()))
    evaluated = pd.read_parquet(folder / "evaluate" / "predictions.parquet")
    assert set(evaluated["_row"]) == rows["test"]


def test_the_headline_accuracy_follows_from_the_stored_predictions(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    predictions = pd.read_parquet(folder / "evaluate" / "predictions.parquet")
    metrics = pd.read_parquet(folder / "evaluate" / "metrics.parquet").set_index("metric")
    by_hand = (predictions["_target"] == predictions["prediction"]).mean()
    assert metrics.loc["accuracy", "value"] == pytest.approx(by_hand)
    assert metrics.loc["accuracy", "low"] < by_hand < metrics.loc["accuracy", "high"]


def test_every_figure_on_the_first_screen_comes_from_an_artefact_that_exists(finished: tuple[Path, Path]) -> None:
    _, folder = finished
    facts = [
        fact for phase in PHASES for fact in json.loads((folder / phase / "summary.json").read_text())["facts"]
    ]  # fmt: skip
    assert facts
    names = {Path(name).with_suffix("").as_posix() for phase in manifest(folder)["phases"] for name in
             [entry["name"] for entry in phase["writes"]]}  # fmt: skip
    assert {fact["artefact"] for fact in facts} <= names


@only_income
def test_the_same_run_twice_gives_equal_artefacts_and_notebooks(finished: tuple[Path, Path]) -> None:
    project, first = finished
    assert run(project) == first  # nothing changed, so it stands
    second = run(project, "--fresh")
    assert first != second
    assert digests(first) == digests(second)
    for phase in PHASES:
        assert normalised(first / phase / "notebook.ipynb") == normalised(second / phase / "notebook.ipynb"), phase


@only_income
def test_plain_papermill_gives_the_same_result_as_the_run(finished: tuple[Path, Path]) -> None:
    project, folder = finished
    shutil.rmtree(project / "runs" / "scratch", ignore_errors=True)
    arguments = ["notebooks/4_evaluate.ipynb", str(project / "out.ipynb"), "--no-progress-bar"]
    done = command("papermill", *arguments, cwd=project)
    assert done.returncode == 0, done.stderr[-3000:]
    own = {record.name: record.digest for record in written(project / "runs" / "scratch" / "evaluate").values()}
    assert own == {name: digest for name, digest in digests(folder).items() if name.startswith("evaluate/")}


@only_income
def test_a_misspelt_parameter_stops_before_any_run_is_made(finished: tuple[Path, Path]) -> None:
    project, _ = finished
    before = sorted((project / "runs").iterdir())
    done = command("mlopskit", "run", "-p", "model.sead=1", cwd=project)
    assert done.returncode in {1, 2}
    assert "seed" in done.stderr
    assert sorted((project / "runs").iterdir()) == before
