"""What DuckDB reads: Parquet files of any size, and its own relations.

Only the columns needed are read, in the order of the rows. For files DuckDB holds at most `MEMORY`, works in one
thread, writes nothing and loads no extension. Columns are told apart by their place, since DuckDB takes ``Age`` and
``age`` for one name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.errors import DataError
from mlopskit.tally.arrow import from_batches, wanted

MEMORY = "512MB"
BATCH = 1 << 16
"""Rows that DuckDB hands over at a time: few, since they may be wide."""

_SETTINGS = {
    "memory_limit": MEMORY,
    "threads": 1,
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def parquet(path: str | Path, columns: Sequence[str] | None) -> Iterator[pd.DataFrame]:
    """Yield the rows of Parquet files in DataFrames, at least one.

    Parameters
    ----------
    path : str or Path
        A file, a folder of files or a pattern such as ``rows/*.parquet``. Files follow each other in the order of their
        names; a folder called ``year=2024`` gives its files a column; a file without a column that others have is
        missing all its values.
    columns : sequence of str or None
        Those that are needed and there; None for all.

    Raises
    ------
    DataError
        When there is no such file, one cannot be read, or a needed column occurs twice or is nested.
    """
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = _files(path)
    alone = len(files) == 1
    with duckdb.connect(":memory:", config=_SETTINGS) as connection:
        try:
            schema = pq.read_schema(files[0])
            found = connection.read_parquet(
                [_literal(file) for file in files], union_by_name=not alone, hive_partitioning=not alone
            )
            spans = {part.name: part.type for part in schema if pa.types.is_duration(part.type)}
            yield from relation(found, columns, names=schema.names if alone else None, types=spans)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def column_names(path: str | Path) -> list[str]:
    """Return the names of all columns of Parquet files, those of the first file first."""
    import pyarrow.parquet as pq

    return list(dict.fromkeys(name for file in _files(path) for name in pq.read_schema(file).names))


def relation(
    table: Any,
    columns: Sequence[str] | None,
    *,
    names: Sequence[str] | None = None,
    types: Mapping[str, Any] | None = None,
) -> Iterator[pd.DataFrame]:
    """Yield the rows of a DuckDB relation in DataFrames, at least one.

    Parameters
    ----------
    table : duckdb.DuckDBPyRelation
        Computed as it is read.
    columns : sequence of str or None
        Those that are needed and there; None for all.
    names : sequence of str, optional
        What its columns are called, where DuckDB had to rename some.
    types : mapping of str to pyarrow type, optional
        Types of columns for which DuckDB has none.

    Raises
    ------
    DataError
        When a needed column occurs twice or is nested.
    """
    import duckdb

    names = list(table.columns if names is None else names)
    places = wanted(names, columns)
    if places and len({name.casefold() for name in table.columns}) == len(table.columns):
        table = table.select(*(duckdb.ColumnExpression(table.columns[place]) for place in places))
        names = [names[place] for place in places]
    reader = table.to_arrow_reader(BATCH)
    schema = _schema(reader.schema, names, types or {})
    yield from from_batches(schema, _typed(reader, schema), columns)


def _schema(schema: Any, names: Sequence[str], types: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    return pa.schema([(name, types.get(name, part.type)) for part, name in zip(schema, names, strict=True)])


def _typed(batches: Iterable[Any], schema: Any) -> Iterator[Any]:
    import pyarrow as pa

    for batch in batches:
        parts = [part.cast(field.type) for part, field in zip(batch.columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(parts, schema=schema)


def _files(path: str | Path) -> list[Path]:
    """The files in order; those whose names start with a dot or an underscore are other programs' notes."""
    place = Path(path)
    if place.is_file():
        return [place]
    if place.is_dir():
        found = (file.relative_to(place) for file in place.rglob("*.parquet") if file.is_file())
        files = [place / file for file in found if not any(part.startswith((".", "_")) for part in file.parts)]
    else:
        files = [file for file in Path(place.anchor).glob(str(place.relative_to(place.anchor))) if file.is_file()]
    if not files:
        what = "has no Parquet file" if place.is_dir() else "is no file, folder or pattern that a file fits"
        raise DataError(f"{path} {what}; give the path of a Parquet file or of a folder of them, or a pattern.")
    return sorted(files)


def _literal(file: Path) -> str:
    """The path as a pattern that fits nothing but itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file.absolute()))
