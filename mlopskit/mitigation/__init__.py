"""Mitigation: what makes a model treat the groups of one sensitive column more alike, by any of three ways.

**Reweighting**, ours, weighs training rows. fairlearn's **ThresholdOptimizer** and **ExponentiatedGradient** end in
rules that decide some rows by chance. fairlearn finds these; what it found is kept in two small estimators of our own,
`GroupThresholds` and `LinearMixture`, which need no fairlearn to decide, are saved like any model, and draw by a hash
of the row (see `mlopskit.mitigation.draws`), so that the same row always gets the same answer.

Names are imported when they are first used: a look at the project file does not pay for pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.mitigation.checks import mitigation_problems
    from mlopskit.mitigation.choice import Drawn, chosen_constraint, chosen_mitigation
    from mlopskit.mitigation.draws import row_draws
    from mlopskit.mitigation.mixture import LinearMixture
    from mlopskit.mitigation.reweighting import Reweighting, fit_weighted, reweigh
    from mlopskit.mitigation.thresholds import GroupThresholds

_HOMES = {
    "Drawn": "choice",
    "GroupThresholds": "thresholds",
    "LinearMixture": "mixture",
    "Reweighting": "reweighting",
    "chosen_constraint": "choice",
    "chosen_mitigation": "choice",
    "fit_weighted": "reweighting",
    "mitigation_problems": "checks",
    "reweigh": "reweighting",
    "row_draws": "draws",
}

__all__ = [
    "Drawn",
    "GroupThresholds",
    "LinearMixture",
    "Reweighting",
    "chosen_constraint",
    "chosen_mitigation",
    "fit_weighted",
    "mitigation_problems",
    "reweigh",
    "row_draws",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.mitigation' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mlopskit.mitigation.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
