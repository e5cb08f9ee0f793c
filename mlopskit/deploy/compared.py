"""Champion and challenger on the same rows: a server lets both score them, and what they said is compared."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import ROW, TARGET, units_of
from mlopskit.deploy.client import Server
from mlopskit.deploy.floored import hide_columns
from mlopskit.deploy.messages import to_rows
from mlopskit.deploy.scoring import CHALLENGER, CHAMPION, in_share
from mlopskit.intervals import wilson
from mlopskit.tally import Grouping, block_of

_BATCH = 20
_CONNECTIONS = 4
_PROBES = 7

Answer = tuple[float, list[dict[str, Any]]]


@dataclass(frozen=True)
class Sent:
    """What came of sending rows.

    Attributes
    ----------
    n, lost : int
        Rows sent, and rows without an answer.
    challenger : int
        Rows meant for the challenger; while traffic is switched, those sent after the switch.
    failures : int
        Of these, rows that it failed on.
    median_ms : float
        Median time of requests with one row, sent one by one after the others; measures time, so only its gate's
        outcome is kept, and a median of such requests hardly depends on what else the machine does.
    """

    n: int
    lost: int
    challenger: int
    failures: int
    median_ms: float

    def counts(self) -> dict[str, int]:
        """Return what does not depend on timing."""
        return {"rows": self.n, "lost": self.lost, "challenger_rows": self.challenger, "failures": self.failures}


class Pairs:
    """Rows sent so far with both models' answers.

    Parameters
    ----------
    server : Server
        Running, with a champion.
    rows : DataFrame
        Rows of a split table with their targets.
    metric : str
        What the two are compared by.
    confidence : float
        Of the paired interval.
    """

    def __init__(self, server: Server, rows: pd.DataFrame, metric: str, confidence: float) -> None:
        self.server, self.rows, self.metric, self.confidence = server, rows, metric, confidence
        self.target = server.bundle.target
        self.forget()

    def forget(self) -> None:
        """Leave what was logged so far out of later comparisons."""
        self._mark = self.server.mark()

    def send(
        self, rows: pd.DataFrame, *, share: float, mirror: bool = True, fault: str = "none", switching: bool = False
    ) -> Sent:
        """Send rows, `share` of them to the challenger; with `switching`, change to it halfway, in full traffic."""
        messages = to_rows(rows, self.server.bundle, everything=True)
        batches = [messages[i : i + _BATCH] for i in range(0, len(messages), _BATCH)]
        half = len(batches) // 2 if switching else 0
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            before = [pool.submit(self._post, batch) for batch in batches[:half]]
            self.server.route(share=share, mirror=mirror, fault=fault)
            after = [pool.submit(self._post, batch) for batch in batches[half:]]
        first, settled = [item.result() for item in before], [item.result() for item in after]
        self.server.route(share=share, fault=fault)
        seed = self.server.seed
        probes = [message for message in messages if in_share(message["row"], share=share, seed=seed)] or messages
        waits = [self._post([message])[0] for message in probes[:_PROBES]]
        self.server.route(share=share, mirror=mirror)
        return _sent(len(messages), first, settled, waits)

    def _post(self, batch: Sequence[dict[str, Any]]) -> Answer:
        import httpx

        started = time.perf_counter()
        try:
            answers = self.server.post(batch)
        except httpx.HTTPError:  # a lost connection: these rows count as lost
            answers = []
        return (time.perf_counter() - started) * 1000, answers

    def table(self) -> pd.DataFrame:
        """Return one line a row that both models scored: truth, and prediction and scores of each."""
        records = [record for record in self.server.records(after=self._mark) if record["prediction"] is not None]
        sides = {arm: _by_row(records, arm) for arm in (CHAMPION, CHALLENGER)}
        truth = dict(zip(self.rows[ROW].tolist(), self.rows[TARGET].tolist(), strict=True))
        both = sorted(set(sides[CHAMPION]) & set(sides[CHALLENGER]) & set(truth))
        return pd.DataFrame(
            {
                ROW: both,
                TARGET: [truth[row] for row in both],
                **{arm: [sides[arm][row]["prediction"] for row in both] for arm in sides},
                **{f"{arm}_scores": [sides[arm][row]["scores"] for row in both] for arm in sides},
            }
        )

    def agreement(self) -> float | None:
        """Return the share of rows with the same predicted class; None for regression."""
        table = self.table()
        same = table[CHAMPION] == table[CHALLENGER]
        return float(same.mean()) if self.target.is_classification and len(table) else None

    def difference(self) -> dict[str, Any]:
        """Return challenger minus champion: metric, difference, low, high, side (better, same, worse), outcome."""
        from mlopskit.metrics import get_metric, paired_difference

        table, metric = self.table(), get_metric(self.metric, self.target.task)
        found = None
        if len(table):
            sides = [self._answers(table, arm) for arm in (CHALLENGER, CHAMPION)]
            truth = table[TARGET].to_numpy()
            whose = units_of(self.rows.set_index(ROW).loc[table[ROW]], self.server.bundle.columns.group)
            found = paired_difference(
                truth, *sides, metric=self.metric, task=self.target.task, confidence=self.confidence,
                blocks=None if whose is None else block_of(whose),
            )  # fmt: skip
        if found is None or np.isnan(found.value) or metric.greater_is_better is None:
            empty = dict.fromkeys(("difference", "low", "high"), np.nan)
            return {"metric": self.metric, **empty, "side": "unknown", "outcome": "not judged"}
        low, high = (found.low, found.high) if metric.greater_is_better else (-found.high, -found.low)
        side = "worse" if high < 0 else "better" if low > 0 else "same"
        outcome = "failed" if side == "worse" else "passed"
        values = {"difference": found.value, "low": found.low, "high": found.high}
        return {"metric": self.metric, **values, "side": side, "outcome": outcome}

    def _answers(self, table: pd.DataFrame, arm: str) -> tuple[Any, Any]:
        predictions = table[arm].to_numpy(dtype=float)
        if not self.target.is_classification:
            return predictions, None
        scores = np.array(table[f"{arm}_scores"].tolist(), dtype=float)
        return predictions.astype(int), scores[:, 0] if scores.shape[1] == 1 else scores

    def by_group(self, columns: Sequence[str], *, floor: int = 0) -> pd.DataFrame:
        """Return how far the two agree in each group, with Wilson's interval; equal numbers count for regression.

        Under a privacy floor a column of which any group is too small is withheld as a whole.
        """
        table = self.table().merge(self.rows, on=ROW, suffixes=("", "_source"))
        columns = [name for name in columns if name in table]
        heads = ["slice", "group", "n", "agreement", "low", "high", "difference"]
        if table.empty or not columns:
            return pd.DataFrame(columns=heads)
        groups = Grouping.fit(table, columns).transform(table)
        lines = [
            {"slice": name, "group": group, **self._compared(table[(groups[name] == group).to_numpy()])}
            for name in columns
            for group in sorted(groups[name].unique())
        ]
        same = table[CHAMPION] == table[CHALLENGER]
        return hide_columns(pd.DataFrame(lines, columns=heads), table, groups, same, floor=floor)

    def _compared(self, table: pd.DataFrame) -> dict[str, Any]:
        same = int((table[CHAMPION] == table[CHALLENGER]).sum())
        low, high = wilson(same, len(table))
        ordered = self.target.task != "multiclass"
        difference = float(table[CHALLENGER].mean() - table[CHAMPION].mean()) if ordered else np.nan
        agreement = {"agreement": same / len(table), "low": float(low), "high": float(high)}
        return {"n": len(table), **agreement, "difference": difference}


def _sent(n: int, before: Sequence[Answer], after: Sequence[Answer], waits: Sequence[float]) -> Sent:
    answers = [answer for _, several in (*before, *after) for answer in several]
    settled = [answer for _, several in after for answer in several]
    failed = [answer for answer in settled if answer["status"] != "ok"]
    return Sent(
        n=n,
        lost=n - sum(answer["status"] in {"ok", "fallback"} for answer in answers),
        challenger=sum(answer["arm"] == CHALLENGER for answer in settled) + sum(_fell_back(a) for a in failed),
        failures=len(failed),
        median_ms=float(np.median(waits)) if waits else 0.0,
    )


def _fell_back(answer: dict[str, Any]) -> bool:
    """Answered by the champion because the challenger, for which it was meant, failed."""
    return bool(answer["status"] == "fallback" and answer["arm"] == CHAMPION)


def _by_row(records: Sequence[dict[str, Any]], arm: str) -> dict[Any, dict[str, Any]]:
    return {record["row"]: record for record in records if record["arm"] == arm}
