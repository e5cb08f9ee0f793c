"""Controls that ipywidgets lacks: a slider with a name, and menus that keep the keys they need."""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

_HERE = Path(__file__)
_STYLE = """
.mlopskit-slider label { display: flex; align-items: center; min-width: 0; }
.mlopskit-slider .widget-label { flex: none; width: 8em; margin-right: 8px; text-align: right; }
.mlopskit-slider input { flex: 1 1 auto; min-width: 6em; height: 24px; accent-color: var(--jp-brand-color1, #1976d2); }
.mlopskit-slider input:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); outline-offset: 2px; }
body[data-jp-theme-light="false"] .mlopskit-slider input { color-scheme: dark; }
"""


class Slider(anywidget.AnyWidget):
    """A number to slide; unlike the handle of `ipywidgets.FloatSlider` it has a name that screen readers tell.

    Attributes
    ----------
    description : str
        What stands before it and names it.
    value, min, max, step : float
    """

    _esm = _HERE.with_name("slider.js").read_text(encoding="utf-8")
    _css = _STYLE

    description = traitlets.Unicode().tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    min = traitlets.Float(0.0).tag(sync=True)
    max = traitlets.Float(1.0).tag(sync=True)
    step = traitlets.Float(0.01).tag(sync=True)


class Keys(anywidget.AnyWidget):
    """Nothing to see: while it is part of an explorer, its menus and sliders take arrow keys before JupyterLab does."""

    _esm = _HERE.with_name("keys.js").read_text(encoding="utf-8")
