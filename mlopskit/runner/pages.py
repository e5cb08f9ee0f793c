"""Where the templates of pages come from: whatever is put into one is escaped, and a name that it lacks is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopskit.share import share

if TYPE_CHECKING:
    import jinja2


def templates(folder: str) -> jinja2.Environment:
    """Return the templates of a folder below ``templates/``; filters are added by who uses them."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(share(f"templates/{folder}")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
