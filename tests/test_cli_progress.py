"""Progress says what is being done, how long it took before, and how long it may take the first time."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlopskit.cli import progress
from mlopskit.cli.progress import Live, Plain
from mlopskit.runs.durations import earlier_seconds

BEGINS = {"event": "phase", "phase": "model", "index": 3, "of": 7}
ENDS = {"event": "ended", "phase": "model", "status": "done", "seconds": 4.2, "cells": 9, "executed": 9,
        "error": None, "reason": ""}  # fmt: skip


class Clock:
    """A clock that goes when it is told to."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Live:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    return Live()


def cell(number: int, heading: str = "Search", **more: Any) -> dict[str, Any]:
    return {"event": "cell", "phase": "model", "cell": number, "cells": 9, "heading": heading, **more}


def drawn(shown: Live, *, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(shown.drawn())
    return re.sub(r"[━╸╺ ]+", " ", captured.get())


def test_a_phase_begins_with_how_long_it_took_before_or_that_it_never_ran(capsys: pytest.CaptureFixture[str]) -> None:
    Plain()({**BEGINS, "usual": 75.2})
    Plain()({**BEGINS, "usual": None})
    said = capsys.readouterr().out.splitlines()
    assert said == ["  3/7  model …  last time 1 min 15 s", "  3/7  model …  first time here"]


def test_a_log_says_which_cell_is_reached_when_nothing_was_said_for_long(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    log = Plain()
    log({"event": "run", "run": "r", "phases": ["model"]})
    log({**BEGINS, "usual": None})
    for number, now in ((1, 100.0), (2, 105.0), (4, 130.0), (5, 131.0)):
        clock.now = now
        log(cell(number, "Search\x1b[2J"))
    said = capsys.readouterr().out.splitlines()[2:]
    # Three cells in 30 s, so six more in 60 s.
    assert said == [r"  1/1  model  cell 4/9  Search\x1b[2J  30.0 s, at this pace 1 min 0 s more"]


def test_quiet_says_nothing_of_cells(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    log = Plain(quiet=True)
    log({**BEGINS, "usual": None})
    clock.now += 1000
    log(cell(4))
    log(ENDS)
    assert capsys.readouterr().out == ""


def test_the_live_line_holds_cell_heading_time_and_time_before(live: Live, clock: Clock) -> None:
    live({"event": "run", "run": "r", "phases": ["model"]})
    live({**BEGINS, "usual": 4.0})
    live(cell(2))
    clock.now += 2.5
    assert drawn(live, width=120).strip() == "1/1 model 2/9 2.5 s, last time 4.0 s Search"
    live(ENDS)


def test_the_live_clock_goes_on_within_a_cell(live: Live, clock: Clock) -> None:
    live({**BEGINS, "usual": None})
    live(cell(3))
    clock.now += 8
    assert "8.0 s, at this pace 28 s more" in drawn(live, width=120)  # two cells in 8 s, seven are left
    clock.now += 8
    assert "16.0 s, at this pace 56 s more" in drawn(live, width=120)
    live(ENDS)


def test_phases_side_by_side_have_a_line_each_that_fits_a_narrow_terminal(live: Live, clock: Clock) -> None:
    live({"event": "run", "run": "r", "phases": ["evaluate", "slices_and_bias"]})
    for name in ("evaluate", "slices_and_bias"):
        live({**BEGINS, "phase": name, "usual": 12.0})
        live(cell(9, "A heading that is far too long for the terminal, as headings are", phase=name))
    clock.now += 71
    rows = drawn(live, width=70).splitlines()
    assert ["1 min 11 s, last time 12.0 s" in row for row in rows] == [True, True]
    for name in ("evaluate", "slices_and_bias"):
        live({**ENDS, "phase": name})


def test_lasting_lines_stand_above_the_live_ones(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    live({"event": "run", "run": "r", "phases": ["a", "model"]})
    for name in ("a", "model"):
        live({**BEGINS, "phase": name, "usual": None})
    live({**ENDS, "phase": "a"})
    assert live.lines is not None
    live(ENDS)
    assert live.lines is None
    assert re.search(r"1/2  a .*4\.2 s.*2/2  model .*4\.2 s", capsys.readouterr().out, re.DOTALL)


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
    for number, phases in enumerate(["5", '["a", {"name": 1}, {"status": "done", "seconds": 1}]', "null"]):
        (tmp_path / f"z{number}").mkdir()
        (tmp_path / f"z{number}" / "run.json").write_text(f'{{"run": "z", "phases": {phases}}}', encoding="utf-8")
    assert earlier_seconds(tmp_path) == {"a": 2.0}, "what is in another form tells nothing"
    assert earlier_seconds(tmp_path / "none here") == {}
