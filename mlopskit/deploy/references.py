"""References to secrets: where a secret is to be found, never the secret itself."""

from __future__ import annotations

import os
from pathlib import Path

from mlopskit.errors import DeployError


def resolve_secret(reference: str, *, what: str) -> str | None:
    """Return the secret that ``env:NAME`` or ``file:PATH`` leads to; None for an empty reference.

    Raises
    ------
    DeployError
        When it is no reference, or leads nowhere. The text is not repeated: it may be the secret.

    Examples
    --------
    >>> resolve_secret("", what="token") is None
    True
    """
    kind, _, place = reference.partition(":")
    if not reference:
        return None
    if kind == "env" and place:
        value = os.environ.get(place)
        if not value:
            raise DeployError.from_reference(what, f"refers to the environment variable {place}, which is not set")
        return value
    if kind == "file" and place:
        try:
            return Path(place).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DeployError.from_reference(what, f"refers to the file {place}, which cannot be read") from error
    raise DeployError.from_reference(what, "was given as a value, not as a reference")
