"""Replay: rows from after the training data are sent to the real server, as production would send them.

Rows go out in order of time, most of them in batches on a few connections (how much can it take?), an evenly spaced
sample one by one with nothing else going on (how long does a caller wait?). Scores, predictions and decisions do not
depend on timing and are kept apart from what does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import ROW
from mlopskit.deploy.client import Server
from mlopskit.deploy.messages import to_rows
from mlopskit.deploy.requestlog import SCORED, request_table


@dataclass(frozen=True)
class Replay:
    """What came of a replay.

    Attributes
    ----------
    requests : DataFrame
        One line a row, from the request log (see `request_table`); equal for equal runs.
    latency : DataFrame
        ``_row``, latency_ms (of rows sent one by one, seen by the caller), batch_ms (of the request that carried the
        row, for the others); measures time.
    load : dict
        p50, p95 and p99 of single requests in ms, rows a second in batches, peak memory in MB, seconds to start;
        measures time.
    warnings : DataFrame
        feature, warning, n: values unlike the training data.
    """

    requests: pd.DataFrame
    latency: pd.DataFrame
    load: dict[str, Any]
    warnings: pd.DataFrame


def thin(frame: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return at most `rows` rows, evenly spaced, first and last kept.

    Examples
    --------
    >>> thin(pd.DataFrame({"_row": range(9)}), 3)["_row"].tolist()
    [0, 4, 8]
    """
    if len(frame) <= rows:
        return frame.reset_index(drop=True)
    return frame.iloc[np.linspace(0, len(frame) - 1, rows).round().astype(int)].reset_index(drop=True)


def replay(server: Server, rows: pd.DataFrame, *, single: int = 200, batch: int = 25, concurrency: int = 4) -> Replay:
    """Send rows, in order, and collect what the server answered, logged and cost.

    Parameters
    ----------
    server : Server
        Started with `Server`; its bundle's model answers every row.
    rows : DataFrame
        Rows of a split table, in order of time.
    single : int
        How many of them are sent one by one.
    batch, concurrency : int
        Rows in each other request, and connections that send them at the same time.
    """
    server.ready().route(share=1.0)
    messages = to_rows(rows, server.bundle)
    alone = set(np.linspace(0, len(messages) - 1, min(single, len(messages))).round().astype(int).tolist())
    together = [message for i, message in enumerate(messages) if i not in alone]
    batches = [together[i : i + batch] for i in range(0, len(together), batch)]
    _send(server, messages[:1])  # opens the connection; the first answer of a process is slower than any other
    mark = server.mark()
    singles = [_send(server, [messages[i]]) for i in sorted(alone)]
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        several = list(pool.map(lambda part: _send(server, part), batches))
    seconds = time.perf_counter() - started
    records = server.records(after=mark)
    sent = [*singles, *several]
    return Replay(
        request_table(records, bundle=server.bundle),
        _latency_table(singles, several, rows),
        _load(singles, rows_sent=len(together), seconds=seconds, server=server),
        _warning_table(sent),
    )


def _send(server: Server, part: Sequence[dict[str, Any]]) -> tuple[float, list[dict[str, Any]]]:
    started = time.perf_counter()
    answers = server.post(part)
    return (time.perf_counter() - started) * 1000, answers


def _latency_table(
    singles: Sequence[tuple[float, list[dict[str, Any]]]],
    several: Sequence[tuple[float, list[dict[str, Any]]]],
    rows: pd.DataFrame,
) -> pd.DataFrame:
    alone = [(answer["row"], latency, np.nan) for latency, answers in singles for answer in answers]
    together = [(answer["row"], np.nan, latency) for latency, answers in several for answer in answers]
    table = pd.DataFrame([*alone, *together], columns=[ROW, "latency_ms", "batch_ms"])
    return rows[[ROW]].merge(table, on=ROW, how="left")


def _load(singles: Sequence[tuple[float, Any]], *, rows_sent: int, seconds: float, server: Server) -> dict[str, Any]:
    waits = np.array([latency for latency, _ in singles])
    p50, p95, p99 = np.quantile(waits, [0.5, 0.95, 0.99]) if waits.size else (np.nan,) * 3
    one_by_one = waits.sum() / 1000
    return {
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "single_requests": len(waits),
        "requests_per_second": float(len(waits) / one_by_one) if one_by_one else None,
        "rows_per_second": rows_sent / seconds if rows_sent else None,
        "peak_memory_mb": server.get("/health")["peak_memory_mb"],
        "start_seconds": server.start_seconds,
    }


def _warning_table(sent: Sequence[tuple[float, list[dict[str, Any]]]]) -> pd.DataFrame:
    lines = [
        (warning["field"], warning["warning"]) for _, answers in sent for row in answers for warning in row["warnings"]
    ]
    table = pd.DataFrame(lines, columns=["feature", "warning"])
    return table.value_counts().rename("n").reset_index().sort_values(
        ["n", "feature", "warning"], ascending=[False, True, True], ignore_index=True
    )  # fmt: skip


def failed_share(requests: pd.DataFrame) -> float:
    """Return the share of rows that the arm meant for them did not answer."""
    return float((requests["status"] != SCORED[0]).mean()) if len(requests) else float("nan")
