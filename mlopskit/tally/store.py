"""How a `Tally` lies in a Parquet file: one long table that any reader understands.

Each row is one count: ``kind`` is ``confusion`` (block, actual, predicted, n), ``score`` (block, actual, bin, n,
score_sum) or ``sums`` (block and the regression sums); the group columns are named ``group:<column>``. Task, classes,
edges and grouping stand as JSON in the file's metadata.
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
from mlopskit.tally.counts import SCORE_COLUMNS, SUMS, Tally
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
        When the Parquet file was not written by `save`.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(path)
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
        "score_bins": asdict(tally.score_bins),
        "grouping": tally.grouping.to_dict() if tally.grouping else None,
    }


def _long(tally: Tally) -> pd.DataFrame:
    parts = [_confusion_rows(tally), tally.scores.assign(kind="score"), _sums_rows(tally)]
    long = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    groups = tally.cells.iloc[long["cell"].to_numpy(np.int64)].reset_index(drop=True).add_prefix(_PREFIX)
    return pd.concat([groups, long], axis=1)


def _confusion_rows(tally: Tally) -> pd.DataFrame:
    cell, block, actual, predicted = np.nonzero(tally.counts)
    n = tally.counts[cell, block, actual, predicted]
    rows = {"cell": cell, "block": block, "actual": actual, "predicted": predicted, "n": n}
    return pd.DataFrame(rows).assign(kind="confusion")


def _sums_rows(tally: Tally) -> pd.DataFrame:
    cell, block = np.nonzero(tally.sums[:, :, 0])
    values = dict(zip(SUMS, tally.sums[cell, block].T, strict=True))
    return pd.DataFrame({"cell": cell, "block": block, **values}).assign(kind="sums")


def _restore(long: pd.DataFrame, meta: dict[str, Any]) -> Tally:
    columns, classes = meta["columns"], meta["classes"]
    cells = pd.DataFrame(index=range(meta["cells"]))
    if columns:
        names = [_PREFIX + name for name in columns]
        cells = long.drop_duplicates("cell").sort_values("cell")[names].reset_index(drop=True).astype("str")
        cells.columns = pd.Index(columns)
    confusion, sums = long[long["kind"] == "confusion"], long[long["kind"] == "sums"]
    regression = meta["task"] == "regression"
    counts = np.zeros((0 if regression else len(cells), meta["blocks"], classes, classes), dtype=np.int64)
    if len(confusion):
        at = tuple(confusion[name].to_numpy(np.int64) for name in ("cell", "block", "actual", "predicted"))
        counts[at] = confusion["n"].to_numpy(np.int64)
    totals = np.zeros((len(cells) if regression else 0, 64, len(SUMS)))
    if len(sums):
        totals[sums["cell"].to_numpy(np.int64), sums["block"].to_numpy(np.int64)] = sums[list(SUMS)].to_numpy(float)
    grouping = Grouping.from_dict(meta["grouping"]) if meta["grouping"] else None
    bins = ScoreBins(**meta["score_bins"])
    return Tally(meta["task"], classes, cells, counts, totals, _score_rows(long), bins, grouping)


def _score_rows(long: pd.DataFrame) -> pd.DataFrame:
    if "bin" not in long.columns:
        return pd.DataFrame({name: pd.Series(dtype=np.int64) for name in SCORE_COLUMNS})
    rows = long.loc[long["kind"] == "score", SCORE_COLUMNS].reset_index(drop=True)
    whole = dict.fromkeys(SCORE_COLUMNS[:-1], np.int64)
    return rows.astype(whole)
