"""Every declared key and sensitive column, and their pairs, with sizes, intervals and what guessing would score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import ROW, TARGET, Columns, Target, units_of
from mlopskit.display import Note
from mlopskit.errors import DataError
from mlopskit.evaluate.groups.bias import disparities
from mlopskit.evaluate.groups.grouped import OVERALL, from_rows
from mlopskit.evaluate.groups.majority import majority_by_group, majority_gaps
from mlopskit.evaluate.groups.scored import RANKINGS
from mlopskit.evaluate.groups.shrinkage import shrunken_rates
from mlopskit.evaluate.groups.table import COLUMNS, table_of
from mlopskit.evaluate.privacy.tables import hide_groups, plan_for
from mlopskit.metrics import NOT_ESTIMATED, default_metrics, get_metric, score_array
from mlopskit.metrics.estimates import FEWEST
from mlopskit.model import predict_table
from mlopskit.runs import Run
from mlopskit.scope import Criterion
from mlopskit.tally import Grouping, Tally
from mlopskit.tally.floor.plan import SHOWN, Plan
from mlopskit.tally.floor.tables import WITHHELD

USUAL = {
    "binary": ["accuracy", "recall", "false_positive_rate", "precision", "selection_rate", "roc_auc"],
    "multiclass": ["accuracy", "balanced_accuracy"],
    "regression": ["mae", "rmse", "bias"],
}
NOT_DECLARED = "Not applicable: the project file declares no sensitive or slice columns that these rows have."


@dataclass(frozen=True)
class GroupedRows:
    """Validation and test rows with their predictions, and the groups that both are divided into.

    Attributes
    ----------
    target : Target
    columns : Columns
    grouping : Grouping
        Of the declared columns, fitted on validation rows.
    validation, test : DataFrame
        Split tables, row by row beside their predictions.
    predictions_validation, predictions : DataFrame
    criteria : tuple of Criterion
        Those that speak of groups.
    headline : str
        The metric that the model was chosen by.
    floor : int
        Privacy floor of the project file: counts of groups below it are not shown, nor can they be had.
    """

    target: Target
    columns: Columns
    grouping: Grouping
    validation: pd.DataFrame
    test: pd.DataFrame
    predictions_validation: pd.DataFrame
    predictions: pd.DataFrame
    criteria: tuple[Criterion, ...]
    headline: str
    floor: int = 0

    @classmethod
    def read(
        cls, run: Run, *, headline: str, bins: int = 4, max_groups: int = 20, predictions: pd.DataFrame | None = None
    ) -> GroupedRows:
        """Read everything from the phases before.

        Parameters
        ----------
        run : Run
            The phase that asks.
        headline : str
            The metric that the model was chosen by.
        bins, max_groups : int
            As for `mlopskit.tally.Grouping.fit`.
        predictions : DataFrame, optional
            For the test rows, where they are known; else the model scores these.

        Raises
        ------
        DataError
            When predictions and rows do not belong together.
        """
        target, columns = Target.from_dict(run.read("data/target")), Columns.from_dict(run.read("data/columns"))
        validation, test = run.read("data/validation"), run.read("data/test")
        criteria = tuple(item for item in run.scope.criterion if item.every_slice_of or item.between)
        asked = [name for item in criteria for name in (item.every_slice_of, item.between) if name]
        by = [
            name
            for name in dict.fromkeys([*columns.by, *asked])
            if name in validation.columns and name != columns.image
        ]
        grouping = Grouping.fit(validation, by, bins=bins, max_groups=max_groups)
        if (
            predictions is None
        ):  # the same table as the evaluate phase makes, so that the two phases can run side by side
            model, threshold = run.read("model/model"), run.read("model/threshold")["threshold"]
            predictions = predict_table(model, test, target=target, threshold=threshold)
        tables = run.read("model/predictions_validation"), predictions
        for rows, found in zip((validation, test), tables, strict=True):
            _refuse_strangers(rows, found)
        floor = run.scope.data.privacy_floor
        return cls(target, columns, grouping, validation, test, *tables, criteria, headline, floor)

    @cached_property
    def groups(self) -> pd.DataFrame:
        """The groups of each test row, ordered categories, one column a declared column."""
        return self._ordered(self.test)

    @cached_property
    def plan(self) -> Plan:
        """What of the tables by group, and by pair of columns, the privacy floor allows to be shown."""
        return plan_for(self.groups, self.predictions, self.target, self.floor)

    @property
    def metrics(self) -> list[str]:
        """The metrics shown by group: the usual ones, the headline and those that criteria name."""
        known = set(default_metrics(self.target.task))
        asked = [item.metric for item in self.criteria if item.metric in known]
        return list(dict.fromkeys([self.headline, *USUAL[self.target.task], *asked]))

    @cached_property
    def unit(self) -> pd.Series[Any] | None:
        """Who each test row belongs to, where a person (``[data] group``) has several of them."""
        return units_of(self.test, self.columns.group)

    @property
    def note(self) -> Note:
        """What is divided into which groups, and whom the rows belong to."""
        if not self.grouping.names:
            return display.note(NOT_DECLARED, "Slices are searched for all the same.", tone="warning")
        counts = [f"{name} ({self.groups[name].nunique()} groups)" for name in self.grouping.names]
        floor = f"Privacy floor {self.floor}: {self.plan.withheld} groups and pairs are withheld, wholly or in part."
        head = f"{len(self.test):,} test rows are divided by {', '.join(counts)}."
        return display.note(head, self._whose, floor if self.floor > 1 else "")

    @property
    def _whose(self) -> str:
        if self.unit is None:
            return ""
        whose = f"They belong to {self.unit.nunique():,} different {self.columns.group}"
        return f"{whose}; intervals and tests of slices count these, not rows."

    def tally(self, column: str) -> Tally:
        """Count test rows by one column; only of groups that the privacy floor allows to be shown."""
        rows = self.predictions.assign(group=self.groups[column].astype("str").to_numpy())
        if self.floor > 1:
            rows = rows[[self.plan.of([column], [group]) == SHOWN for group in rows["group"]]]
        classes = len(self.target.classes) or None
        unit = None if self.unit is None else "unit"
        if self.unit is not None:
            rows = rows.assign(unit=self.unit.to_numpy()[np.isin(self.predictions[ROW], rows[ROW])])
        return Tally.from_table(rows, ["group"], task=self.target.task, classes=classes, unit=unit)

    def _ordered(self, rows: pd.DataFrame) -> pd.DataFrame:
        words = self.grouping.transform(rows) if self.grouping.names else pd.DataFrame(index=rows.index)
        return pd.DataFrame(
            {
                name: pd.Categorical(words[name], categories=list(self.grouping.levels(str(name))), ordered=True)
                for name in words
            },
            index=rows.index,
        )


def _refuse_strangers(rows: pd.DataFrame, predictions: pd.DataFrame) -> None:
    if not np.array_equal(rows[ROW].to_numpy(), predictions[ROW].to_numpy()):
        raise DataError(
            "Predictions do not belong to these rows in this order; run the model and evaluate phases again."
        )


def metrics_by_slice(
    data: GroupedRows,
    *,
    pairs: bool = False,
    columns: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Compute metrics for each declared column (or those named), or each pair of them, on test rows.

    Returns
    -------
    DataFrame
        slice (the column or "a and b"), then the columns of `group_metrics`, then majority (what guessing the
        commonest class of all test rows, or their mean, scores in that group), confidence (of the intervals) and, but
        for pairs, shrunken (as from `shrunken_rates`, among the groups of one column); the overall rows first, once.
        Groups known from validation rows that have no test row are there too, with n = 0.
    """
    names = list(metrics or data.metrics)
    single = list(columns if columns is not None else data.grouping.names)
    chosen = list(combinations(single, 2)) if pairs else [(name,) for name in single]
    options = {"method": "auto", "replicates": replicates, "confidence": confidence, "seed": seed, "minimum": FEWEST}
    found = []
    for group in chosen:
        table = _measure(data, group, names, options)
        table = hide_groups(table, group, data.plan).assign(confidence=confidence)
        if not pairs:
            table["shrunken"] = shrunken_rates(table)["shrunken"]
        table.insert(0, "slice", " and ".join(group))
        found.append(table if pairs else _with_empty(table, data.grouping, group[0], names))
    if not found:
        return pd.DataFrame({name: pd.Series(dtype="object") for name in ["slice", *COLUMNS, "majority", "confidence"]})
    whole = found[0][found[0]["group"] == OVERALL].assign(slice=OVERALL)
    parts = [table[table["group"] != OVERALL] for table in found]
    return pd.concat([whole, *parts], ignore_index=True)


def _measure(data: GroupedRows, columns: Sequence[str], metrics: list[str], options: dict[str, Any]) -> pd.DataFrame:
    rows, groups, task = data.predictions, data.groups[list(columns)], data.target.task
    truth, answers, score = rows[TARGET].to_numpy(), rows["prediction"].to_numpy(), score_array(rows)
    grouped = from_rows(truth, answers, groups, score, task, int(options["seed"]), unit=data.unit)
    table = table_of(grouped, metrics, **options)
    chosen = [get_metric(name, task) for name in metrics]
    guessed = [majority_by_group(part, truth, chosen) for part in (grouped.total, grouped)]
    table["majority"] = np.concatenate([part.ravel() for part in guessed])  # groups in turn, metrics within each
    return table


def _with_empty(table: pd.DataFrame, grouping: Grouping, column: str, metrics: list[str]) -> pd.DataFrame:
    """Add the groups that validation rows know and test rows lack: no group is dropped in silence."""
    known = next(item.labels for item in grouping.columns if item.name == column)
    absent = [label for label in known if label not in set(table["group"])]
    empty = {"slice": column, "n": 0, "denominator": 0, "method": "no test rows", "status": NOT_ESTIMATED}
    rows = [{**empty, "group": label, "metric": name} for label in absent for name in metrics]
    if not rows:
        return table
    return pd.concat([table, pd.DataFrame(rows).reindex(columns=table.columns).astype(table.dtypes)], ignore_index=True)


def disparities_by_column(
    data: GroupedRows,
    groups: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    replicates: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the groups of each declared column (or those named).

    Parameters
    ----------
    data : GroupedRows
        Its counts are drawn from.
    groups : DataFrame
        As from `metrics_by_slice`, whose intervals serve for what cannot be drawn from counts.
    columns, metrics : sequence of str, optional
        All by default.
    replicates, seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        The columns of `disparities` after ``slice``, and majority (the difference that one guess for everybody would
        make between the groups shown). Groups that the privacy floor withholds are left out like those that are too
        small: ``groups`` then says "3 of 5".
    """
    names = list(metrics or data.metrics)
    # a person may be in several groups, which then vary together: what blocks of persons move is drawn jointly
    joint = () if data.unit is None else (*USUAL["regression"], "r2", *RANKINGS)
    counted = [name for name in names if name in joint or get_metric(name, data.target.task).parts is not None]
    found = []
    for column in columns if columns is not None else data.grouping.names:
        options: dict[str, Any] = {"replicates": replicates, "seed": seed}
        rows = groups[groups["slice"] == column]
        from_counts = counted if data.floor < 2 or (rows["status"] != WITHHELD).any() else []
        from_table = [name for name in names if name not in from_counts]
        parts = [disparities(data.tally(column), metrics=from_counts, **options)] if from_counts else []
        if from_table:
            parts.append(disparities(rows.fillna({"n": 0, "denominator": 0}), metrics=from_table, **options))
        table = pd.concat(parts, ignore_index=True)
        if data.floor > 1:
            total = rows.loc[rows["n"].fillna(1) > 0, "group"].nunique()
            table["groups"] = [f"{text.partition(' of ')[0]} of {total}" for text in table["groups"]]
        table.insert(0, "slice", column)
        found.append(table.assign(majority=majority_gaps(table["metric"], rows)))
    if not found:
        return disparities(pd.DataFrame(columns=COLUMNS), metrics=[]).assign(slice="", majority=np.nan)
    return pd.concat(found, ignore_index=True)
