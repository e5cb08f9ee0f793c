"""The serving core: routing, scoring, deciding and logging of one request, free of any web framework."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import uuid4

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mlopskit.deploy.bundle import Bundle
from mlopskit.deploy.requestlog import RequestLog
from mlopskit.deploy.rows import Given, quick_model
from mlopskit.deploy.scoring import CHALLENGER, CHAMPION, Arm, in_share, single_threaded
from mlopskit.model.baselines import LinearBaseline

MAX_ROWS = 1000

Answers = tuple[np.ndarray | None, np.ndarray]
"""Scores and predictions of a table's rows (see `mlopskit.deploy.scoring.Arm`)."""

_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Row(BaseModel):
    """One row to score: its features by name, null where unknown, with an id and a time for the log."""

    model_config = ConfigDict(extra="forbid")

    row: _Whole | str | None = Field(
        default=None, description="id of the row; it decides the arm and stands in the log"
    )
    time: _Whole | float | str | None = Field(default=None, description="when the row arose")
    features: dict[str, Any]


class Query(BaseModel):
    """A request: one or many rows."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Row] = Field(min_length=1, max_length=MAX_ROWS)


class Routing(BaseModel):
    """Which arm answers.

    ``share`` of the rows go to the challenger; with ``mirror`` the other arm scores every row silently; ``fault``
    makes the challenger fail or stall, so that a rollback can be rehearsed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(default=1.0, ge=0, le=1)
    mirror: bool = False
    fault: str = Field(default="none", pattern="^(none|error|slow)$")


@dataclass
class Scored:
    """What is known of one row on its way through."""

    row: Row
    arm: str
    status: str = "ok"
    failed_arm: str | None = None
    scores: list[float] | None = None
    prediction: float | None = None
    decided_by: str | None = None
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def note(self, said: Answers, place: int) -> None:
        """Keep what an arm said of the row at a place in its table."""
        scores, predictions = said
        self.scores = None if scores is None else np.atleast_1d(scores[place]).tolist()
        self.prediction = float(predictions[place])


class Service:
    """A loaded bundle with its log and routing.

    Parameters
    ----------
    bundle : Bundle
        Checked; its models are loaded here.
    log : RequestLog, optional
        Where answers are kept; None keeps nothing.
    seed : int
        Of the hash that assigns rows to arms.
    """

    def __init__(self, bundle: Bundle, *, log: RequestLog | None = None, seed: int = 0) -> None:
        self.bundle, self.log, self.seed = bundle, log, seed
        self.schema, self.target, self.deferral = bundle.schema, bundle.target, bundle.deferral
        self.automation = bundle.facts["automation"]
        self.routing = Routing()
        self.log_failures = 0
        threshold = bundle.facts["threshold"]
        self.arms = {CHALLENGER: self._arm(CHALLENGER, bundle.model(), threshold)}
        champion = bundle.champion()
        if champion is not None:
            # what a linear baseline predicts is its probability against its threshold: no need to ask it twice
            cut = champion.threshold if isinstance(champion, LinearBaseline) else None
            self.arms[CHAMPION] = self._arm(CHAMPION, champion, cut)
        self._time_column = bundle.columns.time

    def _arm(self, name: str, estimator: Any, threshold: float | None) -> Arm:
        estimator = single_threaded(estimator)
        return Arm(name, estimator, self.target, threshold, quick_model(estimator, self.schema, self.target))

    def refusals(self, query: Query) -> list[dict[str, Any]]:
        """List what is wrong with a request: row (position), field, problem."""
        return [
            {"row": position, "field": name, "problem": problem}
            for position, row in enumerate(query.rows)
            for name, problem in self.schema.problems(row.features)
        ]

    def answer(self, query: Query) -> tuple[str, list[Scored]]:
        """Score checked rows and keep them in the log; returns the request's id and the rows."""
        started = time.perf_counter()
        request_id = str(uuid4())
        rows = [self._received(row, f"{request_id}:{i}") for i, row in enumerate(query.rows)]
        silent = self._together(rows)
        if silent is None:
            for name in (CHAMPION, CHALLENGER):
                self._score([row for row in rows if row.arm == name], name)
            silent = self._mirrored(rows)
        latency = (time.perf_counter() - started) * 1000
        self._keep(request_id, [*rows, *silent], latency)
        return request_id, rows

    def keep_refusal(self) -> str:
        """Note in the log that a request was refused, and nothing of what it said."""
        request_id = str(uuid4())
        self._append([{"request_id": request_id, "status": "invalid"}])
        return request_id

    def _received(self, row: Row, fallback_id: str) -> Scored:
        chosen = in_share(row.row if row.row is not None else fallback_id, share=self.routing.share, seed=self.seed)
        arm = CHALLENGER if chosen or CHAMPION not in self.arms else CHAMPION
        return Scored(row, arm, warnings=self.schema.warnings(row.features))

    def _score(self, rows: Sequence[Scored], arm: str) -> None:
        """Answer rows by an arm, by the other one if it fails; the row's status tells."""
        if not rows:
            return
        if not self._try(rows, arm):
            other = _other(arm)
            rescued = other in self.arms and self._try(rows, other)
            for row in rows:
                row.failed_arm, row.status = arm, "fallback" if rescued else "error"
                row.arm = other if rescued else arm
        self._decide(rows)

    def _together(self, rows: Sequence[Scored]) -> list[Scored] | None:
        """Where both arms score every row, ask each once for all of them; None when that is not so, or one fails.

        One row or twenty take a model about the same time. After a failure each arm's own rows are tried without the
        silent ones, which must not cost a caller the answer.
        """
        if not self.routing.mirror or len(self.arms) < 2:
            return None
        try:
            given = self._given([row.row for row in rows])
            said = {name: self._ask(name, given) for name in (CHAMPION, CHALLENGER)}
        except Exception:  # tried again, each for itself
            return None
        silent = [Scored(row.row, _other(row.arm), "shadow") for row in rows]
        for i, pair in enumerate(zip(rows, silent, strict=True)):
            for row in pair:
                row.note(said[row.arm], i)
        self._decide(rows)
        return silent

    def _try(self, rows: Sequence[Scored], arm: str) -> bool:
        try:
            said = self._ask(arm, self._given([row.row for row in rows]))
        except Exception:  # whatever a model raises, the caller gets an answer and the log the status
            return False
        for i, row in enumerate(rows):
            row.note(said, i)
        return True

    def _ask(self, arm: str, given: Given) -> Answers:
        """Have an arm score rows."""
        if arm == CHALLENGER:
            self._rehearse_fault()
        return self.arms[arm].answer(given)

    def _rehearse_fault(self) -> None:
        if self.routing.fault == "error":
            raise RuntimeError("rehearsed fault")
        if self.routing.fault == "slow":
            time.sleep(0.25)

    def _given(self, rows: Sequence[Row]) -> Given:
        """Take features as sent; the row's time fills the time column where a model wants it."""
        values = [row.features for row in rows]
        if self._time_column is not None:
            values = [{self._time_column: row.time, **row.features} for row in rows]
        return Given(values, self.schema)

    def _mirrored(self, rows: Sequence[Scored]) -> list[Scored]:
        """Score rows silently by the arm that does not answer them."""
        if not self.routing.mirror or len(self.arms) < 2:
            return []
        silent = [Scored(row.row, _other(row.arm), "shadow") for row in rows]
        for name in (CHAMPION, CHALLENGER):
            mine = [row for row in silent if row.arm == name]
            if mine and not self._try(mine, name):
                for row in mine:
                    row.status = "shadow error"
        return silent

    def _decide(self, rows: Sequence[Scored]) -> None:
        """Say who decides, as far as the degree of automation and the deferral rule go."""
        answered = [row for row in rows if row.prediction is not None]
        alone = np.full(len(answered), self.automation in {"full", None})
        if self.automation == "partial" and self.deferral is not None and answered:
            scores = np.array([row.scores for row in answered], dtype=float)
            predictions = np.array([row.prediction for row in answered], dtype=int)
            alone = ~self.deferral.defers(scores[:, 0] if scores.shape[1] == 1 else scores, predictions)
        for row, by_model in zip(answered, alone, strict=True):
            row.decided_by = "model" if by_model else "person"

    def _keep(self, request_id: str, rows: Sequence[Scored], latency: float) -> None:
        if self.log is None:
            return
        self._append(
            [
                {
                    "request_id": request_id,
                    "row": row.row.row,
                    "time": row.row.time,
                    "arm": row.arm,
                    "scores": row.scores,
                    "prediction": row.prediction,
                    "decided_by": row.decided_by,
                    "status": row.status,
                    "latency_ms": latency,
                    "inputs": row.row.features,
                }
                for row in rows
            ]
        )

    def _append(self, records: list[dict[str, Any]]) -> None:
        """Keep records; a log that cannot be written must not cost the caller the answer, but /health tells."""
        if self.log is None:
            return
        try:
            self.log.append(records)
        except Exception:
            self.log_failures += 1


def _other(arm: str) -> str:
    return CHAMPION if arm == CHALLENGER else CHALLENGER
