"""The forecast of a run: for each phase, whether it will run, and why.

What `mlopskit run --explain` prints. It asks the cache, phase by phase; behind a phase that will run, what that phase
will write is not known, so a phase that reads it is said to depend on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlopskit.notebooks import code_cells, heading_above, load_notebook, source_of
from mlopskit.params import portable
from mlopskit.runner import cache, manifest, surroundings
from mlopskit.runner.fingerprint import fingerprint
from mlopskit.runner.phases import Phase, ancestors
from mlopskit.runner.planning import Plan
from mlopskit.runs import is_finished, read_trace, written

_PARTS = {
    "installed": "an installed distribution changed",
    "package": "mlopskit itself changed",
    "project": "a module of the project changed",
}


@dataclass(frozen=True)
class Forecast:
    """What will become of a phase.

    Attributes
    ----------
    phase : str
        Its name.
    verdict : str
        ``run``, ``reuse``, or ``depends``: it runs if what it reads comes out different.
    why : str
        The reason, in words.
    """

    phase: str
    verdict: str
    why: str


def forecast(plan: Plan) -> list[Forecast]:
    """Say for each phase of a plan why it will run or not. Nothing is executed."""
    keys, told = cache.keys(plan), list[Forecast]()
    known: dict[str, dict[str, str]] = {}
    for phase in plan.phases:
        if phase.name not in plan.chosen:
            told.append(Forecast(phase.name, "reuse", f"left out of this run; taken from {_name(plan.base)}"))
            continue
        if not plan.reuse:
            told.append(Forecast(phase.name, "run", "it was asked for"))
            continue
        found, folder = _of_phase(plan, phase, keys[phase.name], known)
        told.append(found)
        if folder is not None:
            known[phase.name] = {record.name: record.digest for record in written(folder).values()}
    return told


def _name(folder: Path | None) -> str:
    return folder.name if folder else "nowhere"


def _of_phase(
    plan: Plan, phase: Phase, key: str, known: Mapping[str, Mapping[str, str]]
) -> tuple[Forecast, Path | None]:
    behind = ancestors(plan.phases, phase.name)
    reasons, open_question = [], None
    for run in cache.candidates(plan.runs, key):
        folder = run / phase.name
        unknown = _reads_of(folder, [name for name in behind if name not in known])
        digests = {
            **unknown,
            **{file: digest for name in behind if name in known for file, digest in known[name].items()},
        }
        why = cache.misfit(folder, cache.Now(plan.project, digests), ancestors=behind)
        if why is None and not unknown:
            return Forecast(phase.name, "reuse", f"nothing changed since {run.name}"), folder
        if why is None:
            open_question = open_question or unknown
        else:
            reasons.append(_with_rows(why, run, plan.project))
    if open_question:
        sources = sorted({name.partition("/")[0] for name in open_question})
        return Forecast(phase.name, "depends", f"if {' or '.join(sources)} writes something else than before"), None
    return Forecast(phase.name, "run", reasons[0] if reasons else _difference(plan, phase)), None


def _reads_of(folder: Path, phases: Collection[str]) -> dict[str, str]:
    """Return what a phase read of phases whose output is not known yet, as it was then."""
    return {
        record.name: record.digest
        for record in read_trace(folder)
        if record.op == "read" and record.name.partition("/")[0] in phases
    }


def _difference(plan: Plan, phase: Phase) -> str:
    """Compare with the newest run in which the phase ended well, part by part of the key."""
    for folder in sorted(plan.runs.glob("*Z-*"), key=lambda path: path.name, reverse=True):
        if is_finished(folder / phase.name):
            try:
                said = manifest.load(folder)
            except (OSError, ValueError):
                continue
            found = [*_parameters(plan, phase, said), *_cells(plan, phase, folder), *_environment(said, plan.project)]
            return f"since {folder.name}: {'; '.join(found or ['its results are no longer in the cache'])}"
    return "it has not run before"


def _parameters(plan: Plan, phase: Phase, said: Mapping[str, Any]) -> Iterator[str]:
    before = dict(said.get("parameters", {}).get(phase.name, {}))
    now = portable(dict(plan.parameters[phase.name].values))
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            yield f"`{name}` {before.get(name)} → {now.get(name)}"


def _cells(plan: Plan, phase: Phase, folder: Path) -> Iterator[str]:
    """Name the code cells that differ from those that were executed, by their heading."""
    current = load_notebook(phase.path(plan.project))
    try:
        before = load_notebook(folder / phase.name / "notebook.ipynb")
    except (OSError, ValueError):
        return
    old = {cell.get("id"): source_of(cell) for cell in before["cells"] if cell["cell_type"] == "code"}
    old.pop("injected-parameters", None)
    for number, index in enumerate(code_cells(current), start=1):
        cell = current["cells"][index]
        if old.pop(cell.get("id"), None) != source_of(cell):
            yield f"code cell {number} ({heading_above(current, index) or 'no heading'}) changed"
    if old:
        yield f"{len(old)} code {'cells were' if len(old) > 1 else 'cell was'} removed"


def _environment(said: Mapping[str, Any], project: Path) -> Iterator[str]:
    before, now = said.get("environment", {}), surroundings.environment()
    if before.get("python") != now["python"]:
        yield f"Python {before.get('python')} → {now['python']}"
    old, new = before.get("distributions", {}), now["distributions"]
    for name in sorted({**old, **new}):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
    then, current = before.get("fingerprint", {}), asdict(fingerprint(project))
    for part, words in _PARTS.items():
        if then.get(part) != current[part] and (part != "installed" or old == new):
            yield words


def _with_rows(why: str, run: Path, project: Path) -> str:
    """Add by how many rows a changed table differs, where the data phase noted how many it had."""
    name, _, rest = why.partition(" changed")
    source = run / "data" / "source.json"
    if rest or not source.is_file() or not (project / name).is_file():
        return why
    before, now = _noted_rows(source, name), _rows(project / name)
    if before is None or now is None:
        return why
    other = abs(now - before)
    rows = (
        f"{other:,} row{'' if other == 1 else 's'} {'more' if now > before else 'fewer'}" if other else "as many rows"
    )
    return f"{why}: {rows}"


def _noted_rows(source: Path, name: str) -> int | None:
    import json

    try:
        said = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return int(said["rows"]) if said.get("source") == name and isinstance(said.get("rows"), int) else None


def _rows(path: Path) -> int | None:
    """Count the rows of a table without reading its values."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.ParquetFile(path).metadata.num_rows)
    if path.suffix in {".csv", ".tsv"}:
        import csv

        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            return sum(bool(row) for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")) - 1
    return None
