"""Running: a run as a process of its own, started from a notebook and found again by any other.

The process is the command line, ``mlopskit run --json``, in a session of its own, so that cells stay usable and a
restarted kernel does not end it. It writes its events to ``runs/.events/<moment>.jsonl``, a file that it holds locked
as long as it lives: whoever comes later finds the file, sees that it is locked, and reads on from its beginning. A run
that was started in a terminal is found by the lock in its folder, and followed by its manifest.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit.errors import RunError
from mlopskit.explore.progress import Progress, from_manifest
from mlopskit.runs.presence import is_locked, is_running, lock

EVENTS = ".events"
"""The folder among the runs that the events of started processes go to."""
_KEPT = 20
_COMPLAINT = 4000  # characters
_FOREIGN = ("JPY_", "MLOPSKIT_RUN", "MLOPSKIT_PHASE", "MLOPSKIT_PROJECT", "MPLBACKEND")
_BATCH = "A notebook that runs in batch starts no run; open it in JupyterLab and press the button there."


@dataclass(frozen=True)
class Request:
    """What is to be run, in the terms of ``mlopskit run``.

    Examples
    --------
    >>> Request(first="model", parameters=("model.seed=7",)).command()
    'mlopskit run --from=model -p model.seed=7'
    """

    only: tuple[str, ...] = ()
    first: str | None = None
    last: str | None = None
    fresh: bool = False
    jobs: int | None = None
    parameters: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the arguments of ``mlopskit run``."""
        found = [f"--only={name}" for name in self.only]
        found += [f"--from={self.first}"] if self.first else []
        found += [f"--to={self.last}"] if self.last else []
        found += ["--fresh"] if self.fresh else []
        found += [f"--jobs={self.jobs}"] if self.jobs else []
        return found + [part for item in self.parameters for part in ("-p", item)]

    def command(self) -> str:
        """Return what one would type in a terminal."""
        return shlex.join(["mlopskit", "run", *self.arguments()])


class Runner:
    """Starts, follows and stops the runs of one project.

    Parameters
    ----------
    project : Path
        The folder that holds ``mlops.toml``.

    Attributes
    ----------
    progress : Progress
        Where the run that is followed stands, as of the last `refresh`.
    """

    def __init__(self, project: Path) -> None:
        self.project = project.resolve()
        self.runs = self.project / "runs"
        self.progress = Progress()
        self._events: Path | None = None
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._owner: dict[str, Any] = {}
        self._looking = threading.RLock()  # a panel watches in a thread while a cell waits: no event is read by both
        self.find()

    def find(self) -> bool:
        """Look for a run in progress and follow it, else look at the newest; tell whether one is in progress."""
        with self._looking:
            return self._find()

    def _find(self) -> bool:
        for path in sorted((self.runs / EVENTS).glob("*.jsonl"), reverse=True):
            if is_locked(path):
                self._follow(path, self._process if path == self._events else None)
                return self.refresh().active
        folders = sorted((path.parent for path in self.runs.glob("*/run.json")), reverse=True)
        self._folder = next((folder for folder in folders if is_running(folder)), next(iter(folders), None))
        self._events = self._process = None
        self._owner = {}
        return self.refresh().active

    def start(self, request: Request | None = None) -> None:
        """Start a run and follow it; it is the process that checks, before anything else.

        Raises
        ------
        RunError
            When one is in progress, when this is itself a batch run, or when the process cannot be started.
        """
        if os.environ.get("MLOPSKIT_RUN"):
            raise RunError(_BATCH)
        with self._looking:
            if self.find():
                raise RunError(f"A run is in progress ({self.progress.run or 'it is being checked'}); wait or stop it.")
            try:
                self._start((request or Request()).arguments())
            except OSError as error:
                said = f"{error.strerror}: {error.filename}"
                raise RunError(f"The run could not be started: {said}. Correct it.") from None

    def _start(self, arguments: list[str]) -> None:
        place = self.runs / EVENTS
        place.mkdir(parents=True, exist_ok=True)
        self._sweep(place)
        path = place / f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}.jsonl"
        command = [sys.executable, "-m", "mlopskit", "run", "--json", f"--project={self.project}", *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        with path.open("ab") as events, path.with_suffix(".err").open("ab") as complaints:
            lock(events.fileno())  # the process inherits the lock with the file, and holds it to its end
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=events, stderr=complaints, cwd=self.project,
                env=kept, start_new_session=True,
            )  # fmt: skip
            owner = {"event": "process", "pid": process.pid, "host": socket.gethostname(), "arguments": arguments}
            events.write(json.dumps(owner).encode() + b"\n")
        self._follow(path, process)

    def _follow(self, path: Path, process: subprocess.Popen[bytes] | None) -> None:
        self.progress = Progress("starting")
        self._events, self._process, self._folder, self._read, self._owner = path, process, None, 0, {}

    def _sweep(self, place: Path) -> None:
        """Keep the newest files of events only; nothing else reads them once a run has ended."""
        for path in sorted(place.glob("*.jsonl"), reverse=True)[_KEPT:]:
            if not is_locked(path):
                path.unlink(missing_ok=True)
                path.with_suffix(".err").unlink(missing_ok=True)

    def refresh(self) -> Progress:
        """Read what is new, and return where the run stands."""
        with self._looking:
            return self._refreshed()

    def _refreshed(self) -> Progress:
        if self._events is not None and not self._events.is_file():  # somebody tidied up; what the runs say remains
            self.find()
        if self._events is not None:
            alive = self._is_alive()  # asked before reading, so that nothing said at the end is missed
            for event in self._news(self._events):
                self._owner = dict(event) if event.get("event") == "process" else self._owner
                self.progress.take(event)
            if not alive:
                code = self._process.returncode if self._process is not None else None
                self.progress.close(_tail(self._events.with_suffix(".err")), code=code)
            if not self.progress.phases and not self.progress.active and self.folder is not None:
                self._fill()
        elif self._folder is not None:
            running = is_running(self._folder)
            with suppress(OSError, ValueError, KeyError):
                self.progress = from_manifest(json.loads(_text(self._folder / "run.json")), running=running)
        return self.progress

    def _fill(self) -> None:
        """Show of a run that stands what its manifest says."""
        with suppress(OSError, ValueError, KeyError):
            known = from_manifest(json.loads(_text(self.runs / self.progress.run / "run.json")), running=False)
            self.progress.phases, self.progress.criteria = known.phases, known.criteria
            self.progress.seconds, self.progress.alerts = known.seconds, known.alerts

    def _news(self, path: Path) -> Iterator[dict[str, Any]]:
        """Yield the events since the last time; a line that is not yet whole waits."""
        with path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event

    def _is_alive(self) -> bool:
        if self._process is not None:
            return self._process.poll() is None
        return self._events is not None and is_locked(self._events) and _exists(self._owner)

    @property
    def active(self) -> bool:
        """Tell whether something is under way: a run, or the process that has just ended one."""
        return self.progress.active or (self._process is not None and self._process.poll() is None)

    @property
    def folder(self) -> Path | None:
        """The folder of the run that is followed, once it has one."""
        return self.runs / self.progress.run if self.progress.run else None

    @property
    def request(self) -> list[str]:
        """The arguments that the run was started with; empty for one that was started elsewhere."""
        return [str(item) for item in self._owner.get("arguments", [])]

    def stop(self) -> str:
        """Ask the run to stop, as Ctrl-C in a terminal would, and say what happens now and what else can be done."""
        pid = self._owner.get("pid")
        if not self.progress.active:
            return "No run is in progress."
        if pid is None or self._owner.get("host") != socket.gethostname():
            return "This run was started elsewhere; press Ctrl-C in the terminal that it was started from."
        with suppress(ProcessLookupError):
            if self._is_alive():
                os.kill(int(pid), signal.SIGINT)
        return (
            "Asked to stop: the cell that runs is interrupted, and killed if it does not answer within 3 seconds; the "
            f"report is still made. If nothing happens, end it in a terminal: kill -9 {pid}"
        )

    def wait(self, *, timeout: float = 600.0, every: float = 0.1) -> Progress:
        """Wait until the run has ended, or until `timeout` seconds are over; return where it stands."""
        end = time.monotonic() + timeout
        while (self.refresh().active or self.active) and time.monotonic() < end:
            time.sleep(every)
        return self.progress


def _exists(owner: dict[str, Any]) -> bool:
    """Tell whether the process exists, where that can be told: what it started may hold its lock a little longer."""
    if owner.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(owner["pid"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _tail(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-_COMPLAINT:]
    except OSError:
        return ""
