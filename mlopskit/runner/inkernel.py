"""What a kernel of the runner does otherwise than one started by hand: it loses no output and leaves no children.

An IPython extension that every kernel loads, forked or started cold. ZeroMQ drops what a kernel publishes faster than
its reader takes it, the word that the cell is done included; with `zmq.XPUB_NODROP` it waits instead. And where a
kernel polls whether its parent still lives, it ends alone and leaves the processes that it started; here the whole
process group ends.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

NAME = __name__
"""What the kernel's command line calls this extension."""

_SECONDS = 0.5


def load_ipython_extension(shell: Any) -> None:
    """Prepare the kernel that this shell belongs to; IPython calls it by this name."""
    published = shell.kernel.iopub_thread
    published.schedule(lambda: _keep_everything(published.socket))
    parent = int(os.environ.get("JPY_PARENT_PID") or 0)
    if hasattr(os, "killpg") and parent > 1 and os.getppid() == parent:
        threading.Thread(target=_end_with, args=(parent,), name="Parent watch", daemon=True).start()


def _keep_everything(socket: Any) -> None:
    import zmq

    socket.setsockopt(zmq.XPUB_NODROP, 1)


def _end_with(parent: int) -> None:
    """Wait until the parent is gone, then kill this process and, where it leads its group, all that it started."""
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
