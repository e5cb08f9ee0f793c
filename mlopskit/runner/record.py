"""papermill's record of an execution, told truly and saved at linear cost."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbformat.v4 import nbjson
from papermill.engines import NotebookExecutionManager

from mlopskit import artefacts

if TYPE_CHECKING:
    from mlopskit.runner.kernels import Setting

_A_WHILE = 0.5  # seconds
_SAVING_SHARE = 0.05  # at most this share of the time goes into saving the notebook while it runs


class Record(NotebookExecutionManager):  # type: ignore[misc]  # the base class is untyped
    """papermill's record of an execution, saved atomically, and never calling "completed" what did not run."""

    def __init__(self, nb: Any, setting: Setting, **options: Any) -> None:
        self._clock = dt.datetime.now(dt.UTC), time.monotonic()
        super().__init__(nb, **options)
        self._save_to = setting.save_to
        self._saved_at, self._cost = 0.0, 0.0
        self.began: float | None = None

    def notebook_start(self, **options: Any) -> None:
        """Note the start: now, however long ago its kernel was started."""
        self.began = time.monotonic()
        super().notebook_start(**options)

    def now(self) -> dt.datetime:
        """Return the time, counted on from the first: should the clock be set back, no cell ends before it began."""
        first, then = self._clock
        return first + dt.timedelta(seconds=time.monotonic() - then)

    def save(self, **_: Any) -> None:
        """Save, unless the last time was so recent that saving would slow the run."""
        if self._save_to is None:
            super().save()
        elif time.monotonic() - self._saved_at > max(_A_WHILE, self._cost / _SAVING_SHARE):
            self._save_now()

    def save_soon(self) -> None:
        """Save when a cell that starts has taken a while: until it ends, nothing else would."""
        asyncio.get_running_loop().call_later(_A_WHILE, self._save_unless_over)

    def _save_unless_over(self) -> None:
        if self.end_time is None and self._save_to is not None:
            with suppress(OSError):  # the next save, which somebody waits for, meets it as well
                self.save()

    def _save_now(self) -> None:
        started = time.monotonic()
        assert self._save_to is not None  # noqa: S101
        artefacts.write_text(self._save_to, nbjson.writes(self.nb) + "\n")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def notebook_complete(self, **_: Any) -> None:
        """Note the end; cells that never started stay "pending"."""
        if self.began is None:
            self.notebook_start()
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.cleanup_pbar()
        if self._save_to is None:
            super().save()
        else:
            self._save_now()
