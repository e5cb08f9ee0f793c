"""One row by hand: change its values and see what the model says then, how near another answer is, and why."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import pandas as pd
import traitlets

from mlopskit import display
from mlopskit.display import Note, format_value
from mlopskit.errors import DataError, MlopskitError, listing, nearest
from mlopskit.explore.drawing import figure, page_table, sentence
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.row_controls import control_of, fill
from mlopskit.explore.row_model import Answer, RowModel
from mlopskit.explore.row_sources import ORDERS, TYPICAL, RowSource, row_sources
from mlopskit.explore.row_values import written
from mlopskit.explore.row_words import NOTHING_TRIED, drawn_label, told
from mlopskit.explore.spans import Spans
from mlopskit.runs import Run

MOST_FIELDS = 30
"""Inputs that have a control of their own; any input can be changed by `RowExplorer.change`."""
_SPANS = 20
_WITHHELD = "A row of {source} is shown by a running notebook only: a picture of it may be passed on."
_HEADINGS = {
    "lowest_at": "at", "highest_at": "at", "turns_at": "turns at", "then": "into",
}  # fmt: skip


def what_if(run: Run) -> RowExplorer | Note:
    """Explore what a run's model says of one row, and what it would say if the row were another.

    It begins with a made-up, typical row; rows of the test table and of the request log can be chosen in JupyterLab,
    not in a batch run, and not where the project has a privacy floor.

    Parameters
    ----------
    run : Run
        As from `mlopskit.load_run` or `mlopskit.open_run`; its model phase has ended.

    Returns
    -------
    RowExplorer or Note
        A note where the model has no inputs.

    Raises
    ------
    RunError
        When the run lacks what is read.
    DataError
        When its predictions and test rows do not belong together.
    """
    asked = RowModel.read(run)
    if not asked.fields:
        return display.note("Not applicable: the model takes no inputs.")
    return RowExplorer(asked, sources=row_sources(run, asked))


class RowExplorer(Explorer):
    """A row to choose and to change; prediction, score and distance, and how far each input alone would move them.

    Parameters
    ----------
    asked : RowModel
    sources : mapping of str to RowSource, optional
        Tables whose rows may be looked at, by name.

    Attributes
    ----------
    source : str
        ``a typical row`` or one of the sources.
    order : str
        In which order its rows are counted.
    place : int
        Which row, 1 for the first.
    """

    source = traitlets.Unicode(TYPICAL)
    order = traitlets.Unicode("table")
    place = traitlets.Int(1, min=1)

    def __init__(self, asked: RowModel, *, sources: Mapping[str, RowSource] | None = None) -> None:
        self.asked, self._sources = asked, dict(sources or {})
        self._showing = False
        self._said = ""
        self._row: dict[str, Any] = {}
        self._first: dict[str, Any] = {}
        super().__init__()
        self._begin()
        self._make_widgets()
        self._show()
        self.observe(self._choose, names=["source", "order", "place"])

    @property
    def row(self) -> dict[str, Any]:
        """The row as it is now: input → value."""
        return dict(self._row)

    @property
    def answer(self) -> Answer:
        """What the model says of it."""
        return self.asked.ask([self._row])[0]

    @property
    def reach(self) -> pd.DataFrame:
        """How far each input alone would move the answer, as from `RowModel.reach`."""
        return self.asked.reach(self._row)

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """In what the row is unlike the training rows: input, what."""
        return self.asked.checked(self._row)

    def contributions(self) -> pd.DataFrame:
        """Return the SHAP value of each input for this row, largest first."""
        return self.asked.contributions(self._row)[0]

    def change(self, values: Mapping[str, Any]) -> None:
        """Change inputs of the row; a value that a server would refuse is refused, and nothing is changed.

        Raises
        ------
        DataError
            When an input is unknown or a value cannot be read.
        """
        names = [field.name for field in self.asked.fields]
        for name in values:
            if name not in names:
                raise DataError(f"{name!r} is no input of this model{nearest(name, names)}; inputs: {listing(names)}.")
        changed = {**self._row, **values}
        self.asked.checked(changed)
        self._row = changed
        self._show()

    def reset(self) -> None:
        """Go back to the row as it was chosen."""
        self._row = dict(self._first)
        self._show()

    @traitlets.validate("source")
    def _known_source(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name != TYPICAL and name not in self._sources:
            raise DataError(f"There are no {name!r} to look at; there are {listing([TYPICAL, *self._sources])}.")
        return name

    @traitlets.validate("order")
    def _known_order(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name not in ORDERS:
            raise DataError(f"Rows cannot be sorted by {name!r}{nearest(name, ORDERS)}; {listing(ORDERS)} can.")
        known = self._sources[self.source].orders if self.source in self._sources else ["table"]
        return name if name in known else "table"

    def _begin(self) -> None:
        """Take the row chosen, with what is not known of it filled in."""
        chosen: dict[str, Any] = {}
        if self.source != TYPICAL:
            chosen = self._sources[self.source].row(self.place, order=self.order, threshold=self.asked.threshold)
        self._row = {**self.asked.typical, **chosen}
        self._first = dict(self._row)
        self._before = self.answer

    def _choose(self, change: Any) -> None:
        if change["name"] == "source":
            with self.hold_trait_notifications():
                self.order, self.place = "table", 1
        try:
            self._begin()
            self._said = ""
        except DataError as error:
            self._said = str(error)
        self._show()

    def _make_widgets(self) -> None:
        wide = {"style": {"description_width": "6em"}}
        self._source = widgets.Dropdown(options=[TYPICAL, *self._sources], description="Begin with", **wide)
        self._order = widgets.Dropdown(options=[(ORDERS["table"], "table")], description="Sorted", **wide)
        self._place = widgets.BoundedIntText(
            value=1, min=1, max=10**9, description="Row", layout=widgets.Layout(width="14em"), **wide
        )
        for control, name in ((self._source, "source"), (self._order, "order"), (self._place, "place")):
            control.observe(lambda found, name=name: self._take(name, found["new"]), names="value")
        self._reset = widgets.Button(description="As it was", layout=widgets.Layout(width="auto"))
        self._reset.on_click(lambda _: self.reset())
        self._explain = widgets.Button(description="Explain this row by SHAP", layout=widgets.Layout(width="auto"))
        self._explain.on_click(self._show_contributions)
        self._inputs = {field.name: control_of(self.asked.offered(field)) for field in self.asked.fields[:MOST_FIELDS]}
        for name, control in self._inputs.items():
            control.observe(lambda found, name=name: self._typed(name, found["new"]), names="value")
        self._words, self._notes, self._figures, self._shap = (widgets.HTML() for _ in range(4))
        row = widgets.Layout(flex_flow="row wrap")
        top = [self._source, self._order, self._place] if self._sources else []
        shown = [widgets.HBox(top, layout=row), widgets.HBox(list(self._inputs.values()), layout=row)]
        buttons = widgets.HBox([self._reset, self._explain], layout=row)
        self.widget = column(*shown, buttons, self._words, self._notes, self._figures, self._shap)

    def _take(self, name: str, value: Any) -> None:
        if not self._showing and value is not None:  # else it was the state that changed the control
            setattr(self, name, value)

    def _typed(self, name: str, text: Any) -> None:
        if self._showing or text is None:
            return
        try:
            self._said = ""
            self.change({name: self.asked.read_value(name, str(text))})
        except DataError as error:
            self._said = str(error)
            self._show(keep=name)

    def _show(self, _: Any = None, *, keep: str = "") -> None:
        """Bring every control up to the state; what cannot be read stays as it was typed, with what is wrong."""
        self._showing = True
        try:
            self._source.value = self.source
            table = self._sources.get(self.source)
            self._order.options = [(ORDERS[name], name) for name in (table.orders if table else ["table"])]
            self._order.value, self._place.value = self.order, self.place
            self._order.disabled = self._place.disabled = table is None
            for name, control in self._inputs.items():
                if name != keep:
                    fill(control, self._row.get(name))
        finally:
            self._showing = False
        self._words.value = sentence(self._sentence())
        self._notes.value, self._figures.value, self._shap.value = self._remarks(), self._reached(), ""

    def _show_contributions(self, _: Any) -> None:
        """Show SHAP values in the live view only."""
        try:
            table, words = self.asked.contributions(self._row)
        except (MlopskitError, ValueError, LookupError, AttributeError) as error:  # a model of another form
            self._shap.value = sentence(f"This model cannot be explained here: {error}")
            return
        self._shap.value = sentence(words) + page_table(table, caption="what moved the output", rows=20)

    def picture(self) -> list[str]:
        """Return the state as HTML; of a row that is someone's only what it is one of."""
        if self.source != TYPICAL:
            return [sentence(_WITHHELD.format(source=self.source))]
        rows = [{"input": field.name, "value": written(self._row[field.name])} for field in self.asked.fields]
        values = page_table(pd.DataFrame(rows), caption="the row, made up", rows=20)
        return [sentence(self._sentence()), values, self._remarks(), self._reached()]

    def words(self) -> str:
        """Return the answer as text; of a row that is someone's only what it is one of."""
        return _WITHHELD.format(source=self.source) if self.source != TYPICAL else self._sentence()

    def _sentence(self) -> str:
        now, was = self.answer, self._before
        changed = [name for name, value in self._row.items() if value != self._first[name]]
        said = told(self.asked, now)
        if not changed:
            return f"{said} Nothing is changed yet."
        turned = "; the decision is turned" if now.index != was.index else ""
        return (
            f"{said} Before {listing(changed)} changed it was {was.prediction} ({format_value(was.measure)}){turned}."
        )

    def _remarks(self) -> str:
        """What cannot be read, what is unlike the training rows, and what is not known of a production row."""
        lines = [self._said] if self._said else []
        unlike = [f"{name} = {written(self._row[name])}: {said}" for name, said in self.warnings]
        lines += [f"Unlike the training rows, so do not rely on the answer: {'; '.join(unlike)}."] if unlike else []
        filled = self._sources[self.source].filled if self.source in self._sources else ()
        lines += [f"Not logged, so a typical value stands in: {listing(filled)}."] if filled else []
        hidden = [field.name for field in self.asked.fields[MOST_FIELDS:]]
        lines += [f"Without a control here, for `change`: {listing(hidden)}."] if hidden else []
        return "".join(f'<p style="margin:.3em 0;line-height:1.4">△ {html.escape(line)}</p>' for line in lines)

    def _reached(self) -> str:
        reach = self.reach
        if reach.empty:
            return sentence(NOTHING_TRIED)
        drawn = figure(self._spans(reach).svg(alt=self._alt(reach)))
        shown = reach.assign(turns_at=[text or "–" for text in reach["turns_at"]],
                             then=[text or "–" for text in reach["then"]])  # fmt: skip
        if not self.asked.target.is_classification:
            shown = shown.drop(columns=["turns_at", "then"])
        caption = "one input changed, all others as they are: lowest and highest, and the nearest change that turns it"
        return drawn + page_table(shown, caption=caption, rows=_SPANS, headings=_HEADINGS)

    def _spans(self, reach: pd.DataFrame) -> Spans:
        now = self.answer
        tried = sum(len(values) for values in self.asked.tried.values())
        label = f"{drawn_label(self.asked, now)}, one input changed (n = {tried} rows tried)"
        return Spans(reach.head(_SPANS), now.measure, self.asked.bound, label)

    @staticmethod
    def _alt(reach: pd.DataFrame) -> str:
        spans = [f"{row.feature} {row.lowest:.3f} to {row.highest:.3f}" for row in reach.head(8).itertuples()]
        return f"How far each input alone would move the answer: {'; '.join(spans)}"
