"""What can be done about a gap between groups, side by side: what each mitigation costs and the gap that it leaves.

A *mitigation* makes a model treat the groups of one column more alike, in one of four senses (`MEASURED`). Three are
compared with the model as it is: **reweighting**, ours, and fairlearn's **ThresholdOptimizer** and
**ExponentiatedGradient**, some of whose decisions are drawn: by a hash of the row, so that each row has one answer
(see `mlopskit.mitigation`). Each can be chosen in the project file and is then applied by the model phase.

All are compared on validation rows, so that one can be chosen without a look at test rows. What the project file has
chosen, and the model phase applied, is then compared once more, with the same model without it, on test rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.mitigation.fits import Fits
from mlopskit.evaluate.mitigation.table import table_of
from mlopskit.metrics import get_metric
from mlopskit.mitigation.choice import GRADIENT, MEASURED, NONE, chosen_constraint, chosen_mitigation
from mlopskit.runs import Run
from mlopskit.runs.frozen import FrozenScope


@dataclass(frozen=True)
class Choice:
    """What is compared, and by which figures.

    Attributes
    ----------
    column : str
        The sensitive column.
    constraint : str
        What is to be equal between its groups.
    chosen : str
        What the project file chooses, ``none`` where nothing.
    metric : str
        The figure that a mitigation costs: the headline where it is about decisions, else balanced accuracy.
    """

    column: str
    constraint: str
    chosen: str
    metric: str

    @classmethod
    def read(cls, scope: FrozenScope, data: GroupedRows) -> Choice:
        """Take column and constraint from ``[model]``, else from the first criterion on a gap, else the usual ones."""
        usable = [name for name in data.columns.sensitive if name in data.grouping.names]
        gaps = [item.between for item in data.criteria if item.between in usable and item.metric in MEASURED.values()]
        column = str(scope.model.mitigate or (gaps[0] if gaps else usable[0]))
        constraint = chosen_constraint(scope, column)
        headline = get_metric(data.headline, "binary")
        metric = headline.name if headline.uses == "prediction" else "balanced_accuracy"
        return cls(column, constraint, scope.model.mitigation or NONE, metric)


def why_no_mitigation(data: GroupedRows) -> str:
    """Say why there is nothing to compare, or return an empty string."""
    if data.target.task != "binary":
        return "Not applicable: mitigations are compared by who is called positive, so need two classes."
    if not any(name in data.grouping.names for name in data.columns.sensitive):
        return "Not applicable: the project file declares no sensitive column that these rows have."
    return ""


def compare_mitigations(
    run: Run, data: GroupedRows, *, iterations: int = 10, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Compare mitigations on validation rows, and the one that the model phase applied on test rows too.

    Parameters
    ----------
    run : Run
        Its scope says what is to be equal for whom; training rows and the model are read from it.
    data : GroupedRows
        Validation and test rows, predictions and groups.
    iterations : int
        Of ExponentiatedGradient, at most.
    replicates, seed : int
        Of the intervals; the seed is also that of the decisions that are drawn.

    Returns
    -------
    DataFrame
        mitigation, split, n, metric (that of the choice, the headline, and accuracy but under a privacy floor), value,
        low, high, majority (what guessing the commonest class scores, whose gap is 0), cost (what the metric loses
        against ``none`` on the same rows: above 0 is worse) with cost_low and cost_high, column, gap (the metric
        compared between its groups), groups, difference (the largest) with difference_low and difference_high, change
        (of the difference, against ``none`` on the same rows: below 0 is less of a gap) with change_low and
        change_high, pareto (no other has both a smaller gap and a better figure), use (applied, can be chosen, …),
        method, status. Empty where nothing can be compared.

    Raises
    ------
    ModelError
        When ``[model] mitigate`` names no sensitive column.

    References
    ----------
    Kamiran, F. and Calders, T. (2012). Data preprocessing techniques for classification without discrimination.
    Knowledge and Information Systems 33, 1-33.
    """
    chosen_mitigation(run.scope)
    if why_no_mitigation(data):
        return table_of([], data, {}, None, replicates=replicates, seed=seed)
    choice = Choice.read(run.scope, data)
    kept = [run.read(f"model/{name}") for name in ("model", "threshold")]
    replaced = run.read("model/unmitigated") if choice.chosen == GRADIENT and run.has("model/unmitigated") else None
    fits = Fits(data, choice, run.read("data/train"), kept[0], replaced, kept[1], iterations, seed)
    names = {"column": choice.column, "metric": choice.metric, "gap": MEASURED[choice.constraint]}
    found = [*fits.answers(), *fits.tested()]
    return table_of(found, data, names, data.headline, replicates=replicates, seed=seed)
