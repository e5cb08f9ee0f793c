"""Which mitigation the project file chooses, for which column, and what is to be equal between its groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlopskit.errors import ModelError
from mlopskit.mitigation.checks import mitigation_problems
from mlopskit.mitigation.reweighting import REWEIGHTING, Reweighting

if TYPE_CHECKING:
    import pandas as pd

    from mlopskit.runs.frozen import FrozenScope
    from mlopskit.scope import Scope

NONE, THRESHOLDS, GRADIENT = "none", "threshold-optimizer", "exponentiated-gradient"

MEASURED = {
    "demographic_parity": "selection_rate",
    "equalized_odds": "equalized_odds",
    "true_positive_rate_parity": "recall",
    "false_positive_rate_parity": "false_positive_rate",
}
"""What is to be equal, as fairlearn calls it → the metric whose gap between groups says by how much it is not."""


@dataclass(frozen=True)
class Drawn:
    """One of the two mitigations whose decisions are drawn.

    Attributes
    ----------
    name : str
        ``threshold-optimizer`` or ``exponentiated-gradient``.
    column : str
        The sensitive column.
    constraint : str
        What is to be equal between its groups.
    """

    name: str
    column: str
    constraint: str = "demographic_parity"

    def weights(self, rows: pd.DataFrame) -> None:  # noqa: ARG002
        """Return None: candidates learn from rows that count alike."""
        return


def chosen_constraint(scope: Scope | FrozenScope, column: str) -> str:
    """Return what is to be equal between the groups of a column.

    That is ``[model] constraint``; else what the first criterion on a gap between these groups is about; else
    demographic parity.
    """
    if scope.model.constraint:
        return str(scope.model.constraint)
    named = {metric: constraint for constraint, metric in MEASURED.items()}
    asked = [named[item.metric] for item in scope.criterion if item.between == column and item.metric in named]
    return asked[0] if asked else "demographic_parity"


def chosen_mitigation(scope: Scope | FrozenScope) -> Reweighting | Drawn | None:
    """Return the mitigation that the project file chooses, or None.

    Raises
    ------
    ModelError
        When it names a column that is not sensitive, or the task is not binary.
    """
    problems = mitigation_problems(scope)
    if problems:
        raise ModelError(" ".join(problems))
    name, column = scope.model.mitigation, str(scope.model.mitigate)
    if name in (None, NONE):
        return None
    if name == REWEIGHTING:
        return Reweighting(column)
    return Drawn(str(name), column, chosen_constraint(scope, column))
