"""The runs of a project by hand: find one, see its headline figure among the others, open its report, compare it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd
import traitlets

from mlopskit import display
from mlopskit.display import Note, format_value
from mlopskit.errors import MlopskitError, RunError
from mlopskit.explore.drawing import figure, page_table, sentence
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.overview import manifests, with_interval
from mlopskit.explore.points import Points
from mlopskit.explore.run_pieces import criteria_table, report_link
from mlopskit.explore.run_table import compared, course, differences, fitting, run_table
from mlopskit.runs import find_project

_SHOWN = 15
_LISTED = 1000
_CHANGES = 20


def runs(project: Path | None = None) -> RunsExplorer | Note:
    """Explore the runs of a project: their headline figure over time, criteria, reports, and how two of them differ.

    Parameters
    ----------
    project : Path, optional
        The folder that holds ``mlops.toml``; by default looked for as `mlopskit.find_project` does.

    Returns
    -------
    RunsExplorer or Note
        A note where there is no run yet.
    """
    home = (find_project() if project is None else Path(project)).resolve()
    if run_table(home).empty:
        return display.note(
            "There is no run yet. Make one, with the panel of the overview or mlopskit run; then run this cell again."
        )
    return RunsExplorer(home)


class RunsExplorer(Explorer):
    """Runs to search and to choose from; the chosen one with criteria and report, and beside another.

    Parameters
    ----------
    project : Path

    Attributes
    ----------
    text : str
        Words that the name, status, headline or tags of the runs listed hold.
    chosen, beside : str
        The run looked into, and the one that it is compared with (the run before it, at first).
    """

    text = traitlets.Unicode()
    chosen = traitlets.Unicode()
    beside = traitlets.Unicode()

    def __init__(self, project: Path) -> None:
        self.project = project
        self._read()
        self._linked = ""
        self._showing = False
        super().__init__(chosen=str(self._table["run"].iloc[0]))
        self.beside = self._before(self.chosen)
        self._make_widgets()
        self._filter()
        self.observe(self._filter, names="text")
        self.observe(self._choose, names="chosen")
        self.observe(self._forget, names="beside")

    def _read(self) -> bool:
        """Read the runs; tell whether there is one, else leave all as it was."""
        table = run_table(self.project)
        if table.empty:
            return False
        self._table = table
        self._manifests = {folder.name: manifest for folder, manifest in manifests(self.project)}
        return True

    @property
    def table(self) -> pd.DataFrame:
        """The runs that fit the search, newest first."""
        return fitting(self._table, self.text)

    def compare(self) -> pd.DataFrame:
        """Return how the chosen run differs from the one beside it, as ``mlopskit diff`` does.

        Raises
        ------
        RunError
            When there is no other run, or they cannot be compared.
        """
        if not self.beside:
            raise RunError("There is no other run to compare with.")
        return differences(compared(self.project, self.beside, self.chosen))

    def refresh(self) -> None:
        """Look for runs again; new ones are listed first, and those that were deleted are gone.

        Raises
        ------
        RunError
            When there is none any more.
        """
        if not self._read():
            raise RunError(f"There is no run in {self.project / 'runs'} any more; make one with `mlopskit run`.")
        self._filter()

    @traitlets.validate("chosen", "beside")
    def _known(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name and name not in self._manifests:
            raise RunError.from_unknown_run(name, self._manifests)
        return name

    def _before(self, name: str) -> str:
        """The run before one; the next where it is the oldest."""
        names = [str(each) for each in self._table["run"]]
        later = names[names.index(name) + 1 :]
        return (later or [each for each in reversed(names) if each != name] or [""])[0]

    def _make_widgets(self) -> None:
        wide = {"style": {"description_width": "8em"}}
        width = widgets.Layout(width="44em", max_width="100%")
        self._search = widgets.Text(
            description="Search",
            placeholder="words of name, status or tags",
            layout=widgets.Layout(width="28em"),
            **wide,
        )
        # no open list: JupyterLab keeps the arrow keys in one to itself, those in an opened menu it does not
        self._list = widgets.Dropdown(description="Run", layout=width, **wide)
        self._other = widgets.Dropdown(description="Compare with", layout=width, **wide)
        self._button = widgets.Button(description="Compare the two", layout=widgets.Layout(width="auto"))
        self._again = widgets.Button(description="Look for new runs", layout=widgets.Layout(width="auto"))
        self._search.observe(lambda found: setattr(self, "text", found["new"]), names="value")
        self._list.observe(self._picked, names="value")
        self._other.observe(self._picked_other, names="value")
        self._button.on_click(self._compare)
        self._again.on_click(self._look_again)
        self._words, self._listed, self._course, self._detail, self._differences = (widgets.HTML() for _ in range(5))
        self._link = widgets.Output()
        row = widgets.Layout(flex_flow="row wrap")
        self.widget = column(
            widgets.HBox([self._search, self._again], layout=row), self._words, self._course, self._listed,
            self._list, self._link, self._detail, widgets.HBox([self._other, self._button], layout=row),
            self._differences,
        )  # fmt: skip

    def _look_again(self, _: Any) -> None:
        try:
            self.refresh()
        except RunError as error:
            self._words.value = sentence(str(error))

    def _filter(self, _: Any = None) -> None:
        self._search.value = self.text
        names = [str(name) for name in self.table["run"].head(_LISTED)]
        before = self.chosen
        self._list.options = names  # this alone chooses the first
        if names:
            self.chosen = before if before in names else names[0]
        self._listed.value = self._page()
        self._choose()

    def _picked(self, found: Any) -> None:
        if found["new"]:
            self.chosen = found["new"]

    def _picked_other(self, found: Any) -> None:
        if found["new"] and not self._showing:
            self.beside = found["new"]

    def _choose(self, _: Any = None) -> None:
        if self.chosen in self._list.options:
            self._list.value = self.chosen
        if self.beside == self.chosen or self.beside not in self._manifests:
            self.beside = self._before(self.chosen)
        others = [str(name) for name in self._table["run"].head(_LISTED) if name != self.chosen]
        self._showing = True  # options that change choose the first of them
        try:
            self._other.options = others
            self._other.value = self.beside if self.beside in others else None
        finally:
            self._showing = False
        self._button.disabled = not others
        self._words.value, self._course.value = sentence(self._sentence()), self._drawn()
        self._detail.value, self._differences.value = self._details(), ""
        link = self._report()
        if link != self._linked:  # an output, since JupyterLab resolves links in outputs only
            shown = {"output_type": "display_data", "data": {"text/html": link}, "metadata": {}}
            self._link.outputs, self._linked = ((shown,) if link else ()), link

    def _forget(self, _: Any = None) -> None:
        self._differences.value = ""
        if self.beside in self._other.options:
            self._other.value = self.beside

    def _compare(self, _: Any) -> None:
        """Compare beside the notebook, which stays usable meanwhile."""
        self._differences.value = sentence("Comparing…")
        threading.Thread(target=self._show_comparison, name="mlopskit-diff", daemon=True).start()

    def _show_comparison(self) -> None:
        pair = self.chosen, self.beside
        try:
            found = compared(self.project, pair[1], pair[0])
            table = differences(found)
            worse = found.get("worsened") or []
            said = "; ".join(worse) if worse else str(found.get("unworsened", "nothing got worse"))
            words = f"From {pair[1]} to {pair[0]}: {said}."
            shown = sentence(words) + (page_table(table, caption="what differs", rows=_CHANGES) if len(table) else "")
        except MlopskitError as error:
            shown = sentence(str(error))
        if pair == (self.chosen, self.beside):
            self._differences.value = shown

    def picture(self) -> list[str]:
        """Return the sentence, the figure over time, the list and the chosen run as HTML."""
        return [sentence(self._sentence()), self._drawn(), self._page(), self._report(), self._details()]

    def words(self) -> str:
        """Return the sentence and the newest runs as text."""
        return f"{self._sentence()}\n{display.table(_readable(self.table), rows=_SHOWN)!r}"

    def _page(self) -> str:
        table = self.table
        counted = f"{len(table)} of {len(self._table)} runs, newest first"
        return page_table(_readable(table), caption=counted, rows=_SHOWN)

    def _row(self) -> dict[Any, Any]:
        row: dict[Any, Any] = self._table[self._table["run"] == self.chosen].to_dict("records")[0]
        return row

    def _sentence(self) -> str:
        row = self._row()
        judged = f"{row['met']} of {row['criteria']} criteria met" if row["criteria"] else "no criterion judged"
        figure_ = f"; {row['headline']} {with_interval(row)}" if pd.notna(row["value"]) else ""
        return f"{self.chosen}: {row['status']}, {judged}{figure_}."

    def _drawn(self) -> str:
        label = str(self._row()["headline"])
        shown = course(self._table, label)
        if len(shown) < 2:
            return ""
        names = [str(name) for name in shown["run"]]
        values, low, high = (shown[name].to_numpy(dtype=float) for name in ("value", "low", "high"))
        x_label = f"when it began, UTC ({len(names)} runs, oldest first; line: 95 % interval)"
        points = Points([str(began)[5:] for began in shown["began"]], values, low, high, x_label, label)
        told = "; ".join(f"{row['run']} {with_interval(row)}" for row in shown.to_dict("records"))
        place = names.index(self.chosen) if self.chosen in names else None
        return figure(points.svg(chosen=place, alt=f"{label} of each run, oldest first: {told}"))

    def _report(self) -> str:
        link = report_link(self.project / "runs" / self.chosen)
        return f"<p>{link}</p>" if link else ""

    def _details(self) -> str:
        judged = self._manifests[self.chosen].get("criteria") or []
        return criteria_table(judged, caption=f"Criteria of {self.chosen}")


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is read: figures with their interval, criteria as so many of so many."""
    rows = table.to_dict("records")
    return pd.DataFrame(
        {
            "run": table["run"].tolist(), "status": table["status"].tolist(),
            "criteria met": [f"{row['met']} of {row['criteria']}" for row in rows],
            "headline": [f"{row['headline']} {with_interval(row)}".strip() for row in rows],
            "seconds": [format_value(value, digits=1) for value in table["seconds"]], "tags": table["tags"].tolist(),
        }
    )  # fmt: skip
