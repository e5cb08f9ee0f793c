"""What explorers read from a run: the rows, their predictions and their groups, as the phases made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlopskit.data import ROW, Columns, Target
from mlopskit.errors import DataError
from mlopskit.evaluate import GroupedRows
from mlopskit.model import headline_metric
from mlopskit.runs import FinishedRun, Run
from mlopskit.tally import Grouping

_SETTINGS = {"bins": 4, "max_groups": 20, "clusters": 8, "seed": 0}


def settings(run: Run) -> dict[str, int]:
    """Return the parameters that the run's slices were made with; the notebook's own where they are not known."""
    manifest: Mapping[str, Any] = run.manifest if isinstance(run, FinishedRun) else {}
    given = (manifest.get("parameters") or {}).get("slices_and_bias") or {}
    return {name: int(given.get(name, usual)) for name, usual in _SETTINGS.items()}


def grouped_rows(run: Run) -> GroupedRows:
    """Read validation and test rows with their predictions, and divide them as the slices phase did.

    Nothing is scored again: the predictions are those that the model and evaluate phases wrote.

    Raises
    ------
    RunError
        When one of these phases did not end.
    DataError
        When predictions and rows do not belong together.
    """
    target, columns = Target.from_dict(run.read("data/target")), Columns.from_dict(run.read("data/columns"))
    validation, test = run.read("data/validation"), run.read("data/test")
    answers = run.read("model/predictions_validation"), run.read("evaluate/predictions")
    for rows, given in zip((validation, test), answers, strict=True):
        if not np.array_equal(rows[ROW].to_numpy(), given[ROW].to_numpy()):
            raise DataError("Predictions do not belong to these rows in this order; make the run again.")
    criteria = tuple(item for item in run.scope.criterion if item.every_slice_of or item.between)
    asked = [name for item in criteria for name in (item.every_slice_of, item.between) if name]
    present = [name for name in dict.fromkeys([*columns.by, *asked]) if name in validation.columns]
    chosen = settings(run)
    by = [name for name in present if name != columns.image]
    grouping = Grouping.fit(validation, by, bins=chosen["bins"], max_groups=chosen["max_groups"])
    headline = headline_metric(run.scope.model.metric, target).metric.name
    floor = run.scope.data.privacy_floor
    return GroupedRows(target, columns, grouping, validation, test, *answers, criteria, headline, floor)
