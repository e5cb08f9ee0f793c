"""A model asked about one row: what it says, how near another answer is, and what each value alone would change.

Only the model's own inputs can be changed, and only as the input schema of the deployment allows: what a server would
refuse is refused here in the same words, and what it would answer with a warning (outside the range of training, a
category never seen) is answered here with the same warning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import ROW, Columns, Target
from mlopskit.deploy import InputSchema
from mlopskit.deploy.schema import Field
from mlopskit.display import format_value
from mlopskit.errors import DataError, listing
from mlopskit.evaluate import explain
from mlopskit.explore.row_values import number_of, plain, rounded, written
from mlopskit.model import predict_table
from mlopskit.runs import Run

Row = Mapping[str, Any]

TRIED = 21
"""Values of a number that are tried, at quantiles of the training rows."""

REACH = ["feature", "value", "lowest", "lowest_at", "highest", "highest_at", "turns_at", "then"]
CONTRIBUTIONS = ["feature", "value", "contribution"]


@dataclass(frozen=True)
class Answer:
    """What a model says of a row.

    Attributes
    ----------
    prediction : str
        The class, or the quantity.
    measure : float
        The score of the positive class, the probability of the class predicted, or the quantity.
    index : int
        Of the class predicted; -1 for a quantity.
    distance : float
        How far the measure is above (+) or below (−) what would turn the decision: the threshold, or the probability
        of the next class; NaN for a quantity, and where a mitigation decides and no one threshold.
    next : str
        The class that comes next; empty but for several classes.
    """

    prediction: str
    measure: float
    index: int = -1
    distance: float = float("nan")
    next: str = ""


@dataclass(frozen=True, eq=False)
class RowModel:
    """A model with its threshold and input schema.

    Attributes
    ----------
    model : estimator
        Takes the split table as it is.
    target, columns : Target, Columns
    schema : InputSchema
        Of a request.
    threshold : float, optional
        Binary only.
    train : DataFrame
        Training rows: what is tried, and what is typical.
    floor : int
        The project's privacy floor; above 1 no value is tried or typical that fewer training rows have, and numbers are
        rounded: the tried ones lie between their extremes, and so is the range that a warning tells.
    """

    model: Any
    target: Target
    columns: Columns
    schema: InputSchema
    threshold: float | None
    train: pd.DataFrame
    floor: int = 0

    @classmethod
    def read(cls, run: Run) -> RowModel:
        """Read the model of a run with what is needed to ask it.

        Raises
        ------
        RunError
            When its data or model phase did not end.
        """
        target, columns = Target.from_dict(run.read("data/target")), Columns.from_dict(run.read("data/columns"))
        model = run.read("model/model")
        also = tuple(getattr(model, "asks_for", ()))  # what a mitigation needs beside the inputs
        schema = InputSchema.from_table(run.read("data/schema"), columns=columns, target=target.column, also=also)
        floor = run.scope.data.privacy_floor
        return cls(
            model=model,
            target=target,
            columns=columns,
            schema=_rounded(schema) if floor > 1 else schema,
            threshold=run.read("model/threshold")["threshold"],
            train=run.read("data/train"),
            floor=floor,
        )

    @property
    def bound(self) -> float | None:
        """The score from which the positive class is predicted; None where no one score decides."""
        return self.threshold if self.target.task == "binary" else None

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        """The inputs of the model, in the order of the table."""
        return tuple(field for field in self.schema.fields if field.required)

    @cached_property
    def typical(self) -> dict[str, Any]:
        """A made-up row: the middle of each number, the most frequent category, the average image, no text."""
        return {field.name: self._middle(field) for field in self.fields}

    def _middle(self, field: Field) -> Any:
        known = self.train[field.name].dropna()
        if len(known) < max(self.floor, 1):
            return None
        if field.reads == "pixels":
            return np.mean(np.stack([np.ravel(value) for value in known]), axis=0).tolist()
        if field.kind == "text":
            return ""
        if field.kind == "numeric" and self.floor > 1:
            return rounded(float(known.median()))
        if field.kind == "datetime" and self.floor > 1:
            middle = pd.Timestamp(known.quantile(0.5, interpolation="lower"))  # type: ignore[arg-type]  # of dates a date
            return plain(middle.normalize().replace(month=1, day=1))
        if field.kind in {"numeric", "datetime"}:
            return plain(known.quantile(0.5, interpolation="lower"))
        counts = known.value_counts().sort_index(kind="stable")
        return plain(counts.idxmax()) if counts.max() >= self.floor else None

    @cached_property
    def tried(self) -> dict[str, list[Any]]:
        """Values of each input that are tried: numbers at quantiles of training, categories the frequent first."""
        return {field.name: self._tried(field) for field in self.fields}

    def _tried(self, field: Field) -> list[Any]:
        known = self.train[field.name].dropna()
        if len(known) < max(self.floor, 1) or field.kind not in {"numeric", "categorical", "boolean"}:
            return []
        absent = [None] if field.nullable else []
        if field.kind == "numeric" and self.floor > 1:
            low, high = (float(end) for end in np.quantile(known, [0.05, 0.95]))
            return [*dict.fromkeys(map(rounded, np.linspace(low, high, TRIED).tolist())), *absent]
        if field.kind == "numeric":
            levels = known.quantile(np.linspace(0, 1, TRIED), interpolation="nearest")
            return [*(plain(value) for value in sorted(levels.unique())), *absent]
        counts = known.value_counts().head(100)
        counts = counts[counts >= self.floor]
        return [*(plain(value) for value in counts.index), *absent]

    def offered(self, field: Field) -> Field:
        """Return an input with the categories to choose from; with a privacy floor only those that are tried."""
        tried = set(map(str, self.tried[field.name]))
        names = tuple(name for name in field.categories if self.floor < 2 or name in tried)
        return replace(field, categories=names)

    def checked(self, row: Row) -> list[tuple[str, str]]:
        """Return the warnings of a row: input, and in what it is unlike the training rows.

        Raises
        ------
        DataError
            When a server would refuse the row.
        """
        problems = self.schema.problems(row)
        if problems:
            raise DataError("; ".join(f"{name} {said}" for name, said in problems) + ".")
        return self.schema.warnings(row)

    def ask(self, rows: Sequence[Row]) -> list[Answer]:
        """Return what the model says of rows."""
        table = predict_table(self.model, self.schema.frame(rows), target=self.target, threshold=self.threshold)
        return [self._answer(row) for row in table.to_dict("records")]

    def _answer(self, row: Mapping[Any, Any]) -> Answer:
        if not self.target.is_classification:
            return Answer(format_value(float(row["prediction"])), float(row["prediction"]))
        index = int(row["prediction"])
        name = str(self.target.classes[index])
        if self.target.task == "binary":
            bound = float("nan") if self.bound is None else self.bound
            return Answer(name, float(row["score"]), index, float(row["score"]) - bound)
        scores = np.array([row[f"score_{label}"] for label in self.target.labels], dtype=float)
        others = np.where(np.arange(len(scores)) == index, -np.inf, scores)
        runner_up = int(others.argmax())
        return Answer(
            name, float(scores[index]), index, float(scores[index] - scores[runner_up]),
            str(self.target.classes[runner_up]),
        )  # fmt: skip

    def reach(self, row: Row) -> pd.DataFrame:
        """Return how far each input alone would move the answer, all others as they are.

        Returns
        -------
        DataFrame
            feature, value (as it is), lowest and highest (the measure reached, see `Answer`; of several classes the
            probability of the class predicted now), lowest_at and highest_at (the values that do so), turns_at (the
            nearest number or most frequent category that turns the decision; empty where none tried does), then (the
            prediction it turns into). What moves the answer most comes first.
        """
        trials = [(name, value) for name, values in self.tried.items() for value in values]
        if not trials:
            return pd.DataFrame(columns=REACH)
        changed = [{**row, name: value} for name, value in trials]
        table = predict_table(self.model, self.schema.frame([row, *changed]), target=self.target,
                              threshold=self.threshold)  # fmt: skip
        answers = [self._answer(each) for each in table.to_dict("records")]
        now = answers[0]
        column = f"score_{now.index}" if self.target.task == "multiclass" else None
        measures = table[column].tolist() if column else [each.measure for each in answers]
        made = [(*trial, m, a) for trial, m, a in zip(trials, measures[1:], answers[1:], strict=True)]
        rows = [_reached(name, row[name], now, [each[1:] for each in made if each[0] == name]) for name in self.tried
                if self.tried[name]]  # fmt: skip
        found = pd.DataFrame(rows, columns=REACH)
        order = (found["highest"] - found["lowest"]).sort_values(ascending=False, kind="stable").index
        return found.loc[order].reset_index(drop=True)

    def contributions(self, row: Row) -> tuple[pd.DataFrame, str]:
        """Return the SHAP value of each input for a row, largest first, and a sentence on what they add up to."""
        frame = self.schema.frame([row]).assign(**{ROW: 0})
        made = explain(self.model, frame, self.train, target=self.target, columns=self.columns, max_rows=1)
        output = max(self.ask([row])[0].index, 0) if self.target.task == "multiclass" else 0
        values = made.contributions[0, :, output]
        order = np.argsort(-np.abs(values), kind="stable")
        shown = [(made.features[i], written(row.get(made.features[i], "")), float(values[i])) for i in order]
        words = (
            f"SHAP values for “{made.labels[output]}” in {made.unit} ({made.method}): an average row has "
            f"{made.base[output]:.3f}, this one {made.outputs[0, output]:.3f}; the contributions are the way between."
        )
        return pd.DataFrame(shown, columns=CONTRIBUTIONS), words

    def read_value(self, name: str, text: str) -> Any:
        """Return what was typed for an input as its value; nothing typed is missing, but for text.

        Raises
        ------
        DataError
            When it cannot be read as what the input holds.
        """
        field = next((each for each in self.fields if each.name == name), None)
        if field is None:
            raise DataError(f"{name!r} is no input of this model; inputs: {listing(f.name for f in self.fields)}.")
        value: Any = text
        if field.kind != "text" and not text.strip():
            value = None
        elif field.reads == "number":
            value = number_of(text)
        elif field.reads == "flag":
            value = {"yes": True, "true": True, "no": False, "false": False}.get(text.strip().casefold(), text)
        if problem := field.problem(value):
            raise DataError(f"{name} {problem}.")
        return value


def _rounded(schema: InputSchema) -> InputSchema:
    """Round the range of each number, whose ends are the values of single rows."""
    ends = {field.name: [end and rounded(float(end)) for end in (field.low, field.high)] for field in schema.fields}
    fields = (replace(field, low=ends[field.name][0], high=ends[field.name][1]) for field in schema.fields)
    return replace(schema, fields=tuple(fields))


def _reached(name: str, value: Any, now: Answer, tried: Sequence[tuple[Any, float, Answer]]) -> tuple[Any, ...]:
    every = [(value, now.measure, now), *tried]
    low, high = min(every, key=lambda each: each[1]), max(every, key=lambda each: each[1])
    turned = [each for each in tried if each[2].index != now.index]
    if isinstance(value, int | float) and not isinstance(value, bool):
        turned.sort(key=lambda each: abs(each[0] - value) if isinstance(each[0], int | float) else float("inf"))
    at, then = (written(turned[0][0]), turned[0][2].prediction) if turned else ("", "")
    return name, written(value), low[1], written(low[0]), high[1], written(high[0]), at, then
