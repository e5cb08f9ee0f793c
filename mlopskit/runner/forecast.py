"""The forecast of a run: for each phase, whether it will run, and why.

What `mlopskit run --explain` prints. It asks the cache, phase by phase; behind a phase that will run, what that phase
will write is not known, so a phase that reads it is said to depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlopskit.notebooks import PUT_IN, code_cells, heading_above, load_notebook
from mlopskit.params import spelled
from mlopskit.runner import cache, manifest, reuse, surroundings
from mlopskit.runner.catalogue import newest_first
from mlopskit.runner.compare_causes import changes
from mlopskit.runner.fingerprint import code_of, fingerprint
from mlopskit.runner.phases import Phase, ancestors
from mlopskit.runner.planning import Plan
from mlopskit.runs import LOOKS, is_finished, read_trace, written

_PARTS = {
    "installed": "an installed distribution, which modules are on the path, or the user's settings of IPython or "
    "matplotlib changed",
    "package": "mlopskit itself changed",
    "project": "a module of the project changed",
}

_ENDINGS = {"failed": "it failed in", "killed": "it was killed in", "timed-out": "it timed out in"}

_BARRED = "will not be reused: "
"""What the manifest says before the reason why a phase cannot be reused."""


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


class _Here:
    """What a run would happen in, looked up once, and only where something has to be compared with it."""

    def __init__(self, project: Path) -> None:
        self._project = project

    @cached_property
    def environment(self) -> dict[str, Any]:
        """As in a manifest."""
        return surroundings.environment()

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """What all keys have in common."""
        return asdict(fingerprint(self._project))


def forecast(plan: Plan, keys: Mapping[str, str] | None = None) -> list[Forecast]:
    """Say for each phase of a plan why it will run or not. Nothing is executed.

    Parameters
    ----------
    plan : Plan
    keys : mapping, optional
        What `cache.keys` returns for it, where that is known.
    """
    keys, told = keys or cache.keys(plan), list[Forecast]()
    here = _Here(plan.project)
    known: dict[str, dict[str, str]] = {}
    for phase in plan.phases:
        folder: Path | None = None
        if phase.name not in plan.chosen:
            found, folder = _left_out(plan, phase, known)
        elif not plan.reuse:
            found = Forecast(phase.name, "run", "it was asked for")
        else:
            found, folder = _of_phase(plan, phase, keys[phase.name], known, here)
        told.append(found)
        if folder is not None:
            known[phase.name] = {record.name: record.digest for record in written(folder).values()}
        elif found.verdict == "leave":
            known[phase.name] = {}
    return told


def forecasts(plans: Sequence[Plan]) -> list[list[Forecast]]:
    """Say the same of the points of a grid: each also takes what is equal from those before it."""
    keys = [cache.keys(plan) for plan in plans]
    return [
        [_shared(told, plan, keys[place], keys[:place]) if plan.reuse else told for told in forecast(plan, keys[place])]
        for place, plan in enumerate(plans)
    ]


def _shared(told: Forecast, plan: Plan, mine: Mapping[str, str], earlier: Sequence[Mapping[str, str]]) -> Forecast:
    """Say of a phase that would run that a point before this one will have run it; what it reads is known only then."""
    behind = ancestors(plan.phases, told.phase)
    if told.verdict == "reuse" or {told.phase, *behind} & plan.secrets.keys() or _was_barred(plan, told.phase, mine):
        return told
    equal = [number for number, keys in enumerate(earlier, start=1) if keys[told.phase] == mine[told.phase]]
    for number in equal:
        if all(earlier[number - 1][name] == mine[name] for name in behind):
            return Forecast(told.phase, "depends", f"shared with point {number} of the grid if it can be reused")
    if equal and told.verdict == "run":
        other = sorted(name for name in behind if earlier[equal[0] - 1][name] != mine[name])
        why = f"if {' or '.join(other)} writes something else than at point {equal[0]} of the grid"
        return Forecast(told.phase, "depends", why)
    return told


def _was_barred(plan: Plan, phase: str, keys: Mapping[str, str]) -> bool:
    """Tell whether the phase ended well as it is now and was found not to be reusable."""
    _, said = _newest(plan, phase)
    entry = _entry(said, phase)
    return entry.get("key") == keys[phase] and _BARRED in str(entry.get("reason"))


def _left_out(plan: Plan, phase: Phase, known: Mapping[str, Mapping[str, str]]) -> tuple[Forecast, Path | None]:
    """Say what becomes of a phase that is not executed: taken from the base run, if there is one and it fits."""
    base, name = plan.base, phase.name
    if base is None:
        return Forecast(name, "leave", "left out of this run"), None
    still_open = {item.name for item in plan.phases} - known.keys() - {name}
    reads = [record for record in read_trace(base / name) if record.op == "read" and not record.volatile]
    unknown = {record.name: record.digest for record in reads if record.name.partition("/")[0] in still_open}
    current = {**unknown, **{file: digest for files in known.values() for file, digest in files.items()}}
    wanted = plan.parameters.get(name)
    before = reuse.previous(base, name, otherwise=wanted.recorded() if wanted else {})
    why = reuse.misfit(base, name, before, wanted=plan.demanded(name), current=current) or reuse.damaged(base / name)
    if why is not None:
        return Forecast(name, "leave", f"left out of this run, and {why}"), None
    if unknown:
        return Forecast(name, "depends", f"taken from {base.name} if what it read comes out equal"), None
    return Forecast(name, "reuse", f"left out of this run; taken from {base.name}"), base / name


def _of_phase(
    plan: Plan, phase: Phase, key: str, known: Mapping[str, Mapping[str, str]], here: _Here
) -> tuple[Forecast, Path | None]:
    behind = ancestors(plan.phases, phase.name)
    reasons, open_question = [], set[str]()
    for run in cache.usable(plan, phase.name, key):
        folder = run / phase.name
        if not reuse.ended_well(folder):  # a phase with the notebook of this one did; how this one ended is told below
            continue
        unknown = _asked(folder) & {name for name in behind if name not in known}
        digests = {file: digest for name in behind if name in known for file, digest in known[name].items()}
        why = cache.misfit(folder, cache.Now(plan.project, digests), ancestors=behind, unknown=unknown)
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
    why = reasons[0] if reasons else ""
    if not why and plan.base is not None and phase.name in plan.anew and cache.candidates(plan.runs, key):
        why = f"it was asked for in {plan.base.name}, which did not finish it"
    return Forecast(phase.name, "run", why or _difference(plan, phase, here)), None


def _asked(folder: Path) -> set[str]:
    """Return the phases that a phase read something of, or asked what they wrote."""
    asking = {"read", *LOOKS - {"missing"}}
    return {record.name.partition("/")[0] for record in read_trace(folder) if record.op in asking}


def _difference(plan: Plan, phase: Phase, here: _Here) -> str:
    """Compare with the newest run in which the phase ended well, part by part of the key."""
    folder, said = _newest(plan, phase.name)
    if folder is None:
        return _ending(plan, phase.name)
    found = [*_parameters(plan, phase, said), *_cells(plan, phase, folder), *_environment(said, here)]
    return f"since {folder.name}: {'; '.join(found) or _unreusable(phase, said)}"


def _newest(plan: Plan, phase: str) -> tuple[Path | None, dict[str, Any]]:
    """Return the newest run in which a phase ended well, and its manifest."""
    for folder in newest_first(plan.runs):
        if is_finished(folder / phase):
            with suppress(OSError, ValueError):
                said = manifest.load_whole(folder)
                if _entry(said, phase).get("status") in manifest.ENDED_WELL:
                    return folder, said
    return None, {}


def _entry(said: Mapping[str, Any], phase: str) -> Mapping[str, Any]:
    return next((item for item in said.get("phases", ()) if item.get("name") == phase), {})


def _ending(plan: Plan, phase: str) -> str:
    """Say how a phase ended in the newest run that began it, where no run is left in which it ended well."""
    for folder in newest_first(plan.runs):
        try:
            entry = _entry(manifest.load_whole(folder), phase)
        except (OSError, ValueError):
            if (folder / phase).is_dir():
                return f"run.json of {folder.name} is damaged, so what changed since is not known"
            continue
        status = str(entry.get("status"))
        if status in manifest.ENDED_WELL:
            return f"its results in {folder.name} are damaged or gone"
        if status in _ENDINGS:
            cell = (entry.get("error") or {}).get("cell")
            return f"{_ENDINGS[status]} {folder.name}" + (f", code cell {cell}" if cell else "")
    return "it has not run before"


def _unreusable(phase: Phase, said: Mapping[str, Any]) -> str:
    """Say why the same phase is not taken although nothing differs: the run wrote it down when the phase ended."""
    before, _, why = str(_entry(said, phase.name).get("reason") or "").partition(_BARRED)
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
        executed = load_notebook(folder / phase.name / "notebook.ipynb")
    except (OSError, ValueError):
        return
    names = [cell.get("id") for cell in current["cells"]]
    have_ids = all(names) and len(set(names)) == len(names)  # else the executed one got some of its own
    old, new = _code(executed, by_id=have_ids), _code(current, by_id=have_ids)
    for name, (index, code) in new.items():
        if name not in old or old[name][1] != code:
            number = code_cells(current).index(index) + 1
            what = "changed" if name in old else "added"
            yield f"code cell {number} ({heading_above(current, index) or 'no heading'}) {what}"
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield "the code cells are in another order"
    if gone := len(old.keys() - new.keys()):
        yield f"{gone} code {'cells were' if gone > 1 else 'cell was'} removed"


def _code(notebook: Mapping[str, Any], *, by_id: bool) -> dict[Any, tuple[int, list[str]]]:
    """Return index and what counts of the code cells, by ids or else by places, without what papermill put in."""
    cells = [(index, notebook["cells"][index]) for index in code_cells(notebook)]
    own = [(index, cell) for index, cell in cells if cell.get("id") != PUT_IN]
    return {cell["id"] if by_id else place: (index, code_of(cell)) for place, (index, cell) in enumerate(own)}


def _environment(said: Mapping[str, Any], here: _Here) -> Iterator[str]:
    before, now = said.get("environment", {}), here.environment
    if before.get("python") != now["python"]:
        yield f"Python {before.get('python')} → {now['python']}"
    old, new = before.get("distributions", {}), now["distributions"]
    for name in sorted({**old, **new}):
        if old.get(name) != new.get(name):
            yield f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}"
    around = before.get("variables")
    for item in changes(around, now["variables"]) if isinstance(around, dict) else ():
        before_it, after_it = ("absent" if value is None else value or "empty" for value in (item.before, item.after))
        yield f"the variable {item.name} {before_it} → {after_it}"
    then = before.get("fingerprint", {})
    for part, words in _PARTS.items():
        if then.get(part) != here.fingerprint[part] and (part != "installed" or old == new):
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
    """Count the rows of a table without reading its values; None where that cannot be."""
    import csv

    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            return int(pq.ParquetFile(path).metadata.num_rows)
        if path.suffix in {".csv", ".tsv"}:
            with path.open(newline="", encoding="utf-8", errors="replace") as file:
                return sum(bool(row) for row in csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")) - 1
    except (OSError, ValueError, csv.Error):  # it is damaged, which the run will say
        return None
    return None
