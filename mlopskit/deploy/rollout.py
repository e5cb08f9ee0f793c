"""Rollout: how a new model meets its users, rehearsed on the real server before it does.

The *champion* is what a newcomer has to replace (here the best baseline that can predict), the *challenger* is the
new model. **Shadow**: the champion answers, the challenger scores silently, and the two are compared. **Canary**: the
challenger answers a small share that grows step by step through gates (errors, latency, headline metric); a failing
gate sends everyone back. A fault is injected once, to see the gate close. **Blue-green**: both stand ready, all
traffic is switched at once, and switched back as fast. In each, a row keeps its arm (hash of its id), so the
rehearsal can be repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import Target
from mlopskit.deploy.client import Server
from mlopskit.deploy.compared import Pairs, Sent
from mlopskit.errors import DeployError, listing
from mlopskit.runs.frozen import FrozenScope
from mlopskit.scope import Scope

STRATEGIES = ("shadow", "canary", "blue-green")
COLUMNS = [
    "step", "share", "rows", "lost", "challenger_rows", "failures", "metric", "difference", "low", "high",
    "gate_errors", "gate_latency", "gate_metric", "decision",
]  # fmt: skip


@dataclass(frozen=True)
class Gates:
    """What a step must pass.

    Attributes
    ----------
    metric : str
        Headline metric, challenger against champion on the same rows.
    max_failures : float
        Largest share of the challenger's rows that it may fail on.
    max_latency_ms : float, optional
        Bound on the median time of a request; None: not asked.
    confidence : float
        Of the paired interval. The metric's gate closes when the challenger is worse beyond it.
    """

    metric: str
    max_failures: float = 0.01
    max_latency_ms: float | None = None
    confidence: float = 0.95

    @classmethod
    def from_scope(
        cls, scope: Scope | FrozenScope, target: Target, *, max_failures: float = 0.01, confidence: float = 0.95
    ) -> Gates:
        """Take the gates from the project file: headline metric, latency asked, error rate that raises an alarm.

        `max_failures` holds where ``[[monitoring.threshold]]`` does not name `error_rate`; without a headline metric
        it is the one that the model phase falls back on.
        """
        from mlopskit.model import headline_metric

        asked = [item.at_most for item in scope.monitoring.threshold if item.metric == "error_rate"]
        bound = next((float(value) for value in asked if value is not None), max_failures)
        latency = scope.deployment.max_latency_ms
        metric = headline_metric(scope.model.metric, target).metric.name
        return cls(metric, bound, None if latency is None else float(latency), confidence)


@dataclass(frozen=True)
class Rollout:
    """What a rehearsal showed.

    Attributes
    ----------
    strategy : str
        The one rehearsed.
    steps : DataFrame
        One line a step with its gates and the decision in words.
    groups : DataFrame
        slice, group, n, agreement with low and high, difference (challenger minus champion) of the mean prediction.
    promoted : bool or None
        Whether the challenger may answer everyone; None when the strategy does not say (shadow) or does not apply.
    """

    strategy: str
    steps: pd.DataFrame
    groups: pd.DataFrame
    promoted: bool | None


def rehearse(
    server: Server,
    rows: pd.DataFrame,
    *,
    strategy: str | None,
    gates: Gates,
    by: Sequence[str] = (),
    shares: Sequence[float] = (0.05, 0.25, 0.5, 1.0),
    floor: int = 0,
) -> Rollout:
    """Rehearse a strategy on a running server, and leave the challenger in charge of what follows.

    Parameters
    ----------
    server : Server
        With a champion in its bundle.
    rows : DataFrame
        Rows of a split table with their targets, in order of time.
    strategy : str or None
        ``shadow``, ``canary``, ``blue-green``; None (an open question): shadow, which changes nothing for anyone.
    gates : Gates
        For canary.
    by : sequence of str
        Columns to compare the two models by.
    shares : sequence of float
        The canary's steps.
    floor : int
        Privacy floor; a column of which any group is too small is withheld as a whole, and agreement on all rows is
        told in words where few rows differ.

    Raises
    ------
    DeployError
        When the strategy is unknown.
    """
    strategy = strategy or "shadow"
    if strategy not in STRATEGIES:
        raise DeployError(f"Unknown strategy {strategy!r}; there are {listing(STRATEGIES)}.")
    if server.bundle.facts["champion"] is None or rows.empty:
        why = (
            "no baseline can predict, so there is no champion to replace" if len(rows) else "there are no rows to send"
        )
        steps = [_line("not applicable", decision=f"Not rehearsed: {why}.")]
        return Rollout(strategy, _tidy(steps), _no_groups(), None)
    pairs = Pairs(server, rows, gates.metric, gates.confidence)
    with _challenger_afterwards(server):
        if strategy == "shadow":
            lines, promoted = _shadow(pairs, floor), None
        elif strategy == "canary":
            lines, promoted = _canary(pairs, gates, shares)
        else:
            lines, promoted = _blue_green(pairs)
        groups = pairs.by_group(by, floor=floor)
    return Rollout(strategy, _tidy(lines), groups, promoted)


@contextlib.contextmanager
def _challenger_afterwards(server: Server) -> Iterator[None]:
    """Route all to the challenger at the end, whatever happened; where that fails too, the first error is the cause."""
    import httpx

    try:
        yield
    except BaseException:
        with contextlib.suppress(DeployError, httpx.HTTPError):
            server.route(share=1.0)
        raise
    server.route(share=1.0)


def _no_groups() -> pd.DataFrame:
    return pd.DataFrame(columns=["slice", "group", "n", "agreement", "low", "high", "difference"])


def _tidy(lines: list[dict[str, Any]]) -> pd.DataFrame:
    """One type a column, whatever the strategy filled in."""
    numbers = dict.fromkeys(("share", "difference", "low", "high"), "float64")
    counts = dict.fromkeys(("rows", "lost", "challenger_rows", "failures"), "Int64")
    words = dict.fromkeys(("step", "metric", "gate_errors", "gate_latency", "gate_metric", "decision"), "str")
    return pd.DataFrame(lines, columns=COLUMNS).astype({**numbers, **counts, **words})


def _line(step: str, **known: Any) -> dict[str, Any]:
    return {**dict.fromkeys(COLUMNS), "step": step, **known}


def _shadow(pairs: Pairs, floor: int) -> list[dict[str, Any]]:
    """The champion answers all rows, the challenger scores them silently."""
    sent = pairs.send(pairs.rows, share=0.0)
    agreement = pairs.agreement()
    difference = pairs.difference()
    decision = f"Nobody saw the challenger, which scored {sent.n:,} rows"
    if agreement is not None:
        decision = f"Nobody saw the challenger. It agrees with the champion on {_share(agreement, sent.n, floor)}"
    return [_line("shadow", share=0.0, **sent.counts(), **difference, decision=f"{decision}; {_reading(difference)}.")]


def _share(agreement: float, n: int, floor: int) -> str:
    """Say how many rows agree, in words where those that do, or do not, are fewer than the privacy floor."""
    if 0 < round((1 - agreement) * n) < floor:
        return f"nearly all of {n:,} rows"
    if 0 < round(agreement * n) < floor:
        return f"hardly any of {n:,} rows"
    return f"{agreement:.1%} of {n:,} rows"


def _canary(pairs: Pairs, gates: Gates, shares: Sequence[float]) -> tuple[list[dict[str, Any]], bool]:
    """Each step sends its part of the rows; the pairs add up, so the comparison sharpens as the share grows."""
    parts = np.array_split(np.arange(len(pairs.rows)), len(shares) + 2)
    lines, promoted = (
        [_fault(pairs, gates, pairs.rows.iloc[parts[0]]), _rolled_back(pairs, pairs.rows.iloc[parts[1]])],
        True,
    )
    pairs.forget()
    for share, part in zip(shares, parts[2:], strict=True):
        sent = pairs.send(pairs.rows.iloc[part], share=share)
        difference = pairs.difference()
        passed = _judged(sent, difference, gates)
        open_ = all(outcome != "failed" for outcome in passed.values())
        decision = _step_decision(share, passed, difference)
        lines.append(
            _line(f"canary {share:.0%}", share=share, **sent.counts(), **difference, **passed, decision=decision)
        )
        if not open_:
            promoted = False
            break
    return lines, promoted


def _fault(pairs: Pairs, gates: Gates, rows: pd.DataFrame) -> dict[str, Any]:
    """The challenger is made to fail on a quarter of the rows; the gate must notice."""
    sent = pairs.send(rows, share=0.25, fault="error")
    passed = _judged(sent, {}, gates)
    noticed = passed["gate_errors"] == "failed"
    decision = (
        f"Rehearsed fault: the challenger failed on {sent.failures} rows, the champion answered them, the gate closed."
        if noticed
        else "The rehearsed fault was not noticed: too few rows met the challenger."
    )
    return _line("rehearsed fault", share=0.25, **sent.counts(), **passed, decision=decision)


def _rolled_back(pairs: Pairs, rows: pd.DataFrame) -> dict[str, Any]:
    sent = pairs.send(rows, share=0.0, mirror=False)
    decision = f"Rolled back: the champion answered all {sent.n:,} rows, {_lost(sent.lost)}."
    return _line("rollback", share=0.0, **sent.counts(), decision=decision)


def _judged(sent: Sent, difference: dict[str, Any], gates: Gates) -> dict[str, str]:
    failed = sent.failures / sent.challenger if sent.challenger else 0.0
    latency = "not asked"
    if gates.max_latency_ms is not None:
        latency = "passed" if sent.median_ms <= gates.max_latency_ms else "failed"
    return {
        "gate_errors": "passed" if failed <= gates.max_failures else "failed",
        "gate_latency": latency,
        "gate_metric": str(difference.get("outcome", "not judged")),
    }


def _step_decision(share: float, passed: dict[str, str], difference: dict[str, Any]) -> str:
    closed = [name.removeprefix("gate_") for name, outcome in passed.items() if outcome == "failed"]
    if closed:
        return f"Roll back: {listing(closed)} failed."
    reading = _reading(difference)
    return f"Promote: {reading}." if share >= 1 else f"Go on: {reading}."


def _reading(difference: dict[str, Any]) -> str:
    if difference.get("difference") is None or np.isnan(difference["difference"]):
        return f"too few pairs to compare {difference['metric']}"
    words = {"worse": "worse", "better": "better", "same": "neither better nor worse beyond chance"}[difference["side"]]
    value, low, high = (difference[key] for key in ("difference", "low", "high"))
    return f"on {difference['metric']} the challenger is {words} ({value:+.3f}, {low:+.3f} to {high:+.3f})"


def _lost(count: int) -> str:
    return "none lost" if count == 0 else f"{count} lost"


def _blue_green(pairs: Pairs) -> tuple[list[dict[str, Any]], bool]:
    """Blue (champion) serves, everything is switched to green (challenger) and back while requests keep coming."""
    thirds = np.array_split(np.arange(len(pairs.rows)), 3)
    lines, lost = [], 0
    for step, part, share in zip(
        ("blue serves", "switch to green", "switch back"), thirds, (0.0, 1.0, 0.0), strict=True
    ):
        sent = pairs.send(pairs.rows.iloc[part], share=share, switching=step != "blue serves")
        lost += sent.lost
        arm = "challenger" if share else "champion"
        decision = f"The {arm} answers from the switch on; {sent.n:,} rows sent, {_lost(sent.lost)}."
        lines.append(_line(step, share=share, **sent.counts(), decision=decision))
    difference = pairs.difference()
    good = lost == 0 and difference["outcome"] != "failed"
    verdict = f"{'Switch' if good else 'Do not switch'}: {_lost(lost)} in both switches; {_reading(difference)}."
    lines.append(
        _line(
            "verdict",
            rows=len(pairs.rows),
            lost=lost,
            **difference,
            gate_metric=difference["outcome"],
            decision=verdict,
        )
    )
    return lines, good
