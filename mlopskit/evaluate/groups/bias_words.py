"""What a table of disparities says in words, and which kinds of fairness exclude each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.display import format_value
from mlopskit.evaluate.groups.blocked import leave_out
from mlopskit.evaluate.groups.gaps import GroupValues, from_blocks, from_rates, gap
from mlopskit.intervals import wilson
from mlopskit.metrics import ESTIMATED, METRICS, get_metric
from mlopskit.metrics.estimates import FEWEST
from mlopskit.tally import Tally


def incompatibilities(tally: Tally, *, confidence: float = 0.95, replicates: int = 1000, seed: int = 0) -> list[str]:
    """Say which kinds of fairness cannot hold together here; nothing unless base rates differ beyond their interval.

    Parameters
    ----------
    tally : Tally
        Binary, by the groups to compare.

    References
    ----------
    Chouldechova, A. (2017). Fair prediction with disparate impact. Big Data 5, 153-163.
    """
    if tally.task != "binary":
        return []
    known = tally.sizes >= FEWEST
    if known.sum() < 2:
        return []
    rates = _base_rates(tally, known, confidence=confidence, replicates=replicates, seed=seed)
    if gap(rates, confidence=confidence).difference_low <= 0:
        return []
    shares = np.sort(np.asarray(rates.values))
    low, high = format_value(float(shares[0])), format_value(float(shares[-1]))
    overall = (tally.weights[..., 0].sum(axis=1) if tally.weighted else tally.confusion()).sum(axis=0)
    names = ("recall", "false_positive_rate")
    recall, false_positive = (format_value(float(get_metric(name, "binary").from_counts(overall))) for name in names)
    return [
        f"The share of positive rows runs from {low} to {high} between groups, more than chance makes of it, so not "
        "every kind of fairness can hold at once.",
        "With equal recall and equal false positive rates, precision must differ unless no negative row is called "
        "positive.",
        "Demographic parity and equalized odds together need recall and false positive rate to be equal; they are "
        f"{recall} and {false_positive} overall.",
    ]


def _base_rates(tally: Tally, known: Any, *, confidence: float, replicates: int, seed: int) -> GroupValues:
    """Shares of positive rows, drawn by block where rows belong together or are weighted."""
    counts = tally.confusion()[known]
    totals, events = counts.sum(axis=(1, 2)), counts[:, 1].sum(axis=1)
    if tally.counts.shape[1] == 1:
        return from_rates(events, totals, replicates=replicates, seed=seed)
    weight = (tally.weights[..., 0] if tally.weighted else tally.counts.astype(float))[known]
    found = leave_out(np.swapaxes(weight, -1, -2), METRICS["selection_rate"])  # called and actual change places
    low, high = wilson(found.value * found.blocks, found.blocks, confidence=confidence)
    options: dict[str, Any] = {"confidence": confidence, "replicates": replicates, "seed": seed}
    return from_blocks(found.value, found.deviations, low, high, bounded=True, **options)


def disparity_sentences(found: pd.DataFrame, *, column: str) -> Iterable[str]:
    """Yield one sentence for each disparity that chance alone would hardly make, the largest first.

    Equalized odds is the larger of two gaps that have sentences of their own, so it has none.
    """
    known = found[(found["status"] == ESTIMATED) & (found["metric"] != "equalized_odds")]
    for row in known.sort_values("difference", ascending=False, kind="stable").to_dict("records"):
        if row["difference_low"] > 0 and row["p_value"] <= 0.05:
            low, high = format_value(row["difference_low"]), format_value(row["difference_high"])
            label = METRICS[row["metric"]].label
            what = label if label[:2].isupper() else label[:1].lower() + label[1:]
            yield (
                f"{column}: {what} is {format_value(row['difference'])} lower for {row['smallest']} than for "
                f"{row['largest']} ({low} to {high})."
            )
