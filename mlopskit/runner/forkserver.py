"""A server that has imported everything and forks a kernel on request.

Importing pandas, scikit-learn, matplotlib and the rest takes seconds, each time a kernel starts. This program imports
them once, computes nothing, and forks: the child is a fresh process with the same modules, its own random state,
environment, working directory, output and thread limits, in which ipykernel starts as it always does.

The server speaks over one socket of message boundaries. What it is told lies in memory without a name, whose descriptor
comes with the message: an environment may be larger than a message. ``{"import", "hidden"}`` names further statements
to execute, and variables that none of them must see; ``{"importing"}`` says which one it executes, and when it is done.
A request is ``{"request", "argv", "anew", "env", "cwd", "needs", "secrets"}`` with two more descriptors for standard
output and error, served as soon as the statements that it needs were executed; with ``"anew"`` the child executes that
command line, program and all, and is an ordinary kernel. The answer is ``{"request", "pid"}``, and when that child ends
``{"ended", "status", "peak_kb"}`` with what `os.wait4` says. Where a module that was imported ahead did what can only
be done in a kernel, or read a variable that this kernel has otherwise, none is forked, and the answer is ``{"request",
"unfit"}`` with what that was. When the other end of the socket closes, however that came about, or on SIGTERM, every
child is killed with all that it started, and the server ends; a child dies with the server. What the server could not
see to, because it was killed, its guard does, which is the process that was started.
No multiprocessing is involved, so a cell may use it as in any kernel.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import json
import os
import random
import re
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from mlopskit.leaving import leave
from mlopskit.runner import descendants, standin

_LIMITS = {
    "openmp": ("OMP_NUM_THREADS",),
    "openblas": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
}
"""Which variables a library reads for its threads when it is loaded: the first that says a number decides."""


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
        try:
            stand_in.watch()
            with contextlib.suppress(BaseException):  # a module may even leave the interpreter
                exec(statement, {"__name__": "__main__"})  # noqa: S102  parsed import statements only
            noticed = stand_in.noticed()
        except Exception as error:  # it may have put anything in the place of what is asked
            noticed = f"does something: what has happened could not be found out ({error!r})"
        if noticed:
            self.unfit = f"`{statement}` {noticed} while it is imported"
            self.left.clear()

    def has_done(self, statements: Sequence[str]) -> bool:
        """Tell whether none of these is still to come."""
        return not any(statement in self.left for statement in statements)

    def unfit_for(self, request: Mapping[str, Any]) -> str:
        """Say why the kernel of a request cannot be forked; nothing where it can, for which all is made ready."""
        if request["anew"] or standin.present is None or self.unfit:
            return "" if request["anew"] else self.unfit
        return standin.present.unseeded.gather() or standin.present.differs(request["env"])


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
                message, descriptors, _, _ = socket.recv_fds(channel, 1, 3)
                if not message:
                    _end()
                said = _read(descriptors.pop(0))
                if "import" in said:
                    preload.add(said["import"], said["hidden"])
                else:
                    waiting.append((said, descriptors))
            served = next((item for item in waiting if preload.has_done(item[0]["needs"])), None)
            if served is None:
                if preload.left:
                    _send(channel, {"importing": preload.left[0]})
                    preload.step(standin.present or standin.take_place())
                    _send(channel, {"importing": ""})
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
            served, request, said = None, {}, {}  # its secrets are none of the next child's business


def _read(descriptor: int) -> dict[str, Any]:
    with open(descriptor, "rb") as file:
        file.seek(0)  # where it was written to the end
        said: dict[str, Any] = json.load(file)
    return said


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
    time.tzset()
    os.chdir(request["cwd"])
    _resolve_path()
    if request.get("secrets"):
        from mlopskit.secrets import hand_over

        hand_over(request["secrets"])
    random.seed()  # two forks of one server would draw the same
    _know_place()
    os.environ["MPLBACKEND"] = os.environ.get("MPLBACKEND") or standin.INLINE  # as ipykernel does
    if standin.present is not None:
        _limit_threads(standin.present.loaded_with)
        _inline_figures(standin.present)
        standin.present.filters.step_aside()  # last: what is imported here is not imported by the kernel
    from ipykernel.kernelapp import IPKernelApp

    sys.argv[:] = [_launcher(), *request["argv"][1:]]
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


def _limit_threads(loaded_with: Mapping[str, str]) -> None:
    """Apply the child's thread limits: libraries read those variables only when they are loaded, which was long ago.

    One whose variables are the same has them already, and what a module has made of it since.
    """
    cores = len(os.sched_getaffinity(0))
    limits = {}
    for kind, names in _LIMITS.items():
        if any(os.environ.get(name) != loaded_with.get(name) for name in names):
            said = [re.match(r"\s*(\d+)", os.environ.get(name, "")) for name in names]
            wanted = next((int(found[1]) for found in said if found and int(found[1])), cores)
            limits[kind] = wanted if kind == "openmp" else min(wanted, cores)
    if limits and "numpy" in sys.modules:
        from threadpoolctl import ThreadpoolController

        for library in ThreadpoolController().lib_controllers:
            if library.internal_api in limits:
                library.set_num_threads(limits[library.internal_api])


def _inline_figures(stand_in: standin.StandIn) -> None:
    """Have matplotlib as a cold kernel has it, which reads its settings and its backend when it is imported.

    What a module chose meanwhile holds. The inline backend ties itself to the shell while it is imported, and in the
    server there was none: it is imported anew.
    """
    if "matplotlib" in sys.modules:
        import matplotlib as mpl

        backend = dict.__getitem__(mpl.rcParams, "backend")  # to ask matplotlib itself may load it
        if standin.settings_of_figures() != stand_in.settings:
            mpl.rcParams.update(mpl.rc_params())  # the server read its settings elsewhere
        was_chosen = str(backend).lower() != stand_in.backend.lower()
        mpl.rcParams["backend"] = backend if was_chosen else os.environ["MPLBACKEND"]
    if sys.modules.pop("matplotlib_inline.backend_inline", None) is not None:
        del sys.modules["matplotlib_inline"].backend_inline


def _open_files() -> Iterator[io.IOBase]:
    """Yield the files that a kernel has open; what the server had made is frozen, and not among all things."""
    for thing in gc.get_objects():
        if issubclass(type(thing), io.IOBase):  # a thing that stands for another is not asked what it is
            yield thing


def _launcher() -> str:
    """Return the path of a kernel's program."""
    spec = importlib.util.find_spec("ipykernel_launcher")
    return str(spec and spec.origin)


def main() -> None:
    """Run as ``python -m mlopskit.runner.forkserver DESCRIPTOR FOLDER STATEMENT…``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides what an interrupt means
    descriptor, folder, *statements = sys.argv[1:]
    descendants.guarded(closing=int(descriptor))
    channel = socket.socket(fileno=int(descriptor))
    if sys.path[:1] == [str(Path.cwd())]:  # what `-m` put there; the kernel puts in its own
        del sys.path[0]
    with contextlib.suppress(OSError):  # only now, so that no module of the folder is taken for one of ours
        os.chdir(folder)
    gc.disable()
    sys.argv[:] = [_launcher()]  # what is imported ahead sees the program of a kernel
    sys.modules["__main__"] = ModuleType("__main__")
    serve(channel, Preload(statements))()
    leave(files=_open_files)  # what it never used would take a second to take apart


if __name__ == "__main__":
    main()
