"""Two measurements of the same thing, and whether the difference between them says anything.

A difference is inside the noise when its interval holds zero. The interval is MOVER's ("method of variance estimates
recovery"): it needs nothing but the two intervals, keeps their asymmetry, and treats them as independent. Where both
runs measured on the same rows it is usually wider than need be, because rows that are hard are hard for both: a small
worsening may hide in it, and what lies beyond it is the surer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlopskit.runner.report.marks import is_number

Verdict = Literal["equal", "noise", "better", "worse", "different", "unknown"]
METHOD = "MOVER on the two runs' own intervals, treated as independent"
SAME_ROWS = "conservative here: both runs used the same test rows, so the true interval is usually narrower"


def mover(before: tuple[float, float, float], after: tuple[float, float, float]) -> tuple[float, float]:
    """Return the interval of a difference, after − before, from the intervals of the two values.

    Parameters
    ----------
    before, after : (value, low, high)
        Estimates with intervals of one confidence level, which is also that of the result.

    Returns
    -------
    (low, high) : tuple of float

    Notes
    -----
    Newcombe (1998), Statistics in Medicine 17, 873–890, method 10, for proportions; Zou and Donner (2008), Statistics
    in Medicine 27, 1693–1702, for any parameter.

    Examples
    --------
    >>> low, high = mover((0.80, 0.77, 0.84), (0.90, 0.86, 0.93))
    >>> round(low, 4), round(high, 4)
    (0.0434, 0.1424)
    """
    (old, old_low, old_high), (new, new_low, new_high) = before, after
    difference = new - old
    return (
        difference - math.hypot(new - new_low, old_high - old),
        difference + math.hypot(new_high - new, old - old_low),
    )


@dataclass(frozen=True)
class Measured:
    """A value with its interval, any of them None where it could not be measured; n is the number of rows."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Measured:
        """Take the columns of the same name from a row; what is no finite number counts as not measured."""
        value, low, high = (_finite(row.get(name)) for name in ("value", "low", "high"))
        n = _finite(row.get("n"))
        return cls(value, low, high, None if n is None else int(n))

    @property
    def triple(self) -> tuple[float, float, float] | None:
        """Value, low and high when all three are known."""
        if self.value is None or self.low is None or self.high is None:
            return None
        return self.value, self.low, self.high


def _finite(value: Any) -> float | None:
    return float(value) if is_number(value) else None


@dataclass(frozen=True)
class Difference:
    """One measure in two runs.

    Attributes
    ----------
    metric, slice, group : str
        What was measured, and on whom; slice and group are empty for the whole.
    before, after : Measured or None
        In the first and in the second run; None where the run has no such row.
    difference, low, high : float or None
        after − before with its interval, where they can be had.
    greater_is_better : bool or None
        None when no direction is better, or none is known.
    verdict : str
        ``equal``; ``noise`` when the interval holds zero; ``better`` or ``worse`` beyond it; ``different`` beyond it
        in a measure without direction; ``unknown`` when there is no interval or only one run measured it.
    """

    metric: str
    slice: str
    group: str
    before: Measured | None
    after: Measured | None
    difference: float | None
    low: float | None
    high: float | None
    greater_is_better: bool | None
    verdict: Verdict


def differ(
    before: Measured | None,
    after: Measured | None,
    *,
    metric: str,
    greater_is_better: bool | None,
    where: tuple[str, str] = ("", ""),
) -> Difference:
    """Compare one measure of two runs; `where` is its slice and group."""
    if before is None or after is None or before.value is None or after.value is None:
        same = before is not None and after is not None and before.value is after.value is None
        verdict: Verdict = "equal" if same else "unknown"
        return Difference(metric, *where, before, after, None, None, None, greater_is_better, verdict)
    difference = after.value - before.value
    if (before.value, before.low, before.high) == (after.value, after.low, after.high):
        return Difference(metric, *where, before, after, 0.0, None, None, greater_is_better, "equal")
    if before.triple is None or after.triple is None:
        return Difference(metric, *where, before, after, difference, None, None, greater_is_better, "unknown")
    low, high = mover(before.triple, after.triple)
    verdict = _judge(low, high, greater_is_better)
    return Difference(metric, *where, before, after, difference, low, high, greater_is_better, verdict)


def _judge(low: float, high: float, greater_is_better: bool | None) -> Verdict:
    if low <= 0 <= high:
        return "noise"
    if greater_is_better is None:
        return "different"
    return "better" if (low > 0) == greater_is_better else "worse"


def directions(criteria: Sequence[Mapping[str, Any]]) -> dict[str, bool | None]:
    """Return metric → whether greater is better: as the library defines it, else as a criterion's side implies."""
    from mlopskit.metrics import METRICS

    implied = {
        str(row["metric"]): row["side"] == "at_least"
        for row in criteria
        if row.get("metric") and row.get("side") in ("at_least", "at_most") and row.get("scope") in ("overall", "slice")
    }
    return {**implied, **{name: metric.greater_is_better for name, metric in METRICS.items()}}


def compare_rows(
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    *,
    better: Mapping[str, bool | None],
) -> tuple[Difference, ...]:
    """Compare two tidy tables of measures, matched by slice, group and metric, in the order of the first."""
    old, new = _by_key(before), _by_key(after)
    return tuple(
        differ(old.get(key), new.get(key), metric=key[2], greater_is_better=better.get(key[2]), where=key[:2])
        for key in dict.fromkeys([*old, *new])
    )


def _by_key(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str], Measured]:
    return {
        (str(row.get("slice") or ""), str(row.get("group") or ""), str(row["metric"])): Measured.from_row(row)
        for row in rows
        if row.get("metric") is not None
    }


def compare_headlines(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    metrics: Sequence[Mapping[str, Any]],
    better: Mapping[str, bool | None],
) -> Difference | None:
    """Compare the first figures of two runs; its direction is that of the metric rows with the same value.

    Two figures with different labels are two things, and are not compared.
    """
    if not before or not after or before.get("label") != after.get("label"):
        return None
    old, new = Measured.from_row(before), Measured.from_row(after)
    alike = (row for row in metrics if old.value is not None and row.get("value") == old.value)
    ways = {better.get(str(row["metric"])) for row in alike}
    better_here = ways.pop() if len(ways) == 1 else None
    return differ(old, new, metric=str(before.get("label")), greater_is_better=better_here)
