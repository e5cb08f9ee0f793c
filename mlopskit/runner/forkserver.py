"""A server that has imported everything and forks a kernel on request.

Importing pandas, scikit-learn, matplotlib and the rest takes seconds, each time a kernel starts. This program imports
them once, computes nothing, and forks: the child is a fresh process with the same modules, its own random state,
environment, working directory, output and thread limits, in which ipykernel starts as it always does.

The server speaks over one socket of message boundaries. ``{"import", "hidden"}`` names further statements to execute,
and variables that none of them must see. A request is ``{"request", "argv", "anew", "env", "cwd", "needs", "secrets"}``
with the two descriptors for standard output and error, served as soon as the statements that it needs were executed;
with ``"anew"`` the child executes that command line, program and all, and is an ordinary kernel. The answer is
``{"request", "pid"}``, and when that child ends ``{"ended", "status", "peak_kb"}`` with what `os.wait4` says. Where a
module that was imported ahead did what can only be done in a kernel, or read a variable that this kernel has otherwise,
none is forked, and the answer is ``{"request", "unfit"}`` with what that was. When the other end of the socket closes,
however that came about, or on SIGTERM, every child is killed with all that it started, and the server ends; a child
dies with the server. What the server could not see to, because it was killed, its guard does, which is the process that
was started.
No multiprocessing is involved, so a cell may use it as in any kernel.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import json
import os
import random
import selectors
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from mlopskit.runner import descendants, standin

LIMIT = 1 << 20
"""Bytes of the longest request: an environment and a command line."""

_THREADS = {"OMP_NUM_THREADS": "openmp", "OPENBLAS_NUM_THREADS": "blas", "MKL_NUM_THREADS": "blas"}


class Preload:
    """Import statements to execute in order; one that fails is left to the cell that needs it, which reports it.

    Attributes
    ----------
    left : deque of str
        Those that are still to come.
    unfit : str
        Why no kernel can be forked any more: what one of them did that only a kernel can stand.
    """

    def __init__(self, statements: Sequence[str]) -> None:
        self.left = deque(statements)
        self.unfit = ""
        self._known = set(statements)

    def add(self, statements: Sequence[str], hidden: Iterable[str]) -> None:
        """Put statements behind those that are left, each is executed once, and take variables out of their sight."""
        for name in hidden:
            if standin.present is not None:
                standin.present.hide(name)
            else:
                os.environ.pop(name, None)
        if not self.unfit:
            self.left += [statement for statement in dict.fromkeys(statements) if statement not in self._known]
            self._known.update(statements)

    def step(self, stand_in: standin.StandIn) -> None:
        """Execute the next statement as a cell would, with something in the place of what only a kernel has."""
        statement = self.left.popleft()
        with contextlib.suppress(BaseException):  # a module may even leave the interpreter
            exec(statement, {"__name__": "__main__"})  # noqa: S102  parsed import statements only
        if noticed := stand_in.noticed():
            self.unfit = f"`{statement}` {noticed} while it is imported"
            self.left.clear()

    def has_done(self, statements: Sequence[str]) -> bool:
        """Tell whether none of these is still to come."""
        return not any(statement in self.left for statement in statements)

    def unfit_for(self, request: Mapping[str, Any]) -> str:
        """Say why the kernel of a request cannot be forked; nothing where it can, for which all is made ready."""
        if request["anew"] or standin.present is None:
            return ""
        standin.present.unseeded.gather()
        return self.unfit or standin.present.differs(request["env"])


def serve(channel: socket.socket, preload: Preload) -> Callable[[], None]:
    """Import and fork kernels until the other end closes, which ends the process; return a program in a child."""
    running: dict[int, int] = {}
    waiting: list[tuple[dict[str, Any], list[int]]] = []
    server = os.getpid()
    signal.signal(signal.SIGTERM, lambda *_: _end())
    with selectors.DefaultSelector() as ready:
        ready.register(channel, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select(0 if preload.left or waiting else None):
                if key.fileobj is not channel:
                    _report(channel, running.pop(key.fd), key.fd, ready)
                    descendants.reap(spare=running.values())
                    continue
                message, descriptors, _, _ = socket.recv_fds(channel, LIMIT, 2)
                if not message:
                    _end()
                said = json.loads(message)
                if "import" in said:
                    preload.add(said["import"], said["hidden"])
                else:
                    waiting.append((said, descriptors))
            served = next((item for item in waiting if preload.has_done(item[0]["needs"])), None)
            if served is None:
                if preload.left:
                    preload.step(standin.present or standin.take_place())
                continue
            waiting.remove(served)
            request, descriptors = served
            if unfit := preload.unfit_for(request):
                _close(descriptors)
                _send(channel, {"request": request["request"], "unfit": unfit})
                continue
            become = _execute if request["anew"] else _become_kernel
            pid = os.fork()
            if pid == 0:
                channel.close()
                _close([*running, *(number for _, numbers in waiting for number in numbers)])
                return partial(become, request, descriptors, server)
            _close(descriptors)  # they are the child's
            watched = os.pidfd_open(pid)
            running[watched] = pid
            ready.register(watched, selectors.EVENT_READ)
            _send(channel, {"request": request["request"], "pid": pid})
            served, request, said, message = None, {}, {}, b""  # its secrets are none of the next child's business


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _report(channel: socket.socket, pid: int, descriptor: int, ready: selectors.BaseSelector) -> None:
    _, status, usage = os.wait4(pid, 0)
    ready.unregister(descriptor)
    os.close(descriptor)
    _send(channel, {"ended": pid, "status": os.waitstatus_to_exitcode(status), "peak_kb": usage.ru_maxrss})


def _send(channel: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        channel.send(json.dumps(answer).encode())


def _end() -> NoReturn:
    """End this process and all that it started; taking apart what was imported would take a second."""
    descendants.kill_children()
    os._exit(0)


def _become_kernel(request: dict[str, Any], descriptors: Sequence[int], server: int) -> None:
    """Turn a forked child into the kernel that was asked for; nothing of the server's own state is left."""
    gc.freeze()  # what the server made is not the kernel's to collect: its pages stay shared
    gc.enable()
    _leave_server(descriptors, server)
    descendants.take(request["env"].get(descendants.VARIABLE, ""))
    environment = {**request["env"], "JPY_PARENT_PID": str(server)}
    if standin.present is not None:
        environment = standin.present.step_aside(environment)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(request["cwd"])
    _resolve_path()
    if request.get("secrets"):
        from mlopskit.secrets import hand_over

        hand_over(request["secrets"])
    random.seed()  # two forks of one server would draw the same
    _know_place()
    _limit_threads()
    _inline_figures()
    from ipykernel.kernelapp import IPKernelApp

    sys.argv = list(request["argv"])
    IPKernelApp.launch_instance(argv=request["argv"][1:])


def _execute(request: dict[str, Any], descriptors: Sequence[int], server: int) -> None:
    """Have a forked child execute another program, as `subprocess` would have started it."""
    _leave_server(descriptors, server)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # this interpreter ignores them
        signal.signal(number, signal.SIG_DFL)
    os.chdir(request["cwd"])
    os.execve(request["argv"][0], request["argv"], {**request["env"], "JPY_PARENT_PID": str(server)})  # noqa: S606


def _leave_server(descriptors: Sequence[int], server: int) -> None:
    """Give a forked child its own session, streams and interrupts, and the server's end as its own."""
    os.setsid()
    descendants.die_with_parent(server, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in zip((null, *descriptors), (0, 1, 2), strict=True):
        os.dup2(source, target)
        os.close(source)


def _resolve_path() -> None:
    """Look for modules where ``PYTHONPATH`` says from the child's working directory on; the server's is the root."""
    entries = os.environ.get("PYTHONPATH", "/").split(os.pathsep)
    moved = {os.path.normpath(f"/{entry}"): str(Path(entry).resolve()) for entry in entries if entry[:1] != "/"}
    sys.path[:] = [moved.get(f"/{entry.lstrip('/')}", entry) if entry else entry for entry in sys.path]


def _know_place() -> None:
    """Have the child's processes start where it did, with a key of its own: both are settled when imported."""
    if "multiprocessing.process" in sys.modules:
        from multiprocessing import process

        process.ORIGINAL_DIR = str(Path.cwd())  # type: ignore[attr-defined]
        process.current_process().authkey = os.urandom(32)


def _limit_threads() -> None:
    """Apply the child's thread limits: libraries read those variables only when they are loaded, which was long ago."""
    limits = {api: int(os.environ[name]) for name, api in _THREADS.items() if os.environ.get(name, "").isdigit()}
    if limits and "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(limits)


def _inline_figures() -> None:
    """Choose the backend that a cold kernel gets from its environment, which matplotlib reads only when imported.

    The inline backend ties itself to the shell while it is imported, and in the server there was none: it is imported
    anew.
    """
    backend = os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    if "matplotlib" in sys.modules:
        import matplotlib as mpl

        if Path("matplotlibrc").is_file() or "MATPLOTLIBRC" in os.environ:
            mpl.rcParams.update(mpl.rc_params())  # the server read its settings elsewhere
        mpl.rcParams["backend"] = backend
    if sys.modules.pop("matplotlib_inline.backend_inline", None) is not None:
        del sys.modules["matplotlib_inline"].backend_inline


def _leave() -> None:
    """End a kernel as the interpreter would, but without taking apart what it never used: that takes a second.

    Threads are waited for, what was registered for the exit is called, files that were left open are flushed.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls first
    atexit._run_exitfuncs()
    for thing in gc.get_objects():  # what the server had made is frozen, and not among them
        if isinstance(thing, io.IOBase):
            with contextlib.suppress(Exception):
                thing.flush()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


def main() -> None:
    """Run as ``python -m mlopskit.runner.forkserver DESCRIPTOR FOLDER STATEMENT…``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides what an interrupt means
    descendants.guarded(closing=int(sys.argv[1]))
    channel = socket.socket(fileno=int(sys.argv[1]))
    if sys.path[:1] == [str(Path.cwd())]:  # what `-m` put there; the kernel puts in its own
        del sys.path[0]
    with contextlib.suppress(OSError):  # only now, so that no module of the folder is taken for one of ours
        os.chdir(sys.argv[2])
    gc.disable()
    serve(channel, Preload(sys.argv[3:]))()
    _leave()


if __name__ == "__main__":
    main()
