"""Looking into runs: artefacts by name, checked, and nothing of a finished run is changed by it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mlopskit import artefacts, load_run, open_run
from mlopskit.errors import ProjectError, RunError
from mlopskit.runs import Run, read_trace

FRAME = pd.DataFrame({"a": [1, 2], "<b>": ["x", "<script>"]})
NAME = "20260101T000000Z-aaaaaa"


@pytest.fixture
def finished(project: Path) -> Path:
    """A project with one run whose data phase ended and whose model phase did not."""
    folder = project / "runs" / NAME
    run = Run(project, folder, "data")
    run.write("metrics", FRAME)
    run.write("summary", {"facts": []})
    run.write("clock", {"seconds": 1.5}, volatile=True)
    run.finish()
    Run(project, folder, "model").write("half", {})
    (folder / "run.json").write_text(json.dumps({"run": NAME, "status": "passed"}), encoding="utf-8")
    (project / "runs" / "latest").write_text(f"{NAME}\n", encoding="utf-8")
    return folder


def test_an_artefact_is_an_attribute(finished: Path, project: Path) -> None:
    phase = load_run(project=project)["data"]
    pd.testing.assert_frame_equal(phase.metrics, FRAME)
    assert phase["summary"] == {"facts": []}
    assert dir(phase) == ["clock", "metrics", "summary"]
    assert hasattr(phase, "metrics")
    assert not hasattr(phase, "metric")


def test_a_phase_shows_itself_as_a_table_of_what_it_wrote(finished: Path, project: Path) -> None:
    phase = load_run(project=project)["data"]
    for shown in (repr(phase), phase._repr_html_()):
        assert "metrics" in shown
        assert "differs from run to run" in shown
    assert repr(load_run(project=project)) == f"Run {NAME}, passed, to read only; phases: data, model"


def test_names_that_are_not_there_are_met_with_the_nearest(finished: Path, project: Path) -> None:
    run = load_run(project=project)
    with pytest.raises(RunError, match=r"no artefact 'metrik' \(did you mean metrics\?\); it has clock"):
        _ = run["data"].metrik
    with pytest.raises(RunError, match=r"no phase 'dato' \(did you mean data\?\)"):
        _ = run["dato"]
    with pytest.raises(RunError, match="Phase model has no finished results"):
        _ = run["model"]


def test_looking_leaves_no_trace_and_writing_is_refused(finished: Path, project: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    run = load_run(project=project)
    _ = run["data"].metrics, repr(run["data"]), run.has("data/nothing"), run.environment_variable("HOME")
    with pytest.raises(RunError, match=f"Cannot write 'x': run {NAME} ended"):
        run.write("x", 1)
    with pytest.raises(RunError, match="Cannot write 'x'"), run.write_folder("x"):
        pass
    with pytest.raises(RunError, match="Cannot finish a phase"):
        run.finish()
    with pytest.raises(RunError, match="Cannot record"):
        run.external_effect("a table was dropped")
    assert {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()} == before


def test_bytes_that_were_changed_are_not_read(finished: Path, project: Path) -> None:
    artefacts.write({"facts": ["forged"]}, finished / "data" / "summary.json")
    with pytest.raises(RunError, match="SHA-256 differs"):
        _ = load_run(project=project)["data"].summary


@pytest.mark.parametrize("name", ["latest", NAME, "20260101", "aaaaaa"])
def test_a_run_is_found_by_its_name_or_an_end_of_it(finished: Path, project: Path, name: str) -> None:
    assert load_run(name).folder == finished


@pytest.mark.parametrize("name", ["20250101", "", "../runs", "scratch"])
def test_other_names_are_refused(finished: Path, project: Path, name: str) -> None:
    with pytest.raises(RunError, match=f"There is no run .*runs here: {NAME}"):
        load_run(name)


def test_a_name_that_fits_two_runs_is_refused(finished: Path, project: Path) -> None:
    other = project / "runs" / "20260101T000001Z-bbbbbb"
    other.mkdir()
    (other / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RunError, match="fits 2 runs"):
        load_run("20260101")


def test_outside_a_project_there_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPSKIT_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ProjectError):
        load_run()


def test_an_open_run_records_what_was_looked_at(finished: Path, project: Path) -> None:
    run = Run(project, finished, "model")
    _ = run["data"].summary
    assert [record.name for record in read_trace(finished / "model") if record.op == "read"] == ["data/summary.json"]
    _ = repr(run["data"])
    read = {record.name for record in read_trace(finished / "model") if record.op == "read"}
    assert read == {"data/summary.json", "data/metrics.parquet", "data/clock.json"}
    assert run["model"].half == {}


def test_a_notebook_by_hand_looks_into_the_run_that_it_falls_back_on(finished: Path, project: Path) -> None:
    run = open_run("model")
    assert run.folder.name == "scratch"
    assert run["data"].summary == {"facts": []}
    assert run._ipython_key_completions_() == ["data", "model"]
    assert f"data of run {NAME}" in repr(run["data"])
