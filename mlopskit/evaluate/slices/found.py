"""The worst slices of a model, found on validation rows, each in words.

Numbers are cut into ranges, rare categories folded, images and texts described by a few numbers and by the cluster of
similar rows that they fall into, all of it learnt from validation rows alone. Descriptions of the same rows are shown
as one slice, and slices that share most of their rows as one group, its best member first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit import display
from mlopskit.data import feature_view
from mlopskit.display import Note, Table
from mlopskit.errors import MlopskitError
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.privacy.tables import hide_slices, slices_shown
from mlopskit.evaluate.slices.errors import RowErrors, row_errors, slice_errors
from mlopskit.evaluate.slices.find import find_slices, in_words, least_factor, slice_mask
from mlopskit.evaluate.slices.guess import guessed
from mlopskit.evaluate.slices.result import Slices
from mlopskit.tally import Grouping

__all__ = ["SliceFeatures", "row_errors", "show_slices", "slice_features", "slice_rows", "tabular", "worst_slices"]

_OVERLAP = 0.5
"""Slices that share so much of their rows (intersection over union) are one finding seen twice."""
_NAMED = 3
_COLUMNS = [
    "slice", "level", "n", "share", "error", "times", "score", "majority", "also", "same_rows", "overlapping",
    "columns",
]  # fmt: skip


@dataclass(frozen=True)
class SliceFeatures:
    """What slices are described by, as words, for validation and test rows."""

    validation: pd.DataFrame
    test: pd.DataFrame


def slice_features(
    data: GroupedRows, preparation: Any, *, bins: int = 4, max_groups: int = 20, clusters: int = 8, seed: int = 0
) -> SliceFeatures:
    """Describe the rows by words that a slice can be made of.

    Parameters
    ----------
    data : GroupedRows
        Validation and test rows.
    preparation : transformer
        Fitted; gives the numbers by which images and texts are clustered (k-means).
    bins, max_groups : int
        As for `mlopskit.tally.Grouping.fit`.
    clusters : int
        Clusters of images or texts; tabular rows are not clustered, their columns say more.
    seed : int
        Of the clustering.
    """
    views = [feature_view(rows, data.columns) for rows in (data.validation, data.test)]
    usable = [name for name in views[0].columns if not _is_unique(views[0][name])]
    grouping = Grouping.fit(views[0], usable, bins=bins, max_groups=max_groups)
    words = [grouping.transform(view) for view in views]
    if (data.columns.image or data.columns.text) and len(data.validation) > clusters:
        labels = _clusters(preparation, data, clusters, seed)
        words = [table.assign(cluster=label) for table, label in zip(words, labels, strict=True)]
    return SliceFeatures(*words)


def _is_unique(values: pd.Series[Any]) -> bool:
    """Whether a column names single rows, as an identifier does."""
    return values.dtype.kind not in "iufMb" and values.nunique() > 0.9 * len(values)


def _clusters(preparation: Any, data: GroupedRows, clusters: int, seed: int) -> list[npt.NDArray[Any]]:
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    numbers = [preparation.transform(rows) for rows in (data.validation, data.test)]
    with threadpool_limits(1):  # the order of additions, and with it the last digit, would depend on the threads
        model = KMeans(n_clusters=clusters, n_init=1, random_state=seed).fit(numbers[0])
        return [np.array([f"cluster {label + 1}" for label in model.predict(part)]) for part in numbers]


def worst_slices(
    data: GroupedRows,
    features: SliceFeatures,
    *,
    by: str = "error",
    k: int = 10,
    alpha: float = 0.99,
    max_level: int = 3,
    min_support: int = 0,
    direction: Literal["worse", "better"] = "worse",
) -> pd.DataFrame:
    """Find the worst slices on validation rows, those that share most of their rows shown once.

    Parameters
    ----------
    data : GroupedRows
    features : SliceFeatures
    by : str
        As for `mlopskit.evaluate.slices.errors.slice_errors`. With ``false_positive_rate`` only actual negatives are
        searched and counted, with ``false_negative_rate`` only actual positives.
    k, alpha, max_level, min_support
        As for `find_slices`; 0 for its own least support.
    direction : str
        ``better`` finds where the model does unusually well, an extension of ours to SliceLine.

    Returns
    -------
    DataFrame
        slice (in words), level, n, share, error, times (error over the overall mean error), score, majority (the mean
        error there of guessing the commonest class of all rows, or their mean; left out with a privacy floor, since it
        counts the classes of a slice), also (how many other
        slices say nearly the same of the same rows), same_rows (in words, those that describe exactly these rows),
        overlapping (in words, the others), and ``columns``, the slice as column → value. Empty where `by` does not
        apply to the task. With a privacy floor also status: what is withheld keeps its words and loses its numbers.
    """
    errors = slice_errors(data.predictions_validation, data.target, by=by)
    if isinstance(errors, str):
        return pd.DataFrame(columns=_COLUMNS)
    rows = errors.of(features.validation)
    support = min_support or None
    options: dict[str, Any] = {"alpha": alpha, "max_level": max_level, "min_support": support, "direction": direction}
    searched = find_slices(rows, errors.each, k=10 * k, **options)
    found = _grouped(searched, rows).head(k)
    mean = float(errors.each.mean()) if len(errors.each) else np.nan
    table = found.rename(columns={"slice": "columns"})
    table.insert(0, "slice", [in_words(chosen) for chosen in found["slice"]])
    table["share"] = table["n"] / max(len(errors.each), 1)
    table["times"] = table["error"] / mean if mean else np.nan
    table["majority"] = guessed(list(table["columns"]), rows, data.predictions_validation, data, by=by)
    table = table[_COLUMNS].reset_index(drop=True)
    if data.floor < 2:
        return Slices(table)
    shown = slices_shown(list(table["columns"]), rows, floor=data.floor)
    if direction == "better":  # the worst ones are published of the same rows, and the two could be subtracted
        shown[:] = False
    return Slices(hide_slices(table, shown, data.floor))


def _grouped(found: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Keep the best of slices that share most of their rows, and name the others beside it."""
    heads: list[int] = []
    masks: list[Any] = []
    same: list[list[Mapping[str, Any]]] = []
    overlapping: list[list[Mapping[str, Any]]] = []
    for place, chosen in enumerate(found["slice"]):
        mask = slice_mask(features, chosen)
        twin = next((i for i, other in enumerate(masks) if (mask & other).sum() >= _OVERLAP * (mask | other).sum()), -1)
        if twin < 0:
            heads, masks, same, overlapping = [*heads, place], [*masks, mask], [*same, []], [*overlapping, []]
        else:
            (same if np.array_equal(mask, masks[twin]) else overlapping)[twin].append(chosen)
    also = [len(a) + len(b) for a, b in zip(same, overlapping, strict=True)]
    others = [_briefest(names, head) for names, head in zip(same, found["slice"].iloc[heads], strict=True)]
    words = {
        "same_rows": [_listed(names) for names in others],
        "overlapping": [_listed(names) for names in overlapping],
    }
    return found.iloc[heads].assign(also=np.array(also, dtype=np.int64), **words)


def _briefest(slices: list[Mapping[str, Any]], head: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Leave out descriptions of the same rows that only add a condition to one already given."""
    kept = [head]
    for chosen in slices:
        if not any(given.items() <= chosen.items() for given in kept):
            kept.append(chosen)
    return kept[1:]


def _listed(slices: list[Mapping[str, Any]]) -> str:
    more = f"; and {len(slices) - _NAMED} more" if len(slices) > _NAMED else ""
    return "; ".join(in_words(chosen) for chosen in slices[:_NAMED]) + more


def slice_rows(data: GroupedRows, features: SliceFeatures, found: pd.DataFrame, place: int) -> pd.DataFrame:
    """Return the validation rows of a slice with their predictions; in JupyterLab only, never in a report.

    Parameters
    ----------
    data : GroupedRows
    features : SliceFeatures
    found : DataFrame
        As from `worst_slices`.
    place : int
        Which slice, 1 for the first.

    Raises
    ------
    MlopskitError
        In a batch run, whose report may be passed on, and when there is no such slice.
    """
    if os.environ.get("MLOPSKIT_RUN"):
        raise MlopskitError(
            "Rows are not shown in a batch run: its report may be passed on. Open the notebook in JupyterLab and call "
            "slice_rows there."
        )
    if not 1 <= place <= len(found):
        raise MlopskitError(f"There is no slice {place}; {len(found)} were found, counted from 1.")
    inside = slice_mask(features.validation, found["columns"].iloc[place - 1])
    answers = data.predictions_validation.loc[inside]
    rows = data.validation.loc[inside]
    beside = [name for name in answers.columns if name not in rows.columns]
    return rows.reset_index(drop=True).join(answers[beside].reset_index(drop=True))


def tabular(found: pd.DataFrame) -> pd.DataFrame:
    """Return the table as it is kept: ``conditions`` has those of each slice apart, as JSON, instead of the mapping.

    In words they are joined by "and", which a value may hold too.
    """
    apart = [[in_words({column: value}) for column, value in chosen.items()] for chosen in found["columns"]]
    words = [json.dumps(each, ensure_ascii=False) for each in apart]
    return found.drop(columns="columns").assign(conditions=pd.Series(words, index=found.index, dtype="str"))


def show_slices(
    found: pd.DataFrame, data: GroupedRows, *, alpha: float, by: str = "error", better: pd.DataFrame | None = None
) -> Table | Note:
    """Show the slices found and what alpha lets through, or say that none scores above 0.

    What `better` holds, slices found with ``direction="better"`` and tested by `confirmed_better`, is named in a
    sentence.
    """
    errors = slice_errors(data.predictions_validation, data.target, by=by)
    if isinstance(errors, str):
        return display.note(errors)
    if found.empty:
        return display.note(nothing_found(errors, alpha=alpha), best_sentence(better), tone="good")
    headings = {
        "n": f"validation {errors.rows_name}", "error": errors.mean_name, "times": "times overall",
        "majority": "majority guess", "same_rows": "also described by", "overlapping": "overlapping slices",
    }  # fmt: skip
    shown = found.assign(
        share=["–" if np.isnan(share) else f"{share:.1%}" for share in found["share"]],
        same_rows=found["same_rows"].map(_first_of),
        overlapping=found["overlapping"].map(_first_of),
    )
    last = ["status"] if data.floor > 1 else []
    guess = [] if data.floor > 1 else ["majority"]
    same = ["same_rows"] if (found["same_rows"] != "").any() else []
    columns = ["slice", "n", "share", "error", *guess, "times", "score", *same, "overlapping", *last]
    return display.table(
        shown, columns=columns, held=100, headings=headings, where="in the artefact slices",
        caption=f"{lets_through(alpha)} {best_sentence(better)}".strip(),
    )  # fmt: skip


def best_sentence(better: pd.DataFrame | None) -> str:
    """Say in which slices the model does unusually well, how they are found, and what test rows say of them."""
    known = pd.DataFrame() if better is None else better[better["n"].notna()].head(_NAMED)
    if known.empty:
        return ""
    named = [
        f"{row['slice']} ({row['n']:,} rows, {row['times']:.2f} times the overall error; "
        f"{row.get('status', 'not tested')} on test rows)"
        for row in known.to_dict("records")
    ]
    return f"Unusually good (the same score turned round, an extension of ours to SliceLine): {'; '.join(named)}."


def _first_of(words: str) -> str:
    """Return the first of several slices in words and how many more there are; the artefact names them all."""
    first, *others = str(words).split("; ")
    return f"{first}, and {len(others)} more" if others else first


def lets_through(alpha: float) -> str:
    """Say what a slice must show to be found at all."""
    small, large = (float(least_factor(share, alpha=alpha)) for share in (0.01, 0.05))
    return (
        f"At alpha = {alpha:g} a slice scores above 0 only if its mean error is more than {large:.2f} times the "
        f"overall one where it has 5 % of the rows, and more than {small:.2f} times where it has 1 %."
    )


def nothing_found(errors: RowErrors, *, alpha: float) -> str:
    """Say what a slice would have had to show."""
    return f"No slice of the {len(errors.each):,} validation {errors.rows_name} scores above 0. {lets_through(alpha)}"


def score_of(mapping: Mapping[str, Any], features: pd.DataFrame, values: Any, *, alpha: float) -> dict[str, Any]:
    """Return level, n, error and score of one slice, whatever it scores."""
    inside = slice_mask(features, mapping)
    n, mean = int(inside.sum()), float(values.mean()) if len(values) else np.nan
    error = float(values[inside].mean()) if n else np.nan
    excess = error / mean - 1 if n and mean else np.nan
    score = alpha * excess - (1 - alpha) * (len(values) / n - 1) if n else np.nan
    return {"level": len(mapping), "n": n, "error": error, "score": score}
