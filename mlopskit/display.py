"""How results show themselves: charts, tables and sentences, alike in JupyterLab, on paper and in the report.

A chart is SVG with real text and a description in words, drawn in ``currentColor`` so that it follows a light or dark
page. A table escapes whatever came from data. Nothing here computes a result.
"""

from __future__ import annotations

import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopskit.lettering import lay_out
from mlopskit.narrow import fitted, legible, roomy, undone
from mlopskit.svg import INK, tidy
from mlopskit.written import format_column, format_value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "PALETTE",
    "Chart",
    "Note",
    "Table",
    "chart",
    "colour",
    "figure",
    "format_value",
    "label_axes",
    "note",
    "table",
    "without_page_styles",
]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito's colours, dark ones first: told apart by colour-blind readers, legible on white and on black."""

_STYLE = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titlesize": 11,
    "axes.labelsize": 10, "font.size": 10, "font.family": "sans-serif", "axes.linewidth": 0.8, "lines.linewidth": 1.8,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "legend.frameon": False,
    "svg.fonttype": "none", "svg.hashsalt": "mlopskit", "path.simplify": True, "path.simplify_threshold": 0.5,
    "axes.titley": 1.0,  # where it stands anyway: else all ticks are measured three times more, lest one is in its way
}  # fmt: skip


# Notebooks have no style sheet of ours, so tone and alignment are said in place, in JupyterLab's own colours where it
# defines them. The report has a style sheet, and takes these out (`without_page_styles`).
_TONES = {
    "plain": "var(--jp-border-color1,#9e9e9e)", "good": "var(--jp-success-color1,#388e3c)",
    "warning": "var(--jp-warn-color1,#f57c00)", "bad": "var(--jp-error-color1,#d32f2f)",
}  # fmt: skip
_LINE = ' style="margin:0 0 .4em"'
# A wide table is scrolled, its words are not, nor are they on a phone beside JupyterLab's bars.
_CAPTION = ' style="text-align:left;padding:0 .5em .4em;max-width:min(52em,100vw - 10em)"'


def _note_style(tone: str) -> str:
    ink = _TONES.get(tone, _TONES["plain"])
    return f' style="border-left:4px solid {ink};padding:.4em .8em .1em;margin:.2em 0;max-width:52em"'


# A notebook has no script of ours either: rows of a table that it holds and does not show wait for the report, which
# shows them on demand; so there is one sentence for the notebook, and one for the report where rows are still missing.
_MORE, _HIDDEN = '<p class="mlopskit-more">', '<p class="mlopskit-more" hidden>'
_WAITING, _FOLDED = "<tr hidden>", '<p class="mlopskit-more mlopskit-folded">'


def without_page_styles(text: str) -> str:
    """Take out of `text` what stands in for a style sheet and a script in notebooks, for pages that have them."""
    for style in (_LINE, _CAPTION, *map(_note_style, _TONES)):
        text = text.replace(style, "")
    text = re.sub(f"{_FOLDED}[^<]*</p>", "", undone(text))
    return text.replace(_WAITING, "<tr>").replace(_HIDDEN, _MORE)


@dataclass(frozen=True)
class Chart:
    """A figure as SVG text together with what it shows in words.

    Attributes
    ----------
    svg : str
        A complete ``<svg>`` element with ``role="img"`` and a ``<title>``.
    alt : str
        The same content for those who cannot see it.
    """

    svg: str
    alt: str

    @classmethod
    def from_svg(cls, svg: str) -> Chart:
        """Restore a chart from its file; the description is read back from the title."""
        title = re.search(r"<title>(.*?)</title>", svg, re.DOTALL)
        return cls(svg, html.unescape(title[1]) if title else "")

    def __repr__(self) -> str:
        return f"Chart: {self.alt}"

    def _repr_html_(self) -> str:
        style = "margin:0;max-width:100%;overflow-x:auto"
        return f'<figure class="mlopskit-chart" style="{style}">{legible(self.svg)}</figure>'


def figure(*, width: float = 6.4, height: float = 3.4, **subplots: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes in the house style, free of pyplot's global state.

    Parameters
    ----------
    width, height : float
        In inches; 6.4 fills the width of a report.
    **subplots
        Passed to `matplotlib.figure.Figure.subplots`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        made = Figure(figsize=(width, height), layout="constrained", dpi=72)  # an SVG's, whatever was set
        axes = made.subplots(**subplots)
    for axis in np.ravel(axes):
        axis.grid(visible=True, color="#808080", alpha=0.25, linewidth=0.6)
        axis.set_axisbelow(True)
    return made, axes


def colour(index: int) -> str:
    """Return the colour of the n-th series."""
    return PALETTE[index % len(PALETTE)]


def label_axes(axes: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Name both axes, with their units; the title says what is seen."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, fontsize=11, loc="left")


def chart(made: Figure, *, alt: str) -> Chart:
    """Turn a figure into a `Chart`: same figure, same bytes."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        for axis in made.axes:
            if (legend := axis.get_legend()) is not None:  # its white box would stay white on a dark page
                legend.set_frame_on(False)
        lay_out(made)
        made.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Chart(tidy(buffer.getvalue(), alt), alt)


@dataclass(frozen=True)
class Table:
    """A table that shows itself with sensible digits and everything escaped.

    Attributes
    ----------
    frame : DataFrame
        The whole table, for further work by hand.
    rows : int
        How many rows are shown.
    held : int
        How many rows are in the page: those beyond `rows` a report shows on demand, a notebook says where they are.
    digits : int
        Decimals of floating-point columns.
    headings : mapping
        Column → heading, where the name alone would not tell a newcomer.
    caption : str
        One line above the table.
    where : str
        Where the rows are that are not shown.
    """

    frame: pd.DataFrame
    rows: int
    digits: int
    headings: Mapping[str, str]
    caption: str
    where: str = "in the artefact"
    held: int = 0

    def __repr__(self) -> str:
        return self.frame.head(self.rows).to_string(index=False)

    def _repr_html_(self) -> str:
        held = self.frame.head(max(self.rows, self.held))
        columns = [format_column(held.iloc[:, place], digits=self.digits) for place in range(held.shape[1])]
        aligned = [_align(_is_number(held.iloc[:, place])) for place in range(held.shape[1])]
        names = [self.headings.get(str(column), str(column).replace("_", " ")) for column in held.columns]
        shown = [column[: self.rows] for column in columns]
        head = "".join(map(_heading, names, map(roomy, aligned, shown)))
        attribute, sheet = fitted(names, shown)
        lines = [f"{''.join(map(_cell, line, aligned))}</tr>" for line in zip(*columns, strict=True)]
        body = "".join(f"{'<tr>' if place < self.rows else _WAITING}{line}" for place, line in enumerate(lines))
        caption = f"<caption{_CAPTION}>{html.escape(self.caption)}</caption>" if self.caption else ""
        whole = f"{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'{sheet}<table class="mlopskit-table"{attribute}>{whole}</table>{self._more(len(held))}'

    def _more(self, held: int) -> str:
        """Say how many rows are not shown, and where they are."""
        rest, beyond = len(self.frame) - min(held, self.rows), len(self.frame) - held
        told = {_FOLDED: rest, _HIDDEN: beyond} if rest > beyond else {_MORE: rest}
        words = "".join(
            f"{tag}and {rows:,} more {'rows' if rows > 1 else 'row'} {html.escape(self.where)}</p>"
            for tag, rows in told.items() if rows
        )  # fmt: skip
        return words if held else f"{_MORE}no rows</p>"


def table(
    frame: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    rows: int = 20,
    digits: int = 3,
    headings: Mapping[str, str] | None = None,
    caption: str = "",
    where: str = "in the artefact",
    held: int = 0,
) -> Table:
    """Show a DataFrame as a `Table`, all of its columns or those named."""
    chosen = frame.loc[:, list(columns)] if columns is not None else frame
    return Table(chosen, rows, digits, headings or {}, caption, where, held)


def _heading(words: str, align: str) -> str:
    return f'<th scope="col"{align}>{html.escape(words)}</th>' if words.strip() else "<td></td>"


def _cell(text: str, align: str) -> str:
    return f"<td{align}>{html.escape(text)}</td>"


def _is_number(column: pd.Series[Any]) -> bool:
    return bool(column.dtype.kind in "iuf")


def _align(right: bool) -> str:
    return ' style="text-align:right;font-variant-numeric:tabular-nums"' if right else ' style="text-align:left"'


@dataclass(frozen=True)
class Note:
    """One or more sentences computed from a result; `tone` says whether they are good news.

    Attributes
    ----------
    text : str
        Plain text; each line is a paragraph.
    tone : str
        ``plain``, ``good``, ``warning`` or ``bad``.
    """

    text: str
    tone: str = "plain"

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        marks = {"good": "✓ ", "warning": "△ ", "bad": "✗ "}
        lines = [html.escape(line) for line in self.text.splitlines() if line.strip()]
        body = "".join(
            f"<p{_LINE}>{marks.get(self.tone, '') if i == 0 else ''}{line}</p>" for i, line in enumerate(lines)
        )
        return f'<div class="mlopskit-note mlopskit-{html.escape(self.tone)}"{_note_style(self.tone)}>{body}</div>'


def note(*lines: str, tone: str = "plain") -> Note:
    """Show sentences that were computed from a result.

    Examples
    --------
    >>> note("3 of 4 criteria are met.", tone="warning")
    3 of 4 criteria are met.
    """
    return Note("\n".join(line for line in lines if line), tone)
