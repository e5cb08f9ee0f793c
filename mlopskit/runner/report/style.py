"""The style of a page, with its two faces written into it: it looks alike everywhere and fetches nothing."""

from __future__ import annotations

import base64
import re
from functools import cache

from mlopskit.share import share

_FACES = (
    # Its letters are small for their size: drawn larger by as much, a system font in its place takes the same room.
    ("Mlopskit Sans", "mlopskit-sans.woff2", "font-weight:400 700;size-adjust:107%"),
    ("Mlopskit Serif", "mlopskit-serif.woff2", "font-weight:500"),
)


@cache
def stylesheet(*sheets: str) -> str:
    """Return style sheets from below ``templates/`` as one, without comments, followed by the faces.

    Examples
    --------
    >>> ":root" in stylesheet("report/report.css")
    True
    """
    css = "\n".join(share(f"templates/{sheet}").read_text(encoding="utf-8") for sheet in sheets)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "\n", css).strip() + "\n" + "\n".join(_face(*face) for face in _FACES)


def _face(family: str, file: str, more: str) -> str:
    data = base64.b64encode(share(f"templates/fonts/{file}").read_bytes()).decode()
    source = f'url(data:font/woff2;base64,{data}) format("woff2")'
    return f'@font-face{{font-family:"{family}";{more};font-display:block;src:{source}}}'
