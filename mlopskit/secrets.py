"""Secrets: where one is to be found, and its value inside the notebook that needs it.

A parameter of the type ``secret`` is a reference, ``env:NAME`` or ``file:PATH``, a path within the project or an
absolute one; that is all that is ever saved. A notebook turns it into the value with `reveal`. In a batch run the
runner looks the value up before any kernel starts and hands it over past the environment and the notebook; by hand,
`reveal` looks it up itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlopskit.errors import ParameterError, ProjectError, listing

SHORTEST = 6
"""Characters that a secret must have: a shorter one could not be told from other text in an output."""

_BATCH = ("MLOPSKIT_RUN", "MLOPSKIT_KERNEL")
"""Variables of which the runner's kernels have one or both, those that it starts for plain papermill the second."""

_handed_over: dict[str, str] = {}


@dataclass(frozen=True)
class Secret:
    """A secret that a run knows; its value shows in no representation.

    Attributes
    ----------
    name : str
        The parameter.
    reference : str
        ``env:NAME`` or ``file:PATH``.
    value : str
        The secret itself.
    """

    name: str
    reference: str
    value: str = field(repr=False)


def variables(secrets: Iterable[Secret]) -> set[str]:
    """Return the variables of the environment that secrets come from."""
    return {name for kind, _, name in (secret.reference.partition(":") for secret in secrets) if kind == "env"}


def reveal(reference: str) -> str:
    """Return the secret that a parameter refers to.

    What cells show, log and write is redacted before it is saved. Encoded forms of a secret are so as well, as far as
    they are known (base64, hexadecimal, quoted as in a URL or in JSON), which is best effort: do not print one.

    Parameters
    ----------
    reference : str
        The value of a parameter of the type ``secret``.

    Raises
    ------
    ParameterError
        When it is no reference or leads nowhere (the text is not repeated: it may be the secret), or when a batch run,
        plain papermill's included, was not told of it, because no parameter of the notebook declares it: what the
        runner does not know it could not keep out of outputs.
    """
    if reference in _handed_over:
        return _handed_over[reference]
    if any(os.environ.get(name) for name in _BATCH):
        raise ParameterError(
            f"This run was not given that secret; it was given {listing(_handed_over)}. Declare it in the parameters "
            'cell, as in `token: "secret" = "env:TOKEN"`, and call `reveal(token)`.'
        )
    return look_up(reference)


def _project() -> Path:
    """Return the project that this process works in, or where there is none the working directory."""
    from mlopskit.runs import find_project

    try:
        return find_project()
    except ProjectError:
        return Path()


def look_up(reference: str, *, home: Path | None = None) -> str:
    """Return what a reference leads to, found from this process; a file without the line end at its end.

    Parameters
    ----------
    reference : str
        ``env:NAME`` or ``file:PATH``.
    home : Path, optional
        The folder that a relative path starts from; by default the project that this process works in.

    Raises
    ------
    ParameterError
        When it is no reference, leads nowhere, or what it leads to is too short to be kept out of outputs.
    """
    kind, _, place = reference.partition(":")
    if kind not in {"env", "file"} or not place:
        raise ParameterError("A secret was given as a value. Give a reference, `env:NAME` or `file:PATH`.")
    value = os.environ.get(place, "") if kind == "env" else _content(place, home or _project())
    if not value:
        lacks = "is not set or is empty" if kind == "env" else "is empty"
        raise ParameterError(f"The secret {reference} {lacks}. Set it, or refer to another place.")
    if len(value) < SHORTEST:
        raise ParameterError(
            f"The secret {reference} is shorter than {SHORTEST} characters, so it cannot be told from other text and "
            "kept out of outputs. Use a longer one."
        )
    return value


def hand_over(values: Mapping[str, str]) -> None:
    """Give this process, a kernel, the values that `reveal` returns: reference → secret."""
    _handed_over.clear()
    _handed_over.update(values)


def _content(place: str, home: Path) -> str:
    try:
        return (home / Path(place).expanduser()).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise ParameterError(f"The secret file:{place} cannot be read: {why}. Correct the path or the file.") from None
