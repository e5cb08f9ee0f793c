"""mlopskit: parameterised notebooks for the whole life of a machine-learning model, and the package that they call.

The public names are imported when they are first used, so that `import mlopskit`, and with it the command line, stays
cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.errors import MlopskitError
    from mlopskit.evaluate import confirm_slices, disparities, find_slices, group_metrics
    from mlopskit.runs import Run, find_project, load_run, open_run
    from mlopskit.scope import Scope, open_questions
    from mlopskit.tally import Tally

__version__ = "0.1.0"

_HOMES = {
    "MlopskitError": "mlopskit.errors",
    "Run": "mlopskit.runs",
    "Scope": "mlopskit.scope",
    "Tally": "mlopskit.tally",
    "confirm_slices": "mlopskit.evaluate",
    "disparities": "mlopskit.evaluate",
    "find_project": "mlopskit.runs",
    "find_slices": "mlopskit.evaluate",
    "group_metrics": "mlopskit.evaluate",
    "load_run": "mlopskit.runs",
    "open_questions": "mlopskit.scope",
    "open_run": "mlopskit.runs",
}

__all__ = [
    "MlopskitError",
    "Run",
    "Scope",
    "Tally",
    "confirm_slices",
    "disparities",
    "find_project",
    "find_slices",
    "group_metrics",
    "load_run",
    "open_questions",
    "open_run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
