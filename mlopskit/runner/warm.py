"""Warm kernels: forked from a server that has imported what the notebooks import.

The server is started while the project is still being checked; no kernel is forked before the checks are over. What a
warm kernel computes is what a cold one computes: a fresh process with its own environment, working directory, random
state, output and thread limits, started by ipykernel; where a module that was imported ahead stands in the way of that
(`standin`), it is started anew. More modules are imported in it than its cells asked for, so a cell that names a part
of a package without importing it may find it here alone; ``--cold`` tells. What a cell sets in a module that others
look at while they are imported is set after that here, and ids that a module drew by itself are shared. Where forking
is not safe there is no server, and kernels are cold. On Linux a server that imported nothing starts cold kernels too,
so that whatever ends, what they started ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mlopskit.errors import RunError
from mlopskit.runner import descendants
from mlopskit.runner.surroundings import HASH_SEED

_SECONDS_TO_FORK = 60
_REMEDY = {False: "Use --cold.", True: "Run it again."}


def is_supported() -> bool:
    """Tell whether kernels can be forked here: Linux, with what ends children with their parent."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


class UnfitError(RunError):
    """No kernel can be forked that is like one started anew; the message says what was imported, and what it does."""


class ForkedProcess:
    """A kernel's process, child of the server, with the face of a `subprocess.Popen`.

    Attributes
    ----------
    pid : int
    returncode : int or None
        As for `subprocess.Popen`: None while it runs, negative for a signal.
    peak_kb : int or None
        Peak resident memory, once it ended.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.peak_kb: int | None = None
        self._over = threading.Event()

    def end(self, status: int, peak_kb: int | None) -> None:
        """Note how it ended."""
        self.returncode, self.peak_kb = status, peak_kb
        self._over.set()

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return the exit code."""
        if not self._over.wait(timeout):
            raise subprocess.TimeoutExpired("kernel", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


class ForkServer:
    """The runner's side of the server: started at once, asked for kernels later.

    Parameters
    ----------
    statements : sequence of str
        Import statements that it executes before it forks.
    folder : Path or str
        Where it executes them: some modules read settings in the working directory while they are imported.
    hidden : collection of str
        Variables of the environment that none of them must see: a secret comes from there.
    """

    def __init__(
        self, statements: Sequence[str] = (), folder: Path | str = "/", *, hidden: Collection[str] = ()
    ) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        shown = {name: value for name, value in os.environ.items() if name not in hidden}
        with theirs:
            program = [sys.executable, "-m", "mlopskit.runner.forkserver"]
            command = [*program, str(theirs.fileno()), str(folder), *statements]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                cwd="/",
                env={**shown, "PYTHONHASHSEED": HASH_SEED, descendants.VARIABLE: descendants.BLANK},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is the runner's to handle
            )
        self._children: dict[int, ForkedProcess] = {}
        self._asked: dict[int, queue.SimpleQueue[ForkedProcess | None]] = {}  # those that wait for their answer
        self._unfit = ""
        self._importing = ""  # the statement that it executes at this moment
        self._numbers = count()
        self._is_over = False
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, name="fork server", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def preload(self, statements: Sequence[str], *, hidden: Collection[str] = ()) -> None:
        """Have it execute more import statements, after those that it was given; a server that is gone is let be.

        Parameters
        ----------
        statements : sequence of str
        hidden : collection of str
            Variables of the environment that they must not see.
        """
        with contextlib.suppress(OSError):
            self._say({"import": list(statements), "hidden": sorted(hidden)})

    def fork(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        output: int,
        errors: int,
        anew: bool = False,
        needs: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
    ) -> ForkedProcess:
        """Return a new kernel process.

        Parameters
        ----------
        arguments : sequence of str
            The kernel's command line, program first.
        environment : mapping
            Its whole environment.
        cwd : str
            Its working directory.
        output, errors : int
            Descriptors for its standard output and error.
        anew : bool
            Whether the program is executed, instead of the child becoming the kernel with what was imported here.
        needs : sequence of str
            Import statements that must have been executed before, where the server was given them.
        secrets : mapping, optional
            What `mlopskit.secrets.reveal` returns there: reference → secret.

        Raises
        ------
        UnfitError
            When a module that was imported ahead did what can only be done in a kernel, or read a variable of the
            environment that this kernel has otherwise; when one still is imported after a minute.
        RunError
            When the server is gone or does not answer.
        """
        number, answer = self._expect()
        asked = {"argv": list(arguments), "anew": anew, "env": dict(environment), "cwd": cwd, "needs": list(needs)}
        try:
            self._say({"request": number, **asked, "secrets": dict(secrets or {})}, output, errors)
            child = answer.get(timeout=_SECONDS_TO_FORK)
        except (OSError, queue.Empty) as error:
            with self._lock:  # the kernel that comes all the same, or came this moment, is nobody's
                self._asked.pop(number, None)
                if not answer.empty() and (late := answer.get()):
                    late.kill()
            if self._importing and self._process.poll() is None:  # that takes as long as it takes
                raise UnfitError(f"`{self._importing}` is still being imported") from error
            raise RunError(f"The server that starts kernels does not answer ({error!r}). {_REMEDY[anew]}") from error
        if child is None and self._unfit:
            raise UnfitError(self._unfit)
        if child is None:
            raise RunError(f"The server that starts kernels ended before its time. {_REMEDY[anew]}")
        return child

    def close(self) -> None:
        """End the server and every kernel that is left."""
        self._process.terminate()  # it may still be importing, and not listen
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._channel.close()

    def _say(self, said: Mapping[str, Any], *descriptors: int) -> None:
        """Send something, with descriptors; it lies in memory, since a message of the socket is limited in its size."""
        text = os.memfd_create("for the fork server")
        try:
            with open(text, "wb", closefd=False) as file:
                file.write(json.dumps(said).encode())
            socket.send_fds(self._channel, [b"."], [text, *descriptors])
        finally:
            os.close(text)

    def _expect(self) -> tuple[int, queue.SimpleQueue[ForkedProcess | None]]:
        """Return the number of a new request, and where its answer will come."""
        answer: queue.SimpleQueue[ForkedProcess | None] = queue.SimpleQueue()
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = answer
            if self._is_over:
                answer.put(None)
        return number, answer

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while message := self._channel.recv(65536):
                answer = json.loads(message)
                if "unfit" in answer:
                    self._unfit = answer["unfit"]
                    with self._lock:
                        self._asked.pop(answer["request"], queue.SimpleQueue()).put(None)
                elif "importing" in answer:
                    self._importing = answer["importing"]
                elif "pid" in answer:
                    child = self._children[answer["pid"]] = ForkedProcess(answer["pid"])
                    with self._lock:
                        if asked := self._asked.pop(answer["request"], None):
                            asked.put(child)
                        else:
                            child.kill()
                else:
                    self._children.pop(answer["ended"]).end(answer["status"], answer["peak_kb"])
        for child in self._children.values():
            child.end(-signal.SIGKILL, None)  # they die with their server
        with self._lock:
            self._is_over = True
            for waiting in self._asked.values():
                waiting.put(None)
