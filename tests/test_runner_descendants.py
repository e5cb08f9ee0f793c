"""Nothing is left running, whatever is killed: what a cell starts ends with its kernel, wherever it went."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlopskit.runner import descendants, warm
from mlopskit.runner.inkernel import NAME
from tests import tiny

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(not warm.is_supported(), reason="processes are found by their mark on Linux only"),
]


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

BARE = """
import subprocess
bare = ["env", "-i", "sh", "-c", "setsid sleep 300 >/dev/null 2>&1 & echo $!"]
bare = {"bare": int(subprocess.run(bare, capture_output=True, text=True).stdout)}
"""
TOLD = 'run.write("pids", bare)'

PROGRAM = """
import runpy, sys
from pathlib import Path
from mlopskit.runner import Phase, kernels, warm
tiny, folder = runpy.run_path(sys.argv[1]), Path(sys.argv[2])
server = warm.ForkServer(["import ipykernel.kernelapp"]) if sys.argv[3] == "warm" else None
kernels.is_supported = lambda: sys.argv[3] != "alone"
outcome = tiny["run"](folder, (Phase("one", "notebooks/1_one.ipynb"),), server=server)
print(outcome.manifest.status, flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["warm", "cold"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def start(folder: Path, kind: str, body: str, *, runaways: str = RUNAWAYS) -> subprocess.Popen[str]:
    tiny.make_project(folder, {"one": runaways + body})
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


def test_where_there_is_no_server_a_kernel_looks_after_what_it_started(project: Path) -> None:
    runner = start(project / "p", "alone", "time.sleep(300)")
    pids = started_by(project / "p")
    assert pids.pop("parent") == runner.pid
    runner.kill()
    assert left(pids) == []
    runner.communicate("")


@pytest.mark.parametrize("killed", ["kernel", "server", "runner"])
def test_nothing_is_left_whatever_is_killed(project: Path, kind: str, killed: str) -> None:
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


@pytest.mark.parametrize("killed", [["runner"], ["kernel", "runner"]])
def test_a_process_without_the_mark_ends_when_the_runner_is_killed(project: Path, kind: str, killed: list[str]) -> None:
    body = f"{BARE}import os, time\nrun.write('pids', bare | {{'kernel': os.getpid(), 'pool': 3}})\ntime.sleep(300)"
    runner = start(project / "p", kind, body, runaways="")
    pids = started_by(project / "p")
    assert left(pids, within=0) == ["bare", "kernel"]
    for name in killed:
        os.kill({**pids, "runner": runner.pid}[name], signal.SIGKILL)
        assert name == "runner" or runner.stdout.readline() == "failed\n"
    runner.communicate("")
    assert left(pids) == []


def test_a_process_without_the_mark_ends_with_the_server_at_the_latest(project: Path) -> None:
    with warm.ForkServer(["import ipykernel.kernelapp"]) as server:
        outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": BARE + TOLD}), server=server)
    assert left(json.loads((outcome.folder / "one" / "pids.json").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("kind", ["--cold", "--fresh"])
def test_a_process_without_the_mark_ends_with_the_command_at_the_latest(project: Path, kind: str) -> None:
    """Also where the kernel is no fork, and where the server is killed before it can look after anything."""
    killed = "" if kind == "--cold" else "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
    tiny.make_project(project / "p", {"scope": f"{BARE}{TOLD}\n{killed}"})
    command = [sys.executable, "-m", "mlopskit", "run", "--to", "scope", kind, "--quiet"]
    subprocess.run(command, cwd=project / "p", check=False)
    (pids,) = (project / "p" / "runs").glob("*/scope/pids.json")
    assert left(json.loads(pids.read_text(encoding="utf-8"))) == []


def test_what_another_kernel_started_lives_on(project: Path) -> None:
    marks = [descendants.new_mark(), descendants.new_mark()]
    first, second = (
        subprocess.Popen(["setsid", "sleep", "300"], env={**os.environ, descendants.VARIABLE: mark}) for mark in marks
    )
    descendants.kill({marks[0], ""})
    assert first.wait(timeout=60) == -signal.SIGKILL
    assert second.poll() is None
    second.kill()
    second.wait()


def test_what_only_begins_its_program_is_found() -> None:
    """For a moment a process that executes a program shows no environment: one time in fifteen it was missed."""
    for _ in range(100):
        mark = descendants.new_mark()
        begun = subprocess.Popen(["setsid", "sleep", "300"], env={**os.environ, descendants.VARIABLE: mark})
        descendants.kill({mark})
        try:
            assert begun.wait(timeout=60) == -signal.SIGKILL
        finally:
            begun.kill()
            begun.wait()


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
    assert kernel.wait(timeout=60) == -signal.SIGKILL
