"""The gap between the best and the worst of several groups: how sure it is, and how large chance alone makes it.

The largest of many gaps is large by chance: among 20 equal groups of 200 rows the rates of the luckiest and the
unluckiest lie 0.12 apart on average, and a plain percentile interval of that gap excludes 0 every time. So the
interval here is *simultaneous*, it covers all pairs of groups at once; and beside it stand the mean and the 95th
percentile of the gap were all groups equal, from exchanging rows between the groups, with the p-value of that
permutation test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from mlopskit.intervals import newcombe, square_and_add, wilson
from mlopskit.metrics.scales import cell_prior

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GroupValues:
    """One metric of several groups and all that its gap is judged by.

    Attributes
    ----------
    values : ndarray, shape (groups,)
        Point estimates.
    draws : ndarray, shape (replicates, groups)
        Draws of the true values, independent between groups because their rows are.
    chance : ndarray, shape (replicates, groups)
        Values of the groups had rows been dealt to them at random.
    events, totals : ndarray or None
        Of a rate.
    bounded : bool
        Whether a difference cannot exceed 1.
    method : str
    shares : bool
        Whether every draw lies between 0 and 1, each group's alone.
    """

    values: Floats
    draws: Floats
    chance: Floats
    events: Any
    totals: Any
    bounded: bool
    method: str
    shares: bool = False


@dataclass(frozen=True)
class Gap:
    """Difference and ratio of the largest and the smallest group, with intervals and what chance would make of them.

    Both intervals hold for all pairs of groups at once, so they cover the largest difference and the ratio in at least
    95 % of samples (as near as 93 % in groups of 20 rows), and in more of them where groups differ.
    """

    difference: float
    difference_low: float
    difference_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    chance_mean: float
    chance_high: float
    p_value: float
    method: str
    chance: Floats


def gap(found: GroupValues, *, confidence: float) -> Gap:
    """Judge the gap between groups, at least two."""
    values = found.values
    difference = float(values.max() - values.min())
    low, high = _difference_interval(found, confidence)
    ratio, ratio_low, ratio_high = _ratio(found, confidence)
    chance = found.chance.max(axis=1) - found.chance.min(axis=1)
    reached = int(np.count_nonzero(chance >= difference * (1 - 1e-9)))
    two = len(values) == 2 and found.totals is not None
    return Gap(
        difference, min(low, difference), max(high, difference), ratio, ratio_low, ratio_high,
        float(chance.mean()), float(np.quantile(chance, 0.95)), (1 + reached) / (1 + len(chance)),
        "Newcombe" if two else f"simultaneous over {len(values)} groups, {found.method}", chance,
    )  # fmt: skip


def _difference_interval(found: GroupValues, confidence: float) -> tuple[float, float]:
    if len(found.values) == 2 and found.totals is not None:
        a, b = np.argsort(-found.values, kind="stable")
        low, high = newcombe(found.events[a], found.totals[a], found.events[b], found.totals[b], confidence=confidence)
        return max(float(low), 0.0), float(high)
    if found.totals is not None:
        return _simultaneous_rates(found, confidence)
    if found.shares:
        return _simultaneous_shares(found, confidence)
    low, high = _simultaneous(found.values, found.draws, confidence)
    return max(low, 0.0), min(high, 1.0) if found.bounded else high


def _simultaneous_rates(found: GroupValues, confidence: float) -> tuple[float, float]:
    """Newcombe's interval of every pair of rates, all widened alike.

    References
    ----------
    Agresti, A., Bini, M., Bertaccini, B. and Ryu, E. (2008). Simultaneous confidence intervals for comparing binomial
    parameters. Biometrics 64, 1270-1275.
    """
    factor = _factor(found.draws, confidence)[0]
    return _of_all_pairs(
        found.values, *wilson(found.events, found.totals, confidence=2 * float(special.ndtr(factor)) - 1)
    )


def _simultaneous_shares(found: GroupValues, confidence: float) -> tuple[float, float]:
    """The same of figures between 0 and 1: each group's interval is symmetric on the logit scale of its draws."""
    margin = 1e-9
    scaled = special.logit(np.clip(found.draws, margin, 1 - margin))
    factor, spread = _factor(scaled, confidence)
    centre = scaled.mean(axis=0)
    low, high = special.expit(centre - factor * spread), special.expit(centre + factor * spread)
    return _of_all_pairs(found.values, np.minimum(low, found.values), np.maximum(high, found.values))


def _of_all_pairs(values: Floats, low: Floats, high: Floats) -> tuple[float, float]:
    """Return the largest lower and upper end of the differences of all ordered pairs, their intervals joined."""
    rates = np.stack([values, low, high])
    first, second = rates[:, :, None], rates[:, None, :]
    ends = square_and_add((first[0], first[1], first[2]), (second[0], second[1], second[2]))
    apart = ~np.eye(len(values), dtype=bool)
    return max(float(ends[0][apart].max()), 0.0), float(ends[1][apart].max())


def _simultaneous(values: Floats, draws: Floats, confidence: float) -> tuple[float, float]:
    """Return the largest lower and the largest upper end over all ordered pairs, each pair's interval widened alike."""
    factor, spread = _factor(draws, confidence)
    pairs = values[:, None] - values[None, :]
    margin = factor * np.sqrt(spread[:, None] ** 2 + spread[None, :] ** 2)
    np.fill_diagonal(margin, 0.0)
    return float((pairs - margin).max()), float((pairs + margin).max())


def _factor(draws: Floats, confidence: float) -> tuple[float, Floats]:
    """How many standard errors the most extreme pair of draws lies apart, at most so often, and the errors."""
    centred = draws - draws.mean(axis=0)
    spread = centred.std(axis=0)
    worst = np.zeros(len(draws))
    for i in range(draws.shape[1] - 1):
        width = np.sqrt(spread[i] ** 2 + spread[i + 1 :] ** 2)
        apart = np.abs(centred[:, i, None] - centred[:, i + 1 :]) / np.where(width > 0, width, 1.0)
        np.maximum(worst, apart.max(axis=1), out=worst)
    return float(np.quantile(worst, confidence)), spread


def _ratio(found: GroupValues, confidence: float) -> tuple[float, float, float]:
    """Return smallest over largest with its interval, by logarithms; NaN where values or draws may be negative."""
    values = found.values
    if values.min() < 0 or values.max() <= 0:
        return np.nan, np.nan, np.nan
    ratio = float(values.min() / values.max())
    if not (found.draws > 0).all():
        return ratio, np.nan, np.nan
    logs = np.log(found.draws)
    low, high = _simultaneous(logs.mean(axis=0), logs, confidence)
    return ratio, min(float(np.exp(-high)), ratio), max(float(np.exp(-max(low, 0.0))), ratio)


def from_rates(events: Any, totals: Any, *, replicates: int, seed: int) -> GroupValues:
    """Rates: Beta draws, and events dealt among the rows of the denominator (the permutation test, without rows)."""
    rng = np.random.default_rng(seed)
    draws = rng.beta(events + 0.5, totals - events + 0.5, size=(replicates, len(events)))
    dealt = rng.multivariate_hypergeometric(totals, int(events.sum()), size=replicates, method="marginals")
    return GroupValues(events / totals, draws, dealt / totals, events, totals, bounded=True, method="Beta draws")


def from_confusion(
    confusion: Any, metric: Callable[[Any], Any], *, replicates: int, seed: int, bounded: bool = True
) -> GroupValues:
    """Composites of counts: Dirichlet draws of each group's table, and rows dealt to groups of the same sizes."""
    rng = np.random.default_rng(seed)
    groups, cells = len(confusion), confusion[0].size
    prior = cell_prior(confusion.shape[1], cells)
    gamma = rng.standard_gamma(confusion.reshape(groups, cells) + prior, size=(replicates, groups, cells))
    draws = metric((gamma / gamma.sum(axis=2, keepdims=True)).reshape(replicates, *confusion.shape))
    dealt = _deal(confusion.reshape(groups, cells), replicates, rng).reshape(replicates, *confusion.shape)
    chance = metric(dealt)
    chance = np.where(np.isnan(chance), np.nanmean(chance, axis=1, keepdims=True), chance)
    how: dict[str, Any] = {"bounded": bounded, "method": "Dirichlet draws", "shares": bounded}
    return GroupValues(metric(confusion), draws, chance, None, None, **how)


def _deal(table: Any, replicates: int, rng: np.random.Generator) -> Any:
    """Deal the rows to the groups at random, sizes of groups and numbers of rows of each kind kept."""
    left_kinds = np.broadcast_to(table.sum(axis=0), (replicates, table.shape[1])).copy()
    dealt = np.empty((replicates, *table.shape), dtype=np.int64)
    for group, size in enumerate(table.sum(axis=1)):
        room = np.full(replicates, size)
        for kind in range(table.shape[1]):
            others = left_kinds[:, kind + 1 :].sum(axis=1)
            dealt[:, group, kind] = rng.hypergeometric(left_kinds[:, kind], others, room)
            room = room - dealt[:, group, kind]
        left_kinds -= dealt[:, group]
    return dealt


def from_blocks(
    values: Floats,
    deviations: Floats,
    low: Floats,
    high: Floats,
    *,
    confidence: float,
    bounded: bool,
    replicates: int,
    seed: int,
) -> GroupValues:
    """Rows that belong together: all groups drawn jointly from what each block moves them by.

    Groups that share persons vary together, and so do these draws: a block's deviations in all groups are multiplied
    by one number, normal over the root of a chi-square with one degree of freedom less than there are blocks. A group
    that no block moves gets normal draws as wide as its interval.
    """
    rng = np.random.default_rng(seed)
    blocks = int((deviations != 0).any(axis=0).sum())
    heavy = np.sqrt(max(blocks - 1, 1) / rng.chisquare(max(blocks - 1, 1), (2, replicates, 1)))
    noise = rng.standard_normal((2, replicates, deviations.shape[1])) @ deviations.T * heavy
    still = ~(deviations != 0).any(axis=1)
    error = np.where(still, high - low, 0.0) / (2 * special.ndtri(0.5 + confidence / 2))
    noise = noise + rng.standard_normal((2, replicates, len(values))) * error
    method = "joint draws from what each block moves"
    return GroupValues(values, values + noise[0], noise[1], None, None, bounded=bounded, method=method)


def from_intervals(
    values: Floats, low: Floats, high: Floats, *, confidence: float, bounded: bool, replicates: int, seed: int
) -> GroupValues:
    """Everything else: normal draws as wide as each group's interval, and about one common value for chance."""
    rng = np.random.default_rng(seed)
    error = np.maximum(high - low, 1e-12) / (2 * special.ndtri(0.5 + confidence / 2))
    noise = rng.standard_normal((2, replicates, len(values))) * error
    method = "normal draws as wide as each interval"
    return GroupValues(values, values + noise[0], noise[1], None, None, bounded=bounded, method=method)
