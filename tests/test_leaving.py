"""A process that leaves does all that one does which ends by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CELLS = """
import atexit, sys, threading, time
from pathlib import Path
from mlopskit.leaving import leave

def late():
    time.sleep(0.3)
    print("thread")

kept = Path("kept.txt").open("w")
kept.write("kept")
atexit.register(print, "registered")
threading.Thread(target=late).start()
print("begun")
leave(3, files=lambda: [kept])
"""


def left(code: str, folder: Path, **streams: object) -> subprocess.CompletedProcess[str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=buffered, text=True, check=False, timeout=60, **streams
    )  # type: ignore[call-overload]
    return done


def test_threads_are_waited_for_what_was_registered_is_called_and_files_are_flushed(tmp_path: Path) -> None:
    done = left(CELLS, tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.split() == ["begun", "thread", "registered"]
    assert (tmp_path / "kept.txt").read_text(encoding="utf-8") == "kept"


def test_it_ends_without_taking_apart_what_there_is(tmp_path: Path) -> None:
    held = "class Held:\n    def __del__(self): print('taken apart')\nheld = Held()\n"
    assert "taken apart" in left(held, tmp_path, capture_output=True).stdout
    leaving = f"{held}from mlopskit.leaving import leave\nleave()"
    assert left(leaving, tmp_path, capture_output=True).stdout == ""


def test_what_cannot_be_written_any_more_is_told_as_at_any_end(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ends = ["", "from mlopskit.leaving import leave\nleave()"]
        told = [left(f"print('lost')\n{end}", tmp_path, stdout=full, stderr=subprocess.PIPE) for end in ends]
    assert [done.returncode for done in told] == [120, 120]
    assert all("No space left on device" in done.stderr for done in told)
