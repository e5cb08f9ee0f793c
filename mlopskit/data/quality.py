"""The quality of a table, column by column: what a careful reader would ask before believing it.

Each check says what it looked at and what it found; a column that is fine is counted, not listed, so that the issues
stand out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlopskit.data.checks import Finding, percent
from mlopskit.data.columns import TARGET, Columns, Target
from mlopskit.data.infer import repeated_identifiers
from mlopskit.data.schema import validate
from mlopskit.data.split import hashable, row_units
from mlopskit.errors import listing

if TYPE_CHECKING:
    from collections.abc import Iterable

MANY_MISSING = 0.05
MANY_CATEGORIES = 50
FEW_OF_A_GROUP = 30
RARE_CLASS = 0.05

_STAND_INS = frozenset({"?", "-", "--", ".", "unknown", "none", "missing", "n.a.", "not available", "unspecified"})
_SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, 99.0, 999.0, 9999.0)


def source_findings(
    frame: pd.DataFrame, schema: pd.DataFrame, *, columns: Columns, read: Iterable[Finding] = ()
) -> list[Finding]:
    """Check a table as it came from its source.

    Parameters
    ----------
    frame : DataFrame
        Every row, with tidy column types.
    schema : DataFrame
        Its contract, for the kinds and roles.
    columns : Columns
        Which part each column plays.
    read : iterable of Finding
        What was found while reading.

    Returns
    -------
    list of Finding
        At least one for each of the checks that concern the source.
    """
    features = frame[list(columns.features)]
    found = list(read)
    for code, subject, clean in (
        ("DAT012", "numeric columns", "no infinite value"),
        ("DAT013", "columns", "each column holds one kind of value"),
        ("DAT014", "source", "read without guessing its encoding"),
    ):
        if not any(item.code == code for item in found):
            found.append(Finding(code, subject, "passed", clean))
    kinds = dict(zip(schema["feature"], schema["kind"], strict=True))
    checks: list[tuple[str, str, str, Callable[[pd.Series[Any], str], Finding | None]]] = [
        ("DAT001", "features", f"no feature lacks more than {percent(MANY_MISSING, 1)} of its values", _missing),
        ("DAT009", "features", "every feature varies", _constant),
        ("DAT010", "features", "no feature is different in every row", _identifier),
        ("DAT011", "features", f"no feature has more than {MANY_CATEGORIES} categories", _many_categories),
        ("DAT015", "features", "no usual stand-in for a missing value", _stand_in),
    ]
    for code, subject, clean, check in checks:
        issues = [item for name in features if (item := check(features[name], kinds[name]))]
        found += issues or [Finding(code, subject, "passed", clean, features.shape[1])]
    return [*found, _duplicates(frame), *_sensitive(frame, columns), _names(frame), *_repeats(frame, columns)]


def _missing(column: pd.Series[Any], kind: str) -> Finding | None:  # noqa: ARG001 - all checks take the same
    n = int(column.isna().sum())
    if n <= MANY_MISSING * len(column) or n == len(column):
        return None
    detail = f"{n:,} of {len(column):,} values are missing ({percent(n, len(column))})"
    return Finding("DAT001", str(column.name), "issue", detail, n)


def _constant(column: pd.Series[Any], kind: str) -> Finding | None:
    if column.isna().all():
        detail = "every value is missing; it tells the model nothing"
        return Finding("DAT009", str(column.name), "issue", detail, len(column))
    if kind in {"image", "text"} or len(column.unique()) > 1:
        return None
    detail = f"every row holds “{column.iloc[0]}”; it tells the model nothing"
    return Finding("DAT009", str(column.name), "issue", detail, len(column))


def _identifier(column: pd.Series[Any], kind: str) -> Finding | None:
    whole = kind == "numeric" and bool((column.dropna() % 1 == 0).all())
    if len(column) < 2 or not (kind == "categorical" or whole) or not column.is_unique or column.isna().any():
        return None
    detail = "different in every row, like an identifier; a model can only learn it by heart: consider `exclude`"
    return Finding("DAT010", str(column.name), "issue", detail, len(column))


def _many_categories(column: pd.Series[Any], kind: str) -> Finding | None:
    n = column.nunique() if kind == "categorical" else 0
    if n <= MANY_CATEGORIES:
        return None
    detail = f"{n:,} categories; the rare ones are taken together by the preparation"
    return Finding("DAT011", str(column.name), "issue", detail, n)


def _stand_in(column: pd.Series[Any], kind: str) -> Finding | None:
    hits: pd.Series[Any]
    if kind == "categorical":
        labels = column.dropna().astype("str")
        hits = labels[labels.str.strip().str.lower().isin(_STAND_INS)]
    elif kind == "numeric":
        hits = _sentinels(column.dropna().astype("float64"))
    else:
        return None
    if hits.empty:
        return None
    shown = listing([f"“{value:g}”" if kind == "numeric" else f"“{value}”" for value in sorted(hits.unique())], limit=3)
    detail = f"{len(hits):,} values {shown} look like stand-ins for a missing value; if they are, make them missing"
    return Finding("DAT015", str(column.name), "issue", detail, len(hits))


def _sentinels(values: pd.Series[float]) -> pd.Series[float]:
    """Values such as −999 that lie apart from all others: beyond the rest by more than the rest's whole range."""
    candidates = values.isin(_SENTINELS)
    rest = values[~candidates]
    if rest.empty or not candidates.any():
        return values.iloc[:0]
    span = max(float(rest.max() - rest.min()), 1.0)
    apart = (values < rest.min() - span) | (values > rest.max() + span)
    return values[candidates & apart]


def _duplicates(frame: pd.DataFrame) -> Finding:
    units = row_units(frame, pd.Series(0, index=frame.index))
    n = len(units) - len(set(units.tolist()))
    if not n:
        return Finding("DAT002", "all rows", "passed", f"no two of {len(frame):,} rows are equal")
    detail = f"{n:,} rows ({percent(n, len(frame))}) repeat an earlier one; copies are kept on one side of the split"
    return Finding("DAT002", "all rows", "issue", detail, n)


def _sensitive(frame: pd.DataFrame, columns: Columns) -> list[Finding]:
    if not columns.sensitive:
        return [
            Finding("DAT017", "sensitive columns", "could not check", "none is declared: bias by group stays unseen")
        ]
    return [_sensitive_column(frame[name]) for name in columns.sensitive]


def _sensitive_column(column: pd.Series[Any]) -> Finding:
    missing = int(column.isna().sum())
    said = f"{missing:,} missing values form a group of their own" if missing else "no value is missing"
    if column.dtype.kind in "ifM":
        return Finding("DAT017", str(column.name), "passed", f"a quantity, looked at by ranges; {said}", missing)
    counts = hashable(column).value_counts()
    small = [str(label) for label, n in counts.items() if n < FEW_OF_A_GROUP]
    if small:
        detail = (
            f"groups with fewer than {FEW_OF_A_GROUP} rows cannot be judged: {listing(sorted(small), limit=5)}; {said}"
        )
        return Finding("DAT017", str(column.name), "issue", detail, len(small))
    return Finding("DAT017", str(column.name), "passed", f"{len(counts)} groups; {said}", missing)


def _repeats(frame: pd.DataFrame, columns: Columns) -> list[Finding]:
    if columns.group is not None:
        return [Finding("DAT020", columns.group, "passed", "declared in [data] group")]
    detail = (
        "called an identifier, and some have several rows: these are split apart and counted as if they were "
        "independent, unless [data] group names the column"
    )
    return [Finding("DAT020", name, "issue", detail) for name in repeated_identifiers(frame)] or [
        Finding("DAT020", "columns", "passed", "no identifier comes again")
    ]


def _names(frame: pd.DataFrame) -> Finding:
    odd = [str(name) for name in frame.columns if not re.fullmatch(r"[\w .()/%&+-]{1,60}", str(name))]
    if not odd:
        return Finding("DAT019", "column names", "passed", "plain words")
    detail = (
        f"names with markup, quotes, line breaks or great length: {listing(map(repr, odd), limit=3)}; shown escaped"
    )
    return Finding("DAT019", "column names", "issue", detail, len(odd))


def balance_finding(train: pd.DataFrame, target: Target) -> Finding:
    """Say how unequal the classes are (DAT005)."""
    if not target.is_classification:
        return Finding("DAT005", target.column, "not applicable", "a quantity has no classes")
    counts = np.bincount(train[TARGET], minlength=len(target.classes))
    rare, common = int(counts.argmin()), int(counts.argmax())
    detail = (
        f"the rarest class “{target.classes[rare]}” has {percent(counts[rare], len(train))}, "
        f"“{target.classes[common]}” {percent(counts[common], len(train))} of the training rows"
    )
    n = int(counts[rare])
    if counts[rare] < RARE_CLASS * len(train) or counts[common] > (1 - 2 * RARE_CLASS) * len(train):
        return Finding("DAT005", target.column, "issue", detail + "; accuracy alone would flatter", n)
    return Finding("DAT005", target.column, "passed", detail, n)


def production_findings(production: pd.DataFrame, schema: pd.DataFrame) -> list[Finding]:
    """Hold production rows against the contract inferred from development rows (DAT016)."""
    if production.empty:
        return [Finding("DAT016", "production rows", "not applicable", "there are none")]
    return [
        Finding(
            "DAT016", row["feature"], "issue", f"{row['n']:,} × {row['check']}, such as “{row['example']}”", row["n"]
        )
        for row in validate(production, schema).to_dict("records")
    ] or [Finding("DAT016", "production rows", "passed", f"all {len(production):,} conform to the schema")]
