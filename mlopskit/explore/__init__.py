"""Looking around in JupyterLab: the map of the lifecycle, the runs of a project, and single runs to explore by hand.

What explores a single run needs ipywidgets and the phase that made it; both are imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlopskit.explore.overview import compare, criteria, lifecycle, runs, ways

if TYPE_CHECKING:
    from mlopskit.explore.slice_widget import slices
    from mlopskit.explore.threshold_widget import thresholds

_HOMES = {"slices": "mlopskit.explore.slice_widget", "thresholds": "mlopskit.explore.threshold_widget"}

__all__ = ["compare", "criteria", "lifecycle", "runs", "slices", "thresholds", "ways"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.explore' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
