"""Progress of a run: a live line on a terminal, plain lines elsewhere, events as JSON, or nothing.

A listener takes the events of `mlopskit.runner.execute`. Plain output holds no control character, so that a log of
it reads well.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit.cli import words

if TYPE_CHECKING:
    from rich.status import Status

Event = Mapping[str, Any]


def listener(*, quiet: bool, as_json: bool) -> Callable[[Event], None]:
    """Choose how progress is shown."""
    if as_json:
        return _print_json
    if quiet:
        return Plain(quiet=True)
    return Live() if words.coloured() and not os.environ.get("CI") else Plain()


def _print_json(event: Event) -> None:
    from mlopskit.artefacts import plain

    sys.stdout.write(json.dumps(plain(dict(event)), ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


class Plain:
    """One line when a phase starts, one when it ends, then the outcome."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.place: dict[str, str] = {}

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
        if not self.quiet:
            took = event.get("usual")
            last = f"  last time {words.seconds(took)}" if took else ""
            self.say(f"  {event['index']}/{event['of']}  {event['phase']} …{last}")

    def on_ended(self, event: Event) -> None:
        """Say how a phase ended."""
        bad = event["error"] is not None
        if self.quiet and not bad:
            return
        name = event["phase"]
        cells = f"{event['cells']} cells" if event["cells"] and not bad else ""
        told = [self.place.get(name, ""), f"{name:<16}", f"{words.status(event['status']):<12}"]
        told += [f"{words.seconds(event['seconds']):>8}", cells or words.safe(event["reason"] or "")]
        self.say("  " + "  ".join(told).rstrip())
        if bad:
            self.say(f"       {words.error_line(event['error'])}")

    def on_note(self, event: Event) -> None:
        """Pass a remark on."""
        if not self.quiet:
            self.say(f"  {words.safe(event['text'])}")

    def on_stands(self, event: Event) -> None:
        """Say that nothing needs to be run."""
        if not self.quiet:
            self.say(f"Nothing changed since {event['run']}, which stands. `mlopskit run --fresh` runs it again.")
        self.say(f"{words.status(event['status'])}  {_short(event['report'])}")

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
    """`Plain`, with the running cell on a line that is rewritten."""

    def __init__(self) -> None:
        super().__init__()
        self.status: Status | None = None
        self.running: dict[str, tuple[float, str]] = {}
        self.usual: dict[str, float | None] = {}

    def on_phase(self, event: Event) -> None:
        """Start the live line."""
        self.running[event["phase"]] = time.monotonic(), ""
        self.usual[event["phase"]] = event.get("usual")
        self._show()

    def on_cell(self, event: Event) -> None:
        """Show which cell runs, under which heading, and for how long the phase has run."""
        phase = event["phase"]
        if phase in self.running:
            doing = f"cell {event['cell']}/{event['cells']}  {words.safe(event['heading'])[:50]}"
            self.running[phase] = self.running[phase][0], doing
            self._show()

    def on_ended(self, event: Event) -> None:
        """Replace the live line by the lasting one, and go on with that of a phase beside it."""
        self.running.pop(event["phase"], None)
        if self.status is not None:
            self.status.stop()
            self.status = None
        super().on_ended(event)
        if self.running:
            self._show()

    def _show(self) -> None:
        from rich.console import Console
        from rich.text import Text

        now = time.monotonic()
        parts = [
            f"{self._head(phase)}  {doing}  {words.seconds(now - since)}{self._of(phase)}"
            for phase, (since, doing) in self.running.items()
        ]
        text = Text("   ".join(parts), no_wrap=True)
        if self.status is None:
            self.status = Console(highlight=False).status(text)
            self.status.start()
        else:
            self.status.update(text)

    def _of(self, phase: str) -> str:
        took = self.usual.get(phase)
        return f" (last time {words.seconds(took)})" if took else ""

    def _head(self, phase: str) -> str:
        return f"{self.place.get(phase, '')}  {phase}"


def _short(path: str) -> str:
    """Return a path relative to the working directory where it lies below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
