"""A warm kernel holds what a cold one holds, and nothing of the kernel before it: the whole state of a process."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from mlopskit.errors import ParameterError
from mlopskit.runner import kernels, plan, warm
from tests import tiny

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.xdist_group("warm"),
    pytest.mark.skipif(not warm.is_supported(), reason="kernels are forked on Linux only"),
]


IMPORTS = [
    "ipykernel.kernelapp", "numpy", "pandas", "matplotlib.pyplot", "matplotlib.backends.backend_agg",
    "sklearn.ensemble", "threadpoolctl", "debugpy",
]  # fmt: skip
STATE = """
import asyncio, faulthandler, gc, glob, hashlib, locale, logging, multiprocessing, os, random, resource, signal, socket
import sys, tempfile, threading, warnings
from pathlib import Path
import matplotlib.pyplot, numpy as np, pandas as pd, sklearn.ensemble
from threadpoolctl import threadpool_info
def files():
    kinds = [os.readlink(name) for name in glob.glob("/proc/self/fd/*") if os.path.lexists(name)]
    return sorted(name for name in kinds if name.startswith("/") and not name.endswith("kernel.log"))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
state = {
    "cwd": os.getcwd(), "path": sys.path, "program": Path(sys.argv[0]).stem, "flags": str(sys.flags), "hash": hash("a"),
    "environment": {
        name: value for name, value in os.environ.items()
        if name not in {"MLOPSKIT_RUN", "MLOPSKIT_KERNEL", "JPY_PARENT_PID"}
    },
    "rcParams": {name: repr(value) for name, value in matplotlib.rcParams.items()},
    "figures": matplotlib.pyplot.get_fignums(), "printed": repr(np.get_printoptions()), "errors": np.geterr(),
    "rows": pd.get_option("display.max_rows"), "files": [name for name in files() if name != "/dev/null"],
    "pools": sorted((lib["user_api"], lib["internal_api"], lib["num_threads"]) for lib in threadpool_info()),
    "limits": [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT")],
    "signals": {number.name: str(signal.getsignal(number)).split(" at ")[0] for number in signal.Signals},
    **{name: status[name] for name in ("SigBlk", "SigIgn", "SigCgt", "Umask", "Cpus_allowed_list")},
    "gc": [gc.isenabled(), gc.get_threshold()], "warnings": list(map(str, warnings.filters)),
    "locale": locale.setlocale(locale.LC_ALL), "recursion": sys.getrecursionlimit(), "switch": sys.getswitchinterval(),
    "leads": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()], "timeout": socket.getdefaulttimeout(),
    "handlers": [str(item) for item in logging.getLogger().handlers], "level": logging.getLogger().level,
    "method": multiprocessing.get_start_method(allow_none=True), "main": vars(sys.modules["__main__"]).get("__file__"),
    "loop": type(asyncio.get_running_loop()).__name__, "trace": [str(sys.gettrace()), str(threading.gettrace())],
    "module": "colorsys" in sys.modules, "name": multiprocessing.current_process().name, "nice": os.nice(0),
    "user": sorted(name for name in get_ipython().user_ns if name[0] != "_"), "temporary": tempfile.gettempdir(),
}
run.write("state", state)
run.write("about", {
    "numpy": np.random.rand(), "python": random.random(), "rss": int(status["VmRSS"].split()[0]),
    "threads": sorted(thread.name.split(" ")[0] for thread in threading.enumerate()), "tasks": int(status["Threads"]),
    "fds": len(os.listdir("/proc/self/fd")), "born": __import__("psutil").Process().create_time(),
}, volatile=True)
"""
SPOIL = """
import colorsys, gc, os, random, resource, signal, sys, threading, time, warnings, logging, socket
import matplotlib.pyplot as plt, numpy as np, pandas as pd
from threadpoolctl import threadpool_limits
ballast = np.ones(40_000_000)
born = __import__("psutil").Process().create_time()
rss = int(dict(line.split(":", 1) for line in open("/proc/self/status"))["VmRSS"].split()[0])
run.write("about", {"rss": rss}, volatile=True)
kept_open = [open("mlops.toml") for _ in range(40)] + [socket.socket() for _ in range(40)]
os.environ.update(LEFT_BEHIND="yes", OMP_NUM_THREADS="1"); os.umask(0o77); os.nice(1)
random.seed(1); np.random.seed(1)
matplotlib = plt.matplotlib; matplotlib.rcParams.update({"figure.dpi": 33, "axes.grid": True}); plt.figure()
np.set_printoptions(precision=2); np.seterr(all="ignore"); pd.set_option("display.max_rows", 7); threadpool_limits(1)
signal.signal(signal.SIGUSR1, lambda *_: None); signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500)); sys.setrecursionlimit(500); gc.set_threshold(1); gc.disable()
warnings.simplefilter("error"); logging.getLogger().setLevel(7); socket.setdefaulttimeout(3); sys.path.append("/left")
threading.Thread(target=time.sleep, args=(1,), name="Left", daemon=True).start()
os.environ["HOME"] = "/nowhere"; os.chdir("/"); time.sleep(1)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[warm.ForkServer]:
    with warm.ForkServer([f"import {name}" for name in IMPORTS]) as started:
        yield started


def artefact(outcome: Any, phase: str, name: str) -> Any:
    return json.loads((outcome.folder / phase / f"{name}.json").read_text())


def pid_of(server: warm.ForkServer) -> int:
    """The process that forks: the one that was started is its guard, and has no other child."""
    children = Path(f"/proc/{server._process.pid}/task/{server._process.pid}/children")
    end = time.monotonic() + 60
    while not (found := children.read_text().split()) and time.monotonic() < end:
        time.sleep(0.01)
    (pid,) = found
    return int(pid)


def memory(server: warm.ForkServer) -> int:
    """Kilobytes that the server itself has resident."""
    lines = Path(f"/proc/{pid_of(server)}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def descriptors(server: warm.ForkServer) -> list[str]:
    folder = Path(f"/proc/{pid_of(server)}/fd")
    return sorted(str(path.readlink()).split(":")[0] for path in folder.iterdir())


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory, server: warm.ForkServer) -> SimpleNamespace:
    """Kernels before, beside and after one that spoils all it can; `beside` is forked while that one works."""
    folder = tmp_path_factory.mktemp("around") / "p"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLOPSKIT_PROJECT", "MLOPSKIT_RUN", "MLOPSKIT_PHASE", "JPY_SESSION_NAME"):
            patch.delenv(name, raising=False)
        before, spoil, beside = tiny.make_project(folder, {"before": STATE, "spoil": SPOIL, "beside": STATE})
        cold = tiny.run(folder, (before,))
        first = tiny.run(folder, (before,), server=server)
        held, opened = memory(server), descriptors(server)
        spoilt = tiny.run(folder, (spoil, beside), server=server)
        after = tiny.run(folder, (before,), server=server)
    runs = {
        "cold": (cold, "before"),
        "before": (first, "before"),
        "beside": (spoilt, "beside"),
        "after": (after, "before"),
    }
    assert [phase["status"] for phase in tiny.manifest_of(spoilt)["phases"]] == ["done", "done"]
    return SimpleNamespace(
        state={name: artefact(*found, "state") for name, found in runs.items()},
        about={name: artefact(*found, "about") for name, found in runs.items()},
        spoilt=artefact(spoilt, "spoil", "about"), started=tiny.manifest_of(spoilt), held=held, opened=opened,
    )  # fmt: skip


@pytest.mark.parametrize("kernel", ["cold", "beside", "after"])
def test_state_is_that_of_the_first_warm_kernel(around: SimpleNamespace, kernel: str) -> None:
    """Imports, directory, environment, matplotlib, open files, threads of BLAS and OpenMP, and what else there is."""
    expected, found = around.state["before"], dict(around.state[kernel])
    if kernel == "beside":
        found["environment"] = {**found["environment"], "MLOPSKIT_PHASE": "before"}
    assert {name for name in expected if expected[name] != found[name]} == set()
    assert len(expected["rcParams"]) > 100
    assert {api for api, _, _ in expected["pools"]} == {"blas", "openmp"}
    assert expected["files"] == []


@pytest.mark.parametrize("kernel", ["beside", "after"])
def test_descriptors_and_threads_are_as_many_as_before(around: SimpleNamespace, kernel: str) -> None:
    before, found = around.about["before"], around.about[kernel]
    assert found["threads"] == before["threads"]
    assert abs(found["fds"] - before["fds"]) < 10, "80 were left open in the kernel before"
    assert abs(found["tasks"] - before["tasks"]) <= 1, "ZeroMQ may still start a thread"


def test_random_numbers_come_from_no_state_that_is_shared(around: SimpleNamespace) -> None:
    drawn = {(item["numpy"], item["python"]) for item in around.about.values()}
    assert len({one for one, _ in drawn}) == len({other for _, other in drawn}) == len(around.about)
    assert np.random.RandomState(1).rand() not in {one for one, _ in drawn}
    assert random.Random(1).random() not in {other for _, other in drawn}


def test_memory_of_a_kernel_is_given_back(around: SimpleNamespace, server: warm.ForkServer) -> None:
    assert around.spoilt["rss"] - around.about["before"]["rss"] > 250_000, "it held 320 MB"
    for kernel in ("beside", "after"):
        assert around.about[kernel]["rss"] - around.about["before"]["rss"] < 50_000
    assert memory(server) - around.held < 20_000


def test_server_holds_no_descriptor_of_a_kernel_that_ended(around: SimpleNamespace, server: warm.ForkServer) -> None:
    end = time.monotonic() + 180
    while descriptors(server) != around.opened and time.monotonic() < end:
        time.sleep(0.05)
    assert descriptors(server) == around.opened


def test_next_kernel_is_forked_while_the_present_one_works(project: Path, server: warm.ForkServer) -> None:
    children = Path(f"/proc/{pid_of(server)}/task/{pid_of(server)}/children")
    beside = (  # what else the server has forked: the two are asked for at once, and either may be first
        f"import os, time\ngone = {{*{children.read_text().split()}, str(os.getpid())}}\n"
        "found, end = [], time.monotonic() + 120\n"
        "while not found and time.monotonic() < end:\n"
        "    time.sleep(0.01)\n"
        f"    found = [int(pid) for pid in open({str(children)!r}).read().split() if pid not in gone]\n"
        "run.write('beside', found)"
    )
    bodies = {"one": beside, "two": "import os\nrun.write('it', os.getpid())"}
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", bodies), server=server)
    assert artefact(outcome, "one", "beside") == [artefact(outcome, "two", "it")]


def test_no_kernel_is_forked_before_the_checks_pass(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "1"})
    with warm.ForkServer(["import json"]) as started:
        with pytest.raises(ParameterError, match="unknown parameter"):
            tiny.run(project / "p", phases, "one.nn=1", server=started)
        with pytest.raises(ParameterError, match="out of range"):
            plan(project / "p", phases=phases, arguments=["one.n=99"])
        tasks = Path(f"/proc/{pid_of(started)}/task/{pid_of(started)}/children")
        assert tasks.read_text() == ""


POOLS = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
import joblib, numpy as np
from sklearn.ensemble import RandomForestClassifier
found = {}
for method in ("fork", "spawn", "forkserver"):
    with multiprocessing.get_context(method).Pool(2) as pool:
        found[method] = pool.map(abs, [-1, 2])
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
    found["futures"] = list(pool.map(abs, [-1, 2]))
found["joblib"] = joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(value) for value in (-1, 2))
X = np.random.default_rng(0).random((200, 3))
forest = RandomForestClassifier(20, random_state=0, n_jobs=2).fit(X, X[:, 0] > 0.5)
found["forest"] = float(forest.predict_proba(X)[:, 1].sum())
run.write("it", found)
"""


def test_every_kind_of_pool_works_in_a_cell(project: Path, server: warm.ForkServer) -> None:
    phases = tiny.make_project(project / "p", {"one": POOLS})
    outcome = tiny.run(project / "p", phases, server=server, limit=600.0)
    assert tiny.manifest_of(outcome)["phases"][0]["error"] is None
    found = artefact(outcome, "one", "it")
    X = np.random.default_rng(0).random((200, 3))
    alone = RandomForestClassifier(20, random_state=0).fit(X, X[:, 0] > 0.5)
    assert found.pop("forest") == pytest.approx(alone.predict_proba(X)[:, 1].sum())
    assert set(map(tuple, found.values())) == {(1, 2)}


@pytest.mark.parametrize("statement", ["import leaves", "import raises_nothing_of_that_name", "import interrupts"])
def test_a_module_that_ends_the_interpreter_does_not_end_the_server(
    project: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    place = project / "site"
    place.mkdir()
    (place / "leaves.py").write_text("import sys\nsys.exit('usage: leaves FILE')")
    (place / "interrupts.py").write_text("raise KeyboardInterrupt")
    monkeypatch.setenv("PYTHONPATH", str(place))
    with warm.ForkServer([statement, "import json"]) as started:
        outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "1"}), server=started)
    assert tiny.manifest_of(outcome)["phases"][0]["status"] == "done"


DEBUGGED = "a = 1\nb = a + 1\nb"


async def debug(server: warm.ForkServer | None) -> dict[str, Any]:
    """Debug a cell as JupyterLab does: over the control channel, to a breakpoint and on."""
    setting = kernels.Setting(server=server, needs=["import debugpy"])
    await kernels.start(setting)
    client = setting.manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=180)

    async def ask(command: str, **arguments: Any) -> dict[str, Any]:
        content = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        message = client.session.msg("debug_request", content)
        client.control_channel.send(message)
        while (answer := await client.get_control_msg(timeout=180))["parent_header"]["msg_id"] != message["msg_id"]:
            pass
        return answer["content"]

    try:
        told = {"information": await ask("debugInfo")}
        told["initialize"] = await ask("initialize", clientID="jupyterlab", adapterID="", pathFormat="path")
        told["attach"] = await ask("attach")
        path = (await ask("dumpCell", code=DEBUGGED))["body"]["sourcePath"]
        told["breakpoint"] = await ask("setBreakpoints", breakpoints=[{"line": 2}], source={"path": path})
        told["configured"] = await ask("configurationDone")
        client.execute(DEBUGGED)
        while (event := await client.get_iopub_msg(timeout=180))["content"].get("event") != "stopped":
            pass
        thread = event["content"]["body"]["threadId"]
        frames = (await ask("stackTrace", threadId=thread))["body"]["stackFrames"]
        told["stopped"] = [(frame["name"], frame["line"]) for frame in frames[:1]]
        await ask("continue", threadId=thread)
        told["reply"] = (await client.get_shell_msg(timeout=180))["content"]["status"]
        told["disconnect"] = (await ask("disconnect", restart=False))["success"]
    finally:
        client.stop_channels()
        await kernels.discard(setting)
    return told


def without(value: Any) -> Any:
    """Leave out what counts messages or names the process."""
    if isinstance(value, dict):
        dropped = {"seq", "request_seq", "tmpFilePrefix", "path"}
        return {name: without(item) for name, item in value.items() if name not in dropped}
    return [without(item) for item in value] if isinstance(value, list) else value


def test_debugger_answers_as_in_a_cold_kernel(server: warm.ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    forked, cold = asyncio.run(debug(server)), asyncio.run(debug(None))
    assert without(forked) == without(cold)
    assert forked["information"]["success"]
    assert forked["initialize"]["body"]["supportsConditionalBreakpoints"]
    assert (forked["stopped"], forked["reply"]) == ([("<module>", 2)], "ok")
    assert os.environ.get("MLOPSKIT_PHASE") is None
