"""The page's own script: put together from files, without comments and indentation, and only what the page needs."""

from __future__ import annotations

import re
from functools import cache

from mlopskit.share import share

_BEFORE, _AFTER = ("theme", "tools"), ("report",)


@cache
def script(*more: str) -> str:
    """Return the script of a page that has these explorers besides.

    Parameters
    ----------
    *more : str
        ``slices``, ``thresholds``.

    Examples
    --------
    >>> script().count("slice explorer"), "explore-slices" in script("slices")
    (0, True)
    """
    names = [*_BEFORE, *more, *_AFTER]
    text = "\n".join(share(f"templates/report/{name}.js").read_text(encoding="utf-8") for name in names)
    return re.sub(r"\n\s+", "\n", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)).strip()
