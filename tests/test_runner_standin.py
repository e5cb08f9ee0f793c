"""Imported ahead or under a cell, a library sees the same kernel: its shell, its output, its surroundings."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import warm
from tests import tiny

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.xdist_group("warm"),
    pytest.mark.skipif(not warm.is_supported(), reason="kernels are forked on Linux only"),
]

LOOKS = """
import builtins, logging, os, sys
import ipykernel.iostream, ipykernel.zmqshell, multiprocessing, numpy as np
from IPython import get_ipython
shell = get_ipython()
seen = {
    "type": type(shell).__name__, "class": shell.__class__.__name__, "app": "IPKernelApp" in shell.config,
    "is": isinstance(shell, ipykernel.zmqshell.ZMQInteractiveShell), "kernel": shell.kernel is not None,
    "out": isinstance(sys.stdout, ipykernel.iostream.OutStream), "terminal": sys.stderr.isatty(),
    "flag": builtins.__IPYTHON__, "display": callable(builtins.display), "cwd": os.getcwd(),
    "environment": {name: os.environ.get(name) for name in ("TERM", "FORCE_COLOR", "CLICOLOR", "PAGER", "GIT_PAGER")},
    "parent": "JPY_PARENT_PID" in os.environ,
}
handler, out, generator, seeded = logging.StreamHandler(), sys.stdout, np.random.default_rng(), np.random.default_rng(5)
"""
USES = """
import looks, logging, multiprocessing.process, secrets
run.write("seen", {**looks.seen, "place": multiprocessing.process.ORIGINAL_DIR, "drawn": looks.seeded.random()})
run.write("drawn", [looks.generator.random(), multiprocessing.current_process().authkey.hex()], volatile=True)
print("to the stream of then", file=looks.out)
logging.getLogger("looks").addHandler(looks.handler)
logging.getLogger("looks").warning("logged")
print(looks.shell.kernel.shell is get_ipython(), looks.shell.run_line_magic("pwd", "") == looks.seen["cwd"])
"""


@pytest.fixture
def installed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Install a module, and return the statement that imports it."""
    folder = project.parent / "site-packages"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])

    def made(name: str, source: str) -> str:
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        return f"import {name}"

    return made


def shown(outcome: Any, phase: str) -> list[str]:
    """What the cell of a phase shows: `stream: text`."""
    notebook = json.loads((outcome.folder / phase / "notebook.ipynb").read_text())
    (cell,) = (cell for cell in notebook["cells"] if cell["id"] == "work")
    return sorted(f"{item['name']}: {''.join(item['text'])}" for item in cell["outputs"])


def artefact(outcome: Any, phase: str, name: str) -> Any:
    return json.loads((outcome.folder / phase / f"{name}.json").read_text())


def statuses(outcome: Any) -> list[str]:
    return [phase["status"] for phase in tiny.manifest_of(outcome)["phases"]]


def test_a_library_imported_ahead_has_seen_what_it_sees_under_a_cell(
    project: Path, installed: Callable[[str, str], str]
) -> None:
    statement = installed("looks", LOOKS)
    phases = tiny.make_project(project / "p", {"one": USES, "two": USES})
    cold = tiny.run(project / "p", phases[:1])
    with warm.ForkServer(["import ipykernel.kernelapp", statement], project / "p") as server:
        forked = tiny.run(project / "p", phases, server=server)
    assert artefact(forked, "one", "seen") == artefact(cold, "one", "seen")
    assert shown(forked, "one") == shown(cold, "one")
    assert "stdout: to the stream of then\nTrue True\n" in shown(forked, "one")
    one, two = (artefact(forked, phase, "drawn") for phase in ("one", "two"))
    assert not set(one) & set(two), "forks share neither a generator's state nor a key"


@pytest.mark.parametrize(
    ("source", "said", "reason"),
    [
        ("print('I am here')", ["stdout: I am here\n"], "prints something"),
        ("import os; os.write(2, b'from C')", None, "prints something"),
        ("import threading, time; threading.Thread(target=time.sleep, args=(99,), daemon=True).start()", [], "thread"),
        ("from IPython import get_ipython; get_ipython().events.register('pre_run_cell', print)", [], "`events`"),
    ],
    ids=["print", "from-c", "thread", "shell"],
)
def test_a_library_that_needs_a_kernel_while_it_is_imported_gets_one(
    source: str, said: list[str] | None, reason: str, project: Path, installed: Callable[[str, str], str]
) -> None:
    remarks: list[str] = []
    phases = tiny.make_project(project / "p", {"one": "import needy", "two": "import needy"})
    statement = installed("needy", source)
    with warm.ForkServer(["import ipykernel.kernelapp", statement]) as server:
        outcome = tiny.run(
            project / "p", phases, server=server,
            listener=lambda event: remarks.append(event["text"]) if event["event"] == "note" else None,
        )  # fmt: skip
    assert statuses(outcome) == ["done", "done"]
    if said is not None:  # what comes past Python, ipykernel shows under a cell or the next
        assert shown(outcome, "one") == shown(outcome, "two") == said
    assert len(remarks) == 2
    assert all("`import needy`" in remark and reason in remark for remark in remarks)


def test_a_warning_for_whoever_imports_is_shown_under_the_cell(
    project: Path, installed: Callable[[str, str], str]
) -> None:
    statement = installed("old", "import warnings; warnings.warn('old', DeprecationWarning, stacklevel=2)")
    with warm.ForkServer(["import ipykernel.kernelapp", statement]) as server:
        outcome = tiny.run(project / "p", tiny.make_project(project / "p", {"one": "import old"}), server=server)
    (warning,) = shown(outcome, "one")
    assert "DeprecationWarning: old" in warning
    assert "import old" in warning
