"""The lettering of charts: labels and titles that fit their figure, and names that stand beside what they name."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text


def lay_out(made: Figure) -> None:
    """Find every part of a figure its place, once and for all, so that saving it needs not do so again."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    canvas: Any = FigureCanvasSVG(made)  # lay out with the measures that will be drawn with
    measuring: Any = made
    renderer = measuring._get_renderer()
    canvas.get_renderer = lambda: renderer  # one for all: it remembers how wide texts are
    engine = made.get_layout_engine()
    if engine is not None:
        engine.execute(made)
    if _fit_labels(made) and engine is not None:
        engine.execute(made)
    made.set_layout_engine(None)


def _fit_labels(made: Figure, *, suspicious: int = 28) -> bool:
    """Move or break titles and x labels that would reach beyond the figure, and tell whether there were any."""
    found: list[Any] = [artist for axis in made.axes for artist in (axis.xaxis.label, *axis.get_children())]
    texts: list[Text] = [artist for artist in found if hasattr(artist, "get_text")]
    long = [text for text in texts if len(text.get_text()) > suspicious and text.get_rotation() == 0]
    labels = {axis.xaxis.label for axis in made.axes}
    titles: dict[Any, Axes] = {title: axis for axis in made.axes for title in axis.get_children() if _is_title(title)}
    changed = False
    for text in long:
        box = text.get_window_extent()
        if max(box.x1 - made.bbox.width, -box.x0) <= 0:
            continue
        if text in labels:  # beneath wide tick labels there is room to its left, above them as well
            text.set_horizontalalignment("right")
            text.set_x(1)
        elif text in titles:
            text.set_x(-min(box.x0, box.x1 - made.bbox.width) / titles[text].bbox.width)
        box = text.get_window_extent()
        over = max(box.x1 - made.bbox.width, -box.x0) * (2 if text.get_horizontalalignment() == "center" else 1)
        if over > 0:
            kept = int(len(text.get_text()) * max(1 - over / box.width, 0.2)) - 1
            text.set_text("\n".join(textwrap.wrap(_whole(text.get_text()), max(kept, 12))))
        changed = True
    return changed


def _is_title(artist: Any) -> bool:
    return artist in (artist.axes.title, artist.axes._left_title) if artist.axes is not None else False


def _whole(text: str) -> str:
    """Keep a number and its percent sign on one line."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def name_lines(axes: Axes, ends: Mapping[str, tuple[float, float, str]], *, apart: float = 12) -> None:
    """Write the name of each line to the right of its end, in its colour: a legend has to be looked up.

    Parameters
    ----------
    axes : Axes
        With its limits as they will be drawn.
    ends : mapping
        Name → where the line ends (x, y) and its colour.
    apart : float
        Least distance between two names, in points; ends that are nearer have their names moved.
    """
    height = axes.bbox.height * 72 / axes.figure.dpi
    low, high = axes.get_ylim()
    places = {name: (y - low) / (high - low) * height for name, (_, y, _) in ends.items()}
    least = -np.inf
    for name in sorted(places, key=lambda name: places[name]):
        moved = max(places[name], least)
        x, y, ink = ends[name]
        at = (8, moved - places[name])
        axes.annotate(
            name, (x, y), xytext=at, textcoords="offset points", va="center", fontsize=9, color=ink,
            annotation_clip=False,
        )  # fmt: skip
        least = moved + apart
