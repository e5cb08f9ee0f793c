"""What lets tables and figures be read where there is little room: on a phone, and on paper.

A phone scrolls what is wide, so nothing is squeezed there: neither letters in figures nor sentences in tables. Paper
does not scroll: a notebook exported for print cuts off what is beyond its edge. So a table that would be wider, even
with a line for each word, is printed in letters as small as its columns need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SHEET = 45  # in em: what a notebook leaves of a sheet for its outputs, at the size in which it sets tables
_LETTER, _HEADING, _PADDING, _SENTENCE = 0.62, 0.7, 1, 12
_SHEET_IN_PIXELS = 590
_LONG = 40  # letters, from which on a cell is read like a sentence
_BREAKS = re.compile(r"[^\S\u00a0\u202f]+|(?<=\w[-–])|(?<=[\u2e80-\uffef])")  # not at a space that holds words together
_FITTED, _ROOM = re.compile(r' style="--em:\d+"'), f";min-width:{_SENTENCE}em"
# 130 pixels are the margins and the prompt beside each output. A caption is read like text, so it keeps its size.
_PRINT = (
    "<style>@media print{.mlopskit-table[style]{font-size:calc((100vw - 130px)/var(--em))!important}"
    ".mlopskit-table caption{font-size:13px}}</style>"
)
_DRAWN = re.compile(r'(<svg[^>]* style="width:100%;)(?=max-width:(\d+)px)')
_LEGIBLE = re.compile(r'(<svg[^>]* style="width:100%;)min-width:\d+px;')


def fitted(headings: Sequence[str], columns: Sequence[Sequence[str]]) -> tuple[str, str]:
    """Return the attribute of a table and the style sheet before it that let it fit on paper; neither where it does.

    Examples
    --------
    >>> fitted(["n"], [["1", "2"]])
    ('', '')
    >>> fitted(["name"] * 9, [["unbreakable"]] * 9)[0]
    ' style="--em:70"'
    """
    needed = round(sum(map(_width, headings, columns)))
    return (f' style="--em:{needed}"', _PRINT) if needed > _SHEET else ("", "")


def roomy(style: str, column: Iterable[str]) -> str:
    """Give the style of a heading the room that its column needs to be read: some words a line, where it has sentences.

    Examples
    --------
    >>> roomy(' style="text-align:left"', ["yes", "It holds in every group, and in all of them together."])
    ' style="text-align:left;min-width:12em"'
    """
    return f'{style[:-1]}{_ROOM}"' if _speaks(column) else style


def legible(svg: str) -> str:
    """Keep a drawing from being shrunk to less than two thirds of its size: its letters would be too small to read.

    Examples
    --------
    >>> legible('<svg style="width:100%;max-width:600px;height:auto">')
    '<svg style="width:100%;min-width:400px;max-width:600px;height:auto">'
    """
    return _DRAWN.sub(lambda found: f"{found[1]}min-width:{min(int(found[2]) * 2 // 3, _SHEET_IN_PIXELS)}px;", svg, 1)


def undone(text: str) -> str:
    """Take out of `text` what these functions put in, for pages that have a style sheet."""
    return _LEGIBLE.sub(r"\1", _FITTED.sub("", text.replace(_PRINT, "").replace(f'{_ROOM}"', '"')))


def _width(heading: str, column: Sequence[str]) -> float:
    """How narrow a column can be, in em."""
    words = max(_HEADING * _longest([heading]), _LETTER * _longest(column))
    return max(words, _SENTENCE * _speaks(column)) + _PADDING


def _speaks(column: Iterable[str]) -> bool:
    return any(len(text) > _LONG and " " in text for text in column)


def _longest(texts: Iterable[str]) -> int:
    return max((len(word) for text in texts for word in _BREAKS.split(text)), default=0)
