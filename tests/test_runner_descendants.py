"""Nothing is left running, whatever is killed: what a cell starts ends with its kernel, wherever it went."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlopskit.runner import descendants, warm
from mlopskit.runner.inkernel import NAME

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(not warm.is_supported(), reason="processes are found by their mark on Linux only"),
]

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny.py"))))

RUNAWAYS = """
import multiprocessing, os, subprocess, time
read, write = os.pipe()
if os.fork() == 0:  # a daemon that executes no program
    os.setsid()
    if os.fork() == 0:
        os.write(write, f"{os.getpid()}\\n".encode())
        time.sleep(300)
    os._exit(0)
os.wait()
shell = subprocess.run(["sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"], capture_output=True, text=True)
pids = {
    "session": subprocess.Popen(["setsid", "sleep", "300"]).pid, "orphan": int(shell.stdout),
    "daemon": int(os.read(read, 20)), "group": subprocess.Popen(["sleep", "300"]).pid,
}
with multiprocessing.Pool(2) as pool:
    pids["kernel"], pids["pool"] = os.getpid(), sum(pool.map(abs, [-1, 2]))
run.write("pids", {**pids, "parent": os.getppid()})
"""

PROGRAM = """
import runpy, sys
from pathlib import Path
from mlopskit.runner import Phase, warm
tiny, folder = runpy.run_path(sys.argv[1]), Path(sys.argv[2])
server = warm.ForkServer(["import ipykernel.kernelapp"]) if sys.argv[3] == "warm" else None
outcome = tiny["run"](folder, (Phase("one", "notebooks/1_one.ipynb"),), server=server)
print(outcome.manifest.status, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["warm", "cold"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start(folder: Path, kind: str, body: str) -> subprocess.Popen[str]:
    tiny.make_project(folder, {"one": RUNAWAYS + body})
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).with_name("tiny.py")), str(folder), kind]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def started_by(folder: Path) -> dict[str, int]:
    """The process of the kernel and those that its cell started, once they are there."""
    end = time.monotonic() + 60
    while not (found := list(folder.glob("runs/*/one/pids.json"))) and time.monotonic() < end:
        time.sleep(0.05)
    pids = json.loads(found[0].read_text(encoding="utf-8"))
    assert pids.pop("pool") == 3, "multiprocessing works"
    return pids


def left(pids: dict[str, int], *, within: float = 15) -> list[str]:
    end = time.monotonic() + within
    while (alive := [name for name, pid in pids.items() if is_alive(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    return alive


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_processes_in_sessions_of_their_own_end_with_their_phase(project: Path, kind: str) -> None:
    runner = start(
        project / "p", kind, "assert all(os.path.exists(f'/proc/{pid}') for pid in pids.values() if pid > 9)"
    )
    pids = started_by(project / "p")
    assert runner.stdout.readline() == "passed\n"
    server = {"parent": pids.pop("parent")}
    assert left(pids, within=1) == [], "while the runner and its server live on"
    assert left(server, within=0) == ["parent"]
    runner.communicate("")
    assert left(server) == []


@pytest.mark.parametrize("killed", ["kernel", "server", "runner"])
def test_nothing_is_left_whatever_is_killed(project: Path, kind: str, killed: str) -> None:
    if kind == "cold" and killed == "server":
        pytest.skip("a cold kernel has no server")
    runner = start(project / "p", kind, "time.sleep(300)")
    pids = started_by(project / "p")
    parent = pids.pop("parent")
    assert left(pids, within=0) == list(pids)
    os.kill({"kernel": pids["kernel"], "server": parent, "runner": runner.pid}[killed], signal.SIGKILL)
    if killed != "runner":
        assert runner.stdout.readline() == "failed\n"
        assert left(pids, within=1) == []
    else:
        runner.wait()
        assert left({**pids, "parent": parent}) == []
    runner.communicate("")


def test_a_process_without_the_mark_ends_with_the_server_at_the_latest(project: Path) -> None:
    body = (
        "import subprocess\nbare = ['env', '-i', 'sh', '-c', 'setsid sleep 300 >/dev/null 2>&1 & echo $!']\n"
        "run.write('pids', {'bare': int(subprocess.run(bare, capture_output=True, text=True).stdout)})"
    )
    with warm.ForkServer(["import ipykernel.kernelapp"]) as server:
        outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), server=server)
    assert left(json.loads((outcome.folder / "one" / "pids.json").read_text(encoding="utf-8"))) == []


def test_what_another_kernel_started_lives_on(project: Path) -> None:
    marks = [descendants.new_mark(), descendants.new_mark()]
    first, second = (
        subprocess.Popen(["setsid", "sleep", "300"], env={**os.environ, descendants.VARIABLE: mark}) for mark in marks
    )
    descendants.kill({marks[0], ""})
    assert first.wait(timeout=10) == -signal.SIGKILL
    assert second.poll() is None
    second.kill()
    second.wait()


def test_a_cold_kernel_whose_parent_is_gone_before_it_looks_ends(project: Path) -> None:
    """The runner may be killed while the kernel still imports."""
    parent = subprocess.Popen([sys.executable, "-c", "pass"])
    parent.wait()
    environment = {**os.environ, "JPY_PARENT_PID": str(parent.pid), descendants.VARIABLE: descendants.new_mark()}
    command = [
        "-m",
        "ipykernel_launcher",
        "-f",
        str(project / "c.json"),
        f"--ext={NAME}",
        "--IPKernelApp.parent_handle=0",
    ]
    kernel = subprocess.Popen([sys.executable, *command], env=environment, start_new_session=True)
    assert kernel.wait(timeout=30) == -signal.SIGKILL
