"""Health of a project without running it: the form of its notebooks and the environment that they would run in.

Each finding is a kind (``issue`` stops a run or spoils it, ``note`` is worth knowing), a place, and a sentence.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlopskit import __version__
from mlopskit.errors import MlopskitError
from mlopskit.notebooks import PUT_IN, code_cells, language_of, load_notebook, source_of, tagged
from mlopskit.params import TAG, notebook_parameters
from mlopskit.runner.overrides import combine, declarations
from mlopskit.runner.phases import PHASES, Phase, require_notebooks
from mlopskit.runner.surroundings import requirements, version_of

Finding = tuple[str, str, str]


def notebook_findings(
    project: Path, table: Mapping[str, Mapping[str, Any]], *, phases: Sequence[Phase] = PHASES
) -> list[Finding]:
    """Examine the notebooks of all phases, and the parameters that the project file gives them.

    Parameters
    ----------
    project : Path
        The project folder.
    table : mapping
        ``[parameters]`` of the project file.
    phases : sequence of Phase
        All phases of the project.
    """
    found: list[Finding] = []
    for phase in phases:
        try:
            require_notebooks(project, [phase])
            found += _form(project, phase)
        except MlopskitError as error:
            found.append(("issue", phase.notebook, str(error)))
    if not found:
        try:
            combine(declarations(project, phases), table=table)
        except MlopskitError as error:
            found.append(("issue", "[parameters]", str(error)))
    return found


def _form(project: Path, phase: Phase) -> Iterator[Finding]:
    """Yield what is wrong with one notebook.

    Raises
    ------
    MlopskitError
        When it cannot be read at all, or its parameters cell cannot.
    """
    path = phase.path(project)
    notebook = load_notebook(path)
    names = {parameter.name for parameter in notebook_parameters(path)}
    place = phase.notebook
    if (language := language_of(notebook)) != "python":
        yield "issue", place, f"it is written in {language}; only Python notebooks can be phases"
    yield from (("issue", place, text) for text in _parameter_order(notebook, names))
    code = "\n".join(source_of(notebook["cells"][index]) for index in code_cells(notebook))
    if "open_run(" not in code:
        yield "issue", place, f'no cell calls open_run("{phase.name}"), so nothing that it makes would be kept'
    if ".finish()" not in code:
        yield "issue", place, "no cell calls run.finish(), so the phase would never count as done"
    made_with = notebook.get("metadata", {}).get("mlopskit", {}).get("version")
    if made_with not in {None, __version__}:
        yield "note", place, f"it came from mlopskit {made_with}; {__version__} is installed"


def _parameter_order(notebook: Mapping[str, Any], names: set[str]) -> Iterator[str]:
    """Yield what would make an override come to nothing."""
    cells = code_cells(notebook)
    if any(True for _ in tagged(notebook, PUT_IN)):
        yield "it holds a cell that an earlier run put in (tag `injected-parameters`); delete that cell"
    first = notebook["cells"][cells[0]] if cells else {}
    if TAG not in first.get("metadata", {}).get("tags", []):
        yield "its first code cell is not the one tagged `parameters`; move that cell to the top"
    for number, index in enumerate(cells, start=1):
        cell = notebook["cells"][index]
        if TAG in cell.get("metadata", {}).get("tags", []):
            continue
        try:
            assigned = _assigned(source_of(cell))
        except SyntaxError as error:
            yield f"code cell {number}, line {error.lineno}, is not Python: {error.msg}"
            continue
        for name in sorted(assigned & names):
            yield f"code cell {number} assigns `{name}` again, so a value given for that parameter would be lost"


def _assigned(source: str) -> set[str]:
    """Return the names that a cell assigns at its top level; lines that only IPython understands are left out."""
    python = re.sub(r"^\s*[%!?].*$", "pass", source, flags=re.MULTILINE)
    found: set[str] = set()
    for node in ast.parse(python).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        found |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


def environment_findings() -> list[Finding]:
    """Compare what is installed with what mlopskit requires, and look for a kernel that JupyterLab would use."""
    from packaging.requirements import Requirement

    found: list[Finding] = []
    lines = requirements()
    if not lines:
        found.append(
            ("note", "environment", "mlopskit is not installed as a package, so its requirements cannot be compared")
        )
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        version = version_of(wanted.name)
        if version is None:
            found.append(("issue", "environment", f"{wanted.name} is missing; install it: pip install '{wanted}'"))
        elif not wanted.specifier.contains(version, prereleases=True):
            found.append(
                ("issue", "environment", f"{wanted.name} {version} is installed, {wanted.specifier} is needed")
            )
    return found + _kernel_findings()


def _kernel_findings() -> list[Finding]:
    """A run brings its own kernel; JupyterLab takes the installed kernelspec, which may be another Python."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        program = str(KernelSpecManager().get_kernel_spec("python3").argv[0])
    except NoSuchKernel:
        text = "JupyterLab would find no Python kernel; install ipykernel (a run brings its own)"
        return [("issue", "environment", text)]
    own = Path(program).name == program or Path(program).resolve() == Path(sys.executable).resolve()
    text = f"JupyterLab would use another Python for its kernel ({program}); a run uses {sys.executable}"
    return [] if own else [("note", "environment", text)]
