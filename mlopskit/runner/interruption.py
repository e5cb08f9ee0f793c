"""Stopping a run: SIGINT and SIGTERM become items in the queue that the run waits on.

The handler only puts a mark into the queue, which is safe at any moment. The first signal asks the kernel to stop,
the next ones (or a kernel that does not answer) kill it; in each case the manifest and the report are still
written.
"""

from __future__ import annotations

import queue
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

PATIENCE = 3.0
"""Seconds that an interrupted kernel gets before it is killed."""


class Interruption:
    """Catches signals while a run is being made, in the main thread; elsewhere signals are left alone."""

    SIGNAL = object()

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.happened = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._caught)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  the form that `signal` asks for
        self.happened = True
        self.queue.put(self.SIGNAL)

    def next(self, *, patient: bool) -> Any:
        """Return the next item; when not `patient`, silence for `PATIENCE` seconds counts as another signal."""
        try:
            return self.queue.get(timeout=None if patient else PATIENCE)
        except queue.Empty:
            return self.SIGNAL
