"""Stopping a run: SIGINT, SIGTERM and SIGHUP become items in the queue that the run waits on.

SIGHUP comes where a terminal is closed; started with it ignored (``nohup``), a run goes on. The handler only puts a
mark into the queue, which is safe at any moment. The first signal asks the kernel to stop, the next ones (or a kernel
that does not answer) kill it; in each case the manifest and the report are still written.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

PATIENCE = 3.0
"""Seconds that an interrupted kernel gets before it is killed."""

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What asks a command to stop; there is no SIGHUP on Windows."""


@contextlib.contextmanager
def stopped_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call a handler where the command is asked to stop, in the main thread; elsewhere signals are left alone."""
    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING:
            if number == signal.SIGINT or signal.getsignal(number) is not signal.SIG_IGN:
                previous[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


class Interruption(contextlib.ExitStack):
    """Catches signals while a run is being made."""

    SIGNAL = object()

    def __init__(self) -> None:
        super().__init__()
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.happened = False

    def __enter__(self) -> Self:
        self.enter_context(stopped_by(self._caught))
        return self

    def _caught(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the form that `signal` asks for
        self.happened = True
        self.queue.put(self.SIGNAL)

    def next(self, *, patient: bool) -> Any:
        """Return the next item; when not `patient`, silence for `PATIENCE` seconds counts as another signal."""
        try:
            return self.queue.get(timeout=None if patient else PATIENCE)
        except queue.Empty:
            return self.SIGNAL
