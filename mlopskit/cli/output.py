"""What a command prints, in three forms that are the same everywhere.

For people: lines, which say what was done and what to do next. With ``--json``: one JSON document with the same result,
nothing else (`mlopskit run` alone prints one for each event, a line each, since it tells as it goes). With ``--quiet``:
nothing when all went well. A command that is asked for something answers briefly then: ``runs``, ``params``,
``card --questions`` and ``prune`` without ``--yes`` with names, ``show`` with name and status, ``run``, ``verify`` and
``diff`` with the outcome. Both together: JSON. Errors go to standard error, and exit codes are the same, in every form.

``lab`` has no ``--json``: JupyterLab takes its process over, and there is no result.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mlopskit.cli.steps import step

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document, nothing else.")]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only what fails, or the bare answer where one was asked for.")
]


@dataclass(frozen=True)
class Output:
    """How the result of a command is printed.

    Attributes
    ----------
    as_json : bool
        As one JSON document; wins over `quiet`.
    quiet : bool
        The bare answer only, if there is one.
    """

    as_json: bool = False
    quiet: bool = False

    def give(self, document: Any, lines: Iterable[str], *, brief: Iterable[str] = ()) -> None:
        """Print a result.

        Parameters
        ----------
        document : object
            The result as plain data.
        lines : iterable of str
            The result for people.
        brief : iterable of str
            What is left of it under ``--quiet``: the bare answer, or what failed.
        """
        if self.as_json:
            typer.echo(document_text(document))
            return
        said = list(brief if self.quiet else lines)
        if said:
            typer.echo("\n".join(said))

    def step(self, name: str, doing: str, *, runs: Path, usual: float | None = None) -> AbstractContextManager[None]:
        """Say what is done while it takes its time, unless it is to be quiet; see `mlopskit.cli.steps.step`."""
        return nullcontext() if self.quiet else step(name, doing, runs=runs, usual=usual)


def document_text(document: Any) -> str:
    r"""Write plain data as JSON for people and programs: no control characters, no NaN.

    Examples
    --------
    >>> print(document_text({"a" + chr(27): [float("nan"), float("inf")]}))
    {
      "a\u001b": [
        null,
        "inf"
      ]
    }
    """
    text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False, default=str)
    return re.sub(r"[^\n -~]", lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text)


def _plain(value: Any) -> Any:
    """Return plain data with numbers that JSON has: an unknown one is null, an infinite one is said in words."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
