"""Looking around and running in JupyterLab: the map of the lifecycle, the runs of a project, single runs by hand.

What explores a single run needs ipywidgets and the phase that made it; both are imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlopskit.explore.overview import compare, criteria, lifecycle, ways

if TYPE_CHECKING:
    from mlopskit.explore.drift_widget import drift
    from mlopskit.explore.form_widget import new_run
    from mlopskit.explore.row_widget import what_if
    from mlopskit.explore.run_widget import runner
    from mlopskit.explore.runs_widget import runs
    from mlopskit.explore.slice_widget import slices
    from mlopskit.explore.threshold_widget import thresholds

_HOMES = {
    "drift": "mlopskit.explore.drift_widget",
    "new_run": "mlopskit.explore.form_widget",
    "runner": "mlopskit.explore.run_widget",
    "runs": "mlopskit.explore.runs_widget",
    "slices": "mlopskit.explore.slice_widget",
    "thresholds": "mlopskit.explore.threshold_widget",
    "what_if": "mlopskit.explore.row_widget",
}

__all__ = [
    "compare",
    "criteria",
    "drift",
    "lifecycle",
    "new_run",
    "runner",
    "runs",
    "slices",
    "thresholds",
    "ways",
    "what_if",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.explore' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
