"""The input schema: what a request may say, and what the server answers when it says something else.

A request is refused (problems) when the model could not read it as it was meant: an unknown field, a missing one, a
value of another type. It is answered with a warning when the value is of the right type but unlike the training data:
out of range, a category never seen, missing where it never was. Such rows are what drift is made of, so they must
reach the log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import Columns
from mlopskit.errors import listing, nearest

_BIG = 2**63


@dataclass(frozen=True)
class Field:
    """One field of a request.

    Attributes
    ----------
    name : str
        The column's name in the source.
    kind : str
        ``numeric``, ``categorical``, ``boolean``, ``text``, ``image`` or ``datetime``.
    dtype : str
        The column's pandas dtype in training.
    required : bool
        True for the model's own inputs and for what its decision needs beside them, such as the column by whose
        groups it decides; other columns may be sent for the log or for the champion.
    nullable : bool
        Whether it was ever missing in the training data.
    low, high : float, optional
        The range seen in training (numeric).
    categories : tuple of str
        The categories seen in training.
    size : int, optional
        The number of pixels of an image.
    """

    name: str
    kind: str
    dtype: str
    required: bool
    nullable: bool = True
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    size: int | None = None

    def problem(self, value: Any) -> str:
        """Say why a value cannot be read, or return an empty string; null always can."""
        return "" if value is None else _PROBLEMS.get(self.reads, _text_problem)(value, self)

    def warning(self, value: Any) -> str:
        """Say in what a readable value is unlike the training data, or return an empty string."""
        if value is None:
            return "" if self.nullable else "missing, which it never was in training"
        if self.kind == "numeric" and self.low is not None and self.high is not None:
            return "" if self.low <= value <= self.high else f"outside the training range {self.low:g} to {self.high:g}"
        if self.kind in {"categorical", "boolean"} and self.categories and _category(value) not in self.categories:
            return "a category that training never saw"
        return ""

    def series(self, values: Sequence[Any]) -> pd.Series[Any]:
        """Return the values as the column that the model was trained on, null as missing."""
        reads = self.reads
        missing = any(value is None for value in values)
        if reads == "number":
            whole = self.dtype.lower().startswith(("int", "uint")) and not missing
            whole = whole and all(float(value).is_integer() for value in values)
            return pd.Series(values, dtype="int64" if whole else "float64")
        if reads == "flag":
            return pd.Series(values, dtype="object" if missing else "bool")
        if reads == "pixels":
            return pd.Series(
                [None if value is None else np.ravel(value).astype(float) for value in values], dtype=object
            )
        if reads == "date":
            return pd.Series([pd.Timestamp(value) for value in values]).astype("datetime64[us]")
        return pd.Series(values, dtype="str")

    @property
    def reads(self) -> str:
        """How values are read: number, flag, text, pixels or date."""
        if self.kind in {"image", "datetime"}:
            return {"image": "pixels", "datetime": "date"}[self.kind]
        dtype = self.dtype.lower()
        if dtype.startswith("bool"):
            return "flag"
        numeric = dtype.startswith(("int", "uint", "float"))
        return "number" if numeric or (self.kind == "numeric" and not dtype.startswith(("str", "object"))) else "text"


def _category(value: Any) -> str:
    """Write a value as the schema lists it: whole floats as integers do not differ from their text."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number_problem(value: Any, field: Field) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"needs a number, got {_shown(value)}"
    if isinstance(value, float) and not math.isfinite(value):
        return "needs a finite number"
    return "" if -_BIG < value < _BIG else f"is too large for {field.dtype}"


def _flag_problem(value: Any, field: Field) -> str:
    return "" if isinstance(value, bool) else f"needs true or false ({field.dtype}), got {_shown(value)}"


def _text_problem(value: Any, field: Field) -> str:
    if not isinstance(value, str):
        return f"needs text ({field.kind}), got {_shown(value)}"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    return ""


def _pixels_problem(value: Any, field: Field) -> str:
    try:
        pixels = np.ravel(np.asarray(value, dtype=float)) if isinstance(value, list) else None
    except (ValueError, TypeError, OverflowError):
        pixels = None
    if pixels is None or not np.isfinite(pixels).all():
        return "needs a list of finite numbers, one a pixel"
    return "" if field.size in (None, pixels.size) else f"needs {field.size} pixels, got {pixels.size}"


def _date_problem(value: Any, field: Field) -> str:
    try:
        stamp = pd.Timestamp(value) if isinstance(value, str) else None
    except (ValueError, TypeError):
        stamp = None
    readable = stamp is not None and not pd.isna(stamp) and stamp.tzinfo is None
    return "" if readable else f"needs a date or time in ISO 8601 without zone ({field.dtype}), got {_shown(value)}"


_PROBLEMS = {"number": _number_problem, "flag": _flag_problem, "pixels": _pixels_problem, "date": _date_problem}


def _shown(value: Any) -> str:
    """The type of a refused value; the value itself may be personal and stays out of answers and logs."""
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


@dataclass(frozen=True)
class InputSchema:
    """All fields of a request, in the order of the training table.

    Examples
    --------
    >>> schema = InputSchema((Field("age", "numeric", "int64", True, low=18, high=89),))
    >>> schema.problems({"agee": 3})
    [('agee', 'is unknown (did you mean age?); fields: age'), ('age', 'is missing; send null when it is not known')]
    >>> schema.warnings({"age": 120})
    [('age', 'outside the training range 18 to 89')]
    """

    fields: tuple[Field, ...]

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, *, columns: Columns, target: str, also: Collection[str] = ()
    ) -> InputSchema:
        """Take the fields from ``data/schema``: every feature, and as optional ones all else but target and group.

        Required are the features, and `also`: what a decision needs that is no feature.
        """
        left_out = {target, columns.group} - {*also}
        rows = [row for row in table.to_dict("records") if row["feature"] not in left_out]
        return cls(tuple(_field({str(key): value for key, value in row.items()}, columns, also) for row in rows))

    @classmethod
    def from_list(cls, records: Sequence[Mapping[str, Any]]) -> InputSchema:
        """Restore from `to_list`."""
        return cls(tuple(Field(**{**record, "categories": tuple(record["categories"])}) for record in records))

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain data for ``bundle.json``."""
        return [{**asdict(field), "categories": list(field.categories)} for field in self.fields]

    def series(self, name: str, rows: Sequence[Mapping[str, Any]]) -> pd.Series[Any]:
        """Return one field of checked rows as its column."""
        return next(field for field in self.fields if field.name == name).series([row.get(name) for row in rows])

    @property
    def names(self) -> list[str]:
        """Every field's name."""
        return [field.name for field in self.fields]

    def problems(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """List (field, what is wrong) for which a row is refused."""
        known = self.names
        found = [
            (name, f"is unknown{nearest(name, known)}; fields: {listing(known, limit=30)}")
            for name in row
            if name not in known
        ]
        for field in self.fields:
            if field.name not in row:
                said = "is missing; send null when it is not known" if field.required else ""
            else:
                said = field.problem(row[field.name])
            if said:
                found.append((field.name, said))
        return found

    def warnings(self, row: Mapping[str, Any]) -> list[tuple[str, str]]:
        """List (field, what is unusual) for a row that is answered all the same."""
        said = [(field.name, field.warning(row[field.name])) for field in self.fields if field.name in row]
        return [(name, text) for name, text in said if text]

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """Return checked rows as the table that the model was trained on; optional fields left out are missing."""
        return pd.DataFrame({field.name: field.series([row.get(field.name) for row in rows]) for field in self.fields})


def _field(row: Mapping[str, Any], columns: Columns, also: Collection[str] = ()) -> Field:
    name, kind = str(row["feature"]), str(row["kind"])
    shape = columns.image_shape if name == columns.image else None
    return Field(
        name=name,
        kind=kind,
        dtype=str(row["dtype"]),
        required=name in columns.features or name in also,
        nullable=bool(row["nullable"]),
        low=_number(row.get("low")) if kind == "numeric" else None,
        high=_number(row.get("high")) if kind == "numeric" else None,
        categories=_categories(row.get("categories")),
        size=math.prod(shape) if shape else None,
    )


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _categories(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = json.loads(value) if value.startswith("[") else [value]
    return () if value is None or isinstance(value, float) else tuple(str(item) for item in value)
