"""Whatever holds rows, as DataFrames of a bounded number of rows and of the columns that are needed.

A DataFrame is taken as it is. A Parquet file is read in portions by pyarrow, only the columns asked for, so it may be
larger than memory. Whatever hands out an Arrow stream (an Arrow table, a DuckDB relation, a polars DataFrame) is read
from it portion by portion; all else goes through narwhals (Modin, cuDF, a polars LazyFrame, Dask, PySpark, Ibis).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.errors import DataError

PORTION = 1 << 18
"""Rows of a file that are held at a time."""


def frames(table: Any, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield a table in DataFrames, at least one.

    Parameters
    ----------
    table : DataFrame, path of a Parquet file, Arrow table or stream, or what narwhals knows
        A stream that can be read only once is used up.
    columns : sequence of str, optional
        Those that are needed and there; all by default.

    Raises
    ------
    DataError
        When it is nothing of these.
    """
    if isinstance(table, pd.DataFrame):
        yield table
    elif isinstance(table, str | Path):
        yield from _parquet(Path(table), columns)
    else:
        yield from _stream(table, columns)


def reads_once(table: Any) -> bool:
    """Whether a second reading finds nothing: a stream of Arrow batches."""
    return hasattr(table, "read_next_batch")


def _parquet(path: Path, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=_words(path), pre_buffer=False) as file:
        names = _present(file.schema_arrow.names, columns)
        if not file.metadata.num_rows:
            yield file.schema_arrow.empty_table().select(names).to_pandas()
        for batch in file.iter_batches(PORTION, columns=names, use_threads=False):
            yield batch.to_pandas()


def _words(path: Path) -> list[str]:
    """Columns of words: read as the numbers that the file holds for them, instead of one object a row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    return [part.name for part in schema if pa.types.is_string(part.type) or pa.types.is_large_string(part.type)]


def _present(names: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    return [name for name in names if columns is None or name in set(columns)]


def _stream(table: Any, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    import pyarrow as pa

    if isinstance(table, pa.RecordBatch):
        table = pa.table(table)
    if not isinstance(table, pa.Table | pa.RecordBatchReader):
        table = _arrow(table, columns)
    if isinstance(table, pa.Table):
        table = table.select(_present(table.column_names, columns))
        batches = iter(table.to_batches(PORTION) or [table.schema.empty_table()])
    else:
        batches = iter(table)
    names = _present(table.schema.names, columns)
    any_rows = False
    for batch in batches:
        any_rows = True
        yield batch.select(names).to_pandas()
    if not any_rows:
        yield table.schema.empty_table().select(names).to_pandas()


def _arrow(table: Any, columns: Sequence[str] | None) -> Any:
    """An Arrow table or stream of anything else."""
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    if hasattr(table, "__arrow_c_stream__") and not isinstance(table, nw.DataFrame):
        return pa.RecordBatchReader.from_stream(table)
    try:
        frame = nw.from_native(table)
    except TypeError:
        raise DataError(
            f"A {type(table).__name__} is no table; give a DataFrame, an Arrow table, the path of a Parquet file, or a "
            "table of an engine that narwhals speaks."
        ) from None
    names = frame.collect_schema().names()
    chosen = frame.select(_present(names, columns)) if columns is not None else frame
    return chosen.collect("pyarrow").to_native() if isinstance(chosen, nw.LazyFrame) else chosen.to_arrow()
