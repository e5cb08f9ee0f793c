"""The slices of a run, to sort, filter and look into by hand."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import pandas as pd
import traitlets

from mlopskit import display
from mlopskit.display import Note, Table, format_value
from mlopskit.errors import MlopskitError, listing, nearest
from mlopskit.explore.drawing import page_table, sentence
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.slice_rows import SliceRows
from mlopskit.explore.slice_table import chosen, joined, known_order, parents
from mlopskit.explored import FIT, ORDERS, described_by
from mlopskit.runs import Run

ROWS = 20
_SHOWN = 10
_LISTED = 1000
_TABLE = ["slice", "origin", "n", "error", "score", "n_test", "error_test", "adjusted", "status"]
_HEADINGS = {
    "n": "validation rows", "error": "validation error", "n_test": "test rows", "error_test": "test error",
    "error_rest": "test error elsewhere", "adjusted": "p, adjusted",
}  # fmt: skip


def slices(run: Run) -> SliceExplorer | Note:
    """Explore the slices of a run: those found on validation rows and the declared groups, and what test rows say.

    Parameters
    ----------
    run : Run
        As from `mlopskit.load_run` or `mlopskit.open_run`; its slices phase has ended.

    Returns
    -------
    SliceExplorer or Note
        A note where there is none.

    Raises
    ------
    RunError
        When the run lacks what is read.
    """
    table = joined(run.read("slices_and_bias/slices"), run.read("slices_and_bias/confirmed"))
    if table.empty:
        return display.note("No slice was found and no group is declared.", tone="good")
    return SliceExplorer(table, rows=SliceRows(run))


class SliceExplorer(Explorer):
    """Slices to sort and filter; the one chosen with its numbers, what it is part of, and on request its rows.

    Parameters
    ----------
    table : DataFrame
        As from `mlopskit.explore.slice_table.joined`.
    rows : callable, optional
        Name and number of validation rows of a slice → those rows.

    Attributes
    ----------
    text, column, level, min_n, confirmed, order
        The filter, as for `mlopskit.explore.slice_table.chosen`.
    chosen : str
        The slice looked into, in words.
    """

    text = traitlets.Unicode()
    column = traitlets.Unicode()
    level = traitlets.Int(0, min=0)
    min_n = traitlets.Int(0, min=0)
    confirmed = traitlets.Bool(False)
    order = traitlets.Unicode("score")
    chosen = traitlets.Unicode()

    def __init__(self, table: pd.DataFrame, *, rows: Callable[[str, int], pd.DataFrame] | None = None) -> None:
        self._slices, self._rows = table, rows
        super().__init__(chosen=str(table["slice"].iloc[0]))
        self._make_widgets()
        self._filter()
        self.observe(self._filter, names=["text", "column", "level", "min_n", "confirmed", "order"])
        self.observe(self._look, names="chosen")

    @property
    def table(self) -> pd.DataFrame:
        """The slices that fit the filter, sorted."""
        return chosen(
            self._slices,
            text=self.text, column=self.column, level=self.level, min_n=self.min_n, confirmed=self.confirmed,
            order=self.order,
        )  # fmt: skip

    def worst(self, count: int = 5) -> Table:
        """Show the first slices of those that fit the filter, worst first."""
        return display.table(
            self.table.head(count), columns=_TABLE, rows=max(count, 1), headings=_HEADINGS, caption=self._caption()
        )

    def rows(self) -> pd.DataFrame:
        """Return the validation rows of the chosen slice with their predictions; in JupyterLab only.

        Raises
        ------
        MlopskitError
            In a batch run, whose report may be passed on, or when the rows cannot be told.
        """
        if self._rows is None:
            raise MlopskitError("These slices came without a run, so there are no rows to show.")
        n = self._row()["n"]
        if pd.isna(n):
            raise MlopskitError(f"{self.chosen!r} is withheld by the project's privacy floor; so are its rows.")
        return self._rows(self.chosen, int(n))

    def _row(self) -> dict[Any, Any]:
        found: dict[Any, Any] = self._slices[self._slices["slice"] == self.chosen].to_dict("records")[0]
        return found

    @traitlets.validate("chosen")
    def _known(self, proposal: Any) -> str:
        if proposal["value"] not in set(self._slices["slice"]):
            raise MlopskitError(f"There is no slice {proposal['value']!r}; `.table` lists those there are.")
        return str(proposal["value"])

    @traitlets.validate("column")
    def _known_column(self, proposal: Any) -> str:
        name, known = str(proposal["value"]), described_by(self._slices["conditions"])
        if name and name not in known:
            raise MlopskitError(f"No slice is described by {name!r}{nearest(name, known)}; {listing(known)} describe.")
        return name

    @traitlets.validate("level")
    def _known_level(self, proposal: Any) -> int:
        level, known = int(proposal["value"]), self._levels()
        if level and level not in known:
            raise MlopskitError(f"No slice is described by {level} columns; there are levels {listing(known)}.")
        return level

    @traitlets.validate("order")
    def _known_order(self, proposal: Any) -> str:
        return known_order(str(proposal["value"]))

    def _levels(self) -> list[int]:
        return sorted({int(level) for level in self._slices["level"]})

    def _make_widgets(self) -> None:
        wide = {"style": {"description_width": "8em"}}
        levels = [("any", 0), *((str(n), n) for n in self._levels())]
        columns = [("any", ""), *((name, name) for name in described_by(self._slices["conditions"]))]
        orders = [(words, name) for name, words in ORDERS.items()]
        self._controls = {
            "text": widgets.Text(description="Search", placeholder="words of the slice", **wide),
            "column": widgets.Dropdown(options=columns, description="Column", **wide),
            "level": widgets.Dropdown(options=levels, description="Level", **wide),
            "min_n": widgets.BoundedIntText(min=0, max=10**9, description="Rows at least", **wide),
            "order": widgets.Dropdown(
                options=orders, description="Sorted by", layout=widgets.Layout(width="26em"), **wide
            ),
            "confirmed": widgets.Checkbox(description="confirmed on test rows only", indent=False),
        }
        for name, control in self._controls.items():
            control.observe(lambda found, name=name: setattr(self, name, found["new"]), names="value")
        width = widgets.Layout(width="60em", max_width="100%")
        # no open list: JupyterLab keeps the arrow keys in one to itself, those in an opened menu it does not
        self._list = widgets.Dropdown(description="Slice", layout=width, **wide)
        self._list.observe(self._picked, names="value")
        own = widgets.Layout(width="auto", align_self="flex-start")
        self._button = widgets.Button(description=f"Show up to {ROWS} of its rows", layout=own)
        self._button.on_click(self._show_rows)
        self._words, self._figures, self._detail, self._single = (widgets.HTML() for _ in range(4))
        row = widgets.Layout(flex_flow="row wrap")
        shown = [widgets.HBox(list(self._controls.values()), layout=row), self._words, self._figures, self._list]
        rows = [self._button, self._single] if self._rows is not None else []
        self.widget = column(*shown, self._detail, *rows)

    def _filter(self, _: Any = None) -> None:
        """Bring controls, list and table up to the filter."""
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        table = self.table
        names = [str(name) for name in table["slice"].head(_LISTED)]
        before = self.chosen
        self._list.options = names  # this alone chooses the first
        if names:
            self.chosen = before if before in names else names[0]
            self._list.value = self.chosen
        self._words.value = sentence(self._sentence(len(table)))
        self._figures.value = self._page(table)
        self._look()

    def _picked(self, found: Any) -> None:
        if found["new"]:
            self.chosen = found["new"]

    def _look(self, _: Any = None) -> None:
        if self.chosen in self._list.options:
            self._list.value = self.chosen
        self._detail.value, self._single.value = self._details(), ""

    def _show_rows(self, _: Any) -> None:
        """Show rows in the live view only.

        No saved picture holds them. JupyterLab keeps the state of widgets in a notebook only where *Save Widget State
        Automatically* is turned on; then choose another slice before saving.
        """
        try:
            rows = self.rows()
        except MlopskitError as error:
            self._single.value = sentence(str(error))
            return
        caption = f"{len(rows):,} validation rows, the first {min(ROWS, len(rows))}"
        self._single.value = page_table(_flat(rows.head(ROWS)), caption=caption, rows=ROWS)

    def picture(self) -> list[str]:
        """Return the sentence, the table and the chosen slice as HTML, without rows."""
        table = self.table
        return [sentence(self._sentence(len(table))), self._page(table), self._details()]

    def words(self) -> str:
        """Return the sentence and the first slices as text."""
        return f"{self._sentence(len(self.table))}\n{self.worst(_SHOWN)!r}"

    def _caption(self) -> str:
        return f"sorted by {ORDERS[self.order]}"

    def _page(self, table: pd.DataFrame) -> str:
        shown = table[_TABLE].head(_SHOWN)
        shown = shown.assign(adjusted=[_probability(value) for value in shown["adjusted"]])
        return page_table(shown, caption=self._caption(), rows=_SHOWN, headings=_HEADINGS)

    def _sentence(self, fitting: int) -> str:
        confirmed = int(self.table["confirmed"].sum())
        return FIT.format(fitting=fitting, of=len(self._slices), confirmed=confirmed)

    def _details(self) -> str:
        row, above = self._row(), parents(self._slices, self.chosen)
        figures = {
            "validation rows": _whole(row["n"]), "validation error": row["error"],
            "times the overall error": row["times"], "test rows": _whole(row["n_test"]),
            "test error": row["error_test"], "test error elsewhere": row["error_rest"],
            "error of one guess for all": row["majority"],
            "p, adjusted": _probability(row["adjusted"]), "power": row["power"],
            "status": row["status"], "also described by": row["same_rows"] or "–",
            "overlapping slices": row["overlapping"] or "–",
        }  # fmt: skip
        numbers = pd.DataFrame({"figure": list(figures), "value": [format_value(value) for value in figures.values()]})
        head = f'<p style="margin:.6em 0 .2em;line-height:1.4"><strong>Chosen: {html.escape(self.chosen)}</strong></p>'
        pieces = [head, page_table(numbers, caption="its numbers")]
        if len(above):
            columns = ["slice", "n", "error", "n_test", "error_test", "status"]
            pieces.append(page_table(above[columns], caption="it is part of", headings=_HEADINGS, rows=_SHOWN))
        return "".join(pieces)


def _flat(rows: pd.DataFrame) -> pd.DataFrame:
    """Say how long lists are (images) instead of spelling them out."""

    def written(value: Any) -> Any:
        return f"{len(value)} numbers" if hasattr(value, "__array__") else value

    flat = rows.copy()
    for name in [name for name in rows if rows[name].dtype.kind == "O"]:
        flat[name] = rows[name].map(written)
    return flat


def _probability(value: float) -> str:
    return "<\N{NO-BREAK SPACE}0.001" if value < 0.001 else format_value(value)


def _whole(count: Any) -> int | None:
    """A count, which a column with gaps holds as a fraction; None where it is not known."""
    return None if pd.isna(count) else int(count)
