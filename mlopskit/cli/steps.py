"""Steps that take more than a second: what is done now, for how long already, and how long it took last time.

Said on standard error, and only when that is a terminal. What a step took is kept beside the runs, in
``runs/.steps.json``, where there are any; it only serves to say it the next time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from mlopskit.cli import words

FILE = ".steps.json"


@contextmanager
def step(name: str, doing: str, *, runs: Path, usual: float | None = None) -> Iterator[None]:
    """Say on a terminal what is being done while it is done.

    Parameters
    ----------
    name : str
        The step, under which its duration is kept.
    doing : str
        What is done, for people.
    runs : Path
        The runs folder; it need not be there.
    usual : float, optional
        How long it will take (seconds), for the first time here.
    """
    if not sys.stderr.isatty() or os.environ.get("CI"):
        yield
        return
    last = _earlier(runs).get(name, usual)
    text = f"{words.safe(doing)} …" + (f"  last time {words.seconds(last)}" if last else "")
    began = time.monotonic()
    with _shown(text):
        yield
    _keep(runs, name, time.monotonic() - began)


def _shown(text: str) -> AbstractContextManager[object]:
    """Show a line that goes when the step ends; one that stays where nothing may steer the terminal."""
    if not words.steerable(sys.stderr):
        sys.stderr.write(text + "\n")
        return nullcontext()
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    parts = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    shown = Progress(*parts, console=Console(stderr=True), transient=True, redirect_stdout=False)
    shown.add_task(text, total=None)
    return shown


def _earlier(runs: Path) -> dict[str, float]:
    with suppress(OSError, ValueError, TypeError, AttributeError):
        said = json.loads((runs / FILE).read_text(encoding="utf-8"))
        return {str(name): float(took) for name, took in said.items()}
    return {}


def _keep(runs: Path, name: str, took: float) -> None:
    """Keep a duration for the next time; where that cannot be, nothing is lost."""
    from mlopskit.artefacts import write_text

    if runs.is_dir():
        with suppress(OSError):
            write_text(runs / FILE, json.dumps({**_earlier(runs), name: round(took, 2)}))
