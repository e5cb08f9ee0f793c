"""A phase of one's own: its notebook, its test and its ``[[phase]]`` table, laid down so that they run as they are.

Everything is checked before anything is written, the project file is written last and by renaming, and what was laid
down is taken back when that fails. The rest of the project file (comments, order, spaces) stays as it is: the table is
put at its end.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit import __version__
from mlopskit.artefacts import write_text
from mlopskit.errors import MlopskitError, ProjectError, RunError, UsageError, listing, nearest
from mlopskit.notebooks import code_cells, load_notebook, source_of
from mlopskit.runner.graph import graph
from mlopskit.runner.phases import PHASES, Phase
from mlopskit.runs import is_finished, latest_run
from mlopskit.scope import PROJECT_FILE, Scope
from mlopskit.share import share

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FIRST = "summary"
"""What is read of a phase that writes it: its findings in the form that all phases share."""


@dataclass(frozen=True)
class NewPhase:
    """What was laid down.

    Attributes
    ----------
    name : str
        The phase.
    after : tuple of str
        The phases that it waits for.
    reads : str
        The artefact that its notebook reads.
    notebook, test : Path
        Relative to the project.
    """

    name: str
    after: tuple[str, ...]
    reads: str
    notebook: Path
    test: Path


def lay_down_phase(project: Path, name: str, *, after: Sequence[str] = ()) -> NewPhase:
    """Add a phase to a project: a notebook of the right form, a test, and a table in the project file.

    Parameters
    ----------
    project : Path
        The folder with ``mlops.toml``.
    name : str
        Lower-case letters, digits and ``_``.
    after : sequence of str
        The phases that must have ended well before; the first is the one that the notebook reads. The last phase of the
        project by default.

    Raises
    ------
    UsageError
        For a name that no phase can have, and for an unknown name in `after` (with the nearest).
    ProjectError
        When the phase exists, or the project file cannot take the table.
    NotebookError, ProjectError
        When the phase to be read has no notebook, or its notebook writes nothing.
    """
    text = _text_of(project / PROJECT_FILE)
    scope = Scope.load(project / PROJECT_FILE)
    phases = graph(scope.phase)
    after = tuple(after) or (phases[-1].name,)
    _refuse_name(name, [phase.name for phase in phases], [table.name for table in scope.phase])
    _refuse_unknown(after, [phase.name for phase in phases])
    before = next(phase for phase in phases if phase.name == after[0])
    reads = f"{before.name}/{_artefact_of(before, project)}"
    number = _next_number(project, phases)
    made = NewPhase(name, after, reads, Path("notebooks", f"{number}_{name}.ipynb"), Path("tests", f"test_{name}.py"))
    changed = _with_table(text, made)
    _refuse_taken(project, made)
    _write(project, made, _notebook(made, number), changed)
    return made


def phase_problems(project: Path, name: str) -> list[str]:
    """Return what is wrong with the form of a phase's notebook and with what it would give away, one sentence each."""
    from mlopskit.runner.health import notebook_findings
    from mlopskit.runner.hygiene import notebook_hygiene

    phase = _phase(project, name)
    found = notebook_findings(project, {}, phases=[phase])
    if not found:
        found = notebook_hygiene(phase.notebook, load_notebook(phase.path(project)), left="note")
    return [f"{where}: {text}" for kind, where, text in found if kind == "issue"]


def why_not_yet(project: Path, name: str) -> str:
    """Return why the phase cannot be tried on the newest run, as a sentence; empty when it can."""
    newest = latest_run(project / "runs")
    if newest is None:
        return "There is no finished run yet; make one with `mlopskit run`."
    phases = [phase.name for phase in graph(Scope.load(project / PROJECT_FILE).phase)]
    lacking = [item for item in phases[: phases.index(name)] if not is_finished(newest / item)]
    return f"The newest run lacks {listing(lacking)}; make a whole one with `mlopskit run`." if lacking else ""


def try_phase(project: Path, name: str, *, folder: Path) -> str:
    """Run one phase alone on a copy of the newest finished run; the runs of the project stay as they are.

    Parameters
    ----------
    project : Path
        The folder with ``mlops.toml``.
    name : str
        The phase.
    folder : Path
        An empty folder for the copy and the trial.

    Returns
    -------
    str
        What went wrong, in one line; empty when the phase ended well.

    Raises
    ------
    RunError
        When there is no finished run that holds what comes before (`why_not_yet`).
    """
    from mlopskit.runner import Choice, execute, plan

    newest = latest_run(project / "runs")
    if newest is None or (reason := why_not_yet(project, name)):
        raise RunError(why_not_yet(project, name) if newest is None else reason)
    shutil.copytree(newest, folder / newest.name)
    made = plan(project, choice=Choice(only=[name], base=newest.name), runs=folder)
    entry = next(entry for entry in execute(made).manifest.phases if entry.name == name)
    if entry.status == "done":
        return ""
    error = entry.error or {}
    return f"{name} {entry.status}: code cell {error.get('cell')}: {error.get('name')}: {error.get('message')}"


def _phase(project: Path, name: str) -> Phase:
    phases = {phase.name: phase for phase in graph(Scope.load(project / PROJECT_FILE).phase)}
    if name not in phases:
        raise UsageError(f"There is no phase {name!r}{nearest(name, phases)}; there are {listing(phases, limit=30)}.")
    return phases[name]


def _text_of(path: Path) -> str:
    """Read the project file with its own line ends."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise ProjectError.from_missing([str(path)]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}. It must be a UTF-8 text file.") from None


def _refuse_name(name: str, names: Sequence[str], tables: Sequence[str]) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot name a phase: use lower-case letters, digits and _, a letter first: fairness_review."
        )
    if name in tables:
        raise ProjectError(
            f"mlops.toml has a [[phase]] table {name!r} already; nothing was changed. Take another name."
        )
    if name in names or name in {phase.name for phase in PHASES}:
        raise ProjectError(f"There is a phase {name!r} already; nothing was changed. Take another name.")


def _refuse_unknown(after: Sequence[str], names: Sequence[str]) -> None:
    for item in after:
        if item not in names:
            raise UsageError(
                f"--after names no phase of this project: {item!r}{nearest(item, names)}; "
                f"there are {listing(names, limit=30)}."
            )


def _refuse_taken(project: Path, made: NewPhase) -> None:
    for path in (made.notebook, made.test):
        if (project / path).exists():
            raise ProjectError(f"{path.as_posix()} is there already; nothing was changed. Move it away first.")


def _artefact_of(phase: Phase, project: Path) -> str:
    """Return the artefact to begin with: ``summary``, else the first one that the notebook writes."""
    notebook = load_notebook(phase.path(project))
    written = [name for index in code_cells(notebook) for name in _written(source_of(notebook["cells"][index]))]
    if not written:
        raise ProjectError(
            f'The notebook of {phase.name} writes no artefact (no `run.write("…", …)` in it), so nothing of it can '
            "be read. Name another phase with --after."
        )
    return _FIRST if _FIRST in written else written[0]


def _written(source: str) -> Iterator[str]:
    """Yield the names that a cell gives to ``.write``, where they stand there as text."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write":
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and _NAME.fullmatch(first.value):
                yield first.value


def _next_number(project: Path, phases: Sequence[Phase]) -> int:
    """Return the number behind the highest that a notebook bears."""
    names = [Path(phase.notebook).name for phase in phases] + [path.name for path in project.glob("notebooks/*.ipynb")]
    return 1 + max((int(found[0]) for name in names if (found := re.match(r"\d+(?=_)", name))), default=0)


def _notebook(made: NewPhase, number: int) -> str:
    """Fill the template, cell by cell, so that nothing which is put in can break the file."""
    kind = "summary" if made.reads.endswith(f"/{_FIRST}") else "artefact"
    notebook: dict[str, Any] = load_notebook(share("templates/phase") / f"{kind}.ipynb")
    title = made.name.replace("_", " ").capitalize()
    values = {"number": str(number), "title": title, "name": made.name, "before": made.after[0], "artefact": made.reads}
    for cell in notebook["cells"]:
        cell["source"] = _filled(source_of(cell), values).splitlines(keepends=True)
    notebook["metadata"]["mlopskit"] = {"version": __version__}
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: values[found[1]], text)


def _with_table(text: str, made: NewPhase) -> str:
    """Return the project file with the new table at its end, checked to say the same as before and that, no more."""
    table = {"name": made.name, "notebook": made.notebook.as_posix(), "after": list(made.after)}
    lines = ["[[phase]]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    end = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith("\n") else end
    whole = text + gap + end + end.join(lines) + end
    before = tomllib.loads(text)
    wanted = {**before, "phase": [*before.get("phase", []), table]}
    try:
        fits = tomllib.loads(whole) == wanted
    except tomllib.TOMLDecodeError:
        fits = False
    if not fits:
        raise ProjectError(
            "mlops.toml writes `phase` in another form than [[phase]] tables, so no table can be put behind it; "
            "nothing was changed. Write its entries as [[phase]] tables."
        )
    Scope.parse(whole)
    return whole


def _write(project: Path, made: NewPhase, notebook: str, project_file: str) -> None:
    """Write notebook, test and project file; the first two are taken back when the last cannot be written."""
    test = _filled((share("templates/phase") / "test_phase.py.txt").read_text(encoding="utf-8"), {"name": made.name})
    target = (project / PROJECT_FILE).resolve()  # a link stays a link
    try:
        for path, text in ((made.notebook, notebook), (made.test, test)):
            write_text(project / path, text)
        mode = target.stat().st_mode
        write_text(target, project_file)
        target.chmod(mode)
    except OSError as error:
        for path in (made.notebook, made.test):
            (project / path).unlink(missing_ok=True)
        what = error.filename or "The new phase"  # a full disk names no file
        raise MlopskitError(f"{what} cannot be written: {error.strerror}. Nothing was changed.") from None
