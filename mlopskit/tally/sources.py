"""Whatever holds rows, as DataFrames of a bounded number of rows and of the columns that are needed.

A DataFrame is taken as it is. Parquet files are read by DuckDB (`mlopskit.tally.duck`), so they may be larger than
memory. So may a DuckDB relation, a polars LazyFrame, a Dask DataFrame and any stream of Arrow batches: they are
computed portion by portion. All else goes through narwhals (polars, Modin, cuDF, Ibis, PySpark, SQLFrame), and its
needed columns are held at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.errors import DataError
from mlopskit.tally import arrow, duck


def frames(table: Any, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
    """Yield a table in DataFrames, at least one.

    Rows that pandas or Modin holds keep their index; all others are numbered from 0 as they come.

    Parameters
    ----------
    table : DataFrame, path, Arrow table or stream, or what narwhals knows
        A path is that of a Parquet file or of a folder of them, or a pattern. A stream that can be read only once is
        used up.
    columns : sequence of str, optional
        Those that are needed and there; all by default.

    Raises
    ------
    DataError
        When it is nothing of these, cannot be read, or a needed column occurs twice or holds lists or objects.
    """
    if isinstance(table, pd.DataFrame):
        yield arrow.tidy(table, columns)
    elif isinstance(table, str | Path):
        yield from duck.parquet(table, columns)
    else:
        yield from _engine(table, columns)


def column_names(table: Any) -> list[str]:
    """Return the names of all columns; none where only reading the rows would tell."""
    if isinstance(table, pd.DataFrame):
        return [str(name) for name in table.columns]
    if isinstance(table, str | Path):
        return duck.column_names(table)
    import narwhals as nw
    import pyarrow as pa

    if isinstance(table, pa.RecordBatch | pa.RecordBatchReader):
        return list(table.schema.names)
    frame = nw.from_native(table, pass_through=True)
    return list(frame.collect_schema().names()) if isinstance(frame, nw.LazyFrame | nw.DataFrame) else []


def reads_once(table: Any) -> bool:
    """Whether a second reading may find nothing: a stream of Arrow batches, or what is known to hand out no more."""
    if isinstance(table, pd.DataFrame | str | Path):
        return False
    import narwhals as nw
    import pyarrow as pa
    from narwhals.dependencies import is_dask_dataframe

    table = nw.to_native(table, pass_through=True)
    if isinstance(table, pa.RecordBatch) or is_dask_dataframe(table):
        return False
    return not isinstance(nw.from_native(table, pass_through=True), nw.DataFrame | nw.LazyFrame)


def _engine(table: Any, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    """Rows of a library's own table, in portions where the library can."""
    import narwhals as nw
    import pyarrow as pa
    from narwhals import dependencies as known

    table = nw.to_native(table, pass_through=True)
    if known.is_duckdb_relation(table):
        yield from duck.relation(table, columns)
    elif known.is_polars_lazyframe(table) and hasattr(table, "collect_batches"):
        yield from _polars(table, columns)
    elif known.is_dask_dataframe(table):
        yield from _dask(table, columns)
    elif isinstance(table, pa.RecordBatch | pa.Table):
        yield from arrow.from_batches(table.schema, [table], columns)
    else:
        yield from _other(table, columns)


def _polars(table: Any, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    names = table.collect_schema().names()
    chosen = table.select([names[place] for place in arrow.wanted(names, columns)])
    parts = chosen.collect_batches(chunk_size=arrow.PORTION, maintain_order=True)
    schema = chosen.collect_schema().to_frame().to_arrow().schema
    yield from arrow.from_batches(schema, (part.to_arrow() for part in parts), columns)


def _dask(table: Any, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    names, start = [table.columns[place] for place in arrow.wanted(table.columns, columns)], 0
    for place in range(table.npartitions):
        part = arrow.tidy(table[names].partitions[place].compute(scheduler="sync"), columns)
        yield part.set_axis(pd.RangeIndex(start, start + len(part)))
        start += len(part)


def _other(table: Any, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    import narwhals as nw
    import pyarrow as pa

    frame = nw.from_native(table, pass_through=True)
    if isinstance(frame, nw.LazyFrame | nw.DataFrame):
        names = frame.collect_schema().names()
        chosen = frame.select([names[place] for place in arrow.wanted(names, columns)])
        if isinstance(chosen, nw.DataFrame) and chosen.implementation.is_pandas_like():
            yield arrow.tidy(chosen.to_pandas(), columns)
            return
        found = chosen.collect("pyarrow").to_native() if isinstance(chosen, nw.LazyFrame) else chosen.to_arrow()
        yield from arrow.from_batches(found.schema, [found], columns)
    elif hasattr(table, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(table)
        yield from arrow.from_batches(reader.schema, reader, columns)
    else:
        raise DataError(
            f"A {type(table).__name__} is no table; give a DataFrame, an Arrow table, the path of a Parquet file, or a "
            "table of an engine that narwhals speaks."
        )
