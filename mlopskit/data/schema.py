"""The schema contract: what every row has to look like, now and in production.

It is inferred once, from the development rows, and kept as a table: role and kind of each column, whether values may be
missing, the range of numbers, the categories. From that table a pandera schema is built again wherever rows arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import Columns
from mlopskit.errors import DataError, listing

if TYPE_CHECKING:
    import pandera.pandas as pa

    from mlopskit.scope import Data

MAX_CATEGORIES = 100
"""A column with more categories than this has none of them in the contract."""

_TEXT_WORDS = 4.0
_TEXT_DISTINCT = 0.5


def kind_of_column(series: pd.Series[Any], *, modality: str = "tabular") -> str:
    """Tell what a column holds.

    Returns
    -------
    str
        ``numeric``, ``boolean``, ``datetime``, ``image`` (lists of numbers), ``text`` (sentences: four words or more on
        average and mostly different ones; in a text project two words suffice) or ``categorical``.

    Examples
    --------
    >>> kind_of_column(pd.Series([1.5, 2.0])), kind_of_column(pd.Series(["a", "b"]))
    ('numeric', 'categorical')
    """
    if series.dtype.kind == "b":
        return "boolean"
    if series.dtype.kind in "iuf":
        return "numeric"
    if series.dtype.kind == "M":
        return "datetime"
    present = series.dropna()
    if len(present) and isinstance(present.iloc[0], list | tuple | np.ndarray):
        return "image"
    return "text" if _is_text(present, modality) else "categorical"


def _is_text(present: pd.Series[Any], modality: str) -> bool:
    if present.empty or not isinstance(present.iloc[0], str):
        return False
    if present.nunique() / len(present) < _TEXT_DISTINCT:
        return False
    words = present.head(1000).str.count(r"\S+").mean()
    return bool(words >= (_TEXT_WORDS if modality == "tabular" else 2))


def infer_schema(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Return the schema contract of a table.

    Parameters
    ----------
    frame : DataFrame
        Development rows with tidy column types.
    data : Data
        The project file's ``[data]``: it gives the roles.

    Returns
    -------
    DataFrame
        One row a column: feature, role (target, time, group, excluded, feature), kind, dtype, nullable, low, high
        (numbers; dates as days since 1970), categories (a list; empty where they are not part of the contract).
    """
    return pd.DataFrame([_describe(frame[name], data) for name in frame.columns])


def _describe(series: pd.Series[Any], data: Data) -> dict[str, Any]:
    kind = kind_of_column(series, modality=data.modality)
    numbers = as_numbers(series) if kind in {"numeric", "datetime"} else pd.Series(dtype="float64")
    labels = sorted(series.dropna().unique()) if kind == "categorical" else []
    return {
        "feature": str(series.name),
        "role": role_of(str(series.name), data),
        "kind": kind,
        "dtype": str(series.dtype),
        "nullable": bool(series.isna().any()),
        "low": float(numbers.min()) if len(numbers) else np.nan,
        "high": float(numbers.max()) if len(numbers) else np.nan,
        "categories": [str(label) for label in labels] if len(labels) <= MAX_CATEGORIES else [],
    }


def role_of(name: str, data: Data) -> str:
    """Tell which part a column plays: ``target``, ``time``, ``group``, ``excluded`` or ``feature``."""
    parts = {data.time: "time", data.group: "group"} | dict.fromkeys(data.exclude, "excluded") | {data.target: "target"}
    return parts.get(name, "feature")


def as_numbers(series: pd.Series[Any]) -> pd.Series[Any]:
    """Return numbers as they are, and dates as days since 1970-01-01.

    Examples
    --------
    >>> as_numbers(pd.Series(pd.to_datetime(["1970-01-02 12:00"]))).tolist()
    [1.5]
    """
    if series.dtype.kind == "M":
        return (series - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    return series.astype("float64")


def columns_from_schema(schema: pd.DataFrame, data: Data, frame: pd.DataFrame) -> Columns:
    """Return which column plays which part.

    Raises
    ------
    DataError
        When an image project has no column of pixel lists, more than one, or lists of different lengths; or when a
        column of lists stands in a project that is not about images.
    """
    features = schema.loc[schema["role"] == "feature"]
    kinds: Mapping[str, str] = dict(zip(features["feature"], features["kind"], strict=True))
    image, shape = _image(kinds, data, frame)

    def of(*wanted: str) -> tuple[str, ...]:
        return tuple(name for name, kind in kinds.items() if kind in wanted)

    return Columns(
        features=tuple(kinds),
        numeric=of("numeric", "datetime"),
        categorical=of("categorical", "boolean"),
        text=of("text"),
        image=image,
        image_shape=shape,
        sensitive=tuple(data.sensitive),
        slices=tuple(data.slices),
        time=data.time,
        group=data.group,
    )


def _image(kinds: Mapping[str, str], data: Data, frame: pd.DataFrame) -> tuple[str | None, tuple[int, ...] | None]:
    found = [name for name, kind in kinds.items() if kind == "image"]
    if not found and data.modality != "image":
        return None, None
    if data.modality != "image":
        raise DataError(
            f'Column {found[0]!r} holds lists of numbers. If they are pixels, set modality = "image"; otherwise put '
            "each number into a column of its own, or name the column in `exclude`."
        )
    if len(found) != 1:
        raise DataError(
            f'modality = "image" needs one column that holds each image as a list of pixels; there are {len(found)} '
            f"({listing(found)}). The other columns are {listing(name for name in kinds if name not in found)}."
        )
    lengths = sorted({len(pixels) for pixels in frame[found[0]].dropna()})
    side = round(lengths[0] ** 0.5)
    shape = tuple(data.image_shape) if data.image_shape else (side, side)
    if len(lengths) > 1 or len(shape) != 2 or shape[0] * shape[1] != lengths[0]:
        raise DataError(
            f"Images in {found[0]!r} have {listing(lengths, limit=3)} pixels, and image_shape is {list(shape)}. "
            "All images need one size; set image_shape = [height, width]."
        )
    return found[0], shape


def validator(schema: pd.DataFrame, *, roles: tuple[str, ...] = ("feature",)) -> pa.DataFrameSchema:
    """Build a pandera schema from the contract's table.

    Parameters
    ----------
    schema : DataFrame
        As `infer_schema` returns it, or as read back from a run.
    roles : tuple of str
        Which columns must be there; others are let through unlooked at.

    Examples
    --------
    >>> from mlopskit.scope import Data
    >>> data = Data(source="a.csv", task="regression", target="y")
    >>> schema = infer_schema(pd.DataFrame({"x": [1.0, 2.0], "y": [0.0, 1.0]}), data)
    >>> validator(schema).columns["x"].nullable
    False
    """
    import pandera.pandas as pa

    chosen = schema.loc[schema["role"].isin(roles)]
    return pa.DataFrameSchema({row["feature"]: _column(row) for row in chosen.to_dict("records")})


def _column(row: Mapping[Any, Any]) -> pa.Column:
    import pandera.pandas as pa

    checks = []
    if row["kind"] == "numeric" and np.isfinite(row["low"]):
        checks.append(pa.Check.in_range(row["low"], row["high"], error="outside the range"))
    if len(row["categories"]):
        checks.append(pa.Check.isin(list(row["categories"]), error="unknown category"))
    return pa.Column(nullable=bool(row["nullable"]), checks=checks)


def validate(rows: pd.DataFrame, schema: pd.DataFrame) -> pd.DataFrame:
    """Hold rows against the contract.

    Returns
    -------
    DataFrame
        One row a broken rule: feature, check (missing value, outside the range, unknown category, column absent), n
        (values that break it), share, example; empty when all rows conform. Sorted by n, then feature.
    """
    import pandera.pandas as pa

    prepared = rows.copy(deep=False)
    for row in schema.loc[schema["kind"] == "numeric", "feature"]:
        if row in prepared.columns:
            prepared[row] = pd.to_numeric(prepared[row], errors="coerce")
    try:
        validator(schema).validate(prepared, lazy=True)
    except pa.errors.SchemaErrors as error:
        return _violations(error.failure_cases, len(rows))
    return pd.DataFrame(columns=["feature", "check", "n", "share", "example"])


_WORDS = {"not_nullable": "missing value", "column_in_dataframe": "column absent"}


def _violations(cases: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    absent = cases["check"] == "column_in_dataframe"
    feature = cases["column"].where(~absent, cases["failure_case"]).astype(str)
    table = pd.DataFrame(
        {
            "feature": feature,
            "check": cases["check"].map(lambda check: _WORDS.get(check, check)),
            "example": cases["failure_case"].map(str),
        }
    )
    grouped = table.groupby(["feature", "check"], sort=True)["example"].agg(["size", "min"]).reset_index()
    grouped = grouped.rename(columns={"size": "n", "min": "example"})
    grouped["share"] = grouped["n"] / max(n_rows, 1)
    ordered = grouped.sort_values(["n", "feature", "check"], ascending=[False, True, True], ignore_index=True)
    return ordered[["feature", "check", "n", "share", "example"]]
