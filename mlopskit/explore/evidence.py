"""What explorers read from a run: the rows, their predictions and their groups, as the phases made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlopskit.data import Target
from mlopskit.evaluate import GroupedRows
from mlopskit.model import headline_metric
from mlopskit.runs import FinishedRun, Run

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
    chosen = settings(run)
    target = Target.from_dict(run.read("data/target"))
    return GroupedRows.read(
        run,
        headline=headline_metric(run.scope.model.metric, target).metric.name,
        bins=chosen["bins"],
        max_groups=chosen["max_groups"],
        predictions=run.read("evaluate/predictions"),
    )
