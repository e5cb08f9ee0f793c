"""The request log: what was asked and answered, for monitoring and for audit.

One record a scored row, in one table of a database: SQLite by default, PostgreSQL by its URL. A row's inputs are kept
only as far as ``[deployment] logging`` allows, as one JSON value, so a column can have any name. Tokens and headers
are never kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import (
    JSON,
    Column,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError

from mlopskit.data.columns import ROW
from mlopskit.deploy.bundle import Bundle
from mlopskit.errors import MissingExtraError

SCORED = ("ok", "fallback", "error")
"""Statuses of answers to callers: by the arm, by the other arm after it failed, by none. Beside them stand ``shadow``
(scored silently), ``shadow error`` and ``invalid`` (refused, nothing of it kept)."""

_ATTEMPTS = 20
_METADATA = MetaData()
_REQUESTS = Table(
    "mlopskit_requests",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("request_id", String(36), nullable=False, index=True),
    Column("row", JSON),
    Column("time", JSON),
    Column("arm", String(16)),
    Column("scores", JSON),
    Column("prediction", Float),
    Column("decided_by", String(16)),
    Column("status", String(16), nullable=False),
    Column("latency_ms", Float),
    Column("inputs", JSON),
)


class RequestLog:
    """An open request log.

    Parameters
    ----------
    url : str
        An SQLAlchemy URL; ``sqlite:///requests.db`` for a file.
    allowed : sequence of str
        The columns whose values may be kept.

    Examples
    --------
    >>> log = RequestLog("sqlite://", allowed=["age"])
    >>> log.append([{"request_id": "a", "status": "ok", "row": 7, "inputs": {"age": 30, "name": "Ada"}}])
    >>> log.records()[0]["inputs"]
    {'age': 30}
    """

    def __init__(self, url: str, *, allowed: Sequence[str] = ()) -> None:
        self.allowed = frozenset(allowed)
        self.engine = _engine(url)
        _make_table(self.engine)

    def append(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Keep records in one transaction; of their inputs only the allowed columns."""
        empty = {column.name: None for column in _REQUESTS.columns if column.name != "id"}
        rows = [{**empty, **record, "inputs": self._allowed(record.get("inputs"))} for record in records]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(insert(_REQUESTS), rows)

    def _allowed(self, inputs: Mapping[str, Any] | None) -> dict[str, Any] | None:
        return None if inputs is None else {name: value for name, value in inputs.items() if name in self.allowed}

    def records(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Return every record, oldest first; with `after`, those that came after a `mark`."""
        columns = [column for column in _REQUESTS.columns if column.name != "id"]
        asked = select(*columns).where(_REQUESTS.c.id > after).order_by(_REQUESTS.c.id)
        names = [column.name for column in columns]
        with self.engine.connect() as connection:
            return [dict(zip(names, row, strict=True)) for row in connection.execute(asked)]

    def mark(self) -> int:
        """Return where the log ends now."""
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.max(_REQUESTS.c.id))).scalar() or 0)

    def kept_columns(self) -> set[str]:
        """Return the names of all columns of which any record keeps a value: what a privacy check looks at."""
        return {name for record in self.records() for name in record["inputs"] or {}}

    def close(self) -> None:
        """Give back the connections."""
        self.engine.dispose()


def _engine(url: str) -> Engine:
    if url.startswith("postgres"):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    try:
        engine = create_engine(url)
    except ModuleNotFoundError:
        raise MissingExtraError.from_extra("A request log on PostgreSQL", "postgresql") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _write_ahead)
    return engine


def _make_table(engine: Engine) -> None:
    """Make the table where there is none; of several that begin with one new database, one is the first."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _METADATA.create_all(engine)
            break
        except DBAPIError as error:
            if attempt == _ATTEMPTS or not _is_collision(error):
                engine.dispose()
                raise
            time.sleep(0.01 * attempt)


def _is_collision(error: DBAPIError) -> bool:
    """Whether another one was making the same table: SQLite says so in words and does not wait, PostgreSQL by code."""
    said = str(error.orig).endswith(("is locked", "already exists"))
    return said or getattr(error.orig, "sqlstate", None) in {"42P07", "42710", "23505"}  # table, type, name in both


def _write_ahead(connection: Any, _record: Any) -> None:
    """Let readers read while the server writes; a commit survives a killed process."""
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=NORMAL"):  # the first: others wait by it
        connection.execute(f"PRAGMA {pragma}").close()


def request_table(records: Sequence[Mapping[str, Any]], *, bundle: Bundle) -> pd.DataFrame:
    """Return answered rows as a tidy table, in order of time, then row: what monitoring reads.

    Returns
    -------
    DataFrame
        ``_row``, time, arm, score (or score_0 … score_{K−1}, or neither), prediction (class index or quantity),
        decided_by, status, then the columns that may be logged (see `logged_name`), as the data phase typed them.
    """
    answered = [record for record in records if record["status"] in SCORED]
    schema, allowed = {field.name: field for field in bundle.schema.fields}, bundle.logging
    clock = schema.get(bundle.columns.time or "")
    times = [record["time"] for record in answered]
    prediction = pd.Series([record["prediction"] for record in answered], dtype=float)
    whole = bundle.target.is_classification and prediction.notna().all()
    table = pd.DataFrame(
        {
            ROW: pd.Series([record["row"] for record in answered], dtype="int64"),
            "time": clock.series(times) if clock else pd.Series(times, dtype=float),
            "arm": pd.Series([record["arm"] for record in answered], dtype="str"),
            **_score_columns([record["scores"] for record in answered]),
            "prediction": prediction.astype("int64") if whole else prediction,
            "decided_by": pd.Series([record["decided_by"] for record in answered], dtype="str"),
            "status": pd.Series([record["status"] for record in answered], dtype="str"),
        }
    )
    for name in (name for name in schema if name in allowed):
        table[logged_name(name)] = schema[name].series([(record["inputs"] or {}).get(name) for record in answered])
    return table.sort_values(["time", ROW], kind="stable", ignore_index=True)


def logged_name(column: str) -> str:
    """Return the name under which a logged column stands in the request table: its own, unless that is taken.

    Examples
    --------
    >>> logged_name("age"), logged_name("status")
    ('age', 'status (logged)')
    """
    taken = column in {ROW, "time", "arm", "prediction", "decided_by", "status"} or column.startswith("score")
    return f"{column} (logged)" if taken else column


def _score_columns(scores: Sequence[Any]) -> dict[str, pd.Series[Any]]:
    width = max((len(score) for score in scores if score), default=0)
    values = np.array([score or [np.nan] * width for score in scores], dtype=float).reshape(len(scores), width)
    names = ["score"] if width == 1 else [f"score_{i}" for i in range(width)]
    return {name: pd.Series(values[:, i]) for i, name in enumerate(names)}


def as_json(value: Any) -> str:
    """Return JSON in ASCII, so that text of any kind can be sent and kept."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
