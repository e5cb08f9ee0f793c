"""A fresh environment for a run: the distributions that its manifest lists, in a virtual environment of its own.

The manifest lists everything that was installed. What the run needs of it (`mlopskit.runner.needs`) is installed in
exactly these versions, without resolving anything, and what came of it is compared with the manifest before it is used.
A distribution that came from a folder has no version that could be had again: it is taken from that folder as it
stands, which is said.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mlopskit.errors import RunError
from mlopskit.runner import installed, needs
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.planning import Plan
from mlopskit.runner.programs import run, tail

_OWN = "mlopskit"
_SHOWN = 5


@dataclass(frozen=True)
class Recipe:
    """What to install for a run.

    Attributes
    ----------
    python : str
        The recorded version of Python.
    needed : frozenset of str
        The distributions that it is meant to hold.
    versions : dict
        Distribution → version that must be there in the end.
    arguments : tuple of str
        The installer's arguments: one a distribution.
    notes : tuple of str
        What cannot be as it was, and what is left out, in sentences.
    """

    python: str
    needed: frozenset[str]
    versions: dict[str, str]
    arguments: tuple[str, ...]
    notes: tuple[str, ...]


def recipe(environment: Mapping[str, Any], needed: set[str] | None = None) -> Recipe:
    """Tell what to install for the environment of a manifest.

    Parameters
    ----------
    environment : mapping
        ``environment`` of a manifest.
    needed : set of str, optional
        What of it is needed; all by default.

    Examples
    --------
    >>> recipe({"python": "3.11.7", "distributions": {"pandas": "3.0.0", "ruff": "1"}}, {"pandas"}).arguments
    ('pandas==3.0.0',)
    """
    recorded = {str(name): str(version) for name, version in (environment.get("distributions") or {}).items()}
    wanted = {name: version for name, version in sorted(recorded.items()) if needed is None or name in needed}
    local = environment.get("local") or {}
    sources = {name: _source(name, version, str(local.get(name, ""))) for name, version in wanted.items()}
    left = len(recorded) - len(wanted)
    notes = [note for _, note in sources.values() if note]
    if left:
        notes.append(f"{left} recorded distributions are left out: neither mlopskit nor the project needs them")
    free = {name for name, (_, note) in sources.items() if note}
    return Recipe(
        str(environment.get("python", "")),
        frozenset(wanted),
        {name: version for name, version in wanted.items() if name not in free},
        tuple(argument for arguments, _ in sources.values() for argument in arguments),
        tuple(notes),
    )


def recipe_of(planned: Plan, run: Side) -> Recipe:
    """Tell what to install for a run, as far as its phases and the project need it.

    Raises
    ------
    RunError
        When the manifest does not list everything that was installed.
    """
    recorded = run.table("environment")
    if "direct" not in recorded:
        raise RunError(
            f"run.json of {run.folder.name} does not list everything that was installed: it is from before mlopskit "
            "recorded that. Verify it without --env."
        )
    imports = needs.imports_of(planned.project, planned.phases)
    return recipe(recorded, needs.needed(recorded.get("distributions") or {}, imports))


def restricted(run: Side, made: Recipe) -> Side:
    """Leave out of a manifest what the fresh environment was not meant to hold, so that it counts as no change."""
    said = run.table("environment")
    kept = {name: version for name, version in (said.get("distributions") or {}).items() if name in made.needed}
    hashes = {name: value for name, value in (said.get("fingerprint") or {}).items() if name != "installed"}
    environment = {**said, "distributions": kept, "fingerprint": hashes}
    environment.pop("local", None)
    # The keys hold everything installed as well; what they are made of is compared part by part.
    phases = [{**entry, "key": ""} for entry in run.entries("phases")]
    return replace(run, said={**run.said, "environment": environment, "phases": phases})


def _source(name: str, version: str, origin: str) -> tuple[list[str], str]:
    """Return the arguments that install one distribution, and what has to be said of it."""
    if "://" in origin:
        return [f"{name} @ {origin}"], ""
    here = installed.direct_origin(name)
    if str(here.get("url", "")).startswith("file:"):
        folder = unquote(urlparse(here["url"]).path)
        editable = bool(here.get("dir_info", {}).get("editable"))
        words = "from its folder" if "dir_info" in here else "from its file"
        return ["--editable", folder] if editable else [folder], f"{name} {version} is taken {words}, as it stands"
    if origin:
        note = f"{name} {version} came from a {origin.replace('editable', 'folder')} that is not known here"
        return [f"{name}=={version}"], f"{note}; that version is taken from the index"
    return [f"{name}=={version}"], ""


def make_environment(folder: Path, made_by: Recipe) -> Path:
    """Make a virtual environment that holds what the recipe says, and return its interpreter.

    Uses uv where it is on the path and can install these, else pip.

    Raises
    ------
    RunError
        When the recorded Python is not there, something cannot be installed (the installer's last lines are in it), or
        what came of it is not what the recipe says.
    """
    base = _interpreter(made_by.python)
    _checked([base, "-m", "venv", "--without-pip", str(folder)], "The virtual environment cannot be made")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not _by_uv(python, made_by.arguments):
        install = [*_pip(base, python), "install", "--quiet", "--no-input", "--no-deps", *made_by.arguments]
        _checked(install, "The recorded distributions cannot be installed")
    _check(folder, made_by.versions)
    return python


def _by_uv(python: Path, arguments: Sequence[str]) -> bool:
    """Install with uv; tell whether that worked: uv may be set up for another index than pip."""
    uv = shutil.which("uv")
    install = ["pip", "install", "--quiet", "--no-deps", "--python", str(python), *arguments]
    return uv is not None and run([uv, *install], whole=True).returncode == 0


def _pip(base: str, python: Path) -> list[str]:
    """Return the pip of the base interpreter, told where to install; where it has none, one in the environment."""
    outer = [base, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    if run([*outer, "--version"]).returncode == 0:
        return outer
    _checked([str(python), "-m", "ensurepip", "--default-pip"], "The virtual environment cannot be given pip")
    return [str(python), "-m", "pip", "--disable-pip-version-check"]


def _check(folder: Path, versions: Mapping[str, str]) -> None:
    """Compare what was installed with what should have been."""
    places = [str(item) for item in (*folder.glob("lib/python*/site-packages"), folder / "Lib" / "site-packages")]
    there = installed.scan(places).distributions
    wrong = [f"{name} {there.get(name, 'is missing')}" for name, it in versions.items() if there.get(name) != it]
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise RunError(
            f"The fresh environment is not the recorded one: {', '.join(wrong[:_SHOWN])}{more}. "
            "Look at the settings of pip or uv (constraints, overrides), or verify without --env."
        )


def _interpreter(wanted: str) -> str:
    """Return an interpreter of the recorded version, as far as major and minor go."""
    minor = ".".join(wanted.split(".")[:2])
    if not minor or minor == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{minor}")
    if found is None:
        raise RunError(
            f"The run was made with Python {wanted}; there is no python{minor} on the path, only this "
            f"Python {sys.version.split()[0]}. Install it, or verify without --env."
        )
    return found


def _checked(command: Sequence[str], failure: str) -> None:
    done = run(command, whole=True)
    if done.returncode:
        raise RunError(f"{failure}: {tail(done.said)}. Correct that, or verify without --env.")
