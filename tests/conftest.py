"""What many tests share: a project to try things in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from mlopskit.runner import importing, warm

REPO = Path(__file__).resolve().parents[1]

settings.register_profile("untimed", deadline=None)  # how fast it is, is measured by the benchmarks
settings.load_profile("untimed")

MINIMAL = """
[project]
name = "demo"

[data]
source = "rows.csv"
task = "binary"
target = "bought"
positive = "yes"
"""


@pytest.fixture
def repo() -> Path:
    return REPO


@pytest.fixture
def minimal() -> str:
    return MINIMAL


@pytest.fixture
def hangups_heard() -> Iterator[None]:
    """Whoever tests may have been started with `nohup`, which children inherit."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a minimal project file, as the working directory, free of what the caller's environment says."""
    for name in ("MLOPSKIT_PROJECT", "MLOPSKIT_RUN", "MLOPSKIT_PHASE", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "mlops.toml").write_text(MINIMAL, encoding="utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Return project and run of an example by its name: made and run by the README's commands, once in a process."""

    @cache
    def made(name: str) -> tuple[Path, Path]:
        project = tmp_path_factory.mktemp("examples") / name
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT", "PYTEST"))}
        for command in (["new", name, "--example", name], ["run", "--project", name]):
            mlopskit = [sys.executable, "-m", "mlopskit", *command]
            done = subprocess.run(mlopskit, cwd=project.parent, capture_output=True, text=True, env=clean, check=False)
            assert done.returncode in {0, 3, 4}, done.stdout[-3000:] + done.stderr[-3000:]
        return project, project / "runs" / (project / "runs" / "latest").read_text().strip()

    return made


@pytest.fixture(scope="session")
def fork_server() -> Iterator[warm.ForkServer | None]:
    """A server as `mlopskit run` has one: it takes half the work of cold kernels."""
    if not warm.is_supported():
        yield None
        return
    with warm.ForkServer(importing.kernel_statements()) as server:
        yield server


@pytest.fixture
def forked(fork_server: warm.ForkServer | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the kernels of tiny notebooks, in tests of what is the same with cold ones."""
    from tests import tiny  # here, since `make screenshots` reads this file, too, and has another `tests` on its path

    monkeypatch.setattr(tiny, "SERVER", fork_server)


def missing(what: str) -> None:
    """Skip a test for want of a program; where everything is meant to be installed, fail instead."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not installed")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL server of our own, on loopback, gone when the tests end."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")) or [Path(shutil.which("postgres") or "")]
    if not binaries[-1].is_file():
        missing("PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))  # short and open to its owner: sockets have short names
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    owner = {"user": "postgres"} if os.getuid() == 0 else {}  # it refuses to run as root
    if owner:
        shutil.chown(folder, "postgres")
    tools = binaries[-1].parent
    make = [tools / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust"]
    subprocess.run(make, check=True, capture_output=True, cwd="/", **owner)
    serve = [tools / "postgres", "-D", folder / "data", "-p", str(port), "-h", "127.0.0.1", "-k", folder]
    process = subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **owner)
    try:
        _wait_for_port(port)
        yield f"postgresql+psycopg://tester@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # it would wait for the connections that a failed test left open
        process.wait(timeout=180)
        shutil.rmtree(folder)


def _wait_for_port(port: int) -> None:
    for _ in range(3600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("PostgreSQL did not answer within three minutes")
