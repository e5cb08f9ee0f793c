"""What the team wrote in ``cards.toml``: the answers that no run can give.

The file lies beside ``mlops.toml``. Its keys are the ids that a card shows at each open question::

    [model.use]
    users = "Interviewers of the survey agency."

    [data.collection]
    consent = ["Yes, in writing.", "It can be withdrawn until the data are released."]
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopskit.errors import ProjectError, listing, nearest
from mlopskit.runner.cards.fields import FORMS, Question

ANSWERS_FILE = "cards.toml"
LARGEST = 1_000_000
"""Bytes; what is larger is no file of answers."""


@dataclass(frozen=True)
class Answers:
    """The team's answers: question id → paragraphs; of no file there are none."""

    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str = ""
    sha256: str = ""


def read_answers(path: Path) -> Answers:
    """Read the team's answers; a file that does not exist holds none.

    Raises
    ------
    ProjectError
        When the file cannot be read, is no TOML, has an id that no card asks for, or an answer that is no text.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Answers()
    except OSError as error:
        raise ProjectError(f"{path} cannot be read: {error.strerror}. It must be a UTF-8 text file.") from None
    if len(content) > LARGEST:
        raise ProjectError(f"{path} has {len(content):,} bytes; answers take at most {LARGEST:,}.")
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ProjectError(f"{path} cannot be read: {error}. It must be a UTF-8 text file.") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        raise ProjectError.from_syntax(path, int(line[1]) if line else None, str(error)) from None
    flat = dict(_flat(tables))
    problems = list(_problems(flat))
    if problems:
        raise ProjectError.from_problems(path, problems)
    given = {key: tuple(_paragraphs(value)) for key, value in flat.items()}
    return Answers({key: said for key, said in given.items() if said}, path.name, hashlib.sha256(content).hexdigest())


def skeleton(questions: Sequence[Question]) -> str:
    """Return open questions as lines for ``cards.toml``, each to be filled in.

    Examples
    --------
    >>> print(skeleton([Question("model.use.users", "Primary intended users")]))
    [model.use]
    users = ""  # Primary intended users
    """
    lines: list[str] = []
    table = ""
    for question in questions:
        parent, _, key = question.id.rpartition(".")
        if parent != table:
            lines += [*([""] if lines else []), f"[{parent}]"]
            table = parent
        lines.append(f'{key} = ""  # {question.text}')
    return "\n".join(lines)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _problems(flat: Mapping[str, Any]) -> Iterator[str]:
    known = [question.id for form in FORMS for question in form]
    for key, value in flat.items():
        if key not in known:
            table = key.rpartition(".")[0]
            there = [name for name in known if name.rpartition(".")[0] == table]
            there = there or list(dict.fromkeys(name.rpartition(".")[0] for name in known))
            yield f"no card asks for `{key}`{nearest(key, known)}; there are {listing(there, limit=30)}"
        elif not (isinstance(value, str) or (isinstance(value, list) and all(isinstance(x, str) for x in value))):
            yield f"`{key}` must be text in quotes, or a list of texts"


def _paragraphs(value: str | list[str]) -> Iterator[str]:
    for text in [value] if isinstance(value, str) else value:
        for paragraph in re.split(r"\n\s*\n", text):
            if paragraph.strip():
                yield " ".join(paragraph.split())
