"""Hygiene: what should not get into git with a notebook or a project file.

Outputs, secrets, absolute paths, hidden state, a lost ``parameters`` tag, and forms that make diffs unreadable. Each
finding names notebook, cell and heading and says what to do. Outputs are an issue where git has them; in the working
copy they are only worth a note, since working there is what notebooks are for.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlopskit.errors import UsageError, listing
from mlopskit.notebooks import code_cells, heading_above, source_of, tagged
from mlopskit.params import TAG
from mlopskit.runner import giveaways, hiddenstate, worktree
from mlopskit.runner.health import Finding
from mlopskit.runner.phases import Phase
from mlopskit.runner.stripping import has_outputs, strip_file, unsteady
from mlopskit.scope import PROJECT_FILE

_FIX = "strip it: mlopskit check --fix"
_SECRET = (
    "take it out, and make it void where it came from if it was ever saved; a `secret` parameter holds a reference "
    f"(env:NAME, file:PATH) instead. What is no secret: # {giveaways.ALLOWED}"
)
_PATH = "give a path relative to the project, or a parameter"


def project_hygiene(project: Path, phases: Sequence[Phase]) -> list[Finding]:
    """Examine the project file and all notebooks of a project, in the working copy and as git has them.

    Parameters
    ----------
    project : Path
        The project folder.
    phases : sequence of Phase
        All phases; their notebooks are examined by `notebook_findings` too, so a lost tag is not told twice.
    """
    known = worktree.tracked(project)
    own = {phase.notebook for phase in phases}
    found = _file_findings(PROJECT_FILE, (project / PROJECT_FILE).read_bytes(), left="", tag=False)
    for name in notebook_names(project, phases):
        content = (project / name).read_bytes()
        kept = worktree.staged_content(project, name) if known is not None and name in known else None
        held = _held(name, kept) if kept is not None else []
        found += held
        found += _file_findings(name, content, left="" if held or known is None else "note", tag=name not in own)
    return found


def files_hygiene(folder: Path, files: Sequence[str], *, staged: bool) -> list[Finding]:
    """Examine single files as they would be committed.

    Parameters
    ----------
    folder : Path
        What `files` are relative to.
    files : sequence of str
        Notebooks and project files; others are passed over. With `staged` and no files, all that is staged.
    staged : bool
        True to examine what is staged instead of the working copy.

    Raises
    ------
    UsageError
        When a file is not there, or `staged` outside a repository.
    """
    found: list[Finding] = []
    for name in files or worktree.staged(folder):
        if relevant(name):
            content = worktree.staged_content(folder, name) if staged else None
            found += _file_findings(name, _content(folder / name) if content is None else content, left="issue")
    return found


def relevant(name: str) -> bool:
    """Tell whether a file is one that is examined: a notebook, or a project file."""
    return name.endswith(".ipynb") or Path(name).name == PROJECT_FILE


def notebook_names(project: Path, phases: Sequence[Phase]) -> list[str]:
    """Return the notebooks of a project, relative to it: of its phases, beside them, and those that git has or sees."""
    names = {phase.notebook for phase in phases} | {
        f"notebooks/{path.name}" for path in project.glob("notebooks/*.ipynb")
    }
    in_git = (worktree.tracked(project) or set()) | worktree.untracked(project)
    names |= {name for name in in_git if name.endswith(".ipynb")}
    return sorted(name for name in names if (project / name).is_file())


def strip_notebooks(folder: Path, names: Sequence[str]) -> list[str]:
    """Strip outputs and what else running left from notebook files, and return the names of those that changed."""
    return [name for name in names if name.endswith(".ipynb") and strip_file(folder / name)]


def notebook_hygiene(place: str, notebook: Mapping[str, Any], *, left: str, tag: bool = True) -> list[Finding]:
    """Examine a notebook.

    Parameters
    ----------
    place : str
        What findings call it.
    notebook : mapping
        As plain JSON.
    left : str
        What outputs and the order of execution that they show are: ``issue``, ``note``, or empty for nothing.
    tag : bool
        False to leave a lost ``parameters`` tag to others.
    """
    texts = [*_secrets(notebook), *_paths(notebook), *_hidden_state(notebook)]
    texts += _lost_tag(notebook) if tag else []
    remarks = [*_outputs(notebook), *_disorder(notebook)] if left else []
    return [("issue", place, text) for text in texts] + [(left, place, text) for text in remarks]


def _file_findings(name: str, content: bytes, *, left: str, tag: bool = True) -> list[Finding]:
    if Path(name).name == PROJECT_FILE:
        return [("issue", name, text) for text in _project_file(content.decode("utf-8", "replace"))]
    try:
        text = content.decode("utf-8")
        notebook = _parsed(text)
    except ValueError as error:
        return [("issue", name, f"it is not a readable notebook: {error}")]
    found = notebook_hygiene(name, notebook, left=left, tag=tag)
    why = unsteady(text, dict(notebook))
    return [*found, ("note", name, f"{why}; bring it into form: mlopskit check --fix")] if why else found


def _held(name: str, content: bytes) -> list[Finding]:
    """Return what git holds of outputs."""
    try:
        notebook = _parsed(content.decode("utf-8"))
    except ValueError:
        return []
    what = next(iter(_outputs(notebook)), "")
    return [("issue", name, f"git has it with outputs: {what}, then git add {name}")] if what else []


def _parsed(text: str) -> dict[str, Any]:
    notebook = json.loads(text)
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list) or notebook.get("nbformat") != 4:
        raise ValueError("it is not a notebook of format 4")
    return notebook


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Correct the name.") from None


def _cell(notebook: Mapping[str, Any], index: int) -> str:
    """Name a cell as a person finds it: its number among the code cells, and the heading above."""
    heading = heading_above(notebook, index + 1)
    numbers = code_cells(notebook)
    what = f"code cell {numbers.index(index) + 1}" if index in numbers else f"cell {index + 1}, text"
    return f"{what} ({heading})" if heading else what


def _outputs(notebook: Mapping[str, Any]) -> Iterator[str]:
    cells = [_cell(notebook, index) for index, cell in enumerate(notebook["cells"]) if has_outputs(cell)]
    if cells:
        yield f"{listing(cells, limit=3)} hold{'s' if len(cells) == 1 else ''} outputs or counts; {_FIX}"


def _disorder(notebook: Mapping[str, Any]) -> Iterator[str]:
    for upper, lower in hiddenstate.ran_out_of_order(notebook):
        yield (
            f"{_cell(notebook, lower)} was run before {_cell(notebook, upper)}, so what is shown may not be what a run "
            "from top to bottom gives; restart the kernel and run all cells"
        )


def _secrets(notebook: Mapping[str, Any]) -> Iterator[str]:
    for index, cell in enumerate(notebook["cells"]):
        code = cell.get("cell_type") == "code"
        source = source_of(cell)
        for line, kind in (giveaways.secrets_in_code if code else giveaways.secrets_in)(source):
            yield f"{_cell(notebook, index)}, line {line}, holds what looks like a secret: {kind}; {_SECRET}"
        for kind in sorted({kind for _, kind in giveaways.secrets_in(json.dumps(cell.get("outputs", []), indent=0))}):
            yield f"the output of {_cell(notebook, index)} holds what looks like a secret: {kind}; {_SECRET}"


def _paths(notebook: Mapping[str, Any]) -> Iterator[str]:
    for index, cell in enumerate(notebook["cells"]):
        source = source_of(cell)
        if cell.get("cell_type") == "code":
            found = giveaways.paths_in_code(source)
        else:
            links = re.findall(r"\]\(<?([^)>\s]+)", source)
            found = [(0, path) for link in links for path in giveaways.paths_in(link)]
        for line, path in found:
            where = f", line {line}," if line else ""
            yield f"{_cell(notebook, index)}{where} names {path}, which is on this machine only; {_PATH}"


def _hidden_state(notebook: Mapping[str, Any]) -> Iterator[str]:
    if notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python") != "python":
        return
    for use in hiddenstate.early_uses(notebook):
        where = _cell(notebook, use.cell)
        if use.defined_in is None:
            yield f"{where} uses `{use.name}`, which no cell defines; define it above, or take the cell out"
        elif use.defined_in == use.cell:
            yield f"{where} uses `{use.name}` before it defines it, so it works the second time only; define it first"
        else:
            yield (
                f"{where} uses `{use.name}`, which is first defined below, in {_cell(notebook, use.defined_in)}; "
                "move one of the two"
            )


def _lost_tag(notebook: Mapping[str, Any]) -> Iterator[str]:
    cells = code_cells(notebook)
    opens = any("open_run(" in source_of(notebook["cells"][index]) for index in cells)
    if opens and not any(True for _ in tagged(notebook, TAG)):
        yield (
            f"no cell is tagged `{TAG}`, so values given to this phase would come to nothing; tag "
            f"{_cell(notebook, cells[0])} (JupyterLab: Property Inspector, Common Tools, Cell Tags)"
        )


def _project_file(text: str) -> Iterator[str]:
    found = giveaways.secrets_in(text)
    for line, kind in found:
        yield f"line {line} holds what looks like a secret: {kind}; {_SECRET}"
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for key in giveaways.secrets_in_table(table):
        yield f"`{key}` holds what looks like a secret; {_SECRET}"
    for key, value in _texts(table):
        for path in giveaways.paths_in(value):
            yield f"`{key}` names {path}, which is on this machine only; {_PATH}"


def _texts(table: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(table, str):
        yield key, table
    elif isinstance(table, dict):
        for name, value in table.items():
            yield from _texts(value, f"{key}.{name}" if key else str(name))
    elif isinstance(table, list):
        for value in table:
            yield from _texts(value, key)
