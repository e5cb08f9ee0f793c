"""Progress of a run: live lines on a terminal, plain lines elsewhere, events as JSON, or nothing.

A listener takes the events of `mlopskit.runner.execute`. Plain output holds no control character, so that a log of
it reads well. How long a phase will take is told by how long it took when it was last executed here; the first time by
the pace of its cells so far, which is said to be no more than that.
"""

from __future__ import annotations

import atexit
import errno
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit.cli import words

if TYPE_CHECKING:
    from rich.live import Live as Lines
    from rich.table import Table

Event = Mapping[str, Any]


def listener(*, quiet: bool, as_json: bool) -> Callable[[Event], None]:
    """Choose how progress is shown. When nobody can read it any more, a run goes on in silence."""
    if as_json:
        return _until_unread(_print_json)
    live = not quiet and words.coloured() and not os.environ.get("CI")
    return _until_unread(Live() if live else Plain(quiet=quiet))


def _until_unread(show: Callable[[Event], None]) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        try:
            show(event)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):  # a closed pipe, a closed terminal
                raise
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device
                os.dup2(nowhere.fileno(), sys.stdout.fileno())

    return tell


def _print_json(event: Event) -> None:
    from mlopskit.artefacts import plain

    sys.stdout.write(json.dumps(plain(dict(event)), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


QUIET = 15.0
"""Seconds without a line, after which a log says which cell is reached."""
_PACE = 3.0
"""Seconds from which on the pace of the cells says something."""


@dataclass
class Running:
    """A phase that is being executed.

    Attributes
    ----------
    usual : float or None
        How long it took when it was last executed (seconds).
    began, said : float
        When it began, and when a line last spoke of it.
    cell, cells : int
        The cell that runs, from 1, of how many; 0 before the first.
    heading : str
        What that cell stands under.
    """

    usual: float | None
    began: float = field(default_factory=lambda: time.monotonic())
    said: float = field(default_factory=lambda: time.monotonic())
    cell: int = 0
    cells: int = 0
    heading: str = ""

    @property
    def took(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began

    def outlook(self) -> str:
        """Say how long it will take, as far as that can be known."""
        if self.usual is not None:
            return f"last time {words.seconds(self.usual)}"
        done = self.cell - 1
        if done < 1 or self.took < _PACE:
            return "first time here"
        left = round(self.took / done * (self.cells - done))
        return f"at this pace {words.seconds(left)} more" if left >= 60 else f"at this pace {left} s more"


class Plain:
    """One line when a phase starts, one when it ends, some between when it takes long, then the outcome."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.place: dict[str, str] = {}
        self.running: dict[str, Running] = {}
        self.remarks: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Take an event; kinds that need no line are passed over."""
        handle = getattr(self, f"on_{event['event']}", None)
        if handle is not None:
            handle(event)

    def say(self, text: str = "") -> None:
        """Print a line at once."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def on_run(self, event: Event) -> None:
        """Name the run."""
        total = len(event["phases"])
        self.place = {name: f"{number}/{total}" for number, name in enumerate(event["phases"], start=1)}
        if not self.quiet:
            self.say(f"Run {event['run']}")

    def on_phase(self, event: Event) -> None:
        """Say that a phase starts."""
        phase = self.running[event["phase"]] = Running(event.get("usual"))
        if not self.quiet:
            self.say(f"  {event['index']}/{event['of']}  {event['phase']} …  {phase.outlook()}")

    def on_cell(self, event: Event) -> None:
        """Take down which cell runs, and say so when nothing was said for long."""
        phase = self.running.get(event["phase"])
        if phase is None:
            return
        phase.cell, phase.cells, phase.heading = event["cell"], event["cells"], words.safe(event["heading"])
        if not self.quiet:
            self.reached(event["phase"], phase)

    def reached(self, name: str, phase: Running) -> None:
        """Say which cell is reached, now and then."""
        if time.monotonic() - phase.said < QUIET:
            return
        phase.said = time.monotonic()
        doing = f"cell {phase.cell}/{phase.cells}  {phase.heading[:50]}".rstrip()
        self.say(f"  {self.place.get(name, '')}  {name}  {doing}  {words.seconds(phase.took)}, {phase.outlook()}")

    def on_ended(self, event: Event) -> None:
        """Say how a phase ended."""
        self.running.pop(event["phase"], None)
        bad = event["error"] is not None
        if self.quiet and not bad:
            return
        name = event["phase"]
        some = f"{event['executed']} of " if event["executed"] != event["cells"] else ""
        cells = f"{some}{event['cells']} cells" if event["status"] == "done" else ""
        told = [self.place.get(name, ""), f"{name:<16}", f"{words.status(event['status']):<12}"]
        told += [f"{words.seconds(event['seconds']):>8}", cells or words.safe(event["reason"] or "")]
        self.say("  " + "  ".join(told).rstrip())
        if bad:
            self.say(f"       {words.error_line(event['error'])}")

    def on_note(self, event: Event) -> None:
        """Pass a remark on, once."""
        if not self.quiet and event["text"] not in self.remarks:
            self.remarks.add(event["text"])
            self.say(f"  {words.safe(event['text'])}")

    def on_stands(self, event: Event) -> None:
        """Say that nothing needs to be run."""
        if not self.quiet:
            self.say(f"Nothing changed since {event['run']}, which stands. `mlopskit run --fresh` runs it again.")
        where = _short(event["report"] or "") or f"no report; `mlopskit report {event['run']}` renders it"
        self.say(f"{words.status(event['status'])}  {where}")

    def on_finished(self, event: Event) -> None:
        """Show criteria, alerts, and where the report lies."""
        if not self.quiet:
            for title, lines in (
                ("Acceptance criteria", words.criteria_lines(event["criteria"])),
                ("Alerts", words.alert_lines(event["alerts"])),
            ):
                if lines:
                    self.say(f"\n{title}")
                    self.say("\n".join(lines))
            self.say()
        where = _short(event["report"]) if event["report"] else "no report"
        self.say(f"{words.status(event['status'])} in {words.seconds(event['seconds'])}  {where}")


class Live(Plain):
    """`Plain`, with a line for each running phase that is rewritten: its cell, its time so far and to come."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Lines | None = None
        atexit.register(self._hide)  # whatever ends the command, the cursor is there again

    def say(self, text: str = "") -> None:
        """Print a line above those of the running phases."""
        self._hide()
        super().say(text)
        self._show()

    def on_phase(self, event: Event) -> None:
        """Begin the line of a phase."""
        self.running[event["phase"]] = Running(event.get("usual"))
        self._show()

    def reached(self, name: str, phase: Running) -> None:
        """Leave it to the line, which is drawn anew by itself."""

    def on_finished(self, event: Event) -> None:
        """Take the lines away for good."""
        self.running.clear()
        super().on_finished(event)

    def _hide(self) -> None:
        if self.lines is not None:
            self.lines.stop()
            self.lines = None

    def _show(self) -> None:
        if self.lines is None and self.running:
            from rich.console import Console
            from rich.live import Live as Lines

            self.lines = Lines(
                get_renderable=self.drawn,
                console=Console(highlight=False),
                refresh_per_second=8,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self.lines.start()

    def drawn(self) -> Table:
        """Draw the running phases as they are now; on a narrow terminal the heading gives way."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        for narrow in (True, True, True, True, False):
            table.add_column(no_wrap=narrow)
        for name, phase in list(self.running.items()):
            done = ProgressBar(total=phase.cells or None, completed=max(phase.cell - 1, 0), width=8)
            told = f"{words.seconds(phase.took)}, {phase.outlook()}"
            cell = f"{phase.cell}/{phase.cells}" if phase.cells else ""
            heading = Text(phase.heading, no_wrap=True, overflow="ellipsis")
            table.add_row(f"  {self.place.get(name, '')}  {name}", done, cell, told, heading)
        return table


def _short(path: str) -> str:
    """Return a path relative to the working directory where it lies below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
