"""Progress says what is being done, and how long it took before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlopskit.cli.progress import Live, Plain
from mlopskit.runs.durations import earlier_seconds

BEGINS = {"event": "phase", "phase": "model", "index": 3, "of": 7}


def test_a_phase_that_ran_before_begins_with_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    Plain()({**BEGINS, "usual": 75.2})
    Plain()({**BEGINS, "usual": None})
    assert capsys.readouterr().out.splitlines() == ["  3/7  model …  last time 1 min 15 s", "  3/7  model …"]


def test_the_live_line_holds_time_and_time_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = Live()
    shown({"event": "run", "run": "r", "phases": ["model"]})
    shown({**BEGINS, "usual": 4.0})
    shown({"event": "cell", "phase": "model", "cell": 2, "cells": 9, "heading": "Search"})
    assert shown.status is not None
    assert "Search" in str(shown.status.status)
    assert "(last time 4.0 s)" in str(shown.status.status)
    shown(
        {"event": "ended", "phase": "model", "status": "done", "seconds": 4.2, "cells": 9, "error": None, "reason": ""}
    )
    assert "model" in capsys.readouterr().out


def test_how_long_phases_took_is_read_from_the_newest_runs_that_can_be_read(tmp_path: Path) -> None:
    def lay(run: str, text: str) -> None:
        (tmp_path / run).mkdir()
        (tmp_path / run / "run.json").write_text(text, encoding="utf-8")

    lay("1", json.dumps({"phases": [{"name": "a", "status": "done", "seconds": 1.0}]}))
    lay("2", json.dumps({"phases": [{"name": "a", "status": "done", "seconds": 2.0}]}))
    lay("3", json.dumps({"phases": [{"name": "a", "status": "reused", "seconds": 0.0}]}))
    lay("4", "{ damaged")
    lay("5", "[]")
    assert earlier_seconds(tmp_path) == {"a": 2.0}
    assert earlier_seconds(tmp_path / "none here") == {}
