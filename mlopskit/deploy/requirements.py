"""The six questions that were settled in the scope, asked again of what was measured.

Real time or batch; cloud, edge or on premise; compute; latency and throughput; logging; security and privacy. Each
line says what was asked, what was found, and one of four outcomes: ``met``, ``not met``, ``not asked`` (an open
question) and ``could not check``. The last two are never good news.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator
from typing import Any

import pandas as pd

from mlopskit.deploy.client import Server
from mlopskit.deploy.replay import Replay
from mlopskit.deploy.requestlog import RequestLog
from mlopskit.display import Note, note
from mlopskit.errors import listing
from mlopskit.scope import Deployment

OUTCOMES = ("met", "not met", "not asked", "could not check")

Line = tuple[str, Any, str, str]


def check_requirements(deployment: Deployment, *, server: Server, replay: Replay) -> pd.DataFrame:
    """Hold what was asked against what was measured; the server must still run.

    Parameters
    ----------
    deployment : Deployment
        ``[deployment]``.
    server : Server
        Running; its log is searched, and it is called without its token.
    replay : Replay
        What the replay measured.

    Returns
    -------
    DataFrame
        question, asked, measured, outcome. It measures time: keep it as volatile.
    """
    lines = [
        *_place(deployment, server, replay),
        *_compute(deployment, replay.load),
        *_speed(deployment, replay.load),
        *_logging(deployment, server),
        *_security(deployment, server),
        *_people(deployment, replay.requests),
    ]
    table = pd.DataFrame(lines, columns=["question", "asked", "measured", "outcome"])
    return table.assign(asked=table["asked"].map(_said)).astype("str")


def _said(asked: Any) -> str:
    if isinstance(asked, list):
        return listing(asked, limit=30)
    return "–" if asked is None else f"{asked:g}" if isinstance(asked, int | float) else str(asked)


def _bounded(question: str, asked: float | None, value: float | None, words: str, *, at_most: bool = True) -> Line:
    """A line about a number and its bound."""
    if value is None or math.isnan(value):
        return question, asked, "not measured here", "not asked" if asked is None else "could not check"
    if asked is None:
        return question, None, words, "not asked"
    return question, asked, words, "met" if (value <= asked if at_most else value >= asked) else "not met"


def _place(deployment: Deployment, server: Server, replay: Replay) -> Iterator[Line]:
    load, mode = replay.load, deployment.mode
    answered = int(replay.requests["prediction"].notna().sum())
    words = f"{load['single_requests']:,} single requests, the rest in batches"
    words += f"; {answered:,} of {len(replay.requests):,} rows answered"
    complete = "met" if answered == len(replay.requests) and answered else "not met"
    yield "1 real time or batch", mode, words, complete if mode else "not asked"
    size = sum(item.stat().st_size for item in server.bundle.folder.rglob("*") if item.is_file()) / 1e6
    machine = f"{platform.system()} {platform.machine()}"
    packages = len(server.bundle.facts["versions"]["packages"])
    words = f"one folder of {size:.1f} MB, {packages} packages; served on {machine} only"
    yield "2 cloud, edge or on premise", deployment.where, words, "could not check" if deployment.where else "not asked"


def _compute(deployment: Deployment, load: dict[str, Any]) -> Iterator[Line]:
    memory = load["peak_memory_mb"]
    words = "" if memory is None else f"{memory:,.0f} MB at its peak"
    yield _bounded("3 compute: memory (MB)", deployment.max_memory_mb, memory, words)
    yield _bounded("3 compute: cores", deployment.cores, 1.0, "one process that computes in one thread")


def _speed(deployment: Deployment, load: dict[str, Any]) -> Iterator[Line]:
    words = f"median {load['p50_ms']:.1f}, 95 % within {load['p95_ms']:.1f}, 99 % within {load['p99_ms']:.1f} ms"
    yield _bounded("4 latency (ms, 95th percentile)", deployment.max_latency_ms, load["p95_ms"], words)
    rate = load["requests_per_second"]
    words = "" if rate is None else f"{rate:,.0f} single requests a second, one after the other"
    if load["rows_per_second"]:
        words += f"; {load['rows_per_second']:,.0f} rows a second in batches"
    yield _bounded("4 throughput (requests per second)", deployment.min_requests_per_second, rate, words, at_most=False)


def _logging(deployment: Deployment, server: Server) -> Iterator[Line]:
    log = RequestLog(server.log_url)
    kept = log.kept_columns()
    log.close()
    asked = deployment.logging
    foreign = sorted(kept - set(asked or []))
    words = f"the log keeps {listing(sorted(kept), limit=30)}" + (
        f"; not allowed: {listing(foreign)}" if foreign else ""
    )
    lacking = sorted(set(asked or []) - kept)
    if lacking:
        words += f"; allowed but never sent: {listing(lacking)}"
    yield "5 logging", asked, words, "not met" if foreign else "met" if asked is not None else "not asked"


def _security(deployment: Deployment, server: Server) -> Iterator[Line]:
    question = "6 security"
    if server.token is None:
        words = "answers on this machine's loopback address only; no token is asked for"
        yield question, deployment.security, words, "could not check" if deployment.security else "not asked"
    else:
        code = server.status_without_token()
        words = f"answers on this machine's loopback address only; a request without token got {code}"
        yield question, deployment.security, words, "met" if code == 401 else "not met"
    kept = server.keeps_secret()
    words = "nothing but the columns above, ids and answers is in the log" + (
        "" if kept else "; THE TOKEN IS IN THE LOG"
    )
    if deployment.privacy:
        words += "; retention and access are up to whoever runs it"
    outcome = "not met" if not kept else "could not check" if deployment.privacy else "not asked"
    yield "6 privacy", deployment.privacy, words, outcome


def _people(deployment: Deployment, requests: pd.DataFrame) -> Iterator[Line]:
    if deployment.automation == "partial" and len(requests):
        share = float((requests["decided_by"] == "person").mean())
        words = f"{share:.1%} of {len(requests):,} replayed rows went to people"
        yield _bounded("share that people can take over", deployment.max_deferred, share, words)


def verdict(table: pd.DataFrame) -> Note:
    """Say in a sentence or two how the requirements stand."""
    counts = table["outcome"].value_counts()
    failed = table.loc[table["outcome"] == "not met", "question"].tolist()
    first = f"{counts.get('met', 0)} of {len(table)} requirements are met"
    first += f"; not met: {listing(failed)}." if failed else "; none is violated."
    open_ = [f"{counts[name]} {name}" for name in ("not asked", "could not check") if name in counts]
    tone = "bad" if failed else "warning" if open_ else "good"
    return note(first, f"Neither good nor bad: {listing(open_)}." if open_ else "", tone=tone)
