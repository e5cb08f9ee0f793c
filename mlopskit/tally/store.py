"""How a `Tally` lies in a Parquet file: one long table that any reader understands.

Each row is one count: ``kind`` is ``confusion`` (block, actual, predicted, n), ``score`` (block, actual, bin, n,
score_sum), ``exact`` (block, actual, score, n) or ``sums`` (block and the regression sums), with ``weight`` and
``squares`` where rows are weighted; the group columns are named ``group:<column>``. Task, classes, edges and grouping
stand as JSON in the file's metadata.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.artefacts import replacing
from mlopskit.errors import DataError
from mlopskit.tally.counts import SUMS, WEIGHTED_SUMS, Tally
from mlopskit.tally.entries import EXACT_COLUMNS, SCORE_COLUMNS, WEIGHTS, empty
from mlopskit.tally.grouping import Grouping
from mlopskit.tally.scores import ScoreBins

_KEY = b"mlopskit.tally"
_PREFIX = "group:"


def save(tally: Tally, path: Path) -> None:
    """Write a tally as one Parquet file, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(_long(tally), preserve_index=False)
    meta = json.dumps(_meta(tally)).encode()
    with replacing(path) as draft:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: meta}), draft)


def load(path: Path) -> Tally:
    """Read a tally back.

    Raises
    ------
    DataError
        When there is no such file, or it was not written by `save`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}; write one with Tally.save.") from None
    except pa.ArrowInvalid:
        raise DataError(f"{path.name} is no Parquet file; write one with Tally.save.") from None
    raw = (table.schema.metadata or {}).get(_KEY)
    if raw is None:
        raise DataError(f"{path.name} is a Parquet file but no tally; write one with Tally.save.")
    meta = json.loads(raw)
    return _restore(table.to_pandas(), meta)


def _meta(tally: Tally) -> dict[str, Any]:
    return {
        "task": tally.task,
        "classes": tally.classes,
        "columns": tally.columns,
        "cells": len(tally.cells),
        "blocks": int(tally.counts.shape[1]),
        "weighted": tally.weighted,
        "score_bins": asdict(tally.score_bins),
        "grouping": tally.grouping.to_dict() if tally.grouping else None,
    }


def _long(tally: Tally) -> pd.DataFrame:
    scores, exact = tally.scores.assign(kind="score"), tally.exact.assign(kind="exact")
    parts = [_confusion_rows(tally), scores, exact, _sums_rows(tally)]
    long = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    groups = tally.cells.iloc[long["cell"].to_numpy(np.int64)].reset_index(drop=True).add_prefix(_PREFIX)
    return pd.concat([groups, long], axis=1)


def _confusion_rows(tally: Tally) -> pd.DataFrame:
    cell, block, actual, predicted = np.nonzero(tally.counts)
    n = tally.counts[cell, block, actual, predicted]
    rows = {"cell": cell, "block": block, "actual": actual, "predicted": predicted, "n": n}
    if tally.weighted and len(tally.weights):
        rows |= dict(zip(WEIGHTS, tally.weights[cell, block, actual, predicted].T, strict=True))
    return pd.DataFrame(rows).assign(kind="confusion")


def _sums_rows(tally: Tally) -> pd.DataFrame:
    cell, block = np.nonzero(tally.sums[:, :, 0])
    names = WEIGHTED_SUMS if tally.weighted else SUMS
    values = dict(zip(names, tally.sums[cell, block].T, strict=True))
    return pd.DataFrame({"cell": cell, "block": block, **values}).assign(kind="sums")


def _restore(long: pd.DataFrame, meta: dict[str, Any]) -> Tally:
    columns, classes = meta["columns"], meta["classes"]
    cells = pd.DataFrame(index=range(meta["cells"]))
    if columns:
        names = [_PREFIX + name for name in columns]
        cells = long.drop_duplicates("cell").sort_values("cell")[names].reset_index(drop=True).astype("str")
        cells.columns = pd.Index(columns)
    regression, weighted = meta["task"] == "regression", meta.get("weighted", False)
    shape = (0 if regression else len(cells), meta["blocks"], classes, classes)
    confusion = long[long["kind"] == "confusion"]
    keys = ["cell", "block", "actual", "predicted"]
    counts = _filled(confusion, keys, ["n"], (*shape, 1))[..., 0].astype(np.int64)
    shape = shape if weighted else (0, *shape[1:])
    weights = _filled(confusion if weighted else confusion.head(0), keys, WEIGHTS, (*shape, 2))
    names = list(WEIGHTED_SUMS if weighted else SUMS)
    size = (len(cells) if regression else 0, 64, len(names))
    sums = _filled(long[long["kind"] == "sums"], ["cell", "block"], names, size)
    grouping = Grouping.from_dict(meta["grouping"]) if meta["grouping"] else None
    return Tally(
        meta["task"], classes, cells, counts, weights, sums, _score_rows(long, "score", SCORE_COLUMNS, weighted),
        ScoreBins(**meta["score_bins"]), grouping, weighted, _score_rows(long, "exact", EXACT_COLUMNS, weighted),
    )  # fmt: skip


def _filled(rows: pd.DataFrame, keys: list[str], names: list[str], shape: tuple[int, ...]) -> Any:
    """An array whose last axis holds the named columns, 0 where the table has no row."""
    values = np.zeros(shape)
    if len(rows):
        values[tuple(rows[key].to_numpy(np.int64) for key in keys)] = rows[names].to_numpy(float)
    return values


def _score_rows(long: pd.DataFrame, kind: str, columns: list[str], weighted: bool) -> pd.DataFrame:
    names = [*columns, *(WEIGHTS if weighted else [])]
    rows = long[long["kind"] == kind]
    if rows.empty:
        return empty(columns)
    whole = {name: np.int64 for name in columns if not name.startswith("score")}
    return rows[names].reset_index(drop=True).astype(whole)
