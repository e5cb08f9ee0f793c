"""Formulas of a notebook's words as MathML, which browsers draw by themselves: no script, no fetched fonts.

A formula stands between dollar signs, ``$n$`` in a line or ``$$…$$`` on lines of its own, as JupyterLab has it.
latex2mathml reads its LaTeX; what it made is written anew from the elements and attributes that draw. A formula that
it can't read is shown as it was written.
"""

from __future__ import annotations

import html
import re
from typing import Any

PATTERN = r"\$\$(?P<formula_wide>[^$]+)\$\$|(?<![\w$])\$(?P<formula_short>[^\s$](?:[^$\n]*[^\s$])?)\$(?![\w$])"
"""The signs touch their formula, and no word before or after it: so prices stay prices."""

_ELEMENTS = re.compile(
    "math|mrow|mi|mn|mo|mtext|mspace|mfrac|msqrt|mroot|msub|msup|msubsup|munder|mover|munderover|mmultiscripts|"
    "mprescripts|mtable|mtr|mtd|mstyle|mpadded|mphantom|menclose"
)
_ATTRIBUTES = re.compile(
    "display|displaystyle|scriptlevel|accent|accentunder|stretchy|fence|form|separator|lspace|rspace|minsize|maxsize|"
    "movablelimits|largeop|symmetric|linethickness|columnalign|mathvariant|width|height|depth|notation"
)
_VALUE = re.compile(r"[\w\s.%+-]*\Z")
_OPERATORS = "±∓"
"""What latex2mathml takes for names, and so sets without space on either side."""


def formula(source: str, *, display: bool = False) -> str:
    r"""Return LaTeX as MathML, in a line or on lines of its own; what is not readable as code.

    Examples
    --------
    >>> formula("n^2")
    '<math display="inline"><mrow><msup><mi>n</mi><mn>2</mn></msup></mrow></math>'
    >>> formula(r"<b>\left(")
    '<code>&lt;b&gt;\\left(</code>'
    """
    try:
        from latex2mathml.converter import convert_to_element

        made = _written(convert_to_element(source.strip(), display="block" if display else "inline"))
    except Exception:  # the library raises whatever it stumbles over; the report must be made all the same
        return f"<code>{html.escape(source.strip())}</code>"
    return f'<span class="formula" tabindex="0" role="group" aria-label="formula">{made}</span>' if display else made


def _written(element: Any) -> str:
    """Write an element and what is in it; of one that doesn't draw only what is in it."""
    tag = str(element.tag)
    text = html.unescape(element.text or "")
    within = html.escape(text, quote=False) + "".join(map(_written, element))
    if not _ELEMENTS.fullmatch(tag):
        return within
    if tag == "mi" and text in _OPERATORS:
        tag = "mo"
    drawn = ((key, value) for key, value in element.items() if _ATTRIBUTES.fullmatch(key) and _VALUE.match(value))
    kept = [_attribute(key, value) for key, value in drawn]
    return f"<{' '.join([tag, *kept])}>{within}</{tag}>"


def _attribute(name: str, value: str) -> str:
    return f'{name}="{value}"'


def plugin(markdown: Any) -> None:
    """Let a mistune parser find formulas; its renderer writes them by a method `formula`."""

    def found(_: Any, match: re.Match[str], state: Any) -> int:
        wide = match["formula_wide"]
        state.append_token({"type": "formula", "raw": wide or match["formula_short"], "attrs": {"display": bool(wide)}})
        return match.end()

    markdown.inline.register("formula", PATTERN, found, before="link")
