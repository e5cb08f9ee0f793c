"""The phase cache: a phase is reused if and only if nothing that it depends on changed.

Two keys, one under the other. The first is known before a phase runs: code cells, parameters, interpreter,
distributions, modules (`fingerprint.phase_key`). ``runs/.cache/<key>`` lists the runs in which a phase with that key
ended well. Under it lies the trace of what that phase read, in order; it is checked against what is there now. The
results are those in the run folders: the cache holds names only, so it can be deleted at any time, and a damaged entry
costs a second run of the phase, never a wrong result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.notebooks import load_notebook
from mlopskit.runner import findings, manifest
from mlopskit.runner.fingerprint import fingerprint, phase_key
from mlopskit.runner.phases import Phase, ancestors
from mlopskit.runner.planning import Plan
from mlopskit.runner.reuse import damaged, ended_well
from mlopskit.runs import Record, env_hash, listed, listing_hash, names_hash, read_trace, written

FOLDER = ".cache"
_ENDED = ("passed", "criteria-not-met")
_NEVER = {
    "live": "it read a live source ({})",
    "effect": "it changed something outside the run ({})",
    "changed": "{} was written to while it was being read",
}
_OF_PHASES = {"read", "absent", "present", "names"}
_KEY = re.compile(r"[0-9a-f]{64}")


def keys(plan: Plan) -> dict[str, str]:
    """Return the key of each phase that a plan executes."""
    common = fingerprint(plan.project)
    return {
        phase.name: phase_key(load_notebook(phase.path(plan.project)), plan.parameters[phase.name].values, common)
        for phase in plan.phases
        if phase.name in plan.chosen
    }


def standing(plan: Plan) -> Path | None:
    """Return the newest finished run that a run of this plan would only repeat, or None."""
    wanted = keys(plan)
    names = [phase.name for phase in plan.phases]
    if not plan.reuse or set(wanted) != set(names):
        return None
    reusable = [set(usable(plan, name, key)) for name, key in wanted.items()]
    for folder in usable(plan, names[-1], wanted[names[-1]]):
        if not all(folder in runs for runs in reusable):  # a phase of it used a secret, or changed while it ran
            continue
        try:
            said = manifest.load_whole(folder)
            found = {entry["name"]: entry["key"] for entry in said["phases"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        same = said.get("status") in _ENDED and list(found) == names and found == wanted
        if same and _is_judged_alike(plan, said) and _repeats(plan, folder):
            return folder
    return None


def likely(plan: Plan) -> list[Phase]:
    """Return the phases that a plan executes, in front those for which there is nothing to reuse."""
    chosen = [phase for phase in plan.phases if phase.name in plan.chosen]
    if not plan.reuse or not (plan.runs / FOLDER).is_dir():
        return chosen
    wanted = keys(plan)
    return sorted(chosen, key=lambda phase: bool(usable(plan, phase.name, wanted[phase.name])))


def _is_judged_alike(plan: Plan, said: Mapping[str, Any]) -> bool:
    """Tell whether the criteria that no phase judged are those of the project file, which no phase need have read."""
    open_ones = [row for row in said.get("criteria", ()) if row.get("phase") is None]
    judged = [row for row in said.get("criteria", ()) if row not in open_ones]
    return findings.unjudged(findings.asked_for(plan.scope.criterion), judged) == open_ones


def _repeats(plan: Plan, folder: Path) -> bool:
    digests = {name: _digests(folder / name) for name in plan.chosen}
    for phase in plan.phases:
        behind = ancestors(plan.phases, phase.name)
        now = Now(plan.project, {file: digest for name in behind for file, digest in digests[name].items()})
        if misfit(folder / phase.name, now, ancestors=behind) is not None:
            return False
    return True


def _digests(folder: Path) -> dict[str, str]:
    return {record.name: record.digest for record in written(folder).values()}


@dataclass(frozen=True)
class Now:
    """What a phase would find if it ran now.

    Attributes
    ----------
    project : Path
        The project folder.
    artefacts : mapping
        ``phase/file`` → content digest, of the phases before it.
    """

    project: Path
    artefacts: Mapping[str, str]


def remember(runs: Path, key: str, run: str) -> None:
    """Note that a phase with this key ended well in a run; appending one short line is atomic."""
    if _KEY.fullmatch(key):
        folder = runs / FOLDER
        with suppress(OSError):  # what cannot be noted is executed again another time; the run must not end with it
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / key).open("a", encoding="utf-8") as file:
                file.write(f"{run}\n")


def candidates(runs: Path, key: str) -> list[Path]:
    """Return the runs in which a phase with this key ended well, newest first; lines that name none are skipped."""
    try:
        lines = (runs / FOLDER / key).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    names = dict.fromkeys(line.strip() for line in reversed(lines))
    return [runs / name for name in names if name and Path(name).name == name and (runs / name).is_dir()]


def usable(plan: Plan, phase: str, key: str) -> list[Path]:
    """Return the `candidates` that count for a phase of a plan: where it is to be executed anew, one at most."""
    found = candidates(plan.runs, key)
    return [folder for folder in found if folder == plan.base] if phase in plan.anew else found


def misfit(folder: Path, now: Now, *, ancestors: Collection[str], unknown: Collection[str] = frozenset()) -> str | None:
    """Say why the results in a phase folder do not stand for a run of the phase now, or None when they do.

    Parameters
    ----------
    folder : Path
        The phase's folder in an earlier run.
    now : Now
        What the phase would find.
    ancestors : collection of str
        Phases that it is declared to come after, near or far.
    unknown : collection of str
        Those of them of which is not known yet what they will have written: it is taken to be the same.
    """
    run = folder.parent.name
    if not folder.is_dir():
        return f"it is not in {run}"
    records = read_trace(folder)
    if not any(record.op == "finish" for record in records):
        return f"it did not end well in {run}, or its trace is damaged"
    never = _barred(records, phase=folder.name, ancestors=ancestors)
    if never is not None:
        return never
    for record in records:
        is_open = record.op in _OF_PHASES and record.name.partition("/")[0] in unknown
        changed = None if is_open else _changed(record, now, phase=folder.name)
        if changed is not None:
            return changed
    return damaged(folder) if ended_well(folder) else f"it did not end well in {run}"


def never_reusable(plan: Plan, phase: str, records: Collection[Record], *, key: str) -> str | None:
    """Say why a phase that has just ended can never be reused, or None.

    Parameters
    ----------
    plan : Plan
        What the run was to do.
    phase : str
        Its name.
    records : collection of Record
        Its trace.
    key : str
        Its key when the run began.
    """
    barred = _barred(records, phase=phase, ancestors=ancestors(plan.phases, phase))
    if barred is not None:
        return barred
    if phase in plan.secrets:
        return "it uses a secret, and the value of a secret is kept nowhere"
    return None if keys(plan)[phase] == key else "its notebook or a module was changed while it ran"


def _barred(records: Collection[Record], *, phase: str, ancestors: Collection[str]) -> str | None:
    for record in records:
        if record.op in _NEVER:
            return _NEVER[record.op].format(record.name)
        source = record.name.partition("/")[0]
        if record.op in _OF_PHASES and source != phase and source not in ancestors:
            return f"it looked at {record.name}, and {source} is not among the phases that it comes after"
    return None


def _changed(record: Record, now: Now, *, phase: str) -> str | None:
    if record.op == "read" and not record.name.startswith(f"{phase}/"):
        current = now.artefacts.get(record.name)
        return None if current == record.digest else f"{record.name} {'changed' if current else 'is gone'}"
    if record.op == "absent" and not record.name.startswith(f"{phase}/"):
        there = {name for file in now.artefacts for name in (file, file.rpartition(".")[0])}
        return f"{record.name} was not there and is now" if record.name in there else None
    if record.op == "present" and not record.name.startswith(f"{phase}/"):
        return None if record.name in now.artefacts else f"{record.name} is gone"
    if record.op == "names" and record.name != phase:
        files = sorted(file.partition("/")[2] for file in now.artefacts if file.startswith(f"{record.name}/"))
        return None if names_hash(files) == record.sha256 else f"the artefacts of {record.name} are others"
    if record.op == "missing":
        return f"{record.name} was not there and is now" if (now.project / record.name).exists() else None
    if record.op == "source":
        return _source_changed(record, now.project)
    if record.op == "listing":
        names = listing_hash(now.project, listed(now.project, record.name))
        return None if names == record.sha256 else f"the files {record.name} changed"
    if record.op == "env":
        return None if env_hash(os.environ.get(record.name)) == record.sha256 else f"the variable {record.name} changed"
    return None


def _source_changed(record: Record, project: Path) -> str | None:
    """Compare a file or folder by its content; what the package brings is part of the key."""
    if record.name.startswith("example:"):
        return None
    path = project / record.name
    try:
        same = artefacts.size(path) == record.bytes and artefacts.sha256(path) == record.sha256
    except OSError:
        return f"{record.name} is gone"
    return None if same else f"{record.name} changed"
