"""What every explorer is: a state that a person changes, widgets that show it, and a picture of it.

With a kernel the widgets answer. Where there is none (a saved notebook opened again, on a web page, in a mail) a second
output carries the state at the time it was shown as plain HTML, and as text; beside living widgets it hides itself.
JupyterLab would show of a single output the widgets only, living or dead. The picture may be passed on, so it never
holds single rows.
"""

from __future__ import annotations

import os
from typing import Any

import ipywidgets as widgets
import traitlets
from IPython.display import display

from mlopskit.explore.controls import Keys
from mlopskit.explore.drawing import static

WIDGET = "application/vnd.jupyter.widget-view+json"
_ARROW = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E"
    "%3Cpath fill='%23e0e0e0' d='M5.2 5.9 9 9.7l3.8-3.8L14 7.1l-5 4.9-5-4.9z'/%3E%3C/svg%3E"
)
"""Of a menu in the dark theme, which JupyterLab's widgets leave black on black."""
_STYLE = f"""<style>
.mlopskit-explorer, .mlopskit-explorer .widget-html, .mlopskit-explorer .widget-html-content {{ min-width: 0; }}
.mlopskit-explorer .widget-inline-hbox {{ max-width: calc(100% - 4px) !important; }}
body[data-jp-theme-light="false"] .mlopskit-explorer select {{ background-image: url("{_ARROW}"); }}
</style>"""


def column(*shown: Any) -> Any:
    """Put widgets below each other; on a narrow page a wide one scrolls by itself."""
    unseen = widgets.VBox([widgets.HTML(_STYLE), Keys()], layout=widgets.Layout(display="none"))
    box = widgets.VBox([unseen, *shown])
    box.add_class("mlopskit-explorer")
    return box


class Explorer(traitlets.HasTraits):
    """A state that shows itself as widgets and as a picture.

    Attributes
    ----------
    widget : ipywidgets.Widget
        What is shown; also for a layout of one's own.
    """

    widget: Any = None

    def picture(self) -> list[str]:
        """Return the state as pieces of HTML, without a kernel and without rows."""
        raise NotImplementedError

    def words(self) -> str:
        """Return the state as text."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.words()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.words(), "text/html": static(*self.picture())}

    def _ipython_display_(self) -> None:
        if not os.environ.get("MLOPSKIT_RUN"):  # in a batch run nobody is there to answer
            view = self.widget._repr_mimebundle_()[WIDGET]
            display({WIDGET: view, "text/plain": "To be changed by hand where a kernel runs."}, raw=True)
        display(self._repr_mimebundle_(), raw=True)
