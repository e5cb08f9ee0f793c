"""What surrounds a run turns against it: floods of output, folders that cannot be written, a runner that dies."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import client, execution, warm
from tests import tiny

pytestmark = pytest.mark.notebooks


PROGRAM = """
import resource, sys
from pathlib import Path
from mlopskit.runner import Choice, Phase, execute, plan
names, resume = sys.argv[2].split(","), sys.argv[3] or None
phases = [Phase(name, f"notebooks/{number}_{name}.ipynb") for number, name in enumerate(names, start=1)]
outcome = execute(plan(Path(sys.argv[1]), phases=phases, reuse_unchanged=True, choice=Choice(resume=resume)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, outcome.manifest.status)
"""


def start(folder: Path, names: str, resume: str = "", **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, str(folder), names, resume]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(params=["cold", "warm"])
def server(request: pytest.FixtureRequest) -> Iterator[warm.ForkServer | None]:
    if request.param == "cold" or not warm.is_supported():
        yield None
        return
    with warm.ForkServer(["import ipykernel.kernelapp"]) as started:
        yield started


def test_fifty_megabytes_of_print_cost_the_runner_little_memory(project: Path) -> None:
    peaks = {}
    for name, body in (("quiet", "1"), ("loud", "for i in range(500_000):\n    print(f'{i:099d}')")):
        tiny.make_project(project / name, {"one": body})
        said, errors = start(project / name, "one").communicate(timeout=180)
        assert said.split()[1:] == ["passed"], errors
        peaks[name] = int(said.split()[0])
    assert peaks["loud"] - peaks["quiet"] < 100_000, "kilobytes, of 50,000 printed"


def test_no_output_is_lost_when_the_kernel_is_faster_than_the_runner(
    project: Path, server: warm.ForkServer | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZeroMQ would drop what comes meanwhile, and with it the word that the cell is done."""
    execution.import_executor()
    original, paused = client.Client.process_message, []

    def slow(self: Any, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] == "stream" and not paused:
            paused.append(time.sleep(4))
        return original(self, msg, cell, cell_index)

    monkeypatch.setattr(client.Client, "process_message", slow)
    body = "for i in range(6000):\n    print(f'{i:04999d}', flush=True)"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), server=server)
    assert tiny.manifest_of(outcome)["phases"][0]["error"] is None
    [file] = (outcome.folder / "one" / "outputs").iterdir()
    assert [int(line[-6:]) for line in file.read_text().splitlines()] == list(range(6000))


def without_privileges() -> None:
    """Let modes of files hold for root too: give up CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH before the start."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)


@pytest.fixture
def two_phases(project: Path) -> Path:
    second = (
        "import os\nif (run.project / 'spoil').exists(): os.chmod(run.folder, 0o555)\n"
        "run.write('y', {'y': run.read('one/x')})"
    )
    tiny.make_project(project / "p", {"one": "run.write('x', {'n': n})", "two": second})
    return project / "p"


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are those of Linux")
def test_read_only_runs_folder_is_left_as_it_was(two_phases: Path) -> None:
    (two_phases / "runs").mkdir(mode=0o555)
    said, errors = start(two_phases, "one,two", preexec_fn=without_privileges).communicate(timeout=180)
    assert said == ""
    assert "The run folder cannot be made in" in errors
    assert list((two_phases / "runs").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are those of Linux")
def test_run_folder_that_becomes_read_only_loses_nothing_that_was_finished(two_phases: Path) -> None:
    (two_phases / "spoil").touch()
    said, errors = start(two_phases, "one,two", preexec_fn=without_privileges).communicate(timeout=180)
    assert "Permission denied" in errors
    [folder] = (two_phases / "runs").glob("2*")
    folder.chmod(0o755)
    before = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert [phase["status"] for phase in before["phases"]] == ["done", "killed"]
    (two_phases / "spoil").unlink()
    said, errors = start(two_phases, "one,two", folder.name).communicate(timeout=180)
    assert said.split()[1:] == ["passed"], errors
    [new] = (path for path in (two_phases / "runs").glob("2*") if path != folder)
    made = json.loads((new / "run.json").read_text(encoding="utf-8"))
    assert made["phases"][0]["status"] == "reused"
    undisturbed = tiny.run(two_phases, tuple(_phases()))
    assert digests(made) == digests(tiny.manifest_of(undisturbed))


def _phases() -> list[Any]:
    from mlopskit.runner import Phase

    return [Phase("one", "notebooks/1_one.ipynb"), Phase("two", "notebooks/2_two.ipynb")]


def digests(said: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["digest"] for phase in said["phases"] for item in phase["writes"]}


def test_what_a_cold_kernel_started_ends_with_the_runner(project: Path) -> None:
    body = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "run.write('pids', [os.getpid(), child.pid])\ntime.sleep(600)"
    )
    tiny.make_project(project / "p", {"one": body})
    runner = start(project / "p", "one")
    end = time.monotonic() + 180
    while not (found := list((project / "p").glob("runs/*/one/pids.json"))) and time.monotonic() < end:
        time.sleep(0.05)
    pids = json.loads(found[0].read_text())
    os.kill(runner.pid, signal.SIGKILL)
    runner.communicate()
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.05)
    assert [pid for pid in pids if alive(pid)] == []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
