"""What a drawing needs to stand in a page: small, free of the page's names, in the page's ink and fonts.

matplotlib writes SVG for a file of its own. Inside a page its style sheet would reach everything, its ids would meet
those of other drawings, black would vanish on a dark ground, and half of its bytes repeat one list of fonts.
"""

from __future__ import annotations

import hashlib
import html
import re

_FONTS = "'Mlopskit Sans', system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
# Said once on the drawing itself: a style sheet in it would reach the whole page.
_SHARED = f'role="img" stroke-linejoin="round" stroke-linecap="butt" fill="currentColor" font-family="{_FONTS}"'
_BETWEEN, _KEPT = re.compile(r" *\n?([A-Za-z]) ?|\.00\b"), r"\1"
INK = "#010203"  # a colour that nothing else uses: it becomes `currentColor`


def tidy(svg: str, alt: str) -> str:
    """Keep what draws: no prologue, no unused ids, coordinates to a hundredth, ink that follows the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r"<\w[^>]+>", _squeezed, svg)  # tags only: labels are text
    svg = svg.replace(INK, "currentColor").replace("stroke:#000000", "stroke:currentColor")
    svg = _shorten(svg)
    svg = _unwrapped(svg)
    used = set(re.findall(r"(?:url\(#|href=\"#)([\w.-]+)", svg))
    prefix = "c" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r' id="([\w.-]+)"', lambda match: f' id="{prefix}{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r"(url\(#|href=\"#)([\w.-]+)", rf"\g<1>{prefix}\g<2>", svg)
    width = re.search(r'width="([\d.]+)pt"', svg)
    style = f"width:100%;max-width:{float(width[1]) * 4 / 3:.0f}px;height:auto" if width else "max-width:100%"
    svg = re.sub(r'(<svg[^>]*?) width="[\d.]+pt"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[\d.]+pt"', r"\1", svg, count=1)
    opening = svg.index(">")
    shared = f'{_SHARED} style="{style}"'
    return f"{svg[:opening]} {shared}><title>{html.escape(alt)}</title>{svg[opening + 1 :].strip()}"


def _squeezed(tag: re.Match[str]) -> str:
    """Write coordinates to a hundredth, and nothing between them that a reader of paths can do without."""
    text = re.sub(r"(\d\.\d{2})\d+", r"\1", tag[0])
    head, path, rest = text.partition(' d="')
    if path:
        points, end, rest = rest.partition('"')
        text = f"{head}{path}{_BETWEEN.sub(_KEPT, points)}{end}{rest}"
    head, style, rest = text.partition(' style="')
    if style:
        said, end, rest = rest.partition('"')
        text = f"{head}{style}{said.replace('; ', ';').replace(': ', ':')}{end}{rest}"
    return text


def _unwrapped(svg: str) -> str:
    """Drop the groups that say nothing of what is in them."""
    kept: list[str] = []
    spoken: list[bool] = []
    for part in re.split(r"(</?g\b[^>]*>)", svg):
        if part == "</g>":
            said = spoken.pop()
        elif part.startswith(("<g>", "<g ")):
            said = part != "<g>"
            spoken.append(said)
        else:
            said = True
        if said:
            kept.append(part)
    return "".join(kept)


def _shorten(svg: str) -> str:
    """Drop what says nothing: the font on every label, turns by no degrees, unseen grounds, line ends."""
    svg = re.sub(r" ?font-family: ?'[^;\"]*;", "", svg)
    svg = re.sub(r'<path [^>]*style="fill:none"/>', "", svg)
    svg = re.sub(r'(<text style="[^"]*);fill:currentColor"', r'\1"', svg)  # the whole drawing has it
    svg = re.sub(r' transform="rotate\(-?0 [^"]*"', "", svg)
    svg = re.sub(r" ?\n(?=[A-Za-z\"])", "", svg)
    return re.sub(r">\s+<", "><", svg)
