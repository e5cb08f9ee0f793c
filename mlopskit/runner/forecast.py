"""The forecast of a run: for each phase, whether it will run, and why.

What `mlopskit run --explain` prints. It asks the cache, phase by phase; behind a phase that will run, what that phase
will write is not known, so a phase that reads it is said to depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlopskit.notebooks import code_cells, heading_above, load_notebook, source_of
from mlopskit.params import spelled
from mlopskit.runner import cache, manifest, surroundings
from mlopskit.runner.fingerprint import fingerprint
from mlopskit.runner.phases import Phase, ancestors
from mlopskit.runner.planning import Plan
from mlopskit.runs import LOOKS, is_finished, read_trace, written

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
        ``run``, ``reuse``, ``leave`` (out of this run), or ``depends``: it runs if what it reads comes out different.
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
            told.append(_left_out(plan, phase))
            continue
        if not plan.reuse:
            told.append(Forecast(phase.name, "run", "it was asked for"))
            continue
        found, folder = _of_phase(plan, phase, keys[phase.name], known)
        told.append(found)
        if folder is not None:
            known[phase.name] = {record.name: record.digest for record in written(folder).values()}
    return told


def _left_out(plan: Plan, phase: Phase) -> Forecast:
    """Say what becomes of a phase that is not executed: without a base run there is nothing to take it from."""
    if plan.base is None:
        return Forecast(phase.name, "leave", "left out of this run")
    if _asked(plan.base / phase.name) & plan.chosen:
        return Forecast(phase.name, "depends", f"taken from {plan.base.name} if what it read comes out equal")
    return Forecast(phase.name, "reuse", f"left out of this run; taken from {plan.base.name}")


def _of_phase(
    plan: Plan, phase: Phase, key: str, known: Mapping[str, Mapping[str, str]]
) -> tuple[Forecast, Path | None]:
    behind = ancestors(plan.phases, phase.name)
    reasons, open_question = [], set[str]()
    for run in cache.candidates(plan.runs, key):
        folder = run / phase.name
        unknown = _asked(folder) & {name for name in behind if name not in known}
        digests = {
            **{item.name: item.digest for name in unknown for item in written(run / name).values()},
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
        return Forecast(
            phase.name, "depends", f"if {' or '.join(sorted(open_question))} writes something else than before"
        ), None
    return Forecast(phase.name, "run", reasons[0] if reasons else _difference(plan, phase)), None


def _asked(folder: Path) -> set[str]:
    """Return the phases that a phase read something of, or asked what they wrote."""
    asking = {"read", *LOOKS - {"missing"}}
    return {record.name.partition("/")[0] for record in read_trace(folder) if record.op in asking}


def _difference(plan: Plan, phase: Phase) -> str:
    """Compare with the newest run in which the phase ended well, part by part of the key."""
    for folder in sorted(plan.runs.glob("*Z-*"), key=lambda path: path.name, reverse=True):
        if is_finished(folder / phase.name):
            try:
                said = manifest.load(folder)
            except (OSError, ValueError):
                continue
            found = [*_parameters(plan, phase, said), *_cells(plan, phase, folder), *_environment(said, plan.project)]
            return f"since {folder.name}: {'; '.join(found) or _unreusable(phase, said)}"
    return "it has not run before"


def _unreusable(phase: Phase, said: Mapping[str, Any]) -> str:
    """Say why the same phase is not taken although nothing differs: the run wrote it down when the phase ended."""
    entry: Mapping[str, Any] = next((item for item in said["phases"] if item.get("name") == phase.name), {})
    before, _, why = str(entry.get("reason") or "").partition("will not be reused: ")
    return why if why and not before else "its results are no longer in the cache"


def _parameters(plan: Plan, phase: Phase, said: Mapping[str, Any]) -> Iterator[str]:
    before = dict(said.get("parameters", {}).get(phase.name, {}))
    now = plan.parameters[phase.name].recorded()
    for name in {**before, **now}:
        if spelled(before.get(name)) != spelled(now.get(name)):
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
    order = list(old)
    for number, index in enumerate(code_cells(current), start=1):
        cell = current["cells"][index]
        if old.pop(cell.get("id"), None) != source_of(cell):
            yield f"code cell {number} ({heading_above(current, index) or 'no heading'}) changed"
    now = [current["cells"][index].get("id") for index in code_cells(current)]
    if [name for name in order if name in now] != [name for name in now if name in order]:
        yield "the code cells are in another order"
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
