"""What pushes the answers of a slice another way than those of other rows: mean SHAP values, inside against outside.

A push *on the output* says where the model is moved to. A push *towards the right answer* is the same, counted
positive where it moves a row to its actual class or value: the value of the actual class where there are several; with
two classes the value, its sign turned for negative rows; for numbers its sign turned where the actual value lies below
the base value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlopskit.data import ROW, TARGET
from mlopskit.evaluate.explain import Explanation, explain
from mlopskit.evaluate.explainers import choose_explainer
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.slices.find import slice_mask
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED
from mlopskit.metrics.estimates import FEWEST
from mlopskit.runs import Run

OUTPUT, RIGHT = "push on the output", "push towards the right answer"
NOT_APPLICABLE = "not applicable"
_ENOUGH = 2 * FEWEST
_WORK = 3
"""Times as many rows as a single explanation may take: two groups are compared."""
Bools = npt.NDArray[np.bool_]
Line = tuple[int, dict[str, Any]]
"""The place of a slice, and a row of the table about it."""


def line_of(kind: str, status: str, method: str, *, feature: str = "") -> dict[str, Any]:
    """Return a row that has no figures, and why."""
    return {"kind": kind, "feature": feature, "status": status, "method": method}


def pushes(
    run: Run,
    data: GroupedRows,
    slices: Sequence[Mapping[str, Any]],
    *,
    test: pd.DataFrame,
    words: pd.DataFrame,
    background: pd.DataFrame,
    rows: int,
    seed: int,
) -> Iterator[Line]:
    """Yield the difference of the mean SHAP values of a sample, in each slice against outside it.

    Parameters
    ----------
    run, data : Run, GroupedRows
        With the model.
    slices : sequence of mapping
    test, words : DataFrame
        The rows, as they are and as words that slices are made of.
    background : DataFrame
        Training rows, which an average row is made of.
    rows, seed : int
        Of the sample.
    """
    if data.columns.image is not None:
        why = "SHAP values of single pixels are not compared between groups of images"
        yield from ((place, line_of(RIGHT, NOT_APPLICABLE, why)) for place in range(len(slices)))
        return
    if not slices:
        return
    masks = np.stack([slice_mask(words, mapping) for mapping in slices])
    model = run.read("model/model")
    affordable = choose_explainer(
        model.named_steps["estimate"], model.named_steps["prepare"].transform(background.head(2)), data.target, seed
    ).affordable
    base, samples = sample_slices(masks, min(rows, _WORK * affordable), seed=seed)
    union = np.unique(np.concatenate([base, *samples]))
    ids = test[ROW].to_numpy()
    explained = explain(
        model, test.iloc[union], background,
        target=data.target, columns=data.columns, also=ids[union], max_rows=len(union), seed=seed,
    )  # fmt: skip
    names, kinds = _moved(explained, data)
    home = pd.Index(explained.rows[ROW])
    for place, mask in enumerate(masks):
        inside, outside = (home.get_indexer(ids[rows]) for rows in (samples[place], base[~mask[base]]))
        for kind, values in kinds.items():
            lines = _welch(values[inside], values[outside], names, floor=data.floor)
            yield from ((place, {**line, "kind": kind, "unit": explained.unit}) for line in lines)


def sample_slices(masks: Bools, size: int, *, seed: int) -> tuple[Any, list[Any]]:
    """Draw rows for all slices at once: half from all rows, half for the slices, the first ones first.

    Parameters
    ----------
    masks : ndarray of bool, shape (slices, n)
    size : int
        Distinct rows at most.
    seed : int

    Returns
    -------
    base : ndarray of int
        A random sample of all rows; those outside a slice are a random sample of the rows outside it.
    samples : list of ndarray of int
        A random sample of the rows of each slice.

    Examples
    --------
    >>> base, (rare,) = sample_slices(np.arange(1000)[None] < 20, 100, seed=0)
    >>> len(base), len(rare), bool((rare < 20).all())
    (50, 20, True)
    """
    order = np.random.default_rng(seed).permutation(masks.shape[1])
    base = order[: max(size // 2, 1)]
    drawn = np.zeros(masks.shape[1], dtype=bool)
    drawn[base] = True
    samples = []
    for place, mask in enumerate(masks):
        left = size - int(drawn.sum())
        more = max(left // (len(masks) - place), min(_ENOUGH, left))  # rather some slices well than all of them badly
        inside = order[mask[order]]
        samples.append(inside[: int(mask[base].sum()) + more])  # those in `base` come first
        drawn[samples[-1]] = True
    return base, samples


def _moved(explained: Explanation, data: GroupedRows) -> tuple[list[str], dict[str, Any]]:
    """Values by source column, (rows, features), of each kind of push; the words of a text are added up."""
    names = [_source(name, data) for name in explained.features]
    sources = list(dict.fromkeys(names))
    home = np.array([sources.index(name) for name in names])
    values = np.zeros((len(explained.rows), len(sources), explained.contributions.shape[2]))
    np.add.at(values, (slice(None), home), explained.contributions)  # type: ignore[arg-type]  # no mixed index in stubs
    truth = explained.rows[TARGET].to_numpy()
    if data.target.task == "multiclass":
        return sources, {RIGHT: values[np.arange(len(truth)), :, truth.astype(np.int64)]}
    way = np.where(truth == 1, 1.0, -1.0) if data.target.is_classification else np.sign(truth - explained.base[0])
    right = {RIGHT: values[:, :, 0] * way[:, None]}
    one_way = data.target.is_classification and (truth == truth[0]).all()  # then both kinds say the same
    return sources, right if one_way else {OUTPUT: values[:, :, 0], **right}


def _source(name: str, data: GroupedRows) -> str:
    texts = [column for column in data.columns.text if name.startswith(f"{column}: ")]
    return name if name in data.columns.features or not texts else max(texts, key=len)


def _welch(inside: Any, outside: Any, names: Sequence[str], *, floor: int) -> Iterator[dict[str, Any]]:
    """Difference of the means of each feature; the intervals of all features hold together (Bonferroni)."""
    n, m = len(inside), len(outside)
    least = max(FEWEST, floor)
    if min(n, m) < least:
        for name in names:
            yield line_of("", NOT_ESTIMATED, f"fewer than {least} explained rows inside or outside", feature=name)
        return
    first, second = inside.mean(axis=0), outside.mean(axis=0)
    spreads = inside.var(axis=0, ddof=1) / n, outside.var(axis=0, ddof=1) / m
    total = spreads[0] + spreads[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        freedom = total**2 / (spreads[0] ** 2 / (n - 1) + spreads[1] ** 2 / (m - 1))
    freedom = np.where(total > 0, freedom, 1.0)
    half = stats.t.ppf(1 - 0.025 / len(names), freedom) * np.sqrt(total)
    method = f"Welch's t, all {len(names)} features together" if len(names) > 1 else "Welch's t"
    for place, name in enumerate(names):
        gap = first[place] - second[place]
        yield {
            "feature": name, "inside": first[place], "outside": second[place], "difference": gap,
            "low": gap - half[place], "high": gap + half[place], "n_inside": n, "n_outside": m,
            "method": method, "status": ESTIMATED,
        }  # fmt: skip
