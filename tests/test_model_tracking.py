"""Tracking keeps a run in MLflow, quietly, and its failure is a note."""

from __future__ import annotations

import json
import runpy
import sqlite3
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlopskit.model import (
    choose_threshold,
    headline_metric,
    predict_table,
    search_candidates,
    start_tracking,
    tracking_record,
)

examples = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("model_rows.py"))))
RECORD = {"experiment": "demo", "run_name": "r1", "params": {"a": "1"}, "metrics": {"m": 0.5}, "tags": {"t": "<b>"}}


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_run_is_kept_in_the_embedded_store(tmp_path: Path) -> None:
    tracked = start_tracking(tmp_path).log(RECORD, timeout=600)  # its libraries alone take a slow machine a minute
    assert (tracked.status, tracked.why, tracked.uri) == ("tracked", "", "runs/mlflow.db")
    assert tracked.run_id in tracked.note.text
    with sqlite3.connect(tmp_path / "runs" / "mlflow.db") as store:
        assert store.execute("select key, value from metrics").fetchall() == [("m", 0.5)]
        assert store.execute("select key, value from params").fetchall() == [("a", "1")]
        assert store.execute("select name, status from runs").fetchall() == [("r1", "FINISHED")]
        assert ("t", "<b>") in store.execute("select key, value from tags").fetchall()
        place = store.execute("select artifact_location from experiments where name = 'demo'").fetchone()[0]
    assert place == (tmp_path / "runs" / "mlflow-artifacts").as_uri()
    store.close()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["runs"]


def test_a_server_that_is_not_there_becomes_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    tracked = start_tracking(tmp_path).log(RECORD)
    assert (tracked.status, tracked.note.tone) == ("could not track", "warning")
    assert tracked.uri == "http://127.0.0.1:9"
    assert "secret" not in repr(tracked)


def test_no_answer_in_time_becomes_a_note(tmp_path: Path) -> None:
    tracked = start_tracking(tmp_path).log(RECORD, timeout=0.01)
    assert tracked.why == "no answer within 0.01 seconds"


def test_a_process_that_cannot_start_becomes_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert start_tracking(tmp_path).log(RECORD).status == "could not track"


def test_tracking_can_be_left_out(tmp_path: Path) -> None:
    tracked = start_tracking(tmp_path, enabled=False).log(RECORD)
    assert tracked.status == "not asked for"
    assert list(tmp_path.iterdir()) == []


def test_a_record_holds_settings_figures_and_tags(tmp_path: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target, seed=3)
    search = search_candidates(data, headline, candidates=["linear"], budget=1, project=tmp_path)
    cut = choose_threshold(*search.validation_scores).threshold
    predictions = predict_table(search.model, data.validation, target=data.target, threshold=cut)
    record = tracking_record(search, predictions, headline, project="p", run="r", tags={"hash": "abc", "none": None})
    assert record["params"] == {"candidate": "linear", "strength": "1.0", "seed": "3", "configurations": "1"}
    assert record["metrics"]["validation_roc_auc"] == pytest.approx(search.winner.value)
    assert record["tags"] == {"mlopskit.run": "r", "mlopskit.headline": "roc_auc", "hash": "abc"}
    assert json.loads(json.dumps(record)) == record
