"""What cannot be worked with is refused, in words, before any kernel starts.

These checks look at column names and at counts only, so that the same sentences serve the look before a run (which
reads as little as it can) and the data phase itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlopskit.data.columns import ROW, TARGET
from mlopskit.errors import listing, nearest

if TYPE_CHECKING:
    from mlopskit.scope import Baseline, Criterion, Data

RESERVED = (ROW, TARGET)

MIN_ROWS = 10
"""Fewer rows with a target than this cannot be split into train, validation, test and production data."""


def label_of(value: Any) -> str | None:
    """Write a class label as text, the same however a file happened to store it; None when it is missing.

    Examples
    --------
    >>> label_of(1.0), label_of(True), label_of(" yes"), label_of(float("nan"))
    ('1', 'True', ' yes', None)
    """
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else str(value)
    return str(value)


def column_problems(
    names: Sequence[str],
    data: Data,
    *,
    baseline: Iterable[Baseline] = (),
    criterion: Iterable[Criterion] = (),
    logging: Iterable[str] = (),
) -> list[str]:
    """Return a sentence for every column that is named in the project file and is not there, or is there twice."""
    problems = [*_name_problems(names), *_absent(names, [("target", data.target)], "[data]")]
    wanted = [
        *(("time", name) for name in [data.time] if name),
        *(("group", name) for name in [data.group] if name),
        *(("sensitive", name) for name in data.sensitive),
        *(("slices", name) for name in data.slices),
        *(("exclude", name) for name in data.exclude),
    ]
    problems += _absent(names, wanted, "[data]")
    problems += _absent(names, [("column", item.column) for item in baseline if item.column], "[[baseline]]")
    problems += _absent(names, _criterion_columns(criterion), "[[criterion]]")
    problems += _absent(names, [("logging", name) for name in logging], "[deployment]")
    features = set(names) - {data.target, data.time, data.group, *data.exclude}
    if not problems and not features:
        problems.append(
            f"No feature is left: the columns are {listing(names)}, and target, time, group and `exclude` "
            "take all of them. Exclude less."
        )
    return problems


def _criterion_columns(criterion: Iterable[Criterion]) -> list[tuple[str, str]]:
    named = []
    for item in criterion:
        named += [("every_slice_of", item.every_slice_of)] if item.every_slice_of else []
        named += [("between", item.between)] if item.between else []
    return named


def _name_problems(names: Sequence[str]) -> list[str]:
    twice = sorted({name for name in names if list(names).count(name) > 1}) if len(set(names)) < len(names) else []
    problems = []
    if twice:
        problems.append(
            f"Column names occur more than once: {listing(map(repr, twice))}. "
            "Nobody can tell which one is meant; rename them."
        )
    reserved = [name for name in RESERVED if name in names]
    if reserved:
        problems.append(f"The column name {reserved[0]!r} is reserved for the row's identity or target; rename it.")
    return problems


def _absent(names: Sequence[str], wanted: Iterable[tuple[str, str]], table: str) -> list[str]:
    return [
        f"{table} {key} = {name!r}: there is no such column{nearest(name, names)}; the columns are "
        f"{listing(names, limit=20)}. Correct the name in mlops.toml."
        for key, name in wanted
        if name not in names
    ]


def constant_problems(varying: Iterable[str], names: Sequence[str], data: Data) -> list[str]:
    """Return what is wrong when no feature varies: `varying` are the columns that hold two values or more."""
    aside = {data.target, data.time, data.group, *data.exclude}
    features = [name for name in names if name not in aside]
    if not features or set(features) & set(varying):
        return []
    return [
        f"Every feature is constant or empty ({listing(map(repr, features))}), so there is nothing to tell rows apart "
        "by. Give a table with columns that vary, or exclude fewer."
    ]


def target_problems(counts: Mapping[Any, int], data: Data, *, rows: int, splits: int = 3) -> list[str]:
    """Return what makes a target unfit: `counts` maps its values among the development rows to how often they occur.

    Parameters
    ----------
    counts : mapping
        Value → number of development rows; a missing value is left out.
    data : Data
        The project file's ``[data]``.
    rows : int
        Development rows, those without a target included.
    splits : int
        Into how many parts each class has to be divided.
    """
    if rows == 0:
        return ["The table has no rows. Give one with data in it, or correct the query."]
    if not counts:
        return [
            f"The target {data.target!r} is missing in all {rows:,} development rows; nothing can be learnt from it. "
            "Name another target or find the labels."
        ]
    total = sum(counts.values())
    if total < MIN_ROWS:
        return [f"Only {total} rows have a target; at least {MIN_ROWS} are needed. Collect more labelled rows."]
    if data.task == "regression" or data.positive_above is not None:
        return _number_problems(counts, data, splits)
    return _class_problems(counts, data, splits)


def _number_problems(counts: Mapping[Any, int], data: Data, splits: int) -> list[str]:
    words = [value for value in counts if not _is_number(value)]
    if words:
        wants = "positive_above" if data.positive_above is not None else "a regression"
        return [
            f"The target {data.target!r} holds {len(words)} values that are not numbers "
            f"({listing(map(repr, words), limit=3)}), and {wants} needs numbers. Clean the column or change the task."
        ]
    if data.positive_above is None:
        if len(counts) > 1:
            return []
        return [f"The target {data.target!r} has one value ({next(iter(counts))}); a constant needs no model."]
    bound = float(data.positive_above)
    above = sum(n for value, n in counts.items() if float(value) > bound)
    low, high = min(map(float, counts)), max(map(float, counts))
    below = sum(counts.values()) - above
    if 0 in (above, below):
        return [
            f"positive_above = {bound:g} leaves one class: {data.target!r} runs from {low:g} to {high:g}. "
            "Choose a bound inside that range."
        ]
    return _small_classes({f"above {bound:g}": above, f"at most {bound:g}": below}, data, splits)


def _class_problems(counts: Mapping[Any, int], data: Data, splits: int) -> list[str]:
    labels = _by_label(counts)
    if data.task == "binary":
        positive = label_of(data.positive)
        if positive not in labels:
            return [
                f"The positive label {positive!r} does not occur among the development rows of {data.target!r}; its "
                f"labels there are {listing(map(repr, sorted(labels)))}. Correct `positive` in mlops.toml."
            ]
        labels = {str(positive): labels[positive], "the rest": sum(labels.values()) - labels[positive]}
        labels = {key: n for key, n in labels.items() if n}
    if len(labels) < 2:
        only = next(iter(labels))
        return [
            f"The target {data.target!r} has one class among the development rows ({only!r}, "
            f"{sum(labels.values()):,} rows); two are needed to learn anything. Choose another target, or more rows."
        ]
    if len(labels) > 200:
        return [
            f"The target {data.target!r} has {len(labels):,} classes, more than the 200 that are supported. "
            'If it is a quantity, set task = "regression".'
        ]
    return _small_classes(labels, data, splits)


def _small_classes(labels: Mapping[str, int], data: Data, splits: int) -> list[str]:
    small = [f"{label!r} ({n})" for label, n in labels.items() if n < splits]
    if not small:
        return []
    return [
        f"The target {data.target!r} has classes with fewer rows than the {splits} splits (train, validation, test): "
        f"{listing(small)}. Collect more rows of them, merge them with another class, or leave them out."
    ]


def _by_label(counts: Mapping[Any, int]) -> dict[str, int]:
    labels: dict[str, int] = {}
    for value, n in counts.items():
        label = label_of(value)
        if label is not None:
            labels[label] = labels.get(label, 0) + n
    return labels


def _is_number(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def production_problems(data: Data, *, before: int, after: int, low: Any, high: Any) -> list[str]:
    """Return what is wrong with ``production_from``: `before` and `after` are the numbers of rows on its two sides."""
    span = f"{data.time!r} runs from {low} to {high}"
    if before == 0:
        return [f"production_from = {data.production_from} leaves no development row: {span}. Choose a later point."]
    if after == 0:
        return [
            f"production_from = {data.production_from} leaves no production row: {span}. Choose an earlier point, or "
            "leave it out and a random share is kept back."
        ]
    return []
