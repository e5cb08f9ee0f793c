"""Nothing is left running, whatever is killed: what a cell starts ends with its kernel, wherever it went."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import combinations
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


TOGETHER = [set(names) for count in (1, 2) for names in combinations(["kernel", "server", "guard", "runner"], count)]
TOGETHER.append({"kernel", "server", "runner"})
"""Who is killed in one moment: each alone, any two, and all that are called Python or bear our name."""


@pytest.mark.parametrize("killed", TOGETHER, ids=lambda names: "+".join(sorted(names)))
def test_nothing_is_left_whatever_is_killed(project: Path, kind: str, killed: set[str]) -> None:
    """What cleared its environment is not left either, but where it is the command alone that could know of it."""
    told = "run.write('pids', {**pids, **bare, 'parent': os.getppid()})\ntime.sleep(300)"
    runner = start(project / "p", kind, BARE + told, runaways=RUNAWAYS.rpartition("run.write")[0])
    pids = started_by(project / "p")
    assert left(pids, within=0) == list(pids)
    pids["guard"], pids["runner"] = parent_of(pids["parent"]), runner.pid
    pids["server"] = pids.pop("parent")
    for called in ("python", "mlopskit"):  # what `killall` and `pkill -f` would find
        assert [name for name in ("guard", "server") if called in told_of(pids[name])] == ["server"]
    _kill_together([pids[name] for name in killed])
    runner.communicate("")
    if killed == {"server", "guard"}:  # this runner is no command, which looks after what is nobody's
        os.kill(pids.pop("bare"), signal.SIGKILL)
    assert left(pids) == []


def test_what_is_left_where_all_are_killed_in_one_moment_ends_with_the_next_server(project: Path, kind: str) -> None:
    """Whichever server that is: another test may start one at any time, so that they are left is not looked at."""
    runner = start(project / "p", kind, "time.sleep(300)")
    pids = started_by(project / "p")
    server = pids.pop("parent")
    _kill_together([pids["kernel"], server, parent_of(server), runner.pid])
    runner.communicate()
    bystander = subprocess.Popen(
        ["setsid", "sleep", "300"], env={**os.environ, descendants.VARIABLE: descendants.new_mark()}
    )
    with warm.ForkServer():
        assert left(pids) == []
    assert bystander.poll() is None, "what the kernel of a living run started is left alone"
    bystander.kill()
    bystander.wait()


@pytest.mark.parametrize("mark", [descendants.BLANK, "", "no mark"])
def test_a_mark_that_names_no_process_is_let_be(mark: str) -> None:
    other = subprocess.Popen(["sleep", "300"], env={**os.environ, descendants.VARIABLE: mark})
    descendants.kill_abandoned()
    assert other.poll() is None
    other.kill()
    other.wait()


def told_of(pid: int) -> str:
    """The name and the command line of a process."""
    return "".join(Path(f"/proc/{pid}/{what}").read_text(encoding="utf-8") for what in ("comm", "cmdline"))


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])


def _kill_together(pids: list[int]) -> None:
    """Stopped first, none of them can act before all are killed."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            os.kill(pid, number)


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
