"""A fault at each write of the runner: the process killed, or the disk full from there on.

The audit hook of a real runner process counts what it opens for writing and renames inside the runs folder, and
strikes at the chosen one. Whatever was left, nothing half-done may look done, and the next run must end with the
artefacts of an undisturbed one. Every write is struck in processes whose phases run in the runner itself, forked from
one that has imported everything; some of them once more with real kernels.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import Phase, cache
from tests.tiny import make_project, manifest_of, run

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
            elif phase["status"] != "never-ran":
                assert phase["error"] is not None
    for path in (folder / "runs").glob("*/[!.]*/notebook.ipynb"):
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("fault", "strike"), [*(("kill", n) for n in (7, 15, 23)), *(("full", n) for n in (11, 19, 27))]
)
def test_fault_at_a_write_loses_nothing(
    tmp_path: Path, undisturbed: tuple[int, dict[str, str]], fault: str, strike: int
) -> None:
    writes, wanted = undisturbed
    assert strike < writes
    phases = lay(tmp_path / "p")
    struck = start(tmp_path / "p", fault, strike)
    if fault == "kill":
        assert struck.returncode == -9
    assert_true(tmp_path / "p")
    [name] = (path.parent.name for path in (tmp_path / "p" / "runs").glob("*/run.json"))
    made = manifest_of(run(tmp_path / "p", phases, reuse_unchanged=True, resume=name))
    assert digests(made) == wanted
    assert made["status"] == "passed"


FULL = """
import errno, os, sys
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    inside = (writes or event == "os.rename") and str(arguments[0]).startswith({runs!r})
    if inside and os.path.exists({full!r}):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
sys.addaudithook(watch)
"""
EXECUTE = """
from pathlib import Path
from mlopskit.runner import Phase, execute, plan
execute(plan(Path({folder!r}), phases={phases!r}, reuse_unchanged=True))
"""


def test_disk_that_fills_up_while_a_cell_works_loses_nothing_once_there_is_room(
    tmp_path: Path, undisturbed: tuple[int, dict[str, str]]
) -> None:
    """It is full for kernel and runner alike, from when the second phase says so until the file is gone."""
    folder = tmp_path / "p"
    phases = lay(folder)
    fills = FULL.format(runs=str(folder / "runs"), full=str(folder / "full"))
    path = phases[1].path(folder)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    work = next(cell for cell in notebook["cells"] if cell["id"] == "work")
    work["source"] = fills + "if (run.project / 'fills').exists(): (run.project / 'full').touch()\n" + work["source"]
    path.write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "fills").touch()
    program = fills + EXECUTE.format(folder=str(folder), phases=phases)
    struck = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert_true(folder)
    [said] = (folder / "runs").glob("*/run.json")
    assert struck.stderr.strip().splitlines()[-1] == (
        f"mlopskit.errors.RunError: Run {said.parent.name} was ended: its files cannot be written any more (No space "
        "left on device). What was saved of it before is whole: phases that run.json calls done are kept. Make room, "
        f"or the folder writable, and go on with `mlopskit run --resume {said.parent.name}`."
    )
    assert [phase["status"] for phase in json.loads(said.read_text(encoding="utf-8"))["phases"]] == ["done", "killed"]
    for name in ("fills", "full"):
        (folder / name).unlink()
    made = manifest_of(run(folder, phases, reuse_unchanged=True, resume=said.parent.name))
    assert [phase["status"] for phase in made["phases"]] == ["reused", "done"]
    assert digests(made) == undisturbed[1]


WITHOUT_KERNELS = """
from mlopskit.notebooks import load_notebook
from mlopskit.runner import worker
from mlopskit.runner.execution import NOTEBOOK, Ending
from mlopskit.runs import Run

def execute_phase(order, tell):
    if order.gate.admits():
        tell(without_kernel(order))

def without_kernel(order):
    notebook = load_notebook(order.phase.path(order.project))
    order.home.mkdir(parents=True, exist_ok=True)
    try:
        run = Run(order.project, order.folder, order.phase.name)
        exec(next(cell["source"] for cell in notebook["cells"] if cell["id"] == "work"), {"run": run})
        (order.home / NOTEBOOK).write_text(json.dumps(notebook), encoding="utf-8")
        run.finish()
    except OSError as error:
        return Ending("failed", 0.0, {"name": "OSError", "message": str(error)}, 4, 2)
    return Ending("done", 0.0, None, 4, 4)
"""

FORKING = """
import json, shutil
import mlopskit.runner.report
worker.execute_phase = execute_phase
folder, fault = Path(sys.argv[1]), sys.argv[2]
ended = []
while not ended or ended[-1] != 0:
    project, strike, log = folder / str(len(ended) + 1), len(ended) + 1, ""
    shutil.copytree(folder / "laid", project)
    runs = str(project / "runs")
    pid = os.fork()
    if pid == 0:
        sys.stderr = open(os.devnull, "w")
        planned = plan(project, phases=phases, reuse_unchanged=True)
        sys.addaudithook(watch)
        try:
            execute(planned)
        except BaseException:
            os._exit(1)
        os._exit(0 if count < strike else 2)
    ended.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(ended))
"""


@pytest.mark.parametrize("fault", ["kill", "full"])
@pytest.mark.parametrize("reuses", [False, True], ids=["nothing is reused", "the first phase is reused"])
def test_fault_at_each_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, reuses: bool
) -> None:
    phases = lay(tmp_path / "laid")
    made: dict[str, Any] = {"json": json}
    exec(WITHOUT_KERNELS, made)
    monkeypatch.setattr(made["worker"], "execute_phase", made["execute_phase"])
    before = ""
    if reuses:
        before = run(tmp_path / "laid", phases).folder.name
        path = phases[1].path(tmp_path / "laid")
        path.write_text(path.read_text(encoding="utf-8").replace("run.finish()", "run.finish();"), encoding="utf-8")
    program = PROGRAM.partition("planned = ")[0].replace("sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]",
                                                         "'/'), '', 0, ''")  # fmt: skip
    command = [sys.executable, "-c", program + "import json\n" + WITHOUT_KERNELS + FORKING, str(tmp_path), fault]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    assert len(ended) > 20
    assert set(ended[:-1]) <= ({-9} if fault == "kill" else {1, 2})
    wanted = digests(manifest_of(run(tmp_path / str(len(ended)), phases)))
    for strike in range(1, len(ended) + 1):
        assert_true(tmp_path / str(strike))
        struck = {path.parent.name for path in (tmp_path / str(strike) / "runs").glob("*/run.json")} - {before}
        options = {"resume": max(struck)} if struck else {}  # what was struck before its first manifest is no run
        again = manifest_of(run(tmp_path / str(strike), phases, reuse_unchanged=True, **options))
        assert (strike, again["status"], digests(again)) == (strike, "passed", wanted)
