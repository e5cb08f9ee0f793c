"""The worst slices of a model: found on validation rows, tested on test rows, each in words.

Numbers are cut into ranges, rare categories folded, images and texts described by a few numbers and by the cluster of
similar rows that they fall into, all of it learnt from validation rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET, feature_view
from mlopskit.display import Note, Table
from mlopskit.evaluate.by_group import GroupedRows
from mlopskit.evaluate.confirm import confirm_slices
from mlopskit.evaluate.slices import find_slices, in_words, least_factor, slice_mask
from mlopskit.tally import Grouping

_SAME = 0.5
"""Slices that share so much of their rows (intersection over union) are one finding seen twice."""


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


def row_errors(predictions: pd.DataFrame, *, task: str) -> npt.NDArray[np.float64]:
    """Return the error of each row: 1 for wrong and 0 for right, for regression the squared error."""
    truth, answer = predictions[TARGET].to_numpy(), predictions["prediction"].to_numpy()
    return np.asarray((truth - answer) ** 2) if task == "regression" else (truth != answer).astype(float)


def worst_slices(
    data: GroupedRows,
    features: SliceFeatures,
    *,
    k: int = 10,
    alpha: float = 0.99,
    max_level: int = 3,
    min_support: int = 0,
) -> pd.DataFrame:
    """Find the worst slices on validation rows, those that share most of their rows shown once.

    Returns
    -------
    DataFrame
        slice (in words), level, n, share, error, times (error over the overall mean error), score, also (how many other
        slices say nearly the same of the same rows), and ``columns``, the slice as column → value.
    """
    errors = row_errors(data.predictions_validation, task=data.target.task)
    support = min_support or None
    found = find_slices(features.validation, errors, k=10 * k, alpha=alpha, max_level=max_level, min_support=support)
    found = _distinct(found, features.validation).head(k)
    mean = float(errors.mean()) if len(errors) else np.nan
    table = found.rename(columns={"slice": "columns"})
    table.insert(0, "slice", [in_words(chosen) for chosen in found["slice"]])
    table["share"] = table["n"] / max(len(errors), 1)
    table["times"] = table["error"] / mean if mean else np.nan
    return table[["slice", "level", "n", "share", "error", "times", "score", "also", "columns"]].reset_index(drop=True)


def _distinct(found: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Keep the best of slices that share most of their rows, and count the others."""
    kept: list[int] = []
    masks: list[Any] = []
    also: list[int] = []
    for place, chosen in enumerate(found["slice"]):
        mask = slice_mask(features, chosen)
        twin = next((i for i, other in enumerate(masks) if (mask & other).sum() >= _SAME * (mask | other).sum()), None)
        if twin is None:
            kept, masks, also = [*kept, place], [*masks, mask], [*also, 0]
        else:
            also[twin] += 1
    return found.iloc[kept].assign(also=np.array(also, dtype=np.int64))


def confirmed_slices(
    data: GroupedRows, features: SliceFeatures, found: pd.DataFrame, *, level: float = 0.05
) -> pd.DataFrame:
    """Test the slices found on test rows; the columns of `confirm_slices`, the slice in words."""
    errors = row_errors(data.predictions, task=data.target.task)
    plain = found[["columns", "level", "n", "error", "score"]].rename(columns={"columns": "slice"})
    tested = confirm_slices(plain, features.test, errors, level=level)
    return tested.assign(slice=found["slice"].to_numpy())


def tabular(found: pd.DataFrame) -> pd.DataFrame:
    """Return the table without the mapping, as it is kept."""
    return found.drop(columns="columns")


def show_slices(found: pd.DataFrame, data: GroupedRows, *, alpha: float) -> Table | Note:
    """Show the slices found, or say that none scores above 0 and what that would have taken."""
    if found.empty:
        return display.note(nothing_found(data, alpha=alpha), tone="good")
    name = "mean squared error" if data.target.task == "regression" else "error rate"
    headings = {"n": "validation rows", "error": name, "times": "times the overall one", "also": "slices like it"}
    shown = found.assign(share=[f"{share:.1%}" for share in found["share"]])
    return display.table(shown, columns=["slice", "n", "share", "error", "times", "score", "also"], headings=headings)


def nothing_found(data: GroupedRows, *, alpha: float) -> str:
    """Say what a slice would have had to show."""
    small, large = (float(least_factor(share, alpha=alpha)) for share in (0.01, 0.05))
    return (
        f"No slice of the {len(data.validation):,} validation rows scores above 0: one of 5 % of the rows would need "
        f"{large:.1f} times the overall error, one of 1 % {small:.1f} times."
    )


def show_confirmed(tested: pd.DataFrame) -> Table | Note:
    """Show what became of the slices on test rows."""
    if tested.empty:
        return display.note("Not applicable: no slice was found that could be tested.")
    headings = {
        "error": "error on validation rows", "n_test": "test rows", "error_test": "error on test rows",
        "error_rest": "error on other test rows", "p_value": "p", "adjusted": "p, adjusted",
    }  # fmt: skip
    columns = ["slice", "error", "n_test", "error_test", "error_rest", "p_value", "adjusted", "power", "status"]
    return display.table(tested, columns=columns, headings=headings)


def confirmation_note(tested: pd.DataFrame, *, level: float = 0.05) -> Note:
    """Say how many slices were confirmed and what that means."""
    if tested.empty:
        return display.note("No slice was found, so none was tested.")
    confirmed = int(tested["confirmed"].sum())
    claim = (
        f"Of the confirmed slices at most {level:.0%} are expected to be no worse than the rest; not each single one, "
        "not a cause, not worse than the larger slice that each is part of."
    )
    head = f"{confirmed} of {len(tested)} slices found on validation rows are confirmed on test rows."
    return display.note(
        head, claim if confirmed else "What was found may be chance.", tone="warning" if confirmed else "plain"
    )
