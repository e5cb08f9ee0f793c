"""The runner: executes a project's notebooks in sequence and leaves a run folder that tells the truth.

It knows phases by their name and notebook only; what they found it reads from the artefacts that every phase may
leave. The public names are imported when they are first used: papermill loads `mlopskit.runner.engine` whenever it
is imported.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.runner.outcome import Outcome
    from mlopskit.runner.phases import PHASES, Phase
    from mlopskit.runner.pipeline import execute
    from mlopskit.runner.planning import Choice, Plan, plan

_HOMES = {
    "PHASES": "mlopskit.runner.phases",
    "Choice": "mlopskit.runner.planning",
    "Outcome": "mlopskit.runner.outcome",
    "Phase": "mlopskit.runner.phases",
    "Plan": "mlopskit.runner.planning",
    "execute": "mlopskit.runner.pipeline",
    "plan": "mlopskit.runner.planning",
}

__all__ = ["PHASES", "Choice", "Outcome", "Phase", "Plan", "execute", "plan"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.runner' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
