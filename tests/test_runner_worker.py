"""The next phase is begun while others work, and waits at its gate; the report is begun as well."""

from __future__ import annotations

import json
import os
import runpy
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlopskit.runner import execution, warm, worker
from mlopskit.runner.ahead import Ahead
from mlopskit.runner.execution import Gate, Order
from mlopskit.runner.report import page, render

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny.py"))))

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
    assert second < first


def test_the_limit_of_a_phase_begins_with_its_turn(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": SLOW.format(seconds=3), "two": SLOW.format(seconds=3)})
    assert tiny.run(tmp_path / "p", phases, limit=5).manifest.status == "passed"


def test_a_kernel_that_takes_its_time_to_leave_holds_nobody_up(tmp_path: Path) -> None:
    late = (
        "import atexit, time; from pathlib import Path\natexit.register(lambda: (time.sleep(2), Path('left').touch()))"
    )
    phases = tiny.make_project(
        tmp_path / "p", {"one": late, "two": "from pathlib import Path; assert not Path('left').exists()"}
    )
    done = tiny.run(tmp_path / "p", phases)
    assert done.manifest.status == "passed"
    assert (tmp_path / "p" / "left").exists(), "it was let end by itself"


def test_nothing_of_a_phase_that_was_begun_ahead_is_left_when_it_does_not_run(tmp_path: Path) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": f"{SLOW.format(seconds=2)}; 1 / 0", "two": "n"})
    done = tiny.run(tmp_path / "p", phases)
    assert [entry["status"] for entry in tiny.manifest_of(done)["phases"]] == ["failed", "never-ran"]
    assert sorted(path.name for path in done.folder.iterdir() if path.is_dir()) == ["one"]
    assert not list(done.folder.glob(".*kernel.log"))


def test_several_kernels_may_be_asked_for_at_once_and_the_first_that_can_is_forked(tmp_path: Path) -> None:
    wait = "import time; time.sleep(2)"
    with warm.ForkServer(["import json"]) as server, Path(os.devnull).open("wb") as null:
        server.preload(["import time; time.sleep(1)", wait])
        forked: dict[str, float] = {}

        def ask(name: str, needs: list[str]) -> None:
            options = {"environment": dict(os.environ), "cwd": str(tmp_path)}
            server.fork(["x"], **options, output=null.fileno(), errors=null.fileno(), needs=needs)
            forked[name] = time.monotonic()

        from threading import Thread

        threads = [Thread(target=ask, args=("patient", [wait])), Thread(target=ask, args=("quick", ["import json"]))]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
    assert forked["quick"] < forked["patient"]


def test_a_statement_that_comes_later_is_executed_once() -> None:
    from mlopskit.runner.forkserver import Preload

    preload = Preload(["import json"])
    preload.add(["import json", "import socket", "import socket"])
    assert list(preload.left) == ["import json", "import socket"]
    preload.step()
    preload.add(["import json"])
    assert preload.has_done(["import json"])
    assert not preload.has_done(["import socket"])


def test_a_server_that_is_gone_is_told_nothing_and_refuses_in_words(tmp_path: Path) -> None:
    from mlopskit.errors import RunError

    with warm.ForkServer(["import json"]) as server, Path(os.devnull).open("wb") as null:
        server._channel.shutdown(socket.SHUT_RDWR)
        server.preload(["import json"])
        with pytest.raises(RunError, match="--cold"):
            server.fork(["x"], environment={}, cwd=str(tmp_path), output=null.fileno(), errors=null.fileno())


def test_a_report_begun_ahead_is_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = tiny.make_project(tmp_path / "p", {"one": "print('<b>one</b>')", "two": "n"})
    done = tiny.run(tmp_path / "p", phases)
    made = (done.folder / "report.html").read_text(encoding="utf-8")
    looked_at: list[str] = []
    monkeypatch.setattr(page, "section", lambda _, phase: looked_at.append(phase.name))
    with Ahead(done.folder) as ahead:
        ahead.ended("one")
        ahead.ended("two")
    assert looked_at == ["one"]
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
