"""Runs that go well: the manifest, what is kept, what is reused, and which code the command ends with."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from mlopskit.errors import RunError, UsageError
from mlopskit.runner import PHASES, Outcome
from mlopskit.runner.manifest import Manifest, PhaseEntry
from mlopskit.runner.outcome import judge
from mlopskit.runner.phases import select
from tests import tiny

pytestmark = [pytest.mark.notebooks, pytest.mark.usefixtures("forked")]

READS = "import pandas as pd\nvalue = run.read('one/value')['n']\nrun.write('table', pd.DataFrame({'n': [value]}))"
ENVIRONMENT = (
    "import os, sys\n"
    "run.write('seen', {'project': os.environ['MLOPSKIT_PROJECT'], 'run': os.environ['MLOPSKIT_RUN'],\n"
    " 'phase': os.environ['MLOPSKIT_PHASE'], 'seed': os.environ['PYTHONHASHSEED'], 'cwd': os.getcwd(),\n"
    " 'python': sys.executable, 'n': n})\n"
    "n"
)


def _criteria(*rows: tuple[str, str]) -> str:
    listed = [
        {"name": name, "metric": "recall", "status": status, "value": 0.5, "low": 0.4, "high": 0.6, "bound": 0.5,
         "on_undecided": "stop"}
        for name, status in rows
    ]  # fmt: skip
    return f"import pandas as pd\nrun.write('criteria', pd.DataFrame({listed!r}))"


def _alerts(status: str) -> str:
    row = {"name": "drift", "metric": "drift", "feature": "age", "window": "2000", "status": status, "bound": 0.2}
    return f"import pandas as pd\nrun.write('alerts', pd.DataFrame([{row!r}]))"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    path = Path(__file__).resolve().parents[1] / "templates" / "run.schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_manifest_keeps_its_contract_and_records_what_passed(project: Path, schema: dict[str, Any]) -> None:
    events: list[dict[str, Any]] = []
    phases = tiny.make_project(project / "p", {"one": "run.write('value', {'n': n})", "two": READS})
    outcome = tiny.run(project / "p", phases, "one.n=4", "seed=7", listener=events.append)
    said = tiny.manifest_of(outcome)
    jsonschema.validate(said, schema)
    assert (said["status"], said["seed"], outcome.exit_code) == ("passed", 7, 0)
    assert said["parameters"] == {"one": {"n": 4, "seed": 7}, "two": {"n": 1, "seed": 7}}
    one, two = said["phases"]
    assert [item["name"] for item in two["reads"]] == ["one/value.json"]
    assert two["reads"][0]["sha256"] == one["writes"][0]["sha256"]
    assert json.loads((outcome.folder / "one" / "value.json").read_text(encoding="utf-8")) == {"n": 4}
    assert (project / "p" / "runs" / "latest").read_text(encoding="utf-8") == f"{outcome.folder.name}\n"
    cells = [
        (event["cell"], event["cells"], event["heading"])
        for event in events
        if event.get("phase") == "one" and "heading" in event
    ]
    assert [cell for cell in cells if cell[0]] == [(1, 4, "one"), (2, 4, "one"), (3, 4, "Work"), (4, 4, "Artifacts")]
    assert events[-1]["event"] == "finished"


def test_manifest_of_a_failed_run_keeps_its_contract(project: Path, schema: dict[str, Any]) -> None:
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "1 / 0", "two": "n"}))
    jsonschema.validate(tiny.manifest_of(outcome), schema)


def test_a_group_of_exceptions_is_told_by_its_name(project: Path) -> None:
    body = "raise ExceptionGroup('two jobs', [ValueError('a'), TypeError('b')])"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    error = tiny.manifest_of(outcome)["phases"][0]["error"]
    told = (error["name"], error["message"], error["cell"], error["heading"])
    assert told == ("ExceptionGroup", "two jobs (2 sub-exceptions)", 3, "Work")


def test_cells_behind_an_exit_are_told(project: Path) -> None:
    body = "run.finish()\nraise SystemExit"
    entry = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body})).manifest.phases[0]
    assert (entry.status, entry.cells, entry.executed) == ("done", 4, 3)
    assert entry.reason == "1 of 4 cells did not run: tagged skip-execution, or behind sys.exit()"


def test_a_message_without_end_is_cut_and_says_so(project: Path) -> None:
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "raise ValueError('z' * 100_000)"}))
    message = tiny.manifest_of(outcome)["phases"][0]["error"]["message"]
    assert message == "z" * 2000 + " … (100,000 characters)"
    assert "z" * 100_000 in (outcome.folder / "one" / "notebook.ipynb").read_text(encoding="utf-8")


def test_kernel_gets_its_place_and_its_python_and_notebook_no_machine_path(project: Path) -> None:
    import sys

    folder = project / "braces {x}"
    outcome = tiny.run(folder, tiny.make_project(folder, {"one": ENVIRONMENT}), "one.n=2")
    seen = json.loads((outcome.folder / "one" / "seen.json").read_text(encoding="utf-8"))
    assert seen == {
        "project": str(folder), "run": str(outcome.folder), "phase": "one", "seed": "0", "cwd": str(folder),
        "python": sys.executable, "n": 2,
    }  # fmt: skip
    executed = (outcome.folder / "one" / "notebook.ipynb").read_text(encoding="utf-8")
    assert str(project) not in executed
    assert json.loads(executed)["metadata"]["papermill"]["input_path"] == "notebooks/1_one.ipynb"


def test_infinite_parameter_reaches_the_kernel_and_leaves_valid_json(project: Path) -> None:
    made = tiny.phase_notebook(
        "run.write('seen', {'is': str(limit)})", phase="one", parameters="limit: float = 1.0  # limit"
    )
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": made}), "one.limit=inf")
    assert json.loads((outcome.folder / "one" / "seen.json").read_text(encoding="utf-8")) == {"is": "inf"}
    for file in (outcome.folder / "run.json", outcome.folder / "one" / "notebook.ipynb"):
        json.loads(file.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_criterion_not_met_wins_over_an_alert(project: Path, schema: dict[str, Any]) -> None:
    body = _criteria(("a", "met"), ("b", "not-met")) + "\n" + _alerts("alert")
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    said = tiny.manifest_of(outcome)
    jsonschema.validate(said, schema)
    assert (said["status"], outcome.exit_code) == ("criteria-not-met", 3)
    assert [item["feature"] for item in said["alerts"]] == ["age"]
    assert [(item["name"], item["phase"]) for item in said["criteria"]] == [("a", "one"), ("b", "one")]


@pytest.mark.parametrize(
    ("criteria", "alerts", "status", "code"),
    [
        ([("met", "stop")], [], "passed", 0),
        ([("met", "stop"), ("not-met", "pass")], [], "criteria-not-met", 3),
        ([("undecided", "stop")], [], "criteria-not-met", 3),
        ([("undecided", None)], [], "criteria-not-met", 3),
        ([("undecided", "pass")], [], "passed", 0),
        ([], ["drift"], "passed", 4),
        ([("not-met", None)], ["drift"], "criteria-not-met", 3),
    ],
)
def test_outcome_follows_criteria_then_alerts(
    tmp_path: Path, criteria: list[tuple[str, str | None]], alerts: list[str], status: str, code: int
) -> None:
    made = _manifest(PhaseEntry("one", "1_one.ipynb", status="done"))
    made.criteria = [{"name": "c", "status": state, "on_undecided": then} for state, then in criteria]
    made.alerts = [{"metric": name, "status": "alert"} for name in alerts]
    made.status = judge(made, interrupted=False)
    assert (made.status, Outcome(tmp_path, made, None).exit_code) == (status, code)


def _manifest(*phases: PhaseEntry) -> Manifest:
    return Manifest("r", "p", "t", {}, None, {}, None, list(phases))


@pytest.mark.parametrize(
    ("states", "interrupted", "status"),
    [
        (("done", "failed"), False, "failed"),
        (("done", "killed"), True, "interrupted"),
        (("done", "never-ran"), True, "interrupted"),
        (("done", "done"), True, "passed"),
        (("done", "timed-out"), False, "failed"),
    ],
)
def test_status_follows_what_the_phases_did(states: tuple[str, ...], interrupted: bool, status: str) -> None:
    entries = [PhaseEntry(f"p{number}", "n.ipynb", status=state) for number, state in enumerate(states)]
    assert judge(_manifest(*entries), interrupted=interrupted) == status


def test_declared_criterion_that_no_phase_judged_does_not_pass(project: Path, schema: dict[str, Any]) -> None:
    toml = tiny.PROJECT + '\n[[criterion]]\nmetric = "recall"\nat_least = 0.5\n'
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "n"}, toml=toml))
    said = tiny.manifest_of(outcome)
    jsonschema.validate(said, schema)
    assert outcome.exit_code == 3
    assert [(item["name"], item["status"]) for item in said["criteria"]] == [("recall at least 0.5", "undecided")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A project with one finished run, made once; tests work on copies."""
    folder = tmp_path_factory.mktemp("finished") / "p"
    phases = tiny.make_project(folder, {"one": "run.write('value', {'n': n})", "two": READS})
    return SimpleNamespace(folder=folder, phases=phases, run=tiny.run(folder, phases, "one.n=3").folder.name)


@pytest.fixture
def copied(finished: SimpleNamespace, project: Path) -> SimpleNamespace:
    shutil.copytree(finished.folder, project / "p")
    return SimpleNamespace(folder=project / "p", phases=finished.phases, run=finished.run, runs=project / "p" / "runs")


def test_left_out_phases_are_copied_and_marked(copied: SimpleNamespace) -> None:
    later = tiny.run(copied.folder, copied.phases, only=["two"])
    said = tiny.manifest_of(later)
    assert [item["status"] for item in said["phases"]] == ["reused", "done"]
    assert said["phases"][0]["reused_from"] == said["base"] == copied.run
    assert said["parameters"]["one"]["n"] == 3
    files = [folder / "one" / "value.json" for folder in (later.folder, copied.runs / copied.run)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_ino != files[1].stat().st_ino
    assert (copied.runs / "latest").read_text(encoding="utf-8").strip() == later.folder.name


def test_results_made_from_something_else_are_not_reused(copied: SimpleNamespace) -> None:
    later = tiny.run(copied.folder, copied.phases, "one.n=5", only=["one"], base=copied.run)
    two = tiny.manifest_of(later)["phases"][1]
    assert two["status"] == "never-ran"
    assert "made from another one/value.json" in two["reason"]
    assert (copied.runs / "latest").read_text(encoding="utf-8").strip() == copied.run


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("value.json", '{"n": 99}', r"its artefact one/value\.json is damaged or gone"),
        ("value.json", None, r"its artefact one/value\.json is damaged or gone"),
        ("notebook.ipynb", '{"cells": [', "its notebook is damaged or gone"),
        ("notebook.ipynb", None, "its notebook is damaged or gone"),
        ("notebook.ipynb", '{"cells": [], "metadata": {}, "nbformat": 4}', "its notebook was changed after the run"),
        ("trace.jsonl", "\0\0", "Phase one has no finished results"),
    ],
)
def test_damaged_base_is_refused_before_anything_is_made(
    copied: SimpleNamespace, file: str, content: str | None, told: str
) -> None:
    path = copied.runs / copied.run / "one" / file
    path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    for choice in ({"only": ["two"]}, {"first": "two"}, {"only": ["two"], "base": copied.run}):
        with pytest.raises(RunError, match=told) as caught:
            tiny.run(copied.folder, copied.phases, **choice)
        assert copied.run in str(caught.value)
        assert "`mlopskit run`" in str(caught.value)
    assert [path.parent.name for path in copied.runs.glob("*/run.json")] == [copied.run]
    again = tiny.manifest_of(tiny.run(copied.folder, copied.phases, reuse_unchanged=True))
    assert again["status"] == "passed", again["phases"]


@pytest.mark.parametrize("file", ["table.parquet", "notebook.ipynb"])
def test_what_nobody_needs_is_left_out_when_it_is_damaged(copied: SimpleNamespace, file: str) -> None:
    (copied.runs / copied.run / "two" / file).write_text("{", encoding="utf-8")
    later = tiny.run(copied.folder, copied.phases, "one.n=3", only=["one"], base=copied.run)
    two = tiny.manifest_of(later)["phases"][1]
    assert two["status"] == "never-ran"
    assert "is damaged or gone" in two["reason"]
    assert not (later.folder / "two").exists()
    assert (copied.runs / "latest").read_text(encoding="utf-8").strip() == copied.run


def test_missing_base_is_refused(copied: SimpleNamespace) -> None:
    with pytest.raises(RunError, match="There is no run 'nosuch'"):
        tiny.run(copied.folder, copied.phases, only=["two"], base="nosuch")
    shutil.rmtree(copied.runs)
    with pytest.raises(RunError, match="no finished run"):
        tiny.run(copied.folder, copied.phases, only=["two"])
    assert not copied.runs.exists()


def test_value_for_a_phase_that_is_not_executed_is_refused(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "n", "two": "n"})
    with pytest.raises(UsageError, match="two is not executed"):
        tiny.run(project / "p", phases, "two.n=3", last="one")


def test_same_run_twice_gives_equal_artefacts_and_notebooks(project: Path) -> None:
    body = "import random\nrandom.seed(seed)\nrun.write('draw', {'x': random.random(), 'set': list({'a', 'b', 'c'})})"
    phases = tiny.make_project(project / "p", {"one": body})
    first, second = (tiny.run(project / "p", phases, "one.seed=3") for _ in range(2))
    entries = [tiny.manifest_of(outcome)["phases"][0] for outcome in (first, second)]
    assert entries[0]["writes"] == entries[1]["writes"]
    assert entries[0]["key"] == entries[1]["key"]
    notebooks = [_normalised(outcome.folder / "one" / "notebook.ipynb") for outcome in (first, second)]
    assert notebooks[0] == notebooks[1]


def _normalised(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [{name: value for name, value in cell.items() if name != "metadata"} for cell in cells]


def test_lineage_tells_start_and_end_of_the_run_and_of_each_phase(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "run.write('value', {'n': n})", "two": READS + "\n1 / 0"})
    outcome = tiny.run(project / "p", phases)
    events = [json.loads(line) for line in (outcome.folder / "lineage.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(event["eventType"], event["job"]["name"]) for event in events] == [
        ("START", "run"), ("START", "one"), ("COMPLETE", "one"), ("START", "two"), ("FAIL", "two"), ("FAIL", "run"),
    ]  # fmt: skip
    assert (
        {(item["namespace"], item["name"]) for item in events[4]["inputs"]}
        <= {(item["namespace"], item["name"]) for item in events[2]["outputs"]}
        != set()
    )
    assert "ZeroDivisionError" in events[4]["run"]["facets"]["errorMessage"]["message"]
    for event in events:
        assert uuid.UUID(event["run"]["runId"])
        assert {"eventType", "eventTime", "producer", "schemaURL", "run", "job"} <= set(event)
        for facet in [*event["run"]["facets"].values(), *event["job"]["facets"].values()]:
            assert facet["_producer"].startswith("urn:mlopskit:")
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/")
        whole = event["job"]["name"] == "run"
        assert whole or event["run"]["facets"]["parent"]["run"]["runId"] == events[0]["run"]["runId"]
        assert whole == ("mlopskit_parameters" in event["run"]["facets"])
    assert len({event["run"]["runId"] for event in events}) == 3


def test_runs_can_be_kept_elsewhere(project: Path) -> None:
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "n"}), runs=project / "elsewhere")
    assert outcome.folder.parent == project / "elsewhere"
    assert not (project / "p" / "runs").exists()


def test_selection_names_what_exists() -> None:
    assert [phase.name for phase in select(PHASES, only=["model", "data"])] == ["data", "model"]
    assert [phase.name for phase in select(PHASES, first="data", last="model")] == ["data", "model"]
    with pytest.raises(UsageError, match=r"no phase 'modl' \(did you mean model\?\)"):
        select(PHASES, only=["modl"])
    with pytest.raises(UsageError, match="cannot be combined"):
        select(PHASES, only=["data"], last="model")
    with pytest.raises(UsageError, match="No phase lies from model to data"):
        select(PHASES, first="model", last="data")
