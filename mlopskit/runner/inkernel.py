"""What a kernel of the runner does otherwise than one started by hand: no output is lost, no child left, no end missed.

An IPython extension that every kernel loads, forked or started cold. ZeroMQ drops what a kernel publishes faster than
its reader takes it, the word that the cell is done included; with `zmq.XPUB_NODROP` it waits instead. And where a
kernel polls whether its parent still lives, it ends alone and leaves the processes that it started; here they end
with it, those in sessions of their own included. And where it is asked to leave, its control thread may still be about
to flush the output whose thread the main thread has just stopped: it would wait for ever; here it is waited for first.
In a batch run it notes what its cells open and name (`runs.opened`); in a fork it takes over from its stand-in.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any

from mlopskit.runner import descendants, standin
from mlopskit.runs import opened

NAME = __name__
"""What the kernel's command line calls this extension."""

_SECONDS = 0.5
_SECONDS_TO_FINISH = 5


def load_ipython_extension(shell: Any) -> None:
    """Prepare the kernel that this shell belongs to; IPython calls it by this name."""
    if standin.present is not None:
        standin.present.become()
    standin.draw_early()
    if "MLOPSKIT_RUN" in os.environ:  # a phase of a batch run, which may be reused
        opened.watch()
        shell.events.register("pre_run_cell", lambda info: _note(shell, info.raw_cell))
    published = shell.kernel.iopub_thread
    published.schedule(lambda: _keep_everything(published.socket))
    atexit.register(_finish, shell.kernel.parent.control_thread)  # called before what ipykernel registered earlier
    parent = int(os.environ.get("JPY_PARENT_PID") or 0)
    forked = "mlopskit.runner.forkserver" in sys.orig_argv  # its server looks after it
    if hasattr(os, "killpg") and parent > 1 and not forked:
        mark = os.environ.get(descendants.VARIABLE, "")  # a cell may change the environment
        threading.Thread(target=_end_with, args=(parent, mark), name="Parent watch", daemon=True).start()


def _note(shell: Any, source: str) -> None:
    with contextlib.suppress(Exception):  # a mistake in the cell, which it tells of when it runs
        opened.note_cell(shell.transform_cell(source))


def _keep_everything(socket: Any) -> None:
    import zmq

    socket.setsockopt(zmq.XPUB_NODROP, 1)


def _finish(control: Any) -> None:
    control.stop()
    control.join(timeout=_SECONDS_TO_FINISH)


def _end_with(parent: int, mark: str) -> None:
    """Wait until the parent is gone, then kill this process and all that it started."""
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    descendants.kill({mark}, spare={os.getpid()})
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
