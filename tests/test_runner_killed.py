"""A fault at each write of the runner: the process killed, or the disk full from there on.

The audit hook of a real runner process counts what it opens for writing and renames inside the runs folder, and
strikes at the chosen one. Whatever was left, nothing half-done may look done, and the next run must end with the
artefacts of an undisturbed one.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import Phase, cache

_TINY = runpy.run_path(str(Path(__file__).with_name("tiny.py")))
make_project, manifest_of, run = _TINY["make_project"], _TINY["manifest_of"], _TINY["run"]

PROGRAM = """
import errno, os, signal, sys
from pathlib import Path
from mlopskit.runner import Phase, execute, plan

project, fault, strike, log = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
runs, count, busy = str(project / "runs"), 0, False

def watch(event, arguments):
    global count, busy
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if busy or not (writes or event == "os.rename") or not str(arguments[0]).startswith(runs):
        return
    count += 1
    if fault == "none":
        busy = True
        Path(log).write_text(str(count))
        busy = False
    elif fault == "kill" and count == strike:
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "full" and count >= strike:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

phases = [Phase("first", "notebooks/1_first.ipynb"), Phase("second", "notebooks/2_second.ipynb")]
planned = plan(project, phases=phases, reuse_unchanged=True)
sys.addaudithook(watch)
execute(planned)
"""
BODIES = {
    "first": "run.write('rows', {'text': run.source_file('rows.csv').read_text()})",
    "second": "run.write('count', {'count': len(run.read('first/rows')['text'])})",
}
MOST = 60


def lay(folder: Path) -> tuple[Phase, ...]:
    folder.mkdir(exist_ok=True)
    (folder / "rows.csv").write_text("bought\nyes\n", encoding="utf-8")
    phases: tuple[Phase, ...] = make_project(folder, BODIES)
    return phases


def start(folder: Path, fault: str, strike: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), fault, str(strike), str(folder / "count")]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, str]]:
    """How often an undisturbed runner writes, and the digests that it ends with."""
    folder = tmp_path_factory.mktemp("undisturbed") / "p"
    lay(folder)
    done = start(folder, "none", 0)
    assert done.returncode == 0, done.stderr
    writes = int((folder / "count").read_text())
    assert 10 < writes < MOST
    return writes, digests(json.loads(next((folder / "runs").glob("*/run.json")).read_text(encoding="utf-8")))


def digests(said: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["digest"] for phase in said["phases"] for item in phase["writes"]}


def assert_true(folder: Path) -> None:
    """Whatever a manifest calls done is there, whole; a manifest is never torn."""
    for path in (folder / "runs").glob("*/run.json"):
        said = json.loads(path.read_text(encoding="utf-8"))
        for phase in said["phases"]:
            if phase["status"] in {"done", "reused"}:
                assert cache.damaged(path.parent / phase["name"]) is None
                json.loads((path.parent / phase["name"] / "notebook.ipynb").read_text(encoding="utf-8"))
            elif phase["status"] != "never-ran":
                assert phase["error"] is not None


@pytest.mark.parametrize("fault", ["kill", "full"])
@pytest.mark.parametrize("strike", range(1, MOST, 4))
def test_fault_at_a_write_loses_nothing(
    tmp_path: Path, undisturbed: tuple[int, dict[str, str]], fault: str, strike: int
) -> None:
    writes, wanted = undisturbed
    if strike > writes:
        return  # the runner does not write that often
    phases = lay(tmp_path / "p")
    struck = start(tmp_path / "p", fault, strike)
    if fault == "kill":
        assert struck.returncode == -9
    assert_true(tmp_path / "p")
    made = manifest_of(run(tmp_path / "p", phases, reuse_unchanged=True))
    assert digests(made) == wanted
    assert made["status"] == "passed"
