"""Imports without what they would bring along for nobody."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Have modules pass for not installed while the block imports; those that are imported already stay.

    Parameters
    ----------
    *names : str
        Modules that what is imported can do without.
    """
    with _ONE_AT_A_TIME:
        hidden = [name for name in names if name not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None makes an import fail at once
        try:
            yield
        finally:
            for name in hidden:
                sys.modules.pop(name, None)
