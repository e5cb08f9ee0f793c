"""Why the model says what it says: SHAP values, for the model as a whole and for single rows.

A **SHAP value** is what one feature adds to one row's output compared with an average row; the values of a row and
the base value add up to the model's output exactly. They describe the model, not the world: a feature that matters
here causes nothing by that. The explainer follows from the estimator: exact trees for forests and boosting, exact
linear terms, else sampled subsets. What a column was turned into (one-hot columns, an indicator of missing
values) is added back to that column; the pixels of an image and the words of a text stay apart.

Lundberg, S. M. and Lee, S.-I. (2017). A unified approach to interpreting model predictions. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.data.features import source_columns
from mlopskit.display import format_value
from mlopskit.evaluate.explainers import choose_explainer

BACKGROUND = 100
"""Training rows that stand for an average row."""

GLOBAL = ["feature", "class", "importance", "share", "n"]
ROWS = ["case", ROW, "actual", "predicted", "class", "output", "base", "feature", "value", "contribution"]
CASES = ["case", ROW, "actual", "predicted", "prediction"]
OTHERS = "all other features"


@dataclass(frozen=True)
class Explanation:
    """SHAP values of some rows.

    Attributes
    ----------
    contributions : ndarray of shape (rows, features, outputs)
        SHAP values; outputs are the positive class, each of several classes, or the predicted quantity.
    base : ndarray of shape (outputs,)
        The output of an average row.
    outputs : ndarray of shape (rows, outputs)
        What the model says: ``contributions.sum(axis=1) + base``.
    rows : DataFrame
        The rows explained, as in the split table.
    sampled : ndarray of bool, shape (rows,)
        False for rows that were asked for by name: they are no random sample and stay out of the global figures.
    features, labels : tuple of str
        Names along the second and third axis of `contributions`.
    unit : str
        Of outputs and contributions: ``log-odds``, ``probability`` or the target's unit.
    method : str
        How they were computed.
    """

    contributions: Any
    base: Any
    outputs: Any
    rows: pd.DataFrame
    sampled: Any
    features: tuple[str, ...]
    labels: tuple[str, ...]
    unit: str
    method: str


def explain(
    model: Any,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    target: Target,
    columns: Columns,
    also: Sequence[int] = (),
    max_rows: int = 200,
    seed: int = 0,
) -> Explanation:
    """Compute SHAP values of a random sample of rows, and of the rows asked for.

    Parameters
    ----------
    model : Pipeline
        With the steps ``prepare`` (as `mlopskit.data.make_preparation` makes it) and ``estimate``.
    rows, background : DataFrame
        Split tables: what is explained, and the rows (training rows) that an average row is made of.
    target, columns : Target, Columns
        What is predicted, and which columns hold images and texts.
    also : sequence of int
        ``_row`` of further rows to explain.
    max_rows : int
        At most so many sampled rows; fewer where the estimator is slow to explain.
    seed : int
        Of the sample of rows and of sampled subsets.
    """
    prepare, estimator = model.named_steps["prepare"], model.named_steps["estimate"]
    average = prepare.transform(_sample(background, BACKGROUND, seed))
    explainer = choose_explainer(estimator, average, target, seed)
    wanted = rows.loc[rows[ROW].isin(list(also))]
    sample = _sample(rows, min(max_rows, explainer.affordable), seed)
    chosen = pd.concat([sample, wanted.loc[~wanted[ROW].isin(sample[ROW])]], ignore_index=True)
    sampled = np.arange(len(chosen)) < len(sample)
    raw, base = explainer.explain(prepare.transform(chosen))
    features, owner = _features(prepare, columns)
    values = np.zeros((raw.shape[0], len(features), raw.shape[2]))
    np.add.at(values, (slice(None), owner), raw)  # type: ignore[arg-type]  # NumPy's stubs know no mixed index here
    labels = target.classes if target.task == "multiclass" else (target.positive or target.column,)
    outputs = values.sum(axis=1) + base
    unit = explainer.unit or target.unit or target.column
    return Explanation(values, base, outputs, chosen, sampled, features, tuple(labels), unit, explainer.method)


def _sample(rows: pd.DataFrame, size: int, seed: int) -> pd.DataFrame:
    if len(rows) <= size:
        return rows
    chosen = np.sort(np.random.default_rng(seed).choice(len(rows), size=size, replace=False))
    return rows.iloc[chosen]


def _features(prepare: Any, columns: Columns) -> tuple[tuple[str, ...], Any]:
    """Names of what is explained, and for each prepared column the index of the name that it adds to."""
    apart = {*columns.text, columns.image}
    details = [str(name).split("__", 1)[-1] for name in prepare.get_feature_names_out()]
    pairs = zip(source_columns(prepare), details, strict=True)
    names = [f"{source}: {detail}" if source in apart else source for source, detail in pairs]
    features = tuple(dict.fromkeys(names))
    position = {name: index for index, name in enumerate(features)}
    return features, np.array([position[name] for name in names])


def shap_global(explanation: Explanation) -> pd.DataFrame:
    """How much each feature moves the output, on average over the sampled rows.

    Returns
    -------
    DataFrame
        feature, class (the output), importance (mean absolute contribution, in the explanation's unit), share (of the
        sum over features), n (rows); the most important first.
    """
    mean = np.abs(explanation.contributions[explanation.sampled]).mean(axis=0)
    frame = pd.DataFrame(mean, index=list(explanation.features), columns=list(explanation.labels))
    long = frame.rename_axis("feature").reset_index().melt("feature", var_name="class", value_name="importance")
    total = long.groupby("class", sort=False)["importance"].transform("sum")
    long["share"] = long["importance"] / total.where(total > 0)
    long["n"] = int(explanation.sampled.sum())
    return long.sort_values(["importance", "feature", "class"], ascending=[False, True, True], ignore_index=True)[
        GLOBAL
    ]


def choose_cases(predictions: pd.DataFrame, *, target: Target, threshold: float | None, floor: int = 0) -> pd.DataFrame:
    """Pick the few rows worth a look: surest and right, surest and wrong, hardest to decide.

    For regression: the closest, the furthest off and one with the typical error.

    Returns
    -------
    DataFrame
        case (in words), _row, actual, predicted (labels, or numbers), prediction (class index, or number); fewer than
        three rows when, for instance, nothing is wrong. With a privacy `floor` above 1 none: a row is a group of one.
    """
    if floor > 1:
        return pd.DataFrame(columns=CASES)
    picked = _picked_classes(predictions, threshold) if target.is_classification else _picked_numbers(predictions)
    rows = []
    for case, index in picked:
        if index is not None:
            row = predictions.loc[index]
            named = [_label(row[key], target) for key in (TARGET, "prediction")]
            rows.append((case, int(row[ROW]), *named, float(row["prediction"])))
    return pd.DataFrame(rows, columns=CASES).drop_duplicates(ROW, ignore_index=True)


def _label(value: Any, target: Target) -> str:
    return target.classes[int(value)] if target.is_classification else format_value(float(value))


def _first(ranking: pd.Series[Any]) -> Any:
    """Index label of the largest value, the first of equal ones; None when there is none."""
    return None if ranking.empty else ranking.idxmax()


def _picked_classes(table: pd.DataFrame, threshold: float | None) -> list[tuple[str, Any]]:
    if "score" in table:
        sure = table["score"].where(table["prediction"] == 1, 1 - table["score"])
        doubt = -(table["score"] - (0.5 if threshold is None else threshold)).abs()
    else:
        scores = np.sort(table.filter(regex=r"^score_\d+$").to_numpy(dtype=float), axis=1)
        sure = pd.Series(scores[:, -1], index=table.index)
        doubt = pd.Series(scores[:, -2] - scores[:, -1], index=table.index)
    right = table["prediction"] == table[TARGET]
    return [
        ("surest and right", _first(sure[right])),
        ("surest and wrong", _first(sure[~right])),
        ("hardest to decide", _first(doubt)),
    ]


def _picked_numbers(table: pd.DataFrame) -> list[tuple[str, Any]]:
    error = (table["prediction"] - table[TARGET]).abs()
    typical = -(error - error.median()).abs()
    return [("closest", _first(-error)), ("furthest off", _first(error)), ("typical error", _first(typical))]


def shap_rows(explanation: Explanation, cases: pd.DataFrame, *, target: Target, top: int = 8) -> pd.DataFrame:
    """Explain single rows: the features that moved their output most, and the sum of all others.

    Parameters
    ----------
    explanation : Explanation
        Made with ``also=cases["_row"]``.
    cases : DataFrame
        As from `choose_cases`.
    target : Target
        What is predicted; of several classes the predicted one is explained.
    top : int
        Features named for each row.

    Returns
    -------
    DataFrame
        case, _row, actual, predicted, class (the output explained), output, base, feature, value (of the feature, as
        text), contribution; in each case base plus all contributions is the output.
    """
    place = {int(row): index for index, row in enumerate(explanation.rows[ROW])}
    frames = [
        _one_row(explanation, place[int(case[ROW])], case, target=target, top=top)
        for case in cases.to_dict("records")
        if int(case[ROW]) in place
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=ROWS)


def _one_row(e: Explanation, index: int, case: dict[Any, Any], *, target: Target, top: int) -> pd.DataFrame:
    output = int(case["prediction"]) if target.task == "multiclass" else 0
    contributions = e.contributions[index, :, output]
    order = np.argsort(-np.abs(contributions), kind="stable")[:top]
    source = e.rows.iloc[index]
    entries = [(e.features[i], _shown(source, e.features[i]), float(contributions[i])) for i in order]
    if len(order) < len(contributions):
        entries.append((OTHERS, "", float(contributions.sum() - contributions[order].sum())))
    facts = [case[key] for key in ("case", ROW, "actual", "predicted")]
    figures = [e.labels[output], float(e.outputs[index, output]), float(e.base[output])]
    return pd.DataFrame([(*facts, *figures, *entry) for entry in entries], columns=ROWS)


def _shown(row: pd.Series[Any], feature: str) -> str:
    """The row's value of a feature as text; pixels and words have none of their own in the table."""
    if feature not in row.index:
        return ""
    value = row[feature]
    if value is None or value != value:  # NaN
        return "missing"
    whole = isinstance(value, float) and value.is_integer()
    return format_value(int(value) if whole else value, digits=2)
