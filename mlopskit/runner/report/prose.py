"""Words and code of a notebook as HTML: Markdown without raw HTML, Python in colours, terminal text without codes."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from mlopskit.runner.report import formulas

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_UNCOLOURED = re.compile(r'<span class="(?!(?:k[ncd]?|ow|s[12daie]|m[if]|c[1m]|n[bfn])")\w+">([^<]*)</span>')
"""Names, brackets and signs, which the style sheet gives no colour: their spans are half of a coloured source."""
_NOTEBOOK = re.compile(r"(?:[\w./-]*/)?(?:\d+_)?(\w+)\.ipynb(#.*)?\Z")


@cache
def _renderer() -> Callable[[int], Any]:
    """Build the Markdown writer on first use: mistune is no cheap import."""
    import mistune

    class Writer(mistune.HTMLRenderer):
        """Headings below the section's own, links that leave openly, pictures only from the page itself."""

        def __init__(self, deeper: int) -> None:
            super().__init__(escape=True)
            self._deeper = deeper

        def heading(self, text: str, level: int, **_: Any) -> str:
            depth = min(level + self._deeper, 6)
            return f"<h{depth}>{text}</h{depth}>\n"

        def link(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002 (mistune passes it)
            notebook = _NOTEBOOK.match(url)
            if notebook:
                return f'<a href="#phase-{html.escape(notebook[1])}">{text}</a>'
            if not re.match(r"(https?://|mailto:|#)", url):
                return f"<span>{text}</span>"
            return f'<a href="{html.escape(url)}" rel="noopener noreferrer">{text}</a>'

        def image(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002 (mistune passes it)
            if re.match(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+\Z", url):
                return f'<img alt="{html.escape(text)}" src="{url}">'
            return f"<span>[picture: {text}]</span>"

        def formula(self, text: str, *, display: bool) -> str:
            return formulas.formula(text, display=display)

    plugins: list[Any] = ["table", "strikethrough", "url", formulas.plugin]
    return lambda deeper: mistune.create_markdown(renderer=Writer(deeper), plugins=plugins)


@lru_cache(maxsize=4096)
def markdown(text: str, *, deeper: int = 1) -> str:
    r"""Return Markdown as HTML; raw HTML in it is shown as text, headings sink by `deeper` levels.

    Examples
    --------
    >>> markdown("# Rows <b>")
    '<h2>Rows &lt;b&gt;</h2>\n'
    """
    made: str = _renderer()(deeper)(text)
    made = re.sub(r"<table\b", '<div class="scroll" tabindex="0" role="group" aria-label="table"><table', made)
    return made.replace("</table>", "</table></div>")


@cache
def _colourist() -> tuple[Any, Any]:
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]  # Pygments ships no types
    from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

    return PythonLexer(), HtmlFormatter(nowrap=True)


@lru_cache(maxsize=4096)
def python(source: str) -> str:
    """Return Python source as spans of Pygments' short classes."""
    from pygments import highlight  # type: ignore[import-untyped]

    coloured: str = highlight(source, *_colourist())
    return _UNCOLOURED.sub(r"\1", coloured).rstrip("\n")


def terminal(text: str, *, limit: int = 20_000) -> str:
    """Return terminal text escaped, without colour codes, overwritten progress and all beyond `limit` characters."""
    text = _ANSI.sub("", text)
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", text)
    if len(text) > limit:
        text = f"{text[:limit]}\n… {len(text) - limit:,} more characters in the notebook"
    return html.escape(text)
