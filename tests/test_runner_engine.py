"""Plain papermill on a project's notebooks, with its own engine and with ours."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlopskit.errors import ParameterError

pytestmark = pytest.mark.notebooks

tiny = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("tiny.py"))))


def papermill(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_plain_papermill_inside_a_project_gives_the_result_of_a_run(project: Path) -> None:
    phases = tiny.make_project(project / "p", {"one": "run.write('value', {'n': n, 'seed': seed})"})
    done = papermill("notebooks/1_one.ipynb", "out.ipynb", "-p", "n", "4", cwd=project / "p")
    assert done.returncode == 0, done.stderr
    by_hand = (project / "p" / "runs" / "scratch" / "one" / "value.json").read_bytes()
    outcome = tiny.run(project / "p", phases, "one.n=4")
    assert (outcome.folder / "one" / "value.json").read_bytes() == by_hand
    assert json.loads(by_hand) == {"n": 4, "seed": 0}


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch, project: Path) -> Path:
    """The engine registered as its entry point registers it, in a project as working directory."""
    from papermill.engines import papermill_engines

    from mlopskit.runner.engine import Engine

    papermill_engines.register("mlopskit", Engine)
    return project


def _execute(folder: Path, made: dict[str, object], **parameters: object) -> dict[str, object]:
    import papermill as pm

    (folder / "in.ipynb").write_text(json.dumps(made), encoding="utf-8")
    pm.execute_notebook("in.ipynb", "out.ipynb", parameters=parameters, engine_name="mlopskit", progress_bar=False)
    return json.loads((folder / "out.ipynb").read_text(encoding="utf-8"))


def test_engine_needs_no_kernelspec_and_takes_this_python(ours: Path) -> None:
    made = tiny.phase_notebook("import sys\n(sys.executable, n)", phase="one")
    made["metadata"]["kernelspec"]["name"] = "nosuch"
    done = _execute(ours, made, n=5)
    shown = [cell["outputs"] for cell in done["cells"] if cell["id"] == "work"]
    assert shown[0][0]["data"]["text/plain"] in (f"('{sys.executable}', 5)", [f"('{sys.executable}', 5)"])


def test_engine_refuses_what_the_notebook_does_not_declare(ours: Path) -> None:
    with pytest.raises(ParameterError, match=r"unknown parameter sed \(did you mean seed\?\)"):
        _execute(ours, tiny.phase_notebook("n", phase="one"), sed=5)


def test_engine_raises_when_the_kernel_dies_and_keeps_the_truth(ours: Path) -> None:
    from nbclient.exceptions import DeadKernelError

    with pytest.raises(DeadKernelError):
        _execute(ours, tiny.phase_notebook("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", phase="one"))
    cells = json.loads((ours / "out.ipynb").read_text(encoding="utf-8"))["cells"]
    states = [cell["metadata"]["papermill"]["status"] for cell in cells if cell["cell_type"] == "code"]
    assert states == ["completed", "completed", "failed", "pending"]


def test_entry_point_module_imports_no_papermill(tmp_path: Path) -> None:
    code = "import sys, mlopskit.runner.engine; sys.exit('papermill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
