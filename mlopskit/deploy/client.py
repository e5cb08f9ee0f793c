"""The other end: start a server as a process of its own, send it rows, stop it.

The server holds the read end of a pipe whose write end lives in this process. When this process ends, however it
ends, the pipe closes and the server goes too; its request log, unless it was put elsewhere, goes with it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from queue import Empty, Queue
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from mlopskit.deploy.bundle import Bundle
from mlopskit.deploy.references import resolve_secret
from mlopskit.deploy.requestlog import RequestLog, as_json
from mlopskit.errors import DeployError

STANDBY = "-"
"""In place of a bundle's folder: it will be named on standard input."""

_CALL = re.compile(r'^  File "(.+)", line (\d+) in (\S+)$', re.MULTILINE)  # as faulthandler writes it
_ERROR = re.compile(r"[\w.]+(Error|Exception|Exit|Interrupt)\b")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# As `python -m mlopskit.deploy.server`, without looking for garbage while it imports: a fifth of the time to start; and
# without pytest, which skops would import by way of scikit-learn's test helpers wherever it is installed. From its
# first moment on it tells where it is when it is asked (`Server._where`).
_START = (
    "import faulthandler, gc, runpy, signal, sys; gc.disable(); sys.modules['pytest'] = None; "
    "hasattr(signal, 'SIGUSR1') and faulthandler.register(signal.SIGUSR1); "
    "runpy.run_module('mlopskit.deploy.server', run_name='__main__', alter_sys=True)"
)


class Server:
    """A server that this process started; use it as a context manager, or call `stop`.

    Parameters
    ----------
    bundle : Bundle, optional
        What it serves. Without one it loads its libraries and stands by until `serve` names the bundle: so it starts
        while the bundle is put together.
    log : str
        SQLAlchemy URL, or a reference to one; empty: a SQLite file that goes when the server goes.
    token : str
        ``env:NAME`` or ``file:PATH`` of the token that callers must send; empty: none is asked for.
    seed : int
        Of the hash that assigns rows to arms.
    lifetime, idle : float
        Seconds after which it ends by itself.
    """

    def __init__(
        self,
        bundle: Bundle | None = None,
        *,
        log: str = "",
        token: str = "",
        seed: int = 0,
        lifetime: float = 900,
        idle: float = 300,
    ) -> None:
        import httpx

        self._bundle, self.seed = bundle, seed
        self.token = resolve_secret(token, what="token")
        self._control = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="mlopskit-server-"))
        self.log_url = _log_url(log, self._folder)
        self._began = time.perf_counter()
        limits = ["--lifetime", str(lifetime), "--idle", str(idle), "--seed", str(seed)]
        self._process = self._launch([*limits, "--token", token, "--log", log or self.log_url])
        self._given = self._stood_by = self._began
        self._lines: Queue[tuple[float, str]] = Queue()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._facts: dict[str, Any] = {}
        self._failure = ""
        self._waiting = Lock()
        headers = {b"Authorization": f"Bearer {self.token}".encode()} if self.token else {}
        self.http = httpx.Client(headers=headers, timeout=30, trust_env=False)

    def _launch(self, options: Sequence[str]) -> subprocess.Popen[str]:
        folder = str(self._bundle.folder) if self._bundle else STANDBY
        command = [sys.executable, "-c", _START, folder, "--with-parent"]
        environment = {**os.environ, **dict.fromkeys(_THREADS, "1"), "MLOPSKIT_CONTROL": self._control}
        with (self._folder / "stderr").open("w", encoding="utf-8") as errors:
            return subprocess.Popen(
                [*command, "--discard", str(self._folder), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            self._lines.put((time.perf_counter(), line))
        self._lines.put((time.perf_counter(), ""))

    @property
    def bundle(self) -> Bundle:
        """What it serves.

        Raises
        ------
        DeployError
            While it stands by.
        """
        if self._bundle is None:
            raise DeployError("This server stands by: name the bundle first, `server.serve(bundle)`.")
        return self._bundle

    def serve(self, bundle: Bundle) -> Self:
        """Name the bundle to a server that stands by.

        Raises
        ------
        DeployError
            When it has one already.
        """
        if self._bundle is not None:
            raise DeployError("This server has its bundle already; start another one for another bundle.")
        self._bundle, self._given = bundle, time.perf_counter()
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it has ended: `ready` says why
                self._process.stdin.write(as_json(str(bundle.folder.absolute())) + "\n")
                self._process.stdin.flush()
        return self

    def ready(self, *, timeout: float = 60) -> Self:
        """Wait until it answers.

        Raises
        ------
        DeployError
            When it ends or stays silent instead; what it said is quoted. Also while it stands by.
        """
        with self._waiting:  # what it says is said once, and several threads may be about to send
            while not self._facts and self.bundle:
                at, said = self._next_line(timeout)
                if said["event"] == "standby":
                    self._stood_by = at
                else:
                    self._facts, self._answered = said, at
        return self

    def _next_line(self, timeout: float) -> tuple[float, dict[str, Any]]:
        if self._failure:
            raise DeployError.from_failed_start(self._failure)
        try:
            at, line = self._lines.get(timeout=timeout)
        except Empty:
            at, line = 0.0, ""
            self._failure = f"it did not answer within {timeout:g} s{self._where()}"
        if not line:
            self._failure = self._failure or self._last_words()
            self.stop()
            raise DeployError.from_failed_start(self._failure)
        return at, json.loads(line)

    @property
    def start_seconds(self) -> float:
        """Seconds from its start to its first possible answer, less those in which it stood by for its bundle."""
        self.ready()
        return self._answered - self._began - max(0.0, self._given - self._stood_by)

    def _last_words(self) -> str:
        """Return the error that it ended with: its last line of that form, or the last that there is."""
        lines = [line for line in self._errors().strip().splitlines() if line]
        named = [line for line in lines if _ERROR.match(line)]
        return (named or lines or [f"it ended with code {self._process.wait()} and said nothing"])[-1]

    def _errors(self) -> str:
        file = self._folder / "stderr"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def _where(self) -> str:
        """Say what a silent server is at: the calls of its first thread, innermost first."""
        if not hasattr(signal, "SIGUSR1") or self._process.poll() is not None:
            return ""
        self._process.send_signal(signal.SIGUSR1)
        for _ in range(20):  # it writes at once, also while it waits for a lock
            time.sleep(0.05)
            calls = _CALL.findall(self._errors().split("\n\n")[-1])
            if calls:
                return "; it is in " + " < ".join(f"{name} ({Path(file).name}:{line})" for file, line, name in calls)
        return ""

    @property
    def url(self) -> str:
        """Where it answers; waits until it does."""
        self.ready()
        return f"http://{self._facts['host']}:{self._facts['port']}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def post(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Have rows scored (see `to_rows`) and return the answers, in order.

        A row that the schema refuses has the status ``invalid``, and the problems as its warnings; the others are
        answered.

        Raises
        ------
        DeployError
            When the server refuses the request as a whole.
        """
        content = as_json({"rows": list(rows)})
        response = self.http.post(f"{self.url}/predict", content=content)
        if response.status_code in {200, 503}:
            return list(response.json()["answers"])
        if response.status_code != 422:
            raise DeployError.from_refused(response.status_code, response.text[:300])
        if len(rows) > 1:
            return [answer for row in rows for answer in self.post([row])]
        refused = [
            {"field": item["field"], "warning": f"refused: {item['problem']}"} for item in response.json()["detail"]
        ]
        return [{"row": rows[0].get("row"), "status": "invalid", "arm": None, "warnings": refused}]

    def route(self, *, share: float, mirror: bool = False, fault: str = "none") -> None:
        """Say which arm answers from now on (see `mlopskit.deploy.serving.Routing`)."""
        content = as_json({"share": share, "mirror": mirror, "fault": fault})
        response = self.http.put(f"{self.url}/routing", content=content, headers={"X-Control": self._control})
        if response.status_code != 200:
            raise DeployError.from_refused(response.status_code, response.text[:300])

    def get(self, path: str) -> Any:
        """Return what ``/health``, ``/model`` (JSON) or ``/metrics`` (text) say."""
        response = self.http.get(f"{self.url}{path}")
        return response.json() if "json" in response.headers.get("content-type", "") else response.text

    def status_without_token(self) -> int:
        """Return the status of a request that does not show the token."""
        import httpx

        return httpx.get(f"{self.url}/model", timeout=30, trust_env=False).status_code

    def keeps_secret(self) -> bool:
        """Tell whether the token is nowhere in the request log."""
        return self.token is None or self.token not in as_json(self.records())

    @cached_property
    def _log(self) -> RequestLog:
        self.ready()  # who opens it first makes its table: that is the server's to do
        return RequestLog(self.log_url)

    def records(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Return what the request log holds, oldest first; with `after`, what came after a `mark`."""
        return self._log.records(after=after)

    def mark(self) -> int:
        """Return where the request log ends now."""
        return self._log.mark()

    def stop(self) -> None:
        """End the server and wait for it; its own log goes with it."""
        self.http.close()
        if "_log" in self.__dict__:
            self.__dict__.pop("_log").close()
        if not self._facts:  # no request is on its way, and its imports would not notice
            self._process.terminate()
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=5)
        if self._process.stdout:
            self._process.stdout.close()
        _remove(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        waits = "starting" if self._bundle else "standing by"
        state = "stopped" if self._process.poll() is not None else "answering" if self._facts else waits
        return f"Server of {self._bundle.facts['name'] if self._bundle else 'no bundle yet'}, {state}, on loopback"


def _log_url(log: str, folder: Path) -> str:
    if log.startswith(("env:", "file:")):
        return resolve_secret(log, what="log") or ""
    return log or f"sqlite:///{(folder / 'requests.db').as_posix()}"


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
