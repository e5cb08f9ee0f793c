"""What a report lets in: HTML and SVG of cells, by allow-list.

A cell's output may be one of our own tables, or anything that a user's cell printed, with whatever their data held.
HTML goes through bleach (a real HTML5 parser; attributes, addresses and CSS properties by allow-list). Drawings are
well-formed XML, so they are read by expat and written anew from the elements and attributes that draw; entities and
document types are refused. The page's content security policy is the second wall behind this one.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any
from uuid import uuid4
from xml.parsers import expat

from mlopskit.display import PALETTE, without_page_styles


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TAGS = _words("""
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h3 h4 h5 h6 hr i
    img ins kbd li mark ol p pre s small span strong sub summary sup table tbody td tfoot th thead tr u ul
""")
_CSS = _words("""
    background-color border border-bottom border-left border-right border-top color display font-size font-style
    font-variant-numeric font-weight height line-height margin margin-bottom margin-left margin-right margin-top
    max-width min-width padding padding-bottom padding-left padding-right padding-top text-align text-decoration
    vertical-align white-space width
""")
_ANYWHERE = _words("style title colspan rowspan scope abbr role aria-label aria-hidden open lang")
_LINK = re.compile(r"(https?://|mailto:|#)[^\s&]*\Z")
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*\Z")
_CLASS = re.compile(r"\s*((mlopskit-[\w-]+|dataframe)\s*)+\Z")
_ALIGNED = (
    (' style="text-align:right;font-variant-numeric:tabular-nums"', ' class="mlopskit-num"'),
    (' style="text-align:left"', ""),
)
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Signs that turn the direction of what follows: a name that holds one would rewrite the sentence around it."""
_RAW = re.compile(r"<(script|style|template|noscript)\b[^>]*>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_IMG = re.compile(r'<img(?: [\w-]+="[^"]*")*>')
_DRAWING = re.compile(r"<svg\b.*?</svg\s*>", re.DOTALL)

_SHAPES = _words("""
    svg g path rect circle ellipse line polyline polygon text tspan title desc defs clipPath use linearGradient
    radialGradient stop marker mask pattern image
""")
_DRAWN = _words("""
    id class d x y x1 y1 x2 y2 cx cy r rx ry dx dy fx fy width height viewBox preserveAspectRatio points transform
    rotate fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap stroke-linejoin stroke-
    dasharray stroke-dashoffset stroke-miterlimit opacity clip-path clip-rule clipPathUnits mask marker-start
    marker-mid marker-end markerWidth markerHeight refX refY orient offset stop-color stop-opacity gradientUnits
    gradientTransform patternUnits patternTransform text-anchor dominant-baseline alignment-baseline baseline-shift
    font-family font-size font-style font-weight letter-spacing color style role aria-hidden aria-label version
    xml:space textLength
""")
_STYLE = re.compile(r"(?:[\w\s#.,:;%()'\"+/-]|!important)*\Z")
_REFERENCE = re.compile(r"url\(\s*['\"]?(?!#)", re.IGNORECASE)
_LOCAL = re.compile(r"url\(\s*['\"]?#([\w.:-]+)['\"]?\s*\)")
_SERIES = re.compile("|".join(PALETTE), re.IGNORECASE)


class UnsafeDrawingError(Exception):
    """The text is no well-formed drawing, or it declares a document type."""


def plain_order(text: str) -> str:
    """Return a page in which text stands in the order in which it is read: signs that turn it are shown instead.

    Half a character, which no file can hold, becomes a question mark.

    Examples
    --------
    >>> plain_order("a" + chr(0x202E) + "b")
    'a[U+202E]b'
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _TURNING.sub(lambda found: f"[U+{ord(found[0]):04X}]", whole)


@lru_cache(maxsize=4096)
def safe_html(text: str, *, prefix: str = "d") -> str:
    """Return the part of an HTML fragment that a report may show; drawings in it pass through `safe_svg`.

    Ids in drawings begin with `prefix`, so that the same drawing can stand twice on one page.

    Examples
    --------
    >>> safe_html('<p onclick="x()">a <script>alert(1)</script><b>b</b></p>')
    '<p>a <b>b</b></p>'
    """
    drawings: dict[str, str] = {}
    mark = uuid4().hex
    text = without_page_styles(text)
    for style, short in _ALIGNED:  # of thousands of cells: a class is said in less, and read faster than a style
        text = text.replace(style, short)

    def put_aside(match: re.Match[str]) -> str:
        # An element, not a word: bleach escapes `<` inside attributes, so there the mark is never found again.
        name = f"{mark}{len(drawings)}"
        drawings[f'<span title="{name}"></span>'] = safe_svg(match[0], prefix=f"{prefix}-{len(drawings)}-")
        return f"<span title={name}></span>"

    cleaned: str = _cleaner().clean(_DRAWING.sub(put_aside, _RAW.sub("", text)))
    for place, drawing in drawings.items():
        cleaned = cleaned.replace(place, drawing)
    return _boxed(_IMG.sub(_described, cleaned))


def _described(match: re.Match[str]) -> str:
    """Drop a picture whose address was refused; say of one without a description that it has none."""
    if ' src="' not in match[0]:
        return ""
    return match[0] if ' alt="' in match[0] else f'{match[0][:-1]} alt="picture without a description">'


def _boxed(text: str) -> str:
    """Give each table a box of its own to scroll in, reachable by keyboard."""
    text = text.replace('class="mlopskit-num"', 'class="num"')
    text = re.sub(r"<table\b", '<div class="scroll" tabindex="0" role="group" aria-label="table"><table', text)
    return text.replace("</table>", "</table></div>")


@cache
def _cleaner() -> Any:
    from bleach.css_sanitizer import CSSSanitizer  # type: ignore[import-untyped]  # bleach ships no types
    from bleach.sanitizer import Cleaner  # type: ignore[import-untyped]

    return Cleaner(
        tags=_TAGS,
        attributes=_allowed,
        protocols={"http", "https", "mailto", "data"},
        strip=True,
        strip_comments=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=_CSS),
    )


def _allowed(tag: str, name: str, value: str) -> bool:
    if name in _ANYWHERE:
        return True
    if name == "class":
        return bool(_CLASS.match(value))
    if tag == "a":
        return name == "href" and bool(_LINK.match(value))
    if tag == "img":
        return name in {"alt", "width", "height"} or (name == "src" and bool(_PICTURE.match(value)))
    return False


def safe_svg(text: str, *, prefix: str = "d-") -> str:
    """Return a drawing written anew from the elements and attributes that draw, or a sentence when it is none.

    The six colours of the house become CSS variables, so that a dark page can lighten them.

    Examples
    --------
    >>> safe_svg('<svg viewBox="0 0 1 1"><script>alert(1)</script><path d="M0 0" onload="x()"/></svg>')
    '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>'
    """
    start = text.find("<svg")
    writer = _Writer(prefix)
    try:
        if start < 0:
            raise UnsafeDrawingError
        writer.parser.Parse(text[start:], True)
    except (expat.ExpatError, UnsafeDrawingError):
        return '<p class="mlopskit-more">A drawing here is not readable, so it is left out.</p>'
    return "".join(writer.parts)


class _Writer:
    """Writes what expat reads, if it draws; everything inside an element that does not is left out with it."""

    def __init__(self, prefix: str) -> None:
        self.parts: list[str] = []
        self._prefix = prefix
        self._ids: dict[str, str] = {}
        self._skipping = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise UnsafeDrawingError

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if self._skipping or name not in _SHAPES:
            self._skipping += 1
            return
        kept = (_attribute(name, key, value, self._renamed) for key, value in attributes.items())
        self.parts.append("<" + " ".join([name, *(item for item in kept if item)]) + ">")

    def _renamed(self, name: str) -> str:
        return self._ids.setdefault(name, f"{self._prefix}{len(self._ids)}")

    def _end(self, name: str) -> None:
        if self._skipping:
            self._skipping -= 1
        elif self.parts[-1].startswith(f"<{name}") and self.parts[-1][len(name) + 1] in " >":
            self.parts[-1] = f"{self.parts[-1][:-1]}/>"
        else:
            self.parts.append(f"</{name}>")

    def _text(self, text: str) -> None:
        if not self._skipping and text.strip():
            self.parts.append(html.escape(text, quote=False))


def _attribute(tag: str, name: str, value: str, renamed: Callable[[str], str]) -> str:
    if name in {"href", "xlink:href"}:
        kept = value.startswith("#") if tag == "use" else tag == "image" and bool(_PICTURE.match(value))
        name = "href"
    else:
        kept = name in _DRAWN and not _REFERENCE.search(value) and (name != "style" or bool(_STYLE.match(value)))
    if not kept:
        return ""
    if name == "id" or (name == "href" and tag == "use"):
        value = ("#" if name == "href" else "") + renamed(value.removeprefix("#"))
    value = _LOCAL.sub(lambda match: f"url(#{renamed(match[1])})", value)
    if name in {"style", "fill", "stroke"}:
        value = _SERIES.sub(lambda match: f"var(--series-{PALETTE.index(match[0].lower()) + 1})", value)
    return f'{name}="{html.escape(value)}"'
