"""Why a phase came out differently: what of all that it depends on is not as it was in the run.

A cause is found, not guessed: hashes of what was read, code cells, parameters, versions. Where none of them differs,
nothing recorded explains the difference, and the phase itself is not deterministic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlopskit.runner.compare_causes import cells_of, changes, distributions, surroundings
from mlopskit.runner.compare_runs import Side
from mlopskit.runs import Record, read_trace
from mlopskit.scope import PROJECT_FILE

SEED = "seed"

_FINGERPRINT = {
    "fingerprint.project": ("code", "the project's own modules changed"),
    "fingerprint.package": ("environment", "mlopskit's own modules changed"),
    "fingerprint.installed": ("environment", "what is installed, or which modules are on the path, changed"),
}
"""What the manifest keeps as a hash only, in words; the interpreter stands there in clear as well."""


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
    found = (*upstream(phase, before, after), *own_causes(phase, before, after, project=project))
    return found or (Cause("nondeterminism", _unexplained(phase, after), phase),)


def own_causes(phase: str, before: Side, after: Side, *, project: Path) -> tuple[Cause, ...]:
    """Return what differs in the phase itself or around it, whether or not its results do."""
    found = (*_data(phase, before, after, project), *_code(phase, before, after), *_parameters(phase, before, after))
    around = tuple(environment(before, after))
    if found or around:
        return (*found, *around)
    return tuple(_unrecorded(phase, before, after))


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
    pairs = *changes(*map(surroundings, sides)), *versions
    for item in pairs:
        if item.name in _FINGERPRINT:
            # A run from before the manifest held this hash tells nothing by lacking it; versions say it better.
            if item.before and item.after and not (versions and item.name == "fingerprint.installed"):
                yield Cause(*_FINGERPRINT[item.name])
        elif not item.name.startswith("fingerprint."):
            kind = SEED if item.name == "hash_seed" else "environment"
            yield Cause(kind, f"{item.name} {_said(item.before)} → {_said(item.after)}")


def _said(value: object) -> str:
    return "none" if value is None else str(value)


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


def _unrecorded(phase: str, before: Side, after: Side) -> Iterator[Cause]:
    """Compare the keys, which know more than the manifest tells: modules, and distributions that it doesn't list."""
    keys = [
        {item.get("name"): item.get("key") for item in side.entries("phases")}.get(phase) for side in (before, after)
    ]
    if all(keys) and keys[0] != keys[1]:
        text = "a module of the project or of mlopskit changed, or a distribution that run.json does not list"
        yield Cause("environment", text, phase)


def _unexplained(phase: str, after: Side) -> str:
    clocks = [name for name, record in _of(phase, after, "read").items() if record.volatile]
    if clocks:
        return f"it reads {', '.join(clocks)}, which measures time"
    return "data, code, parameters, seeds and versions are equal, so the phase itself is not deterministic"
