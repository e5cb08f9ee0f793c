"""Two at once: what each of them relies on holds whatever the other one does in between."""

from __future__ import annotations

import contextlib
import fcntl
import json
import runpy
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlopskit.explore.running import EVENTS, Runner
from mlopskit.runner import Choice, execute, execution, plan, reuse, shelf
from mlopskit.runner.execution import Order
from mlopskit.runner.shelf import Rules, prune
from mlopskit.runner.site.build import build
from mlopskit.runs import Run, uses
from mlopskit.runs.presence import FILE, is_running, present

TINY = runpy.run_path(str(Path(__file__).with_name("tiny.py")))
SITE = runpy.run_path(str(Path(__file__).with_name("site_runs.py")))


def test_a_run_takes_its_lock_though_somebody_looks_at_the_same_moment(tmp_path: Path) -> None:
    """Whoever asks whether a run goes on holds a shared lock while he asks."""
    with (tmp_path / FILE).open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
        with present(tmp_path):
            assert is_running(tmp_path)


def test_a_run_that_ends_while_prune_looks_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock went after `latest` named it: whoever sees no lock finds the name."""
    folder = tmp_path / "20260101T000000Z-aaaaaa"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"run": folder.name, "phases": []}), encoding="utf-8")

    with present(folder):
        told: list[Any] = []

        def ended_meanwhile(path: Path) -> bool:
            """The run ends right before it is looked whether it goes on."""
            if not told:
                told.append((tmp_path / "latest").write_text(f"{folder.name}\n", encoding="utf-8"))
                (folder / FILE).unlink()
            return is_running(path)

        monkeypatch.setattr(shelf, "is_running", ended_meanwhile)
        assert prune(tmp_path, Rules(keep=0)).going == ()


def test_no_run_is_there_to_be_used_while_prune_deletes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (1, 2, 3):
        SITE["make_run"](tmp_path, f"2026010{day}T000000Z-aaaaaa", report=False)
    seen: list[int] = []
    delete = shutil.rmtree

    def looking(*arguments: Any, **options: Any) -> None:
        seen.append(len(list(tmp_path.glob("*/run.json"))))
        delete(*arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", looking)
    prune(tmp_path, Rules(keep=0))
    assert seen == [0, 0, 0]


@pytest.mark.parametrize("before", ["read_text", "open", "stat"])
def test_a_run_that_is_removed_at_any_look_stops_no_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Removed right before the n-th file of it is read, for every n."""
    stays = SITE["make_run"](tmp_path / "made", "20260101T000000Z-aaaaaa")
    original, built = getattr(Path, before), []
    for moment in range(200):
        runs, site = tmp_path / f"runs{moment}", tmp_path / f"site{moment}"
        shutil.copytree(tmp_path / "made", runs)
        goes = runs / "20260102T000000Z-bbbbbb"
        shutil.copytree(stays, goes)
        looks: list[Path] = []

        def removing(
            self: Path, *given: Any, goes: Path = goes, looks: list[Path] = looks, moment: int = moment, **options: Any
        ) -> Any:
            if goes in self.parents:
                if len(looks) == moment:
                    shutil.rmtree(goes, ignore_errors=True)
                looks.append(self)
            return original(self, *given, **options)

        with monkeypatch.context() as patched:
            patched.setattr(Path, before, removing)
            built = build(runs, site).built
        assert stays.name in built
        shutil.rmtree(runs)
        shutil.rmtree(site)
        if len(looks) <= moment:
            return
    pytest.fail("it looks too often")


def test_of_two_who_ask_at_once_one_is_the_second(tmp_path: Path) -> None:
    made = Run(tmp_path, tmp_path / "runs" / "r", "data")
    made.write("test", pd.DataFrame({"a": [1]}))
    made.finish()
    asks = Run(tmp_path, tmp_path / "runs" / "r", "evaluate")
    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            (tmp_path / "runs" / uses.FILE).unlink(missing_ok=True)
            asked = [pool.submit(uses.count_use, asks, "data/test", question=str(n)) for n in range(4)]
            assert sorted(item.result() for item in asked) == [0, 1, 2, 3]


def test_events_are_read_once_though_two_threads_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "runs" / EVENTS / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"event": "note", "text": "once"}) + "\n", encoding="utf-8")
    runner, news, met = Runner(tmp_path), Runner._news, threading.Barrier(2, timeout=1)
    runner._follow(path, None)
    monkeypatch.setattr(runner, "_is_alive", lambda: True)

    def together(self: Runner, path: Path) -> list[Any]:
        class Met:
            def open(self, mode: str) -> Any:
                opened = path.open(mode)
                with contextlib.suppress(threading.BrokenBarrierError):
                    met.wait()  # both have the file open, if both may
                return opened

        return list(news(self, Met()))  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "_news", together)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: runner.refresh(), range(2)))
    assert runner.progress.notes == ["once"]


def test_a_phase_that_is_stopped_as_it_begins_stays_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Order):
        @property
        def stopped(self) -> bool:
            """Answer, and be stopped right after."""
            answer = self._asked > 0
            if not answer:
                self.stop()
            return answer

    seen: list[bool] = []
    tiny = runpy.run_path(str(Path(__file__).with_name("tiny.py")))
    [phase] = tiny["make_project"](tmp_path / "p", {"one": "n"})
    monkeypatch.setattr(execution, "_papermill", lambda _, setting: seen.append(setting.watch.stopping))
    execution.execute_phase(Late(phase, tmp_path / "p", tmp_path))
    assert seen == [True]


@pytest.mark.parametrize("moment", ["at once", "while it stands by"])
def test_a_server_without_a_bundle_leaves_nothing_when_its_parent_is_killed(moment: str) -> None:
    code = (
        "import time; from mlopskit.deploy import Server\ns = Server(); print(s.pid, s._folder, flush=True)\n"
        "while s._lines.empty(): time.sleep(0.01)\nprint('there', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid, folder = parent.stdout.readline().split()
        if moment != "at once":
            parent.stdout.readline()
        parent.kill()
        parent.wait()
    assert _gone(int(pid))
    assert not Path(folder).exists()


def _gone(pid: int) -> bool:
    for _ in range(600):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.1)
    return False


def test_a_base_run_that_is_removed_while_it_is_copied_leaves_no_half_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phases = TINY["make_project"](tmp_path, {"one": "run.write('v', 1)", "two": "run.write('w', 1)"})
    base = TINY["run"](tmp_path, phases).folder
    copy = reuse._copy

    def removed_meanwhile(source: str, target: str) -> str:
        base.rename(tmp_path / "swept")
        monkeypatch.setattr(reuse, "_copy", copy)
        return copy(source, target)

    planned = plan(tmp_path, phases=phases, choice=Choice(only=("two",), base=base.name))
    monkeypatch.setattr(reuse, "_copy", removed_meanwhile)
    one, two = execute(planned).manifest.phases
    assert (one.status, two.status) == ("never-ran", "done")
    assert one.reason == f"left out, and {base.name} was removed while one was copied from it"
