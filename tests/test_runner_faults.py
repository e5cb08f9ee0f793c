"""Every way in which a run can end badly, with real kernels and real signals."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mlopskit.errors import NotebookError, ParameterError, ProjectError, RunError
from mlopskit.runner import plan
from mlopskit.runner.catalogue import list_runs
from tests import tiny

pytestmark = pytest.mark.notebooks


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_until(condition: object, *, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def test_failing_cell_is_named_and_what_ran_before_is_kept(project: Path) -> None:
    phases = tiny.make_project(
        project / "p", {"one": "run.write('kept', {'n': n})\nraise KeyError('no such column')", "two": "n"}
    )
    outcome = tiny.run(project / "p", phases)
    first, second = tiny.manifest_of(outcome)["phases"]
    assert outcome.exit_code == 1
    assert tiny.manifest_of(outcome)["status"] == "failed"
    assert first["status"] == "failed"
    assert first["error"] == {
        "signal": None, "name": "KeyError", "message": "'no such column'", "cell": 3, "id": "work", "heading": "Work",
    }  # fmt: skip
    assert (first["executed"], first["cells"]) == (3, 4)
    assert [item["name"] for item in first["writes"]] == ["one/kept.json"]
    assert (second["status"], second["reason"]) == ("never-ran", "one did not end well")
    assert outcome.report is not None
    assert outcome.report.is_file()
    assert not (project / "p" / "runs" / "latest").exists()


def test_kernel_started_ahead_is_taken_back_when_its_phase_does_not_run(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "import time\ntime.sleep(1)\n1 / 0", "two": "n"})
    outcome = tiny.run(project / "p", phases)
    assert sorted(path.name for path in outcome.folder.iterdir()) == ["lineage.jsonl", "one", "report.html", "run.json"]
    assert not [pid for pid in _descendants(os.getpid()) if "ipykernel_launcher" in _command(pid)]


def _descendants(of: int) -> list[int]:
    """Processes that a process started, whichever of its threads did, and those that they started."""
    lists = [path.read_text(encoding="utf-8") for path in Path(f"/proc/{of}/task").glob("*/children")]
    children = [int(pid) for listed in lists for pid in listed.split()]
    return [*children, *(pid for child in children for pid in _descendants(child))]


def _command(pid: int) -> str:
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_killed_kernel_is_killed_not_completed(project: Path) -> None:
    body = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    entry = tiny.manifest_of(outcome)["phases"][0]
    assert entry["status"] == "killed"
    assert (entry["error"]["signal"], entry["error"]["cell"], entry["error"]["heading"]) == ("SIGKILL", 3, "Work")
    cells = json.loads((outcome.folder / "one" / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    states = {cell["id"]: cell["metadata"]["papermill"]["status"] for cell in cells if cell["cell_type"] == "code"}
    assert states == {"parameters": "completed", "imports": "completed", "work": "failed", "artifacts": "pending"}
    assert outcome.exit_code == 1


@pytest.mark.parametrize("served", ["served", "by itself"])
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="nobody tells how much memory a process took")
def test_cold_kernel_that_ran_out_of_memory_is_told_with_its_peak(project: Path, served: str) -> None:
    tiny.make_project(project / "p", {"one": "import os\nballast = b'x' * 1_500_000_000\nos.kill(os.getpid(), 9)"})
    small = (  # a child's peak is counted from its parent's, and this process may be large
        "import runpy, sys; from pathlib import Path; from mlopskit.runner import Phase, kernels; "
        f"kernels.is_supported = lambda: {served == 'served'}; "
        "runpy.run_path(sys.argv[1])['run'](Path(sys.argv[2]), (Phase('one', 'notebooks/1_one.ipynb'),))"
    )
    tool = str(Path(__file__).with_name("tiny.py"))
    subprocess.run([sys.executable, "-c", small, tool, str(project / "p")], check=True)
    [made] = (project / "p" / "runs").glob("*/run.json")
    message = json.loads(made.read_text(encoding="utf-8"))["phases"][0]["error"]["message"]
    assert message.startswith("The kernel ended by SIGKILL. Its memory peaked at ")
    assert 1430 < int(message.partition("peaked at ")[2].partition(" MB")[0].replace(",", "")) < 2500
    assert "Often the memory was used up." in message


def test_kernel_that_leaves_is_killed_with_its_exit_code(project: Path) -> None:
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "import os\nos._exit(7)"}))
    entry = tiny.manifest_of(outcome)["phases"][0]
    assert (entry["status"], entry["error"]["signal"]) == ("killed", None)
    assert "exit code 7" in entry["error"]["message"]


def test_cell_that_never_ends_is_timed_out_and_its_output_kept(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "import time\nprint('before', flush=True)\ntime.sleep(600)"})
    outcome = tiny.run(project / "p", phases, limit=4.0)
    entry = tiny.manifest_of(outcome)["phases"][0]
    assert (entry["status"], entry["error"]["cell"]) == ("timed-out", 3)
    assert "4 seconds" in entry["error"]["message"]
    assert "before" in (outcome.folder / "one" / "notebook.ipynb").read_text(encoding="utf-8")


def test_cell_that_ignores_its_limit_leaves_nothing_waiting(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = "import signal, time\nfor number in (2, 15):\n    signal.signal(number, signal.SIG_IGN)\ntime.sleep(600)"
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}), limit=3.0)
    assert tiny.manifest_of(outcome)["phases"][0]["status"] == "timed-out"
    gc.collect()  # asyncio complains of a task that is forgotten when it is collected
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_notebook_without_finish_is_not_done(project: Path) -> None:
    made = tiny.phase_notebook("n", phase="one", finish=False)
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": made}))
    entry = tiny.manifest_of(outcome)["phases"][0]
    assert (entry["status"], entry["error"]["name"]) == ("failed", "Unfinished")


def test_child_processes_do_not_outlive_their_phase(project: Path) -> None:
    body = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "run.write('child', {'pid': child.pid})"
    )
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": body}))
    pid = json.loads((outcome.folder / "one" / "child.json").read_text(encoding="utf-8"))["pid"]
    assert outcome.exit_code == 0
    assert _wait_until(lambda: not _alive(pid), seconds=5)


@pytest.mark.parametrize(
    "body",
    [
        "import os\nif os.fork() == 0:\n    import time; time.sleep(600)",
        "import os\npid = os.fork()\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)",
        "import sys\nsys.stdout.close()",
        "import os\nos.close(1)",
    ],
    ids=["leaves a fork", "waits for a fork", "closes sys.stdout", "closes descriptor 1"],
)
def test_cell_that_forks_or_closes_its_output_ends_as_any_other(project: Path, body: str) -> None:
    phases = tiny.make_project(project / "p", {"scope": body, "data": "run.write('x', {'x': 1})"})
    manifest = tiny.manifest_of(tiny.run(project / "p", phases))
    assert [phase["status"] for phase in manifest["phases"]] == ["done", "done"]


@pytest.mark.usefixtures("hangups_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_the_kernel_and_leaves_manifest_and_report(project: Path, number: signal.Signals) -> None:
    body = "import time\ntry:\n    time.sleep(600)\nfinally:\n    run.write('tidied', {'up': True})"
    phases = tiny.make_project(project / "p", {"one": body, "two": "n"})

    def send_when_working(event: dict[str, object]) -> None:
        if event["event"] == "cell" and event["cell"] == 3:
            threading.Timer(0.3, os.kill, (os.getpid(), number)).start()

    outcome = tiny.run(project / "p", phases, listener=send_when_working)
    said = tiny.manifest_of(outcome)
    assert said["status"] == "interrupted"
    assert [item["status"] for item in said["phases"]] == ["killed", "never-ran"]
    assert said["phases"][0]["error"]["cell"] == 3
    assert [item["name"] for item in said["phases"][0]["writes"]] == ["one/tidied.json"], "it was let end its cell"
    assert not [pid for pid in _descendants(os.getpid()) if "ipykernel_launcher" in _command(pid)]
    assert outcome.exit_code == 1
    assert outcome.report is not None


@pytest.mark.usefixtures("hangups_heard")
@pytest.mark.parametrize(("starter", "ends"), [([], "interrupted"), (["nohup"], "passed")])
def test_run_whose_terminal_is_closed_leaves_a_report(project: Path, starter: list[str], ends: str) -> None:
    body = "import time\nrun.write('here', {'y': 1})\ntime.sleep(600 if n else 2)"
    tiny.make_project(project / "p", {"scope": body})
    command = [sys.executable, "-m", "mlopskit", "run", "--to", "scope", "-p", f"scope.n={int(not starter)}"]
    master, slave = os.openpty()
    with subprocess.Popen(
        ["setsid", "--ctty", *starter, *command], cwd=project / "p", stdin=slave, stdout=slave, stderr=slave
    ) as runner:
        os.close(slave)
        assert _wait_until(lambda: bool(list(project.glob("p/runs/*/scope/here.json"))), seconds=60)
        os.close(master)
        assert runner.wait(timeout=120) == (1 if ends == "interrupted" else 0)
    (report,) = project.glob("p/runs/*/report.html")
    assert json.loads(report.with_name("run.json").read_text(encoding="utf-8"))["status"] == ends


@pytest.mark.parametrize("kind", [[], ["--json"], ["--quiet"]])
def test_run_goes_on_when_nobody_reads_what_it_prints(project: Path, kind: list[str]) -> None:
    tiny.make_project(project / "p", {"scope": "run.write('here', {'y': 1})"})
    command = [sys.executable, "-m", "mlopskit", "run", "--to", "scope", *kind]
    with subprocess.Popen(command, cwd=project / "p", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as runner:
        runner.stdout.close()
        assert runner.stderr.read() == b""
        assert runner.wait(timeout=120) == 0
    (report,) = project.glob("p/runs/*/report.html")
    assert json.loads(report.with_name("run.json").read_text(encoding="utf-8"))["status"] == "passed"


def test_kernel_that_ignores_the_interrupt_is_killed(project: Path) -> None:
    body = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)"
    phases = tiny.make_project(project / "p", {"one": body})

    def send_when_working(event: dict[str, object]) -> None:
        if event["event"] == "cell" and event["cell"] == 3:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()

    outcome = tiny.run(project / "p", phases, listener=send_when_working)
    assert tiny.manifest_of(outcome)["status"] == "interrupted"


def test_killed_runner_leaves_a_true_manifest_and_no_kernel(project: Path) -> None:
    body = "import os, time\nrun.write('kernel', {'pid': os.getpid()})\ntime.sleep(600)"
    tiny.make_project(project / "p", {"scope": body})
    command = [sys.executable, "-m", "mlopskit", "run", "--to", "scope", "--project", str(project / "p")]
    runner = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    found: list[Path] = []

    def kernel_at_work() -> bool:
        found[:] = (project / "p" / "runs").glob("*/scope/kernel.json")
        return bool(found)

    try:
        assert _wait_until(kernel_at_work, seconds=60)
        running = [item.status for item in list_runs(project / "p" / "runs")]
    finally:
        runner.kill()
        runner.wait()
    kernel = json.loads(found[0].read_text(encoding="utf-8"))["pid"]
    said = json.loads((found[0].parents[1] / "run.json").read_text(encoding="utf-8"))
    assert said["status"] == "interrupted"
    assert said["phases"][0]["status"] == "killed"
    assert said["phases"][0]["error"]["name"] == "RunnerDied"
    assert running == ["running"]
    assert [item.status for item in list_runs(project / "p" / "runs")] == ["interrupted"]
    assert _wait_until(lambda: not _alive(kernel))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "one.m=3"], "unknown parameter one.m"),
        (["-p", "one.n=many"], "one.n = many is not a whole number"),
        (["-p", "one.n=12"], r"one.n = 12 is out of range; allowed is 0..9"),
        (["-p", "on.n=1"], r"there is no phase on \(did you mean one\?\)"),
        (["-p", "sed=1"], r"no phase has a parameter sed \(did you mean seed\?\)"),
        (["-p", "n"], "not of the form"),
    ],
)
def test_bad_parameter_is_refused_before_anything_is_made(project: Path, arguments: list[str], message: str) -> None:
    phases = tiny.make_project(project / "p", {"one": "n"})
    with pytest.raises(ParameterError, match=message):
        tiny.run(project / "p", phases, arguments[1])
    assert not (project / "p" / "runs").exists()


def test_all_bad_parameters_are_told_at_once(project: Path) -> None:
    toml = (project / "mlops.toml").read_text(encoding="utf-8") + "\n[parameters.one]\nn = 'x'\nsedd = 1\n"
    phases = tiny.make_project(project / "p", {"one": "n"}, toml=toml)
    with pytest.raises(ParameterError) as caught:
        plan(project / "p", phases=phases, arguments=["one.seed=a"])
    for expected in (
        "3 parameters are wrong",
        "one.n = 'x' is not a whole number but text",
        "sedd (did you mean seed?)",
        "one.seed = a",
    ):
        assert expected in str(caught.value)


def test_secret_that_is_nowhere_is_told_with_all_other_bad_parameters(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    cell = "n: int = 1  # 0..9: how many\ntoken: 'secret' = 'env:NOT_THERE'"
    made = tiny.phase_notebook("n", phase="one", parameters=cell)
    with pytest.raises(
        ParameterError, match=r"(?s)2 parameters are wrong.*env:NOT_THERE is not set.*one\.n = 12 is out"
    ):
        plan(project / "p", phases=tiny.make_project(project / "p", {"one": made}), arguments=["one.n=12"])


def test_a_cell_that_cannot_be_read_hides_no_wrong_value_of_another_phase(project: Path) -> None:
    """What is given to the phase of that cell, or to whichever phase has it, nobody can check yet."""
    toml = (project / "mlops.toml").read_text(
        encoding="utf-8"
    ) + "\n[parameters.two]\nsedd = 1\n[parameters.one]\na = 1\n"
    made = {"one": tiny.phase_notebook("1", phase="one", parameters="n: int = len('x')"), "two": "n"}
    phases = tiny.make_project(project / "p", made, toml=toml)
    with pytest.raises(ParameterError) as caught:
        plan(project / "p", phases=phases, arguments=["two.n=many", "one.n=5", "else=1"])
    said = str(caught.value).splitlines()
    assert said[0] == "3 parameters are wrong:"
    for fits, line in zip(("parameters cell, line 1", "sedd", "two.n = many"), said[1:], strict=True):
        assert fits in line
    with pytest.raises(ParameterError, match="parameters cell, line 1"):
        plan(project / "p", phases=phases[:1])


def test_secret_that_is_no_reference_is_one_problem(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That the one of the parameters cell is nowhere says nothing: it was not asked for."""
    monkeypatch.delenv("NOT_THERE", raising=False)
    made = tiny.phase_notebook("1", phase="one", parameters="token: 'secret' = 'env:NOT_THERE'")
    with pytest.raises(ParameterError, match=r"^one\.token = … must be a reference"):
        plan(project / "p", phases=tiny.make_project(project / "p", {"one": made}), arguments=["one.token=hunter2"])


def test_missing_parameters_tag_is_refused(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": tiny.phase_notebook("1", phase="one", parameters=None)})
    with pytest.raises(NotebookError, match="no cell tagged `parameters`"):
        plan(project / "p", phases=phases)


def test_missing_and_broken_notebooks_are_refused(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "n", "two": "n"})
    phases[0].path(project / "p").write_text("{ not json", encoding="utf-8")
    with pytest.raises(NotebookError, match=r"1_one\.ipynb is not a readable notebook"):
        plan(project / "p", phases=phases)
    phases[1].path(project / "p").unlink()
    with pytest.raises(NotebookError, match=r"2_two\.ipynb is missing"):
        plan(project / "p", phases=phases)


def test_missing_project_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"No mlops\.toml was found"):
        plan(tmp_path)


def test_read_only_runs_folder_is_refused_in_one_sentence(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "n"})
    (project / "p" / "runs").write_text("a file is in the way, which stops root too", encoding="utf-8")
    with pytest.raises(
        RunError, match=r"cannot be made in .*Make room there, or that folder writable, or name another with --out"
    ):
        tiny.run(project / "p", phases)


def test_notebook_of_another_form_cannot_lose_its_cells(project: Path) -> None:
    made = tiny.notebook(
        [tiny.code("n: int = 1", name="parameters", tags=("parameters",)), tiny.code("1 / 0", name="fail")]
    )
    outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": made}), "one.n=2")
    error = tiny.manifest_of(outcome)["phases"][0]["error"]
    assert (error["name"], error["cell"], error["id"], error["heading"]) == ("ZeroDivisionError", 2, "fail", None)
