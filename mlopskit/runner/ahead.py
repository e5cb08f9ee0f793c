"""The report is begun while the run goes on: what phases show is made ready when they have ended.

Cleaning outputs, colouring code and drawing formulas give the same for the same text, and are remembered. So when the
last phase has ended, most of what the report shows is there, and only the page is left to be put together.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Self

_PAUSE = 0.3
"""Seconds that the phases which come after one have for their start."""


class Ahead:
    """Makes ready what the report will show of a run, in a thread, each phase a little after it has ended.

    Parameters
    ----------
    folder : Path
        The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._is_over = Event()
        self._is_first = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def ended(self, phase: str) -> None:
        """Note that a phase has ended; it is looked at when what comes after it has begun."""
        self._pool.submit(self._look, phase)

    def finished(self) -> Path:
        """Write the report and return its path.

        Raises
        ------
        Exception
            Whatever stands in the way of it.
        """
        from mlopskit.runner.report import render

        self._stop()
        return render(self._folder)

    def _stop(self) -> None:
        self._is_over.set()
        self._pool.shutdown(cancel_futures=True)

    def _look(self, name: str) -> None:
        if self._is_over.wait(_PAUSE):
            return
        with suppress(Exception):  # when the report itself is rendered, it says what is wrong
            from mlopskit.runner.report.evidence import load
            from mlopskit.runner.report.page import compose, section

            evidence = load(self._folder)
            if self._is_first:
                self._is_first = False
                compose(evidence)  # for its templates, which are compiled when they are first used
            for phase in evidence.phases:
                if phase.name == name:
                    section(evidence, phase)
