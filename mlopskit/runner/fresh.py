"""A fresh environment for a run: what its manifest says was installed, in a virtual environment of its own.

The manifest lists mlopskit and what it stands on, by version. What those in turn need is chosen by pip today, so a
fresh environment can differ from the recorded one in versions that the manifest does not list.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from mlopskit.errors import RunError

_OWN = "mlopskit"
_KEPT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX")
_LAST = 3


def requirements_of(environment: Mapping[str, Any]) -> list[str]:
    """Return pip's arguments for what a manifest says was installed, mlopskit itself first.

    Examples
    --------
    >>> requirements_of({"distributions": {"mlopskit": "0", "pandas": "3.0.0"}})[-1]
    'pandas==3.0.0'
    """
    recorded = dict(environment.get("distributions") or {})
    own = _own_requirement(str(recorded.pop(_OWN, "")))
    return [*own, *(f"{name}=={version}" for name, version in sorted(recorded.items()))]


def _own_requirement(recorded: str) -> list[str]:
    """Return where mlopskit comes from: the folder that it is installed from, else its version in the run."""
    try:
        origin = metadata.distribution(_OWN).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        origin = None
    said = json.loads(origin) if origin else {}
    if str(said.get("url", "")).startswith("file:"):
        folder = unquote(urlparse(said["url"]).path)
        return ["--editable", folder] if said.get("dir_info", {}).get("editable") else [folder]
    return [f"{_OWN}=={recorded}"] if recorded else [_OWN]


def make_environment(folder: Path, environment: Mapping[str, Any]) -> Path:
    """Make a virtual environment with the recorded distributions and return its interpreter.

    Raises
    ------
    RunError
        When the recorded Python is not there, or something cannot be installed; pip's last lines are in it.
    """
    base = _interpreter(str(environment.get("python", "")))
    _checked([base, "-m", "venv", str(folder)], "The virtual environment cannot be made")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    _checked([*pip, *requirements_of(environment)], "The recorded distributions cannot be installed")
    return python


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


def run_there(python: Path, project: Path, runs: Path, *, arguments: Sequence[str], only: Sequence[str]) -> None:
    """Execute a run with another interpreter; every phase is executed.

    Raises
    ------
    RunError
        When it made no run folder.
    """
    command = [str(python), "-m", _OWN, "run", "--fresh", "--quiet", "--project", str(project), "--out", str(runs)]
    for argument in arguments:
        command += ["-p", argument]
    for phase in only:
        command += ["--only", phase]
    done = _run(command)
    if not any(runs.glob("*/run.json")):
        raise RunError(f"The run could not be started in the fresh environment: {_tail(done)}")


def _checked(command: Sequence[str], failure: str) -> None:
    done = _run(command)
    if done.returncode:
        raise RunError(f"{failure}: {_tail(done)}. Correct that, or verify without --env.")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    surroundings = {name: value for name, value in os.environ.items() if name not in _KEPT_OUT}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return " / ".join(lines[-_LAST:]).rstrip(".") or f"exit code {done.returncode}"
