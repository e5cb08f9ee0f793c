"""A look at the data before anything is run.

What cannot work is refused here, in a fraction of a second and without a kernel: the file is not there, a column is
missing or named twice, the target has one class. Of a Parquet file only the footer and the columns that decide are
read; a text file has to be read whole. The data phase checks the same things again, with the same
sentences, since the data may have changed in between.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit import datasets
from mlopskit.data.refusals import column_problems, constant_problems, production_problems, target_problems
from mlopskit.errors import MlopskitError, listing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mlopskit.scope import Data, Scope

EXAMPLE = "example:"


@dataclass(frozen=True)
class Problem:
    """Something wrong with the data, in one sentence.

    Attributes
    ----------
    message : str
        What was wrong, what exists, what to do.
    fatal : bool
        Whether a run is pointless.
    """

    message: str
    fatal: bool = True


def preflight(project: Path, scope: Scope) -> list[Problem]:
    """Return what is wrong with the data that the project file names, before any kernel starts.

    Parameters
    ----------
    project : Path
        The folder that paths are relative to.
    scope : Scope
        The project file.

    Returns
    -------
    list of Problem
        Empty when nothing was found; that does not mean that nothing is wrong.
    """
    try:
        return [Problem(message) for message in _look(project, scope)] + _advice(scope.data)
    except MlopskitError as error:
        return [Problem(line) for line in str(error).splitlines()]


def _look(project: Path, scope: Scope) -> list[str]:
    data = scope.data
    if "://" in data.source or data.source.startswith("env:"):
        return _look_at_database(project, scope)
    path = _path(project, data)
    if isinstance(path, str):
        return [path]
    if path.suffix.lower() == ".parquet":
        return _look_at_parquet(path, scope)
    return _look_at_text(path, scope)


def _path(project: Path, data: Data) -> Path | str:
    """The file, or why there is none to read."""
    if data.source.startswith(EXAMPLE):
        return datasets.path(data.source.removeprefix(EXAMPLE))
    path = (project / data.source).resolve()
    if path.is_dir():
        return f"source = {data.source!r} is a folder; name one file in it."
    if not path.is_file():
        beside = sorted(item.name for item in path.parent.glob("*") if item.is_file()) if path.parent.is_dir() else []
        return (
            f"source = {data.source!r}: there is no such file (looked for at {path}); that folder "
            f"holds {listing(beside)}. "
            "Correct the path in mlops.toml."
        )
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        return f"source = {data.source!r} cannot be read ({error.strerror}). Give this user the right to read it."
    return path


def _columns(names: list[str], scope: Scope) -> list[str]:
    return column_problems(
        names,
        scope.data,
        baseline=scope.baseline,
        criterion=scope.criterion,
        logging=scope.deployment.logging or (),
    )


def _look_at_database(project: Path, scope: Scope) -> list[str]:
    from mlopskit.data import databases

    names = databases.column_names(databases.connect(scope.data, project), scope.data)
    return _columns(names, scope)


def _look_at_text(path: Path, scope: Scope) -> list[str]:
    from mlopskit.data import files
    from mlopskit.data.split import production_mask
    from mlopskit.data.target import make_target
    from mlopskit.data.tidy import tidy

    frame = files.read(path).frame
    problems = _columns([str(name) for name in frame.columns], scope)
    if problems or frame.empty:
        return problems or [f"{path.name} has no rows, only a header. Give a table with data in it."]
    frame, _ = tidy(frame, keep=(scope.data.target,), skip=tuple(scope.data.exclude))
    development = ~production_mask(frame, scope.data)
    make_target(frame[scope.data.target], scope.data, development=development)
    varying = (str(name) for name in frame.columns if _varies(frame[name]))
    return constant_problems(varying, [str(name) for name in frame.columns], scope.data)


def _varies(column: pd.Series[Any]) -> bool:
    """Tell whether a column holds two values or more; lists of numbers (images) are taken to differ."""
    present = column.dropna()
    if present.empty:
        return False
    first = present.iloc[0]
    return isinstance(first, list) or len(present) < len(column) or bool((present != first).any())


def _look_at_parquet(path: Path, scope: Scope) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = scope.data
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        return [
            f"{path.name} is not a readable Parquet file: {str(error).splitlines()[0].rstrip('.')}. Write it again."
        ]
    with file:
        schema = file.schema_arrow
        problems = _columns(list(schema.names), scope) or _foreign(schema, data)
        if problems:
            return problems
        if file.metadata.num_rows == 0:
            return [f"{path.name} has no rows, only columns. Give a table with data in it."]
        constant = constant_problems(_varying(file), list(schema.names), data)
        if constant:
            return constant
        wanted = [data.target, *([data.time] if data.production_from is not None and data.time else [])]
        table = file.read(columns=wanted)
    return _look_at_rows(table, data)


def _varying(file: pq.ParquetFile) -> set[str]:
    """Columns that vary, by the footer's statistics; one without statistics is taken to vary."""
    import pyarrow.types as kinds

    seen: dict[str, set[Any]] = {}
    for group in range(file.metadata.num_row_groups):
        for place in range(file.metadata.num_columns):
            column = file.metadata.row_group(group).column(place)
            values = seen.setdefault(column.path_in_schema.split(".")[0], set())
            known = column.statistics
            if known is None or not known.has_null_count:
                values |= {0, 1}
                continue
            values |= {None} if known.null_count else set()
            if known.null_count < column.num_values:
                values |= {known.min, known.max} if known.has_min_max else {0, 1}
    empty = {field.name for field in file.schema_arrow if kinds.is_null(field.type)}  # such columns have no statistics
    return {name for name, values in seen.items() if len(values) > 1} - empty


def _foreign(schema: pa.Schema, data: Data) -> list[str]:
    """Columns of raw bytes, and lists where no image is expected."""
    import pyarrow.types as kinds

    problems = []
    for field in schema:
        if field.name in data.exclude:
            continue
        if kinds.is_binary(field.type) or kinds.is_large_binary(field.type):
            problems.append(
                f"Column {field.name!r} holds raw bytes (files, such as audio or pictures), which mlopskit does not "
                "decode. Compute features from them first, give images as lists of pixels, or name the column in "
                "`exclude`."
            )
        elif kinds.is_nested(field.type) and not kinds.is_struct(field.type) and data.modality != "image":
            problems.append(
                f'Column {field.name!r} holds lists of numbers. If they are pixels, set modality = "image"; otherwise '
                "put each number into a column of its own, or name the column in `exclude`."
            )
    return problems


def _look_at_rows(table: pa.Table, data: Data) -> list[str]:
    development, problems = _development(table, data)
    if problems or development is None:
        return problems
    values = development.column(0).combine_chunks()
    return target_problems(_counts(values), data, rows=development.num_rows)


def _development(table: pa.Table, data: Data) -> tuple[pa.Table | None, list[str]]:
    """Rows before ``production_from``; a time that is no number needs pandas to be understood."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if table.num_columns < 2:
        return table, []
    times = table.column(1)
    if not (kinds.is_integer(times.type) or kinds.is_floating(times.type)):
        return _development_by_date(table, data)
    try:
        bound = float(data.production_from or 0)
    except ValueError:
        return None, [
            f"production_from = {data.production_from!r} is no number, and {data.time!r} holds numbers. Give a number."
        ]
    after = pc.greater_equal(times, _number(bound))
    span = pc.min_max(times).as_py()
    n_after = pc.sum(after).as_py() or 0
    problems = production_problems(
        data, before=table.num_rows - n_after, after=n_after, low=span["min"], high=span["max"]
    )
    return table.filter(pc.or_kleene(pc.is_null(after), pc.invert(after))), problems


def _number(value: float) -> pa.Scalar[Any]:
    """Hand a number to pyarrow by its bytes: given a Python value, it imports pandas (0.15 s) to see what that is."""
    import pyarrow as pa

    return pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(struct.pack("=d", value))])[0]


def _development_by_date(table: pa.Table, data: Data) -> tuple[pa.Table, list[str]]:
    import pyarrow as pa

    from mlopskit.data.split import production_mask
    from mlopskit.data.tidy import tidy

    frame, _ = tidy(table.to_pandas(ignore_metadata=True), keep=(data.target,))
    return table.filter(pa.array(~production_mask(frame, data).to_numpy())), []


def _counts(values: pa.Array) -> dict[Any, int]:
    """Value → number of rows, without missing values and NaN; infinities count as missing as well."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    if kinds.is_dictionary(values.type):
        values = values.dictionary_decode()
    values = values.drop_null()
    if kinds.is_floating(values.type):
        values = values.filter(pc.is_finite(values))
    counted = pc.value_counts(values)
    return {item["values"]: item["counts"] for item in counted.to_pylist()}


def _advice(data: Data) -> list[Problem]:
    """What is no error and still worth saying before a run."""
    if data.modality == "tabular" and not data.sensitive:
        return [
            Problem(
                "[data] sensitive is empty: no difference between groups of people will be looked for.", fatal=False
            )
        ]
    return []
