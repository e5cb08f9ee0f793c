"""What a bundle needs to be served: exact versions of the serving libraries and what these require, nothing else."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SERVING = (
    "fastapi",
    "numpy",
    "pandas",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "scikit-learn",
    "scipy",
    "skops",
    "sqlalchemy",
    "threadpoolctl",
    "uvicorn",
)
"""What the server imports itself; the notebooks' libraries are left at home."""


def serving_requirements(also: Iterable[str] = ()) -> dict[str, str]:
    """Return distribution → version for serving, with everything that these need on this machine, sorted by name.

    Parameters
    ----------
    also : iterable of str
        Further distributions, such as those that a project's own estimator imports.

    Examples
    --------
    >>> needed = serving_requirements()
    >>> "scikit-learn" in needed, "papermill" in needed
    (True, False)
    """
    found: dict[str, str] = {}
    waiting = [*SERVING, *also]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        waiting += _needs(distribution)
    return dict(sorted(found.items()))


def _needs(distribution: metadata.Distribution) -> list[str]:
    wanted = [Requirement(line) for line in distribution.requires or []]
    return [item.name for item in wanted if item.marker is None or item.marker.evaluate({"extra": ""})]


def own_version() -> str:
    """Return the installed version of mlopskit."""
    return metadata.version("mlopskit")


def python_version() -> str:
    """Return the interpreter's version."""
    return platform.python_version()
