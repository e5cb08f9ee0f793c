"""The rows of one request, on the shortest way to an answer that is the same.

Any estimator can be asked by a table. One that begins with the project's own preparation can be asked without: its
numbers are computed from the values (see `mlopskit.data.rowwise`). Whether that gives the same answers is not taken on
trust. When a server loads a model it asks both ways about rows that hold every known category, the ends of every
range, what is missing and what was never seen, and keeps to the table unless all answers are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import Target
from mlopskit.data.rowwise import RowPreparation
from mlopskit.deploy.schema import Field, InputSchema
from mlopskit.mitigation.thresholds import GroupThresholds
from mlopskit.model.baselines import LinearBaseline


class Given:
    """Rows as they were sent, and as a table once a model asks for one.

    Parameters
    ----------
    values : sequence of mapping
        Checked (see `InputSchema.problems`).
    schema : InputSchema
        How they become a table.
    """

    def __init__(self, values: Sequence[Mapping[str, Any]], schema: InputSchema) -> None:
        self.values, self._schema = values, schema

    @cached_property
    def _table(self) -> pd.DataFrame:
        return self._schema.frame(self.values)

    def table(self) -> pd.DataFrame:
        """Return the table; pandas copies what a model changes in its own, so another never sees it."""
        return self._table.copy(deep=False)


@dataclass(frozen=True)
class QuickModel:
    """A fitted preparation for single rows, and the estimator that follows it."""

    preparation: RowPreparation
    estimator: Any
    by_group: GroupThresholds | None = None
    schema: InputSchema | None = None

    def ask(self, values: Sequence[Mapping[str, Any]], method: str) -> Any:
        """Have the estimator ``predict`` or ``predict_proba`` rows; thresholds by group decide in its place."""
        X = self.preparation.transform(values)
        if method == "predict" and self.by_group is not None and self.schema is not None:
            return self.by_group.decide(X, self.schema.series(self.by_group.column, values))
        return getattr(self.estimator, method)(X)


def quick_model(estimator: Any, schema: InputSchema, target: Target) -> QuickModel | None:
    """Return the short way to an estimator's answers; None where there is none, or where one answer differs."""
    by_group = estimator if isinstance(estimator, GroupThresholds) else None
    pipeline = estimator.pipeline if isinstance(estimator, LinearBaseline) else estimator
    pipeline = pipeline if by_group is None else by_group.model
    steps = getattr(pipeline, "steps", [])
    if [name for name, _ in steps] != ["prepare", "estimate"]:
        return None
    method = "predict_proba" if target.is_classification else "predict"
    try:
        quick = QuickModel(RowPreparation(steps[0][1]), steps[1][1], by_group, schema)
        if not _readable(quick.preparation, schema):
            return None
        rows = _probes(schema)
        table = Given(rows, schema).table()
        same = np.array_equal(quick.ask(rows, method), getattr(pipeline, method)(table), equal_nan=True)
        if by_group is not None:
            same = same and np.array_equal(quick.ask(rows, "predict"), by_group.predict(table))
    except Exception:  # whatever a model of the project's own raises: the table is the way that always works
        return None
    return quick if same else None


def _readable(preparation: RowPreparation, schema: InputSchema) -> bool:
    """Tell whether each value reaches the preparation as it was sent, with no conversion that a table would make."""
    fields = {field.name: field for field in schema.fields}
    return all(fields[name].reads == "number" for name in preparation.numeric) and all(
        fields[name].reads in {"number", "text", "flag"} for name in preparation.labelled
    )


def _probes(schema: InputSchema) -> list[dict[str, Any]]:
    """Rows that hold all that the fields can say, each as often as the longest needs."""
    spoken = {field.name: _sayings(field) for field in schema.fields}
    count = max((len(values) for values in spoken.values()), default=0)
    return [{name: values[i % len(values)] for name, values in spoken.items()} for i in range(count)]


def _sayings(field: Field) -> list[Any]:
    if field.reads == "number":
        low, high = field.low or 0.0, field.high or 1.0
        known = [float(item) for item in field.categories if _is_number(item)]
        numbers = [low, high, (low + high) / 3, high + 1, -0.5, 0, *known]
        whole = field.dtype.lower().startswith(("int", "uint"))
        return [None, *([round(value) for value in numbers] if whole else numbers)]
    if field.reads == "flag":
        return [True, False, None]
    if field.reads == "pixels":
        size = field.size or 1
        return [None, [0.0] * size, [float(i % 17) for i in range(size)]]
    if field.reads == "date":
        return [None, "2000-01-01"]
    return [None, *field.categories, "", "missing", "a value never seen", "two words, two words"]


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
