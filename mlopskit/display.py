"""How results show themselves: charts, tables and sentences, alike in JupyterLab, on paper and in the report.

A chart is SVG with real text and a description in words, drawn in ``currentColor`` so that it follows a light or dark
page. A table escapes whatever came from data. Nothing here computes a result.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopskit.svg import INK, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Okabe and Ito's colours, dark ones first: told apart by colour-blind readers, legible on white and on black."""

_STYLE = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titlesize": 11,
    "axes.labelsize": 10, "font.size": 10, "font.family": "sans-serif", "axes.linewidth": 0.8, "lines.linewidth": 1.8,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "legend.frameon": False,
    "svg.fonttype": "none", "svg.hashsalt": "mlopskit", "path.simplify": True, "path.simplify_threshold": 0.5,
}  # fmt: skip


# Notebooks have no style sheet of ours, so tone and alignment are said in place, in JupyterLab's own colours where it
# defines them. The report has a style sheet, and takes these out (`without_page_styles`).
_TONES = {
    "plain": "var(--jp-border-color1,#9e9e9e)", "good": "var(--jp-success-color1,#388e3c)",
    "warning": "var(--jp-warn-color1,#f57c00)", "bad": "var(--jp-error-color1,#d32f2f)",
}  # fmt: skip
_LINE = ' style="margin:0 0 .4em"'
_CAPTION = ' style="text-align:left;padding:0 .5em .4em"'


def _note_style(tone: str) -> str:
    ink = _TONES.get(tone, _TONES["plain"])
    return f' style="border-left:4px solid {ink};padding:.4em .8em .1em;margin:.2em 0;max-width:52em"'


def without_page_styles(text: str) -> str:
    """Take out of `text` the styles that stand in for a style sheet in notebooks, for pages that have one."""
    for style in (_LINE, _CAPTION, *map(_note_style, _TONES)):
        text = text.replace(style, "")
    return text


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
        return f'<figure class="mlopskit-chart" style="margin:0;max-width:100%">{self.svg}</figure>'


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
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        for axis in made.axes:
            if (legend := axis.get_legend()) is not None:  # its white box would stay white on a dark page
                legend.set_frame_on(False)
        canvas: Any = FigureCanvasSVG(made)  # lay out with the measures that will be drawn with
        measuring: Any = made
        renderer = measuring._get_renderer()
        canvas.get_renderer = lambda: renderer  # one for all: it remembers how wide texts are
        _lay_out(made)
        if _fit_labels(made):
            _lay_out(made)
        made.set_layout_engine(None)  # or saving would draw everything once more, only to lay it out
        made.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Chart(tidy(buffer.getvalue(), alt), alt)


def _lay_out(made: Figure) -> None:
    if (engine := made.get_layout_engine()) is not None:
        engine.execute(made)


def _fit_labels(made: Figure, *, suspicious: int = 28) -> bool:
    """Break titles and x labels that would reach beyond the figure into lines, and tell whether there were any."""
    found: list[Any] = [artist for axis in made.axes for artist in (axis.xaxis.label, *axis.get_children())]
    texts: list[Text] = [artist for artist in found if hasattr(artist, "get_text")]
    long = [text for text in texts if len(text.get_text()) > suspicious and text.get_rotation() == 0]
    changed = False
    for text in long:
        box = text.get_window_extent()
        over = max(box.x1 - made.bbox.width, -box.x0) * (1 if text.get_horizontalalignment() == "left" else 2)
        if over > 0:
            kept = int(len(text.get_text()) * max(1 - over / box.width, 0.2)) - 1
            text.set_text("\n".join(textwrap.wrap(text.get_text(), max(kept, 12))))
            changed = True
    return changed


@dataclass(frozen=True)
class Table:
    """A table that shows itself with sensible digits and everything escaped.

    Attributes
    ----------
    frame : DataFrame
        The whole table, for further work by hand.
    rows : int
        How many rows are shown.
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

    def __repr__(self) -> str:
        return self.frame.head(self.rows).to_string(index=False)

    def _repr_html_(self) -> str:
        shown = self.frame.head(self.rows)
        columns = [_column(shown.iloc[:, place], digits=self.digits) for place in range(shown.shape[1])]
        aligned = [_align(_is_number(shown.iloc[:, place])) for place in range(shown.shape[1])]
        head = "".join(map(self._heading, shown.columns, aligned))
        lines = zip(*columns, strict=True)
        body = "".join(f"<tr>{''.join(map(_cell, line, aligned))}</tr>" for line in lines)
        caption = f"<caption{_CAPTION}>{html.escape(self.caption)}</caption>" if self.caption else ""
        rest = len(self.frame) - len(shown)
        after = f"and {rest:,} more rows {self.where}" if rest > 0 else "" if len(shown) else "no rows"
        more = f'<p class="mlopskit-more">{after}</p>' if after else ""
        whole = f"{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        return f'<table class="mlopskit-table">{whole}</table>{more}'

    def _heading(self, column: Any, align: str) -> str:
        words = self.headings.get(str(column), str(column).replace("_", " "))
        return f'<th scope="col"{align}>{html.escape(words)}</th>' if words.strip() else "<td></td>"


def table(
    frame: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    rows: int = 20,
    digits: int = 3,
    headings: Mapping[str, str] | None = None,
    caption: str = "",
    where: str = "in the artefact",
) -> Table:
    """Show a DataFrame as a `Table`, all of its columns or those named."""
    chosen = frame.loc[:, list(columns)] if columns is not None else frame
    return Table(chosen, rows, digits, headings or {}, caption, where)


def format_value(value: Any, *, digits: int = 3) -> str:
    """Write one value for a reader.

    Examples
    --------
    >>> format_value(0.12345), format_value(1234567), format_value(float("nan")), format_value(True)
    ('0.123', '1,234,567', '–', 'yes')
    """
    if value is None:
        return "–"
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        return "–" if np.isnan(value) else ("∞" if value > 0 else "−∞")
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        return f"{value:,.0f}" if abs(float(value)) >= 10_000 else f"{value:.{digits}f}"
    text = str(value)
    return "–" if text in {"nan", "NaT", "<NA>"} else text


def _column(column: pd.Series[Any], *, digits: int) -> list[str]:
    """Write a column alike throughout: whole numbers without decimals, and below 10,000 (years) without commas."""
    values = column.tolist()
    finite = [value for value in values if isinstance(value, float) and np.isfinite(value)]
    whole = column.dtype.kind == "f" and bool(finite) and all(value.is_integer() for value in finite)
    if whole:
        values = [int(value) if np.isfinite(value) else value for value in values]
    written = [format_value(value, digits=digits) for value in values]
    if column.name in ("p_value", "adjusted") and column.dtype.kind == "f":  # no p value is 0
        least = 10**-digits
        written = [f"< {least:.{digits}f}" if p < least else text for p, text in zip(values, written, strict=True)]
    if whole or column.dtype.kind in "iu":
        small = all(len(text.lstrip("-").replace(",", "")) < 5 for text in written)
        return [text.replace(",", "") for text in written] if small else written
    return written


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
