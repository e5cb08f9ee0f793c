"""The next phase is begun while others work, and waits at its gate; the report is begun as well."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event, Semaphore, Thread
from typing import Any

import pytest

from mlopskit.errors import RunError
from mlopskit.runner import execution, kernels, warm, worker
from mlopskit.runner.ahead import Ahead
from mlopskit.runner.execution import Gate, Order
from mlopskit.runner.manifest import Manifest, load
from mlopskit.runner.report import page, render
from tests import tiny

SLOW = "import time; time.sleep({seconds})"
SEES = "from pathlib import Path; Path('seen').write_text('\\n'.join(sorted(p.name for p in Path('runs').glob('*/*'))))"


def test_a_gate_admits_who_comes_before_and_after_it_opens() -> None:
    gate = Gate()
    gate.open()
    assert gate.admits()
    assert gate.since == pytest.approx(time.monotonic(), abs=60)


def test_who_is_sent_away_is_never_admitted() -> None:
    gate = Gate()
    gate.close()
    assert not gate.admits()


def test_a_phase_has_no_folder_before_its_turn(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": f"{SLOW.format(seconds=1)}; {SEES}", "two": "n"})
    done = tiny.run(tmp_path / "p", phases)
    assert done.manifest.status == "passed"
    seen = (tmp_path / "p" / "seen").read_text(encoding="utf-8").splitlines()
    assert "one" in seen
    assert "two" not in seen


def test_the_seconds_of_a_phase_begin_with_its_turn(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": SLOW.format(seconds=4), "two": "n"})
    made = tiny.manifest_of(tiny.run(tmp_path / "p", phases))
    first, second = (entry["seconds"] for entry in made["phases"])
    assert first >= 4
    assert first + second <= made["seconds"] + 0.1, "one after the other, however long each takes on this machine"


def test_the_limit_of_a_phase_begins_with_its_turn(tmp_path: Path) -> None:
    statuses = []
    for scale in (1, 4, 16):  # beside the sleep, a limit holds as much time to work as the machine needs
        folder, sleep = tmp_path / f"p{scale}", SLOW.format(seconds=3 * scale)
        phases = tiny.make_project(folder, {"one": sleep, "two": sleep})
        statuses.append(tiny.run(folder, phases, limit=5 * scale).manifest.status)
        if statuses[-1] == "passed":
            break
    assert statuses[-1] == "passed", statuses


def test_a_kernel_that_takes_its_time_to_leave_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves when the next phase has worked; who waited for it would work once it has left."""
    monkeypatch.setattr(kernels.OwnPythonKernelManager, "shutdown_wait_time", 120.0)  # then it would be killed
    late = (
        "import atexit, time; from pathlib import Path\n"
        "def leave():\n"
        "    end = time.monotonic() + 60\n"
        "    while not Path('worked').exists() and time.monotonic() < end: time.sleep(0.01)\n"
        "    Path('left').touch()\n"
        "atexit.register(leave)"
    )
    then = "from pathlib import Path; assert not Path('left').exists(); Path('worked').touch()"
    phases = tiny.make_project(tmp_path / "p", {"one": late, "two": then})
    done = tiny.run(tmp_path / "p", phases)
    assert done.manifest.status == "passed"
    assert (tmp_path / "p" / "left").exists(), "it was let end by itself"


def test_run_that_cannot_be_written_down_any_more_stops_what_works_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would take down how the other phase ends, which listens to no interrupt; the report finds room."""
    waits = (
        "import time; from pathlib import Path\n"
        "end = time.monotonic() + 60\n"
        "Path('waits').touch()\n"
        "while time.monotonic() < end:\n"
        "    try: time.sleep(60)\n"
        "    except KeyboardInterrupt: pass\n"
        "Path('worked').touch()"
    )
    quick = "import time; from pathlib import Path\nwhile not Path('waits').exists(): time.sleep(0.05)"
    one, two = tiny.make_project(tmp_path / "p", {"one": waits, "two": quick})

    save = Manifest.save

    def full(self: Manifest, folder: Path) -> None:
        if any(entry.status == "done" for entry in self.phases):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(self, folder)

    monkeypatch.setattr(Manifest, "save", full)
    phases, elsewhere = (one, replace(two, after=())), tmp_path / "elsewhere"
    with pytest.raises(RunError, match=r"Run \S+ was ended.*No space left on device.*mlopskit run --resume") as told:
        tiny.run(tmp_path / "p", phases, jobs=2, runs=elsewhere)
    [folder] = (path.parent for path in elsewhere.glob("*/run.json"))
    assert f"`mlopskit run --resume {folder.name} --out {elsewhere}`" in str(told.value)
    assert not (tmp_path / "p" / "worked").exists()
    assert {entry["name"]: entry["status"] for entry in load(folder)["phases"]} == {"one": "killed", "two": "killed"}
    assert "interrupted" in (folder / "report.html").read_text(encoding="utf-8")


def test_what_nobody_can_be_told_is_no_fault_of_the_runs_files(tmp_path: Path) -> None:
    """As with `mlopskit run > /dev/full`."""
    phases = tiny.make_project(tmp_path / "p", {"one": "1"})

    def full(event: Mapping[str, Any]) -> None:
        if event["event"] == "ended":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        tiny.run(tmp_path / "p", phases, listener=full)


def test_nothing_of_a_phase_that_was_begun_ahead_is_left_when_it_does_not_run(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": f"{SLOW.format(seconds=2)}; 1 / 0", "two": "n"})
    done = tiny.run(tmp_path / "p", phases)
    assert [entry["status"] for entry in tiny.manifest_of(done)["phases"]] == ["failed", "never-ran"]
    assert sorted(path.name for path in done.folder.iterdir() if path.is_dir()) == ["one"]
    assert not list(done.folder.glob(".*kernel.log"))


def test_several_kernels_may_be_asked_for_at_once_and_the_first_that_can_is_forked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are asked for before the server works on; what the first needs is done once the other is there."""
    wait = "import os, time\nend = time.time() + 60\nwhile not os.path.exists({!r}) and time.time() < end: pass"
    asked, quick_is_there = tmp_path / "asked", tmp_path / "quick"
    opens, slow = wait.format(str(asked)), wait.format(str(quick_is_there))
    sent, forked, send = Semaphore(0), [], socket.send_fds

    def counted(*arguments: Any) -> int:
        number = send(*arguments)
        sent.release()
        return number

    monkeypatch.setattr(socket, "send_fds", counted)
    with warm.ForkServer([opens]) as server, Path(os.devnull).open("wb") as null:
        server.preload(["import json", "import socket", "import time", slow])

        def ask(name: str, needs: list[str]) -> None:
            options = {"environment": dict(os.environ), "cwd": str(tmp_path)}
            server.fork(["x"], **options, output=null.fileno(), errors=null.fileno(), needs=needs)
            forked.append(name)
            (tmp_path / name).touch()

        threads = [Thread(target=ask, args=asks) for asks in (("patient", [slow]), ("quick", [opens]))]
        for thread in threads:
            thread.start()
            assert sent.acquire(timeout=60)
        asked.touch()
        for thread in threads:
            thread.join()
    assert forked == ["quick", "patient"]


def test_a_statement_that_comes_later_is_executed_once() -> None:
    from mlopskit.runner.forkserver import Preload
    from mlopskit.runner.standin import StandIn

    class NoOne(StandIn):  # this process keeps its own streams
        def __init__(self) -> None:
            """Take no place."""

        def watch(self) -> None:
            """Look at nothing."""

        def noticed(self) -> str:
            return ""

    preload = Preload(["import json"])
    preload.add(["import json", "import socket", "import socket"], hidden=[])
    assert list(preload.left) == ["import json", "import socket"]
    preload.step(NoOne())
    preload.add(["import json"], hidden=[])
    assert preload.has_done(["import json"])
    assert not preload.has_done(["import socket"])


def test_a_server_that_is_gone_is_told_nothing_and_refuses_in_words(tmp_path: Path) -> None:
    from mlopskit.errors import RunError

    with warm.ForkServer(["import json"]) as server, Path(os.devnull).open("wb") as null:
        server._channel.shutdown(socket.SHUT_RDWR)
        server.preload(["import json"])
        with pytest.raises(RunError, match="--cold"):
            server.fork(["x"], environment={}, cwd=str(tmp_path), output=null.fileno(), errors=null.fileno())


def test_a_kernel_that_comes_when_nobody_waits_for_it_any_more_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlopskit.errors import RunError

    go = tmp_path / "go"
    wait = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)"
    with warm.ForkServer([wait]) as server, Path(os.devnull).open("wb") as null:
        options = {"environment": dict(os.environ), "cwd": str(tmp_path), "output": null.fileno(), "anew": True}
        sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
        while not server._importing:
            time.sleep(0.01)
        monkeypatch.setattr(warm, "_SECONDS_TO_FORK", 0.1)
        with pytest.raises(RunError, match="is still being imported"):
            server.fork(sleeper, **options, errors=null.fileno(), needs=[wait])
        monkeypatch.undo()
        go.touch()
        second = server.fork(sleeper, **options, errors=null.fileno(), needs=[wait])  # the first was asked for before
        end = time.monotonic() + 180
        while len(server._children) > 1 and time.monotonic() < end:
            time.sleep(0.01)
        assert list(server._children) == [second.pid]


def test_a_report_begun_ahead_is_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": "print('<b>one</b>')", "two": "n"})
    done = tiny.run(tmp_path / "p", phases)
    made = (done.folder / "report.html").read_text(encoding="utf-8")
    looked_at, looked = list[str](), Event()
    monkeypatch.setattr(page, "compose", lambda evidence: looked_at.append(evidence.folder.name))
    monkeypatch.setattr(page, "section", lambda _, phase: (looked_at.append(phase.name), looked.set()))
    with Ahead(done.folder) as ahead:
        ahead.ended("one")
        ahead.ended("two")
        assert looked.wait(180)
    assert looked_at == [done.folder.name, "one"]
    monkeypatch.undo()
    assert render(done.folder).read_text(encoding="utf-8") == made


def test_a_phase_that_cannot_be_shown_stops_no_run(tmp_path: Path) -> None:
    with Ahead(tmp_path / "nothing here") as ahead:
        ahead.ended("one")
        ahead.ended("two")
    assert not list(tmp_path.iterdir())


def test_a_fault_while_a_phase_is_made_ready_is_told_in_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": SLOW.format(seconds=1), "two": "n"})
    honest = worker.execute_phase

    def faulty(order: Order, tell: Any) -> None:
        if order.phase.name == "two":
            raise RuntimeError("no such luck")
        honest(order, tell)

    monkeypatch.setattr(worker, "execute_phase", faulty)
    with pytest.raises(RuntimeError, match="no such luck"):
        tiny.run(tmp_path / "p", phases)
    [made] = (tmp_path / "p" / "runs").glob("*/run.json")
    assert json.loads(made.read_text(encoding="utf-8"))["phases"][0]["status"] == "done"


def test_a_kernel_that_cannot_be_ended_changes_nothing_about_its_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": "n", "two": "n"})
    execution.import_executor()
    from mlopskit.runner import client

    honest = client.leave

    def faulty(setting: Any) -> None:
        honest(setting)
        raise RuntimeError("it would not go")

    monkeypatch.setattr(client, "leave", faulty)
    assert tiny.run(tmp_path / "p", phases).manifest.status == "passed"
