"""Where the files that ship beside the code lie: notebooks and templates.

In a checkout (and an editable install) they are folders of the repository; in a wheel they lie in ``mlopskit/_share``.
`share` finds them in both.
"""

from __future__ import annotations

from pathlib import Path

from mlopskit.errors import MlopskitError, listing

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "_share", _PACKAGE.parent)
"""The wheel's place first: a wheel is installed beside other packages, whose folders may bear the same names."""


def share(name: str) -> Path:
    """Return a packaged file or folder, such as ``templates/serving`` or ``notebooks``.

    Raises
    ------
    MlopskitError
        When neither the wheel's share folder nor the checkout holds it: the installation is damaged.

    Examples
    --------
    >>> share("templates").is_dir()
    True
    """
    tried = [root / name for root in _ROOTS]
    for path in tried:
        if path.exists():
            return path
    raise MlopskitError(
        f"{name!r} is not part of this installation; looked at {listing(tried)}. "
        "Install mlopskit again: pip install --force-reinstall mlopskit."
    )
