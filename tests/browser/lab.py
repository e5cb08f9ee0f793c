"""JupyterLab on a project for a test: on loopback, with settings of its own, ended with the block."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_PATIENCE = 180  # seconds; it takes two, but on a machine that does many things at once a minute


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that serves one project."""

    project: Path
    address: str
    token: str


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a user who has no settings yet."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT_", "JUPYTER", "JPY"))}
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "IPYTHONDIR")
    return clean | {name: str(home / name.lower()) for name in places}


@contextmanager
def serve(project: Path, home: Path) -> Iterator[Lab]:
    """Serve a project with `mlopskit lab`."""
    token, port = secrets.token_hex(16), _free_port()
    command = [sys.executable, "-m", "mlopskit", "lab", "--no-browser", "--project", str(project), "--port", str(port)]
    own = ["--", "--ip=127.0.0.1", "--allow-root", "--ServerApp.port_retries=0"]
    given = environment(home) | {"JUPYTER_TOKEN": token}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([*command, *own], env=given, stdout=log, stderr=log, cwd=project)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", server, home / "log")
        yield Lab(project, f"http://127.0.0.1:{port}", token)
    finally:
        server.terminate()
        try:
            server.wait(timeout=_PATIENCE)  # it ends its kernels first
        finally:
            server.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            urlopen(url, timeout=30).close()
        except (URLError, ConnectionError, TimeoutError):
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"JupyterLab did not answer within {_PATIENCE} seconds:\n{log.read_text()}")
