"""What a run happened in: interpreter, platform, installed versions, state of the version control.

Recorded in the manifest so that a difference between two runs can be traced to a cause. Nothing here names a user
or a host.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from mlopskit.runner.installed import canonical, scan

HASH_SEED = "0"
"""`PYTHONHASHSEED` of every kernel: with one fixed value the order of sets does not change from run to run."""

_READ_BY_ALL = re.compile(
    r"LANG|LANGUAGE|LC_(?:ALL|COLLATE|CTYPE|MESSAGES|MONETARY|NUMERIC|TIME)"
    r"|.*_NUM_THREADS|NPY_.*|OPENBLAS_.*|MKL_(?:CBWR|DYNAMIC|ENABLE_INSTRUCTIONS|THREADING_LAYER)"
    r"|LD_(?:AUDIT|BIND_NOW|LIBRARY_PATH|PRELOAD)|MPLBACKEND|MATPLOTLIBRC"
    r"|PYTHON(?:OPTIMIZE|WARNINGS|UTF8|IOENCODING|DEVMODE|COERCECLOCALE|INTMAXSTRDIGITS)"
)
"""Variables that the interpreter or a library reads when it starts, whatever the cells: no trace has them."""

_INLINE = {None, "", "module://matplotlib_inline.backend_inline"}
"""With these as `MPLBACKEND` a kernel draws as it does without; one sets the last for what it starts."""

_PATHS = re.compile(r"LD_.*|MATPLOTLIBRC")
_SAYABLE = re.compile(r"(?:[\w+.,:@ =<>-]|(?<=\w)/(?=\w))*", re.ASCII)
_ZONE = Path("/etc/localtime")


def requirements() -> list[str]:
    """Return the requirement lines of the installed mlopskit, extras left out; empty when it is not installed."""
    try:
        lines = metadata.requires("mlopskit") or []
    except metadata.PackageNotFoundError:
        return []
    return sorted(line for line in lines if "extra ==" not in line)


def distribution_of(requirement: str) -> str:
    """Return the name that a requirement line starts with.

    Examples
    --------
    >>> distribution_of("httpx<1,>=0.27")
    'httpx'
    """
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return found[0] if found else requirement


def version_of(distribution: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Describe interpreter, platform and all installed distributions; `direct` are those that mlopskit asks for."""
    found = scan()
    names = [canonical(name) for name in ("mlopskit", *map(distribution_of, requirements()))]
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "hash_seed": HASH_SEED,
        "variables": variables(),
        "direct": [name for name in names if name in found.distributions],
        "local": found.local,
        "distributions": found.distributions,
    }


def variables() -> dict[str, str]:
    """Return what kernels compute with that is set around them: language, time zone, threads, how Python runs.

    Paths may name a user, so of a variable with one there is only a hash, as of whatever is no plain word. Where no
    variable says the time zone, it is that of the machine.
    """
    found = {name: value for name, value in os.environ.items() if _READ_BY_ALL.fullmatch(name)}
    if found.get("MPLBACKEND") in _INLINE:
        found.pop("MPLBACKEND", None)
    found["TZ"] = os.environ.get("TZ", _zone())
    hidden = {name for name, value in found.items() if _PATHS.fullmatch(name) or not _SAYABLE.fullmatch(value)}
    return {name: _short_hash(value) if name in hidden else value for name, value in sorted(found.items())}


def _zone() -> str:
    """Return the name of the machine's time zone, or a hash of the file that says how it is."""
    _, is_named, name = str(_ZONE.resolve()).partition("/zoneinfo/")
    if is_named:
        return name
    try:
        return _short_hash(_ZONE.read_text(encoding="latin-1"))
    except OSError:  # there is none: then it is this
        return "UTC"


def _short_hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:16]}"


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether files differ from it; None outside a repository or without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--untracked-files=normal"))}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607  found on the path, as in a shell
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
