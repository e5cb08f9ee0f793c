"""Looking into runs: the artefacts of a phase by name, and finished runs, which can be read and not changed.

``run["evaluate"].metrics`` is an artefact, checked against its hash as whenever one is read; ``run["evaluate"]`` shows
what there is. `load_run` opens a run that ended, for work by hand: nothing is recorded in it. A phase of a batch run
that does so notes it in its own trace, and is never reused.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from mlopskit.errors import RunError, listing, nearest
from mlopskit.runs.opening import find_project, latest_run
from mlopskit.runs.run import Run
from mlopskit.runs.trace import LOOKS, TRACE, Record, append, is_finished, written

if TYPE_CHECKING:
    from mlopskit.display import Table
    from mlopskit.runs.trace import Artefacts

T = TypeVar("T")

_KINDS = {".parquet": "table", ".json": "record", ".md": "text", ".svg": "chart", ".skops": "model"}
_LOOKS = LOOKS | {"read", "source", "listing", "env"}


class UnknownArtefactError(RunError, AttributeError):
    """No artefact of that name: also an `AttributeError`, so that `hasattr` and completion work as everywhere."""


class PhaseArtefacts:
    """What a phase wrote, each artefact an attribute.

    Parameters
    ----------
    run : Run
        Reads, and where it is open records that it read.
    phase : str
        A phase that ended, or the one that is open.

    Raises
    ------
    RunError
        When there is no such phase, or it did not end.
    """

    def __init__(self, run: Run, phase: str) -> None:
        known = phase_names(run)
        if phase not in known:
            run._append(Record("absent", str(phase)))  # a cell may catch it and go another way
            raise RunError(
                f"Run {run.folder.name} has no phase {phase!r}{nearest(str(phase), known)}; it has {listing(known)}."
            )
        self._run, self._phase = run, phase
        try:
            self._folder = run.phase_folder(phase)
        except RunError:
            run._append(Record("absent", phase))
            raise

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what Jupyter and copy ask every object for
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        files = list(written(self._folder))
        if name not in files and name not in {Path(file).stem for file in files}:
            self._run._append(Record("absent", f"{self._phase}/{name}"))  # `hasattr` asks like this
            stems = sorted(Path(file).stem for file in files)
            raise UnknownArtefactError(
                f"Phase {self._phase} of run {self._folder.parent.name} has no artefact {name!r}"
                f"{nearest(str(name), stems)}; it has {listing(stems, limit=40)}."
            )
        return _shown(self._run.read(f"{self._phase}/{name}"))

    def __dir__(self) -> list[str]:
        return sorted(name for file in self._names() if (name := Path(file).stem).isidentifier())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(Path(file).stem for file in self._names()))

    def _names(self) -> list[str]:
        return self._run.names_in(self._phase, self._folder)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        head = f"{self._phase} of run {self._folder.parent.name}"
        return f"{head}\n{self._table!r}"

    def _repr_html_(self) -> str:
        return self._table._repr_html_()

    @property
    def _table(self) -> Table:
        import pandas as pd

        from mlopskit.display import table

        records = sorted(written(self._folder).items())
        for _, record in records if self._phase != self._run.phase else []:  # what is shown is read
            self._run._append(replace(record, op="read"))
        rows = [
            {
                "artefact": Path(file).stem,
                "kind": _KINDS.get(Path(file).suffix, "folder"),
                "size": _size(record.bytes),
                "content digest": "differs from run to run" if record.volatile else record.digest[:12],
            }
            for file, record in records
        ]
        caption = f"{self._phase} of run {self._folder.parent.name}"
        return table(pd.DataFrame(rows), rows=len(rows) or 1, caption=caption)


class FinishedRun(Run):
    """A run that ended, to look into: artefacts are read and checked as ever; nothing in its folder is changed."""

    def __init__(self, project: Path, folder: Path) -> None:
        super().__init__(project, folder, "")

    def __repr__(self) -> str:
        status = self.manifest.get("status", "status unknown")
        return f"Run {self.folder.name}, {status}, to read only; phases: {listing(phase_names(self))}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What ``run.json`` says: status, criteria, parameters, seed, versions."""
        text = (self.folder / "run.json").read_text(encoding="utf-8")
        found: dict[str, Any] = json.loads(text)
        return found

    def phase_folder(self, phase: str) -> Path:
        """Return the folder with the finished results of a phase.

        Raises
        ------
        RunError
            When the phase did not end.
        """
        if not phase or not is_finished(self.folder / phase):
            raise RunError.from_missing_phase(phase, self.folder.name)
        return self.folder / phase

    def write(self, name: str, value: T, *, volatile: bool = False) -> T:  # noqa: ARG002  (as in `Run`)
        """Refuse: the run ended."""
        self._refuse(f"write {name!r}")

    @contextmanager
    def write_folder(self, name: str, *, volatile: bool = False) -> Iterator[Path]:  # noqa: ARG002  (as in `Run`)
        """Refuse: the run ended."""
        self._refuse(f"write {name!r}")
        yield self.folder  # never reached; it makes this a context manager like the one it replaces

    def finish(self) -> Artefacts:
        """Refuse: the run ended."""
        self._refuse("finish a phase")

    def _refuse(self, what: str) -> NoReturn:
        raise RunError(
            f"Cannot {what}: run {self.folder.name} ended and is open to read only. "
            "In a notebook, `open_run(phase)` opens a run to write to; a value can be kept anywhere outside `runs`."
        )

    def _append(self, record: Record) -> None:
        """Record nothing: looking at a run leaves no trace in it."""
        if record.op not in _LOOKS:
            self._refuse("record what was done outside the run")


def load_run(name: str = "latest", project: str | Path | None = None) -> FinishedRun:
    """Open a run that ended, to read only.

    Parameters
    ----------
    name : str
        ``latest`` (the newest whose phases all ended well), a run's name, or an unambiguous beginning or end of it.
    project : str or Path, optional
        The folder that holds ``mlops.toml``; by default looked for as `find_project` does.

    Raises
    ------
    ProjectError
        When no project is found.
    RunError
        When there is no such run, or the name fits more than one.

    Examples
    --------
    >>> load_run("no such run", project="/")
    Traceback (most recent call last):
    mlopskit.errors.RunError: There is no run 'no such run'; runs here: none. `mlopskit runs` lists them; ...
    """
    home = find_project() if project is None else Path(project).resolve()
    _tell_phase(name)
    return FinishedRun(home, _run_folder(home / "runs", name))


def _tell_phase(name: str) -> None:
    """Record in the phase that a batch run executes here that it looked at another run, which may be another next time.

    An error is recorded as well: a cell may catch it and go another way.
    """
    folder, phase = os.environ.get("MLOPSKIT_RUN"), os.environ.get("MLOPSKIT_PHASE")
    if folder and phase:
        home = Path(folder) / phase
        home.mkdir(parents=True, exist_ok=True)
        append(home, Record("live", f"run {name}"))


def _shown(value: Any) -> Any:
    """A table that shows itself as the house shows tables; anything else as it is."""
    import pandas as pd

    from mlopskit.results import Results

    return Results(value) if isinstance(value, pd.DataFrame) else value


def phase_names(run: Run) -> list[str]:
    """Return the phases of which a run, or what it falls back on, has anything, in the order of the lifecycle."""
    folders = [folder for folder in (run.folder, run.base) if folder is not None]
    traces = [path for folder in folders for path in folder.glob(f"*/{TRACE}")]
    return list(dict.fromkeys(path.parent.name for path in sorted(traces, key=_place)))


def _place(path: Path) -> tuple[int, str]:
    """The order of the lifecycle, then the names of a project's own phases."""
    order = ("scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor")
    name = path.parent.name
    return (order.index(name) if name in order else len(order)), name


def _run_folder(runs: Path, name: str) -> Path:
    existing = sorted((path.parent for path in runs.glob("*/run.json")), key=lambda path: path.name, reverse=True)
    if name == "latest" and (newest := latest_run(runs)) is not None:
        return newest
    exact = [folder for folder in existing if folder.name == name]
    found = exact or [folder for folder in existing if folder.name.startswith(name) or folder.name.endswith(name)]
    if len(found) > 1 and name:
        names = listing(folder.name for folder in found)
        raise RunError(f"{name!r} fits {len(found)} runs: {names}. Give more of it.")
    if len(found) != 1 or not name:
        raise RunError.from_unknown_run(name, [folder.name for folder in existing])
    return found[0]


def _size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1000:,.0f} kB"
