"""The project file as a whole: read, checked, every problem named with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from mlopskit.errors import ProjectError, listing, nearest
from mlopskit.scope import PROJECT_FILE
from mlopskit.scope.tables import Baseline, Criterion, Data, Deployment, Model, Monitoring, PhaseTable, Project, _Table
from mlopskit.values import Text, convert

TABLES = ("project", "data", "model", "baseline", "criterion", "deployment", "monitoring")


class Scope(_Table):
    """The whole project file.

    Examples
    --------
    >>> scope = Scope.parse('''
    ... [project]
    ... name = "income"
    ... [data]
    ... source = "example:income"
    ... task = "binary"
    ... target = "income"
    ... positive_above = 25000
    ... ''')
    >>> scope.data.target
    'income'
    """

    project: Project
    data: Data
    model: Model = Model()
    baseline: list[Baseline] = []
    criterion: list[Criterion] = []
    deployment: Deployment = Deployment()
    monitoring: Monitoring = Monitoring()
    parameters: dict[str, dict[str, Any]] = {}
    phase: list[PhaseTable] = []

    @classmethod
    def load(cls, path: Path) -> Scope:
        """Read and check ``mlops.toml``.

        Raises
        ------
        ProjectError
            When the file is missing, is not TOML (with its line), or holds unknown keys (with the nearest known one),
            wrong types or contradictions; all of them at once.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ProjectError.from_missing([str(path)]) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ProjectError(f"{path} cannot be read: {error}. It must be a UTF-8 text file.") from error
        return cls.parse(text, path=path)

    @classmethod
    def parse(cls, text: str, *, path: Path = Path(PROJECT_FILE)) -> Scope:
        """Read the text of a project file; `path` is only named in errors."""
        try:
            tables = tomllib.loads(text, parse_float=_float)
        except tomllib.TOMLDecodeError as error:
            line = re.search(r"line (\d+)", str(error))
            raise ProjectError.from_syntax(path, int(line[1]) if line else None, str(error)) from None
        except ValueError as error:  # a whole number of thousands of digits is TOML, and so is 1e400
            raise ProjectError.from_syntax(path, None, str(error).partition(";")[0]) from None
        try:
            return cls.model_validate(tables)
        except ValidationError as error:
            raise ProjectError.from_problems(path, _problems(error, text)) from None

    def tables(self) -> dict[str, Any]:
        """The project file as plain data, one entry a table, as it is frozen into a run."""
        return {name: _plain(getattr(self, name)) for name in TABLES}


def _float(text: str) -> float:
    """Return a number as a parameter would hold it: infinity is meant only where it is written."""
    try:
        return float(convert(Text(text), "float"))
    except ValueError as error:
        raise ValueError(f"{text} {error}") from None


def _plain(value: Any) -> Any:
    """JSON-ready: a list is wrapped, because an artefact is one JSON object or list."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json", by_alias=True)


def _problems(error: ValidationError, text: str) -> Iterator[str]:
    for item in error.errors():
        keys = [str(part) for part in item["loc"]]
        where = ".".join(key for key in keys if not key.isdigit())
        line = _line_of(text, keys)
        prefix = f"line {line}: " if line else ""
        yield prefix + _problem(item, keys, where)


def _problem(item: Mapping[str, Any], keys: list[str], where: str) -> str:
    if item["type"] == "extra_forbidden":
        known = _known_keys(keys[:-1])
        return f"unknown key `{where}`{nearest(keys[-1], known)}; known there: {listing(known, limit=30)}"
    if item["type"] == "missing":
        return f"`{where}` is missing; add it"
    if item["type"] == "value_error":
        return f"[{where}] {item['ctx']['error']}" if where else str(item["ctx"]["error"])
    return f"`{where}` = {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _known_keys(path: list[str]) -> list[str]:
    """Field names of the table at `path`, found by walking the annotations."""
    table: type[BaseModel] = Scope
    for key in path:
        if key.isdigit():
            continue
        annotation: Any = table.model_fields[key].annotation
        inner = [annotation, *getattr(annotation, "__args__", ())]
        found = [part for part in inner if isinstance(part, type) and issubclass(part, BaseModel)]
        if not found:
            return []
        table = found[0]
    return [field.alias or name for name, field in table.model_fields.items()]


def _line_of(text: str, keys: list[str]) -> int | None:
    """The line of the key, looked for below the header of its table (the n-th, for an array of tables)."""
    lines = text.splitlines()
    names = [key for key in keys if not key.isdigit()]
    if not names:
        return None
    start = _header_line(lines, names[0], next((int(key) for key in keys if key.isdigit()), 0))
    for offset, line in enumerate(lines[start:], start=start):
        if re.match(rf"\s*[\"']?{re.escape(names[-1])}[\"']?\s*=", line):
            return offset + 1
        if offset > start and re.match(r"\s*\[", line) and len(names) < 3:
            break
    return start + 1 if start else None


def _header_line(lines: list[str], table: str, index: int) -> int:
    headers = [i for i, line in enumerate(lines) if re.match(rf"\s*\[\[?\s*{re.escape(table)}\s*[\].]", line)]
    return headers[min(index, len(headers) - 1)] if headers else 0
