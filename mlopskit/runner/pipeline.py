"""A run from plan to report.

`execute` makes the run folder, executes phase after phase, keeps the manifest true at every moment and renders the
report, also when a phase failed or the run was stopped.
"""

from __future__ import annotations

import datetime as dt
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.errors import RunError
from mlopskit.runner import cache, findings, lineage, manifest, reuse, spill, surroundings
from mlopskit.runner.ahead import Ahead
from mlopskit.runner.execution import Ending, Order
from mlopskit.runner.fingerprint import fingerprint
from mlopskit.runner.interruption import Interruption
from mlopskit.runner.manifest import ENDED_WELL, Manifest, PhaseEntry
from mlopskit.runner.outcome import Outcome, judge
from mlopskit.runner.phases import Phase, ancestors, parents
from mlopskit.runner.planning import Plan
from mlopskit.runner.warm import ForkServer
from mlopskit.runner.worker import Worker
from mlopskit.runs import read_trace
from mlopskit.runs.durations import earlier_seconds
from mlopskit.runs.presence import present

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


def execute(plan: Plan, *, listener: Listener = lambda _: None, server: ForkServer | None = None) -> Outcome:
    """Make the run that `plan` describes.

    Parameters
    ----------
    plan : Plan
        From `plan`.
    listener : callable
        Told what happens, as plain mappings with an ``event``: ``run``, ``phase``, ``cell``, ``ended``, ``note``,
        ``finished``.
    server : ForkServer, optional
        Where kernels are forked from; without one they start cold.

    Returns
    -------
    Outcome
        Also for a run that failed or was stopped.

    Raises
    ------
    RunError
        When the run folder cannot be made, or nothing can be written to it any more.
    """
    return _Execution(plan, listener, server).run()


@dataclass
class _Execution:
    """The state of one run while it is being made."""

    plan: Plan
    listener: Listener
    server: ForkServer | None
    folder: Path = field(init=False)
    manifest: Manifest = field(init=False)
    report: Ahead = field(init=False)
    usual: dict[str, float] = field(init=False)
    unheard: OSError | None = None
    """What the listener could not pass on: no fault of the run's files."""
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    began: float = field(default_factory=time.monotonic)

    def run(self) -> Outcome:
        self.folder = _make_folder(self.plan.runs, self.started)
        with _or_removed(self.folder):
            self.manifest = self._first_manifest()
        with Interruption() as interruption, present(self.folder):
            with _or_removed(self.folder):
                self._save()
            try:
                return self._made(interruption)
            except OSError as error:
                if error is self.unheard:
                    raise
                with suppress(Exception):  # where there is room for it, it tells what run.json tells
                    self.report.finished()
                usual = self.plan.runs == self.plan.project / "runs"
                raise RunError.from_unsaved(self.folder, error, usual=usual) from error

    def _made(self, interruption: Interruption) -> Outcome:
        """Make what was begun."""
        lineage.append(self.folder, [lineage.run_started(self.manifest, when=self._now())])
        artefacts.write_text(self.plan.runs / "begun", f"{self.folder.name}\n")
        names = [phase.name for phase in self.plan.phases]
        self.usual = earlier_seconds(self.plan.runs)
        self._tell("run", run=self.folder.name, folder=str(self.folder), phases=names)
        with (
            Ahead(self.folder) as self.report,
            Worker(self._orders(interruption), interruption, self._hear, jobs=self.plan.jobs) as worker,
        ):
            self._run_phases(worker, interruption)
            return self._conclude(interrupted=interruption.happened)  # while the last kernel leaves

    def _run_phases(self, worker: Worker, interruption: Interruption) -> None:
        """Bring every phase to its end, each as soon as those that it comes after have ended."""
        waiting = [phase.name for phase in self.plan.phases]
        while waiting or worker.running:
            for name in list(waiting):
                still_open = {*waiting, *worker.running}
                if any(parent in still_open for parent in parents(self.plan.phases, name)):
                    continue
                if self._settled(name, stopped=interruption.happened):
                    waiting.remove(name)
                    worker.release(name)
                    self._ended(name)
                elif worker.has_room():
                    waiting.remove(name)
                    self._begin(name)
                    worker.start(name, [other for other in waiting if self._comes_next(other, waiting)])
            if worker.running and (happened := worker.wait()) is not None:
                self._take(*happened)

    def _comes_next(self, name: str, waiting: Collection[str]) -> bool:
        """Tell whether a phase may start as soon as those that run have ended."""
        return name in self.plan.chosen and not any(parent in waiting for parent in parents(self.plan.phases, name))

    def _orders(self, interruption: Interruption) -> list[Order]:
        return [
            Order(
                phase,
                self.plan.project,
                self.folder,
                given=self.plan.parameters[phase.name].given,
                limit=self.plan.limit,
                emit=interruption.queue.put,
                server=self.server,
                secrets=self.plan.secrets.get(phase.name, ()),
                foreign=[item for name, of in self.plan.secrets.items() if name != phase.name for item in of],
            )
            for phase in self.plan.phases
            if phase.name in self.plan.chosen
        ]

    def _first_manifest(self) -> Manifest:
        values = {phase: parameters.values for phase, parameters in self.plan.parameters.items()}
        keys = cache.keys(self.plan)
        entries = [PhaseEntry(phase.name, phase.notebook, key=keys.get(phase.name, "")) for phase in self.plan.phases]
        return Manifest(
            run=self.folder.name,
            project=self.plan.scope.project.name,
            started=_iso(self.started),
            parameters={phase: parameters.recorded() for phase, parameters in self.plan.parameters.items()},
            seed=manifest.common_seed(values),
            environment={**surroundings.environment(), "fingerprint": asdict(fingerprint(self.plan.project))},
            git=surroundings.git_state(self.plan.project),
            phases=entries,
            base=self.plan.base.name if self.plan.base else None,
            anew=[phase.name for phase in self.plan.phases if phase.name in self.plan.anew],
        )

    def _entry(self, name: str) -> PhaseEntry:
        return next(entry for entry in self.manifest.phases if entry.name == name)

    def _phase(self, name: str) -> Phase:
        return next(phase for phase in self.plan.phases if phase.name == name)

    def _settled(self, name: str, *, stopped: bool) -> bool:
        """Tell whether a phase ends without being executed: reused, or left out with the reason."""
        entry = self._entry(name)
        behind = ancestors(self.plan.phases, name)
        blocking = next(
            (item for item in self.manifest.phases if item.name in behind and item.status in manifest.ENDED_BADLY), None
        )
        if stopped:
            entry.reason = "the run was stopped before this phase"
        elif blocking is not None:
            entry.reason = f"{blocking.name} did not end well"
        elif name not in self.plan.chosen:
            self._reuse(entry)
        else:
            return self.plan.reuse and self._reuse_unchanged(entry, behind)
        return True

    def _reuse_unchanged(self, entry: PhaseEntry, behind: frozenset[str]) -> bool:
        """Copy the results of an earlier run in which nothing was different, if there are any."""
        now = cache.Now(self.plan.project, self._digests(behind))
        for folder in cache.usable(self.plan, entry.name, entry.key):
            if cache.misfit(folder / entry.name, now, ancestors=behind) is None:
                with suppress(RunError, OSError):  # it was removed or damaged this moment: the phase is executed
                    self._copy(folder, entry, reason=f"nothing that it depends on changed since {folder.name}")
                    return True
        return False

    def _digests(self, phases: Collection[str]) -> dict[str, str]:
        """Return what the phases wrote: ``phase/file`` → content digest."""
        return {
            item["name"]: item["digest"] for done in self.manifest.phases if done.name in phases for item in done.writes
        }

    def _ended(self, name: str) -> None:
        """Save and tell that a phase has ended."""
        self._save()
        self.report.ended(name)
        entry = self._entry(name)
        self._tell(
            "ended",
            phase=entry.name,
            status=entry.status,
            seconds=entry.seconds,
            cells=entry.cells,
            executed=entry.executed,
            error=entry.error,
            reason=entry.reason,
        )

    def _begin(self, name: str) -> None:
        """Say that a phase starts; until it ends the manifest holds what is true should the runner be killed."""
        entry = self._entry(name)
        entry.status, entry.error = "killed", dict(manifest.RUNNER_DIED)
        self._save()
        index = self.plan.phases.index(self._phase(name)) + 1
        self._tell("phase", phase=name, index=index, of=len(self.plan.phases), usual=self.usual.get(name))
        lineage.append(self.folder, [lineage.started(self.folder.name, self.manifest.project, entry, when=self._now())])

    def _take(self, name: str, ending: Ending) -> None:
        """Take down how a phase ended, and remember it for later runs."""
        entry = self._entry(name)
        entry.status, entry.seconds, entry.error = ending.status, ending.seconds, ending.error
        entry.cells, entry.executed = ending.cells, ending.executed
        entry.take_trace(self.folder / name)
        lineage.append(self.folder, [lineage.ended(self.folder.name, self.manifest.project, entry, when=self._now())])
        if entry.status == "done":
            spill.seal(self.folder / name)
            never = cache.never_reusable(self.plan, name, read_trace(self.folder / name), key=entry.key)
            if never is None:
                cache.remember(self.plan.runs, entry.key, self.folder.name)
            entry.explain("" if never is None else f"will not be reused: {never}")
        self._ended(name)

    def _reuse(self, entry: PhaseEntry) -> None:
        base, name = self.plan.base, entry.name
        if base is None:
            entry.reason = "left out"
            return
        wanted = self.plan.parameters.get(name)
        before = reuse.previous(base, name, otherwise=wanted.recorded() if wanted else {})
        current = self._digests([item.name for item in self.manifest.phases])
        misfit = reuse.misfit(base, name, before, wanted=self.plan.demanded(name), current=current)
        if misfit is not None:
            entry.reason = f"left out, and {misfit}"
            return
        entry.key = before.key
        try:
            self._copy(base, entry, reason=f"copied from {base.name}")
        except RunError as error:
            entry.key, entry.reason = "", f"left out, and {error}"
            return
        self.manifest.parameters[name] = before.parameters

    def _copy(self, base: Path, entry: PhaseEntry, *, reason: str) -> None:
        reuse.copy_phase(base, self.folder, entry.name)
        before = reuse.previous(base, entry.name, otherwise={})
        origin = reuse.origin(base, entry.name, before)
        entry.status, entry.seconds, entry.reused_from = "reused", 0.0, origin
        entry.cells, entry.executed = before.cells, before.executed
        entry.explain(reason)
        entry.take_trace(self.folder / entry.name)
        if base in cache.candidates(self.plan.runs, entry.key):
            cache.remember(self.plan.runs, entry.key, self.folder.name)
        lineage.append(self.folder, [lineage.ended(self.folder.name, self.manifest.project, entry, when=self._now())])

    def _conclude(self, *, interrupted: bool) -> Outcome:
        """Gather what was found, write the last manifest, move ``latest``, render the report."""
        made = self.manifest
        ended = [entry.name for entry in made.phases if entry.status in ENDED_WELL]
        findings.gather(made, self.folder, ended, self.plan.scope.criterion)
        made.status = judge(made, interrupted=interrupted)
        self._save()
        if made.complete:
            artefacts.write_text(self.plan.runs / "latest", f"{self.folder.name}\n")
        lineage.append(self.folder, [lineage.run_ended(made, when=self._now())])
        try:
            report = self.report.finished()
        except Exception as error:  # it must not take the run with it
            report = None
            self._tell("note", text=f"The report could not be rendered ({type(error).__name__}: {error}).")
        self._tell(
            "finished",
            run=made.run,
            status=made.status,
            seconds=made.seconds,
            criteria=made.criteria,
            alerts=made.alerts,
            report=str(report) if report else None,
        )
        return Outcome(self.folder, made, report)

    def _save(self) -> None:
        self.manifest.seconds = round(time.monotonic() - self.began, 3)  # the clock may be set meanwhile
        self.manifest.save(self.folder)

    def _now(self) -> str:
        """Return the time, counted on from the start of the run: nothing may end before it began."""
        return _iso(self.started + dt.timedelta(seconds=time.monotonic() - self.began))

    def _tell(self, event: str, **content: Any) -> None:
        self._hear({"event": event, **content})

    def _hear(self, event: Event) -> None:
        try:
            self.listener(event)
        except OSError as error:
            self.unheard = error
            raise


def _make_folder(runs: Path, when: dt.datetime) -> Path:
    folder = runs / f"{when:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RunError.from_no_run_folder(runs, error) from None
    return folder


@contextmanager
def _or_removed(folder: Path) -> Iterator[None]:
    """Remove a run folder that has no manifest yet when the block fails: nobody would know what it is."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise RunError.from_no_run_folder(folder.parent, error) from error
        raise


def _iso(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
