"""Running from the overview: choose phases, press the button, and watch phases, cells and criteria as they come."""

from __future__ import annotations

import html
import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import traitlets

from mlopskit.errors import MlopskitError
from mlopskit.explore import overview
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.progress import Progress
from mlopskit.explore.project_phases import project_phases
from mlopskit.explore.run_pieces import box, criteria_table, declared_criteria, judged_so_far, phases_table, report_link
from mlopskit.explore.running import Request, Runner
from mlopskit.runs.durations import usual_seconds
from mlopskit.scope import PROJECT_FILE, Scope

_EVERY = 0.25
"""Seconds between two looks at a run in progress."""


def runner(project: Path) -> RunPanel:
    """Run all or part of the lifecycle and watch it; a run in progress is found again, and nothing starts by itself.

    Parameters
    ----------
    project : Path
        The folder that holds ``mlops.toml``.
    """
    return RunPanel(Runner(project))


class RunPanel(Explorer):
    """Which phases to run and how, buttons to run and stop, and where the run stands.

    Parameters
    ----------
    runner : Runner
        Of the project; a run that it has found is followed.

    Attributes
    ----------
    first, last : str
        The first and the last phase to execute; empty for the first and the last of all.
    only : tuple of str
        These phases only, when not empty.
    fresh : bool
        Execute also what did not change.
    jobs : int
        Phases side by side.
    """

    first = traitlets.Unicode().tag(choice=True)
    last = traitlets.Unicode().tag(choice=True)
    only: Any = traitlets.Tuple().tag(choice=True)
    fresh = traitlets.Bool(False).tag(choice=True)
    jobs = traitlets.Int(1).tag(choice=True)

    def __init__(self, runner: Runner) -> None:
        super().__init__(jobs=min(4, os.cpu_count() or 1))
        self.runner = runner
        self._said, self._linked, self._problem = "", "", ""
        self._names: list[str] = []
        self._watching = False
        self._showing = threading.Lock()
        self._read_project()
        self._make_widgets()
        self._follow()

    def _read_project(self) -> None:
        """Read phases and criteria; a project file that cannot be read is told, and running it tells the same."""
        try:
            scope = Scope.load(self.runner.project / PROJECT_FILE)
            self._names = [item.name for item in scope.criterion]
            self._phases = list(project_phases(self.runner.project, scope.phase))
            self._problem = ""
        except MlopskitError as error:
            self._phases, self._problem = [name for name, _ in overview.PHASES], str(error)
        self._usual = usual_seconds([manifest for _, manifest in overview.manifests(self.runner.project)])

    def _make_widgets(self) -> None:
        names = [(name, name) for name in self._phases]
        narrow, wide = widgets.Layout(width="17em"), {"description_width": "6.5em"}
        self._first = widgets.Dropdown(
            options=[("the first", ""), *names], description="From", layout=narrow, style=wide
        )
        self._last = widgets.Dropdown(options=[("the last", ""), *names], description="To", layout=narrow, style=wide)
        self._only = {  # boxes, since in JupyterLab an open list loses the arrow keys
            name: widgets.Checkbox(description=name, indent=False, layout=widgets.Layout(width="auto"))
            for name in self._phases
        }
        self._fresh = widgets.Checkbox(description="Fresh: execute also what did not change", indent=False)
        self._jobs = widgets.BoundedIntText(
            value=self.jobs, min=1, max=64, description="Side by side", layout=narrow, style=wide
        )
        pairs = ((self._first, "first"), (self._last, "last"), (self._fresh, "fresh"))
        for control, name in (*pairs, (self._jobs, "jobs")):
            widgets.link((control, "value"), (self, name))
        for ticked in self._only.values():
            ticked.observe(self._take_only, names="value")
        self.observe(self._show_only, names="only")
        self._run = widgets.Button(description="Run", button_style="primary")
        self._stop = widgets.Button(description="Stop", disabled=True)
        self._run.on_click(lambda _: self.start())
        self._stop.on_click(lambda _: self.stop())
        self.observe(self._show_command, names=list(self.trait_names(choice=True)))
        self._command, self._status, self._table = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self._criteria, self._failures, self._links = widgets.HTML(), widgets.HTML(), widgets.Output()
        row = widgets.Layout(flex_flow="row wrap", align_items="flex-start")
        left = widgets.VBox([self._first, self._last, self._jobs])
        right = widgets.VBox([self._fresh, self._command, widgets.HBox([self._run, self._stop])])
        only = widgets.VBox([widgets.HTML("Only"), *self._only.values()], layout=widgets.Layout(margin="0 2em"))
        choices = widgets.HBox([left, only, right], layout=row)
        shown = [self._status, self._failures, self._table, self._criteria, self._links]
        self.widget = column(choices, *shown)
        self._show_command()

    def _take_only(self, _: Any) -> None:
        self.only = tuple(name for name, ticked in self._only.items() if ticked.value)

    def _show_only(self, _: Any) -> None:
        chosen = set(self.only)
        for name, ticked in self._only.items():
            ticked.unobserve(self._take_only, names="value")  # it is told, it does not tell
            ticked.value = name in chosen
            ticked.observe(self._take_only, names="value")

    @property
    def request(self) -> Request:
        """What the button would run."""
        ranged = (None, None) if self.only else (self.first or None, self.last or None)
        usual = min(4, os.cpu_count() or 1)
        return Request(tuple(self.only), *ranged, self.fresh, None if self.jobs == usual else self.jobs)

    def start(self, *parameters: str) -> bool:
        """Start what was chosen, with parameters as ``phase.name=value``, and follow it; what hinders that is shown."""
        self._said = ""
        try:
            self.runner.start(replace(self.request, parameters=parameters))
        except MlopskitError as error:
            self._said = str(error)
        self._read_project()
        self._follow()
        return not self._said

    def stop(self) -> None:
        """Ask the run to stop, and say how to end it if it does not."""
        self._said = self.runner.stop()
        self._show()

    def _follow(self) -> None:
        """Show where the run stands, now and until it has ended; cells stay usable meanwhile."""
        self._show()
        with self._showing:
            begins = self.runner.progress.active and not self._watching
            self._watching = self._watching or begins
        if begins:
            threading.Thread(target=self._watch, name="mlopskit-run", daemon=True).start()

    def _watch(self) -> None:
        goes_on = True  # its own: once it has seen the end, the next run has a watcher of its own
        try:
            while goes_on:
                time.sleep(_EVERY)
                with self._showing:
                    goes_on = self._watching = self.runner.refresh().active or self.runner.active
                self._show()
        except BaseException:
            self._watching = False
            raise
        self._read_project()
        self._said = ""
        self._show()

    def _show_command(self, _: Any = None) -> None:
        self._first.disabled = self._last.disabled = bool(self.only)
        self._command.value = f"<p>Runs <code>{html.escape(self.request.command())}</code></p>"

    def _show(self) -> None:
        """Bring every widget up to where the run stands; what did not change is not sent again."""
        with self._showing:
            progress = self.runner.progress
            self._run.disabled, self._stop.disabled = self.runner.active, not progress.active
            self._status.value = self._sentences(progress, live=True)
            self._failures.value = box(progress.failures(), tone="bad")
            self._table.value = phases_table(progress, self._usual)
            self._criteria.value = criteria_table(self._judged(progress))
            after = "" if progress.active else self._after(progress)
            if after != self._linked:  # an output, since JupyterLab resolves links in outputs only
                shown = {"output_type": "display_data", "data": {"text/html": after}, "metadata": {}}
                self._links.outputs = (shown,) if after else ()
                self._linked = after

    def _sentences(self, progress: Progress, *, live: bool = False) -> str:
        lines = [self._problem, progress.sentence(), *progress.notes, self._said]
        return box(lines, tone="bad" if self._problem else progress.tone, live=live)

    def _judged(self, progress: Progress) -> list[dict[str, Any]]:
        judged = list(progress.criteria)
        if self.runner.folder is not None:
            with suppress(OSError):  # the run is removed this moment
                judged = judged_so_far(self.runner.folder, progress)
        return declared_criteria(self._names, judged, ended=bool(progress.phases) and not progress.active)

    def _after(self, progress: Progress) -> str:
        """Link the report, and compare with the run before."""
        folder = self.runner.folder
        if folder is None:
            return ""
        link, hint = report_link(folder), "<em>Trust HTML</em> above it lets its tables sort and its explorers answer"
        return (f"<p>{link} (in JupyterLab, {hint})</p>" if link else "") + self._comparison(progress)

    def _comparison(self, progress: Progress) -> str:
        with suppress(MlopskitError):
            before = overview.run_before(self.runner.project, progress.run)
            if before:
                return overview.compare(self.runner.project, progress.run, before)._repr_html_()
        return ""

    def picture(self) -> list[str]:
        """Return where the run stands as HTML, without buttons."""
        progress = self.runner.progress
        pieces = [self._sentences(progress), box(progress.failures(), tone="bad"), phases_table(progress, self._usual)]
        return [*pieces, criteria_table(self._judged(progress)), "" if progress.active else self._after(progress)]

    def words(self) -> str:
        """Return where the run stands as text."""
        progress = self.runner.progress
        phases = [f"  {item.name}: {item.status}  {item.doing()}".rstrip() for item in progress.phases.values()]
        judged = [f"  {row['name']}: {row['status']}" for row in self._judged(progress)]
        lines = [
            self._problem,
            progress.sentence(),
            *progress.notes,
            *phases,
            *(["Criteria:", *judged] if judged else []),
        ]
        return "\n".join(line for line in lines if line)
