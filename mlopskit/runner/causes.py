"""Why a phase came out differently: what of all that it depends on is not as it was in the run.

A cause is found, not guessed: hashes of what was read, code cells, parameters, versions. What is around all phases may
act on one and not on another, so it is named as what a difference may come from. Where none of them differs, nothing
recorded explains the difference, and the phase is not deterministic or reads past `Run`.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlopskit.runner.compare_causes import VARIABLES, around, cells_of, changes, distributions
from mlopskit.runner.compare_runs import Side
from mlopskit.runs import Record, read_trace
from mlopskit.runs.modules import project_modules
from mlopskit.scope import PROJECT_FILE

SEED = "seed"

_MODULES = ("code", "the project's own modules changed")
_FINGERPRINT = {
    "fingerprint.project": _MODULES,
    "fingerprint.package": ("environment", "mlopskit's own modules changed"),
    "fingerprint.installed": (
        "environment",
        "what is installed, which modules are on the path, or the user's settings of IPython or matplotlib changed",
    ),
}
"""What the manifest keeps as a hash only, in words; the interpreter stands there in clear as well."""

_OWN = "mlopskit"
_MAGIC = re.compile(r"^(\s*)%{1,2}[A-Za-z_].*", re.MULTILINE)
_UNTOLD = re.compile(
    r"^\s*(?:%(?:run|load|pylab|macro|rerun|recall)\b|%%(?!time\b|timeit\b|capture\b)|!)"
    r"|\b(?:__import__|import_module|importlib|runpy|exec|sys\.path)\b",
    re.MULTILINE,
)
"""What may import a module of the project without naming it in an import statement."""


@dataclass(frozen=True)
class Cause:
    """Something that is not as it was.

    Attributes
    ----------
    kind : str
        ``upstream``, ``data``, ``project``, ``code``, ``parameters``, ``seed``, ``environment`` or
        ``nondeterminism``.
    text : str
        What it is, in words.
    phase : str
        The phase that it acts on; empty for the environment, which acts on all.
    """

    kind: str
    text: str
    phase: str = ""


def causes_of(phase: str, before: Side, after: Side, *, project: Path) -> tuple[Cause, ...]:
    """Return why the results of a phase may differ between two runs; never empty.

    Parameters
    ----------
    phase : str
        Its name.
    before, after : Side
        The run, and the same run executed again.
    project : Path
        The project folder, in which files that were read may be gone.
    """
    if waited := _waited(phase, after):
        return (Cause("upstream", waited, phase),)
    above = tuple(upstream(phase, before, after))
    own = tuple(_within(phase, before, after, project))
    around = _around(phase, before, after, own)
    found = [*above, *own]
    if Cause(*_MODULES) in around:
        found += _modules(phase, before, after, project)
    if not above:  # what it reads explains it; what acts on all phases is not to stand before that
        found += [_perhaps(cause) for cause in around if cause != Cause(*_MODULES)]
    return tuple(found) or tuple(_of_secrets(phase, after)) or (_unexplained(phase, after),)


def own_causes(phase: str, before: Side, after: Side, *, project: Path) -> tuple[Cause, ...]:
    """Return what differs in the phase itself or around it, whether or not its results do."""
    own = tuple(_within(phase, before, after, project))
    return (*own, *_around(phase, before, after, own))


def _within(phase: str, before: Side, after: Side, project: Path) -> Iterator[Cause]:
    yield from _data(phase, before, after, project)
    yield from _code(phase, before, after)
    yield from _parameters(phase, before, after)


def _around(phase: str, before: Side, after: Side, own: Iterable[Cause]) -> tuple[Cause, ...]:
    """Return what differs around all phases; where nothing else does, what the keys tell apart."""
    around = tuple(environment(before, after))
    return around if around or any(own) else tuple(_unrecorded(phase, before, after))


def _perhaps(cause: Cause, more: str = "") -> Cause:
    return replace(cause, text=f"may come from this: {cause.text}{more}")


def _waited(phase: str, after: Side) -> str:
    """Say which phase kept this one from being executed; empty when it was."""
    if after.phases.get(phase, "never-ran") != "never-ran":
        return ""
    told = (item.get("reason") for item in after.entries("phases") if item.get("name") == phase)
    return str(next(told, None) or "a phase before it did not end well")


def upstream(phase: str, before: Side, after: Side) -> Iterator[Cause]:
    """Yield the artefacts of other phases that it read and that were already different."""
    reads = [_of(phase, side, "read") for side in (before, after)]
    for name, record in reads[1].items():
        old = reads[0].get(name)
        if old and old.digest != record.digest and not record.volatile and not name.startswith(f"{phase}/"):
            yield Cause("upstream", f"{name}, which it reads, already differs", phase)


def environment(before: Side, after: Side) -> Iterator[Cause]:
    """Yield what differs in interpreter, platform and versions; the fixed hash seed counts as a seed."""
    sides = before.table("environment"), after.table("environment")
    versions = list(changes(*map(distributions, sides)))
    if not all("direct" in side for side in sides):  # one was made when the manifest listed only some of them
        versions = [item for item in versions if item.before and item.after]
    for item in (*around(*sides), *versions):
        if item.name in _FINGERPRINT:
            # A run from before the manifest held this hash tells nothing by lacking it; versions say it better.
            if item.before and item.after and not (versions and item.name == "fingerprint.installed"):
                yield Cause(*_FINGERPRINT[item.name])
        elif item.name.startswith(VARIABLES):
            name = item.name.removeprefix(VARIABLES)
            yield Cause("environment", f"the variable {name} {_said(item.before)} → {_said(item.after)}")
        elif not item.name.startswith("fingerprint."):
            kind = SEED if item.name == "hash_seed" else "environment"
            yield Cause(kind, f"{item.name} {_said(item.before)} → {_said(item.after)}")


def _said(value: object) -> str:
    return "none" if value is None else str(value) or "empty"


def _of(phase: str, side: Side, op: str) -> dict[str, Record]:
    return {record.name: record for record in read_trace(side.folder / phase) if record.op == op}


def _data(phase: str, before: Side, after: Side, project: Path) -> Iterator[Cause]:
    for op, kind, words in (
        ("source", "data", "{} changed"),
        ("listing", "data", "the files {} are others"),
        ("env", "environment", "the environment variable {} changed"),
    ):
        old, new = _of(phase, before, op), _of(phase, after, op)
        for name in old:
            if name in new and old[name].sha256 != new[name].sha256:
                yield Cause("project" if name == PROJECT_FILE else kind, words.format(name), phase)
            elif name not in new and op == "source" and _gone(name, project):
                yield Cause("data", f"{name} is gone", phase)
    for op, words in (("live", "it reads a live source ({})"), ("changed", "{} was written to while it was read")):
        for name in dict.fromkeys([*_of(phase, before, op), *_of(phase, after, op)]):
            yield Cause("data", words.format(name), phase)


def _gone(name: str, project: Path) -> bool:
    return not name.startswith("example:") and not (project / name).exists()


def _code(phase: str, before: Side, after: Side) -> Iterator[Cause]:
    old, new = before.cells(phase), after.cells(phase)
    if old is not None and new is not None:
        for item in cells_of(phase, old, new):
            yield Cause("code", f"cell {item.cell} {'was ' if item.kind != 'changed' else ''}{item.kind}", phase)


def _parameters(phase: str, before: Side, after: Side) -> Iterator[Cause]:
    tables = [side.table("parameters").get(phase) for side in (before, after)]
    for item in changes(*(table if isinstance(table, dict) else {} for table in tables)):
        kind = SEED if item.name == SEED else "parameters"
        yield Cause(kind, f"{item.name} {_said(item.before)} → {_said(item.after)}", phase)


def _modules(phase: str, before: Side, after: Side, project: Path) -> Iterator[Cause]:
    """Yield that the project's modules changed, if the cells of the phase import one, or may do so."""
    own = {part.removesuffix(".py") for path in project_modules(project) for part in path.relative_to(project).parts}
    sides = [side.cells(phase) for side in (before, after)]
    sources = [source for cells in sides if cells is not None for source in cells.values()]
    imported = [_imported(source) for source in sources]
    tops = {name.partition(".")[0] for names in imported for name in names or ()}
    if named := sorted(tops & own):
        yield _perhaps(Cause(*_MODULES, phase), f", and it imports {', '.join(named)}")
    elif None in sides or None in imported or any(map(_is_nowhere, tops)) or _calls_own(imported, own, project):
        yield _perhaps(Cause(*_MODULES, phase), ", and its cells do not tell whether it imports any")


def _imported(source: str) -> set[str] | None:
    """Return what a cell imports, by its dotted names; None where that cannot be told."""
    if _UNTOLD.search(source):
        return None
    try:
        nodes = list(ast.walk(ast.parse(_MAGIC.sub(r"\1pass", source))))
    except SyntaxError:
        return None
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    several = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return found | {f"{node.module or ''}.{alias.name}" for node in several for alias in node.names}


def _is_nowhere(top: str) -> bool:
    """Tell whether a module is neither installed nor the project's today: it may have been the project's."""
    try:
        return top not in sys.stdlib_module_names and importlib.util.find_spec(top) is None
    except (ImportError, ValueError):  # a relative import has no top
        return True


def _calls_own(imported: Iterable[set[str] | None], own: Iterable[str], project: Path) -> bool:
    """Tell whether the phase uses what may import a class that the project file names, such as a candidate."""
    through = {name for names in imported for name in names or () if name.partition(".")[0] == _OWN}
    file = project / PROJECT_FILE
    if not through - {f"{_OWN}.open_run"} or not file.is_file():
        return False
    named = re.findall(r"[\"']([A-Za-z_]\w*)[.:]\w", file.read_text(encoding="utf-8", errors="replace"))
    return not set(own).isdisjoint(named)


def _unrecorded(phase: str, before: Side, after: Side) -> Iterator[Cause]:
    """Compare the keys, which know more than the manifest tells: modules, and distributions that it doesn't list."""
    keys = [
        {item.get("name"): item.get("key") for item in side.entries("phases")}.get(phase) for side in (before, after)
    ]
    if all(keys) and keys[0] != keys[1]:
        text = "a module of the project or of mlopskit changed, or a distribution that run.json does not list"
        yield Cause("environment", text, phase)


def _of_secrets(phase: str, after: Side) -> Iterator[Cause]:
    values = after.table("parameters").get(phase)
    for name, value in values.items() if isinstance(values, dict) else ():
        if isinstance(value, str) and value.startswith(("env:", "file:")):
            text = f"may come from this: the value of the secret {name} ({value}), of which nothing is kept"
            yield Cause("environment", text, phase)


def _unexplained(phase: str, after: Side) -> Cause:
    clocks = [name for name, record in _of(phase, after, "read").items() if record.volatile]
    told = (
        f"it reads {', '.join(clocks)}, which measures time"
        if clocks
        else "nothing that the run recorded of it differs, so it is not deterministic, or depends on something that it "
        "reads past `Run` (a variable of the environment, the network, the clock)"
    )
    return Cause("nondeterminism", told, phase)
