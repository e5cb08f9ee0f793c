"""A first project file for a table that nobody has described yet.

Task, modality and positive label are guessed from the target's values, parts of columns from their names. Every guess
stands in the file as a comment beside what it is based on, and what cannot be guessed (the question, who answers for
it, what is good enough) is left out, so that the scope phase asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.data import files
from mlopskit.data.refusals import label_of
from mlopskit.data.schema import kind_of_column
from mlopskit.data.split import time_numbers
from mlopskit.data.target import labels_of
from mlopskit.data.tidy import tidy
from mlopskit.errors import DataError, listing, nearest

SENSITIVE = (
    "age", "birth", "gender", "sex", "race", "ethnic", "ethnicity", "black", "nationality", "native", "country",
    "religion", "marital", "single", "disability", "pregnant", "language", "accent", "postcode", "zip",
)  # fmt: skip
"""Words in a column's name that suggest a sensitive column; people decide whether it is one."""

_TIMES = ("date", "time", "timestamp", "year", "month", "day", "created", "at")
_GROUPS = ("patient", "person", "customer", "user", "client", "subject", "household", "speaker", "company")
_POSITIVE = (
    "yes", "true", "1", "y", "positive", "spam", "fraud", "default", "churn", "denied", "bad", "fail", "malignant",
)  # fmt: skip
_FEW = 20


def infer_scope(path: Path, target: str, *, project: str) -> str:
    """Return the text of an ``mlops.toml`` for a table, guesses marked as such.

    Parameters
    ----------
    path : Path
        A Parquet, CSV, TSV or JSON-lines file. It is written into the project file as given, so a relative one stays
        relative to the project.
    target : str
        The column to predict.
    project : str
        The project's name.

    Returns
    -------
    str
        A project file that runs at once: `Scope.parse` accepts it and `preflight` finds nothing fatal.

    Raises
    ------
    DataError
        When the file cannot be read, has no such column, or its target leaves nothing to learn.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Give the path of a Parquet, CSV, TSV or JSON-lines file.")
    raw = files.read(path).frame
    if target not in raw.columns:
        raise DataError(
            f"There is no column {target!r}{nearest(target, raw.columns)} in {path.name}; the columns are "
            f"{listing(raw.columns, limit=40)}. Name one of them with --target."
        )
    _refuse_bytes(raw, path)
    frame, _ = tidy(raw, keep=(target,))
    kinds = {str(name): kind_of_column(frame[name]) for name in frame.columns if name != target}
    task = _task(frame[target])
    columns = _columns(frame, kinds, target)
    return "\n".join([*_head(project), *_data(path, target, kinds, task, columns), *_rest(task)]) + "\n"


def _refuse_bytes(frame: pd.DataFrame, path: Path) -> None:
    raw = [str(name) for name in frame.columns if frame[name].map(lambda value: isinstance(value, bytes)).any()]
    if raw:
        raise DataError(
            f"{path.name} holds raw bytes in {listing(raw)} (audio or picture files), which mlopskit does not "
            "decode: it reads tables, texts and images as lists of pixels. Compute features first (for audio, for "
            "example, the mean and spread of spectral bands), write them as columns, and start from that table."
        )


def _task(column: pd.Series[Any]) -> dict[str, str]:
    """The lines of [data] that say what is predicted, each with its reason; no value goes in unquoted."""
    present = column.dropna()
    labels = labels_of(present)
    counts = labels.value_counts()
    if len(counts) < 2:
        raise DataError(
            f"The target {column.name!r} has {len(counts)} distinct values in {len(column):,} rows; two are needed. "
            "Name another column with --target."
        )
    if len(counts) == 2:
        positive, why = _positive(counts)
        return {"task": '"binary"  # guess: two labels', "positive": f"{quote(positive)}  # guess: {why}"}
    numeric = pd.to_numeric(present, errors="coerce").notna().all()
    if numeric and (len(counts) > _FEW or (pd.to_numeric(present) % 1 != 0).any()):
        return {"task": f'"regression"  # guess: {len(counts):,} different numbers'}
    if len(counts) > 200:
        raise DataError(
            f"The target {column.name!r} has {len(counts):,} different labels, more than can be learnt "
            f"from {len(column):,} rows. Name another column with --target, or merge labels first."
        )
    rare = [str(label) for label, n in counts.items() if n < 5]
    if rare:
        raise DataError(
            f"The target {column.name!r} has labels with fewer than 5 rows ({listing(sorted(rare), limit=5)}); they "
            "cannot be split into train, validation, test and production data. Merge or leave out these labels first."
        )
    return {"task": f'"multiclass"  # guess: {len(counts)} labels'}


def _positive(counts: pd.Series[int]) -> tuple[str, str]:
    known = {str(label).strip().lower(): str(label) for label in counts.index}
    for word in _POSITIVE:
        if word in known:
            return known[word], "the label that usually means yes"
    rarest = min(counts.index, key=lambda label: (counts[label], str(label)))
    return str(rarest), "the rarer label"


def _columns(frame: pd.DataFrame, kinds: Mapping[str, str], target: str) -> dict[str, list[str]]:
    """Column names that suggest a part, by part."""
    tokens = {name: _tokens(name) for name in kinds}
    identifiers = [
        name
        for name, kind in kinds.items()
        if kind in {"categorical", "numeric"} and _is_identifier(frame[name], tokens[name])
    ]
    times = [
        name for name, kind in kinds.items() if name not in identifiers and _is_time(frame[name], kind, tokens[name])
    ]
    sensitive = [name for name in kinds if tokens[name] & set(SENSITIVE) and name not in identifiers]
    groups = [name for name in identifiers if frame[name].dropna().duplicated().any()]
    splits = [name for name in kinds if name.lower() in {"split", "fold", "set"} and frame[name].nunique() <= 10]
    return {
        "time": times[:1],
        "group": groups[:1],
        "sensitive": sensitive,
        "exclude": [name for name in [*identifiers, *splits] if name not in groups[:1] and name != target],
    }


def repeated_identifiers(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are called an identifier and whose values come again, as if someone had several rows."""
    return [
        str(name)
        for name in frame.columns
        if kind_of_column(frame[name]) in {"categorical", "numeric"}
        and _is_identifier(frame[name], _tokens(str(name)))
        and frame[name].dropna().duplicated().any()
    ]


def _tokens(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", _snake(name)))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _is_identifier(column: pd.Series[Any], tokens: set[str]) -> bool:
    """Different in every row, or called an id and different in most or belonging to someone."""
    share = column.nunique() / max(len(column), 1)
    whole = column.dtype.kind in "iu" or (column.dtype.kind == "f" and bool((column.dropna() % 1 == 0).all()))
    if column.dtype.kind == "f" and not whole:
        return False
    if share == 1 and len(column) > _FEW:
        return True
    named = bool(tokens & {"id", "nbr", "key", "uuid", "number"})
    return named and (share > 0.5 or bool(tokens & set(_GROUPS)))


def _is_time(column: pd.Series[Any], kind: str, tokens: set[str]) -> bool:
    if kind == "datetime":
        return True
    if not tokens & {"year", "date", "timestamp"} or kind not in {"numeric", "categorical"}:
        return False
    try:
        moments = time_numbers(column).dropna()
    except DataError:
        return False
    if kind == "numeric":
        return "year" in tokens and len(moments) > 0 and bool(moments.between(1800, 2200).all())
    return len(moments) > 0


def quote(value: Any) -> str:
    r"""Return a TOML basic string.

    Examples
    --------
    >>> quote('a "b"')
    '"a \\"b\\""'
    """
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(f"\\u{ord(mark):04X}" if ord(mark) < 32 or ord(mark) == 127 else mark for mark in text) + '"'


def _array(values: Iterable[str]) -> str:
    return "[" + ", ".join(quote(value) for value in values) + "]"


def _head(project: str) -> list[str]:
    return [
        "# What the problem is. Lines with `guess` were inferred from the data: check each of them.",
        "# `mlopskit check` tells what is wrong or missing here; phase 1 (scope) shows every open question.",
        "",
        "[project]",
        f"name = {quote(project)}",
        '# question = "…"                 # in the words of who asks',
        '# decision = "…"                 # which decision the answer supports, and who takes it',
        "",
    ]


def _data(
    path: Path, target: str, kinds: Mapping[str, str], task: Mapping[str, str], columns: Mapping[str, list[str]]
) -> list[str]:
    image = next((name for name, kind in kinds.items() if kind == "image"), None)
    text = any(kind == "text" for kind in kinds.values())
    modality = "image" if image else "text" if text and len(kinds) <= 3 else "tabular"
    lines = [
        "[data]",
        f"source = {quote(path.as_posix())}",
        f'modality = "{modality}"  # guess: from the columns\' values',
    ]
    lines += [f"{key} = {value}" for key, value in {"task": task["task"]}.items()]
    lines += [
        f"target = {quote(target)}",
        *(f"positive = {task['positive']}" for _ in ["positive"] if "positive" in task),
    ]
    lines += [f"time = {quote(name)}  # guess: it holds dates or years" for name in columns["time"]]
    lines += [
        f"group = {quote(name)}  # guess: a repeated identifier; its rows stay together" for name in columns["group"]
    ]
    lines.append(f'split = "{"group" if columns["group"] else "stratified"}"')
    found = columns["sensitive"]
    lines.append(
        f"# sensitive = {_array(found)}  # by their names; say yes by removing the first mark"
        if found
        else "# sensitive = []                 # columns that describe people who must not be treated worse"
    )
    lines += (
        [f"exclude = {_array(columns['exclude'])}  # guess: identifiers, or a split by others"]
        if columns["exclude"]
        else []
    )
    lines += ['# origin = "…"                   # who collected the data, how and when', '# licence = "…"', ""]
    return lines


def _rest(task: Mapping[str, str]) -> list[str]:
    kind = label_of(task["task"].split('"')[1])
    metric = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae"}[str(kind)]
    return [
        "[model]",
        f'metric = "{metric}"  # guess: usual for this task',
        "",
        "[[baseline]]",
        'kind = "majority"',
        "",
        "[[baseline]]",
        'kind = "linear"',
        "",
        "# [[criterion]]                  # what makes the model acceptable, decided before training",
        f'# metric = "{metric}"',
        f"# {'at_most' if kind == 'regression' else 'at_least'} = 0.0",
        '# on_undecided = "stop"',
        "",
        "# [deployment] and [monitoring]: six questions and the thresholds; phase 1 asks them until they are answered",
    ]
