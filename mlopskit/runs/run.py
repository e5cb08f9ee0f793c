"""One phase's view of one run folder: artefacts in and out, each recorded with its hash."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlopskit import artefacts
from mlopskit.errors import RunError
from mlopskit.runs import opened
from mlopskit.runs.loading import Loader
from mlopskit.runs.modules import foreign_modules
from mlopskit.runs.trace import (
    LOOKS,
    TRACE,
    Artefacts,
    Record,
    append,
    env_hash,
    is_finished,
    listed,
    listing_hash,
    names_hash,
    read_trace,
    written,
)
from mlopskit.scope import PROJECT_FILE

if TYPE_CHECKING:
    from mlopskit.runs.frozen import FrozenScope
    from mlopskit.runs.reading import PhaseArtefacts
    from mlopskit.scope import Scope

T = TypeVar("T")

SCRATCH = "scratch"
_THE_RUNNERS = {TRACE, "notebook.ipynb", "kernel.log", "outputs"}
"""What lies beside the artefacts of a phase."""


class Run:
    """One phase's view of one run folder: artefacts in and out, each recorded.

    Parameters
    ----------
    project : Path
        The folder that holds ``mlops.toml``.
    folder : Path
        The run folder.
    phase : str
        The phase that reads and writes here.
    base : Path, optional
        A finished run that whole phases are read from when this folder lacks them (scratch only).
    """

    def __init__(self, project: Path, folder: Path, phase: str, *, base: Path | None = None) -> None:
        self.project, self.folder, self.phase, self.base = project, folder, phase, base
        self._seen: dict[str, str] = {}
        self._began = time.time()
        self._opened: dict[str, tuple[Path, list[tuple[str, int, int]] | None]] = {}
        self._loader = Loader(self)

    def __repr__(self) -> str:
        return f"Run {self.folder.name}, phase {self.phase}"

    def __getitem__(self, phase: str) -> PhaseArtefacts:
        """Return what a phase wrote, each artefact an attribute: ``run["evaluate"].metrics``.

        Raises
        ------
        RunError
            When there is no such phase, or it did not end.
        """
        from mlopskit.runs.reading import PhaseArtefacts

        return PhaseArtefacts(self, phase)

    def _ipython_key_completions_(self) -> list[str]:
        from mlopskit.runs.reading import phase_names

        return phase_names(self)

    @property
    def home(self) -> Path:
        """The folder of this phase."""
        return self.folder / self.phase

    @cached_property
    def scope(self) -> FrozenScope:
        """The project file as the scope phase froze it."""
        from mlopskit.runs.frozen import FrozenScope  # what only looks at runs need not load the tables

        return FrozenScope(self)

    def load_project_file(self) -> Scope:
        """Read and check ``mlops.toml`` itself; only the scope phase does."""
        from mlopskit.scope import Scope

        return Scope.load(self.source_file(PROJECT_FILE))

    def freeze(self, scope: Scope) -> None:
        """Write each table of the project file as an artefact of its own, so that a change touches only its readers."""
        for name, table in scope.tables().items():
            self.write(name, table)

    def write(self, name: str, value: T, *, volatile: bool = False) -> T:
        """Keep a value as an artefact of this phase and return it, so that a cell can end with it.

        Parameters
        ----------
        name : str
            A plain name without folder or extension; the extension follows from the value (table → Parquet, chart →
            SVG, text → Markdown, estimator → skops, everything else → JSON).
        value : object
            What to keep.
        volatile : bool
            True for what measures time: it is left out when runs are compared.

        Raises
        ------
        RunError
            When the name has a folder in it, or an artefact of that name and another kind is there.
        """
        path = self.home / f"{name}{artefacts.extension_of(value)}"
        self._check_name(name, path)
        artefacts.write(value, path)
        self._record_write(path, volatile=volatile)
        return value

    @contextmanager
    def write_folder(self, name: str, *, volatile: bool = False) -> Iterator[Path]:
        """Yield an empty folder to fill; it becomes an artefact when the block ends well."""
        path = self.home / name
        self._check_name(name, path)
        if name in _THE_RUNNERS:
            raise RunError(f"Phase {self.phase} cannot write {name!r} as a folder: the runner keeps its own there.")
        with artefacts.replacing(path) as draft:
            draft.mkdir()
            yield draft
        self._record_write(path, volatile=volatile)

    def read(self, name: str) -> Any:
        """Read an artefact by ``phase/name``, with or without extension.

        Returns
        -------
        DataFrame, dict or list, str, Chart, estimator, or Path for a folder

        Raises
        ------
        RunError
            When the phase has not ended, never wrote it, or the bytes are no longer those it wrote; in scratch also
            when it was made from something that has changed since.
        """
        phase, _, wanted = name.partition("/")
        try:
            folder = self.phase_folder(phase)
            record = self._find(folder, name, wanted)
        except RunError:
            self._append(Record("absent", name))  # a cell may catch it and go another way
            raise
        path = folder / Path(record.name).name
        if artefacts.sha256(path) != record.sha256:
            raise RunError.from_damaged(record.name)
        self._append(Record("read", record.name, record.sha256, record.digest, record.bytes, record.volatile))
        return self._loader.load(path, record.sha256)

    def has(self, name: str) -> bool:
        """Tell whether an artefact exists; looking is recorded, since the answer may steer the phase."""
        try:
            found = self._find(self.phase_folder(name.partition("/")[0]), name, name.partition("/")[2])
        except RunError:
            self._append(Record("absent", name))
            return False
        self._append(Record("present", found.name))
        return True

    def names_in(self, phase: str, folder: Path) -> list[str]:
        """Return the files that a phase wrote, sorted; which there are is recorded, since it may steer this phase."""
        found = sorted(written(folder))
        self._append(Record("names", phase, names_hash(found)))
        return found

    def phase_folder(self, phase: str) -> Path:
        """Return the folder with the finished results of a phase: this run's, else the base run's.

        Raises
        ------
        RunError
            When neither has it, or when what it was made from is not what is current (scratch only).
        """
        return self._resolved(phase, {})

    def source_file(self, path: str | Path, *, name: str = "") -> Path:
        """Return a file or folder outside the runs, relative to the project, and record its hash as read.

        Parameters
        ----------
        path : str or Path
            The file, relative to the project; all files in a folder count as read.
        name : str
            What the record calls it, where a path would differ from machine to machine.

        Raises
        ------
        RunError
            When it does not exist or is not readable.
        """
        place = self.project / path
        full = place.resolve()
        name = name or str(place.relative_to(self.project) if place.is_relative_to(self.project) else place)
        state = _state_of(full)
        self._opened.setdefault(name, (full, state))  # as it was when first opened
        try:
            record = Record("source", name, artefacts.sha256(full), "", sum(size for _, size, _ in state or ()))
        except OSError as error:
            self._append(Record("missing", name))
            raise RunError(
                f"{path} cannot be read ({error.strerror}); it is looked for at {full}. "
                "Correct the path or put the file there."
            ) from error
        self._append(record)
        return full

    def list_files(self, folder: str | Path, pattern: str = "*") -> list[Path]:
        """Return the files in a folder of the project that fit a pattern, sorted, and record their names as read."""
        name = f"{glob.escape(Path(folder).as_posix())}/{pattern}"
        with opened.unheard():  # other files of the folder do not matter
            found = listed(self.project, name)
        self._append(Record("listing", name, listing_hash(self.project, found)))
        return [path for path in found if path.is_file()]

    def environment_variable(self, name: str, default: str = "") -> str:
        """Return an environment variable and record that the phase depends on it; its value is kept as a hash only."""
        value = os.environ.get(name)
        self._append(Record("env", name, env_hash(value)))
        return default if value is None else value

    def live_source(self, description: str) -> None:
        """Record that something was read that may answer differently next time (a database, a URL)."""
        self._append(Record("live", description))

    def external_effect(self, description: str) -> None:
        """Record that something outside the run folder was changed: the phase is never reused in its place."""
        self._append(Record("effect", description))

    def finish(self) -> Artefacts:
        """Mark the phase as run to its end and list what it wrote; a source that changed meanwhile is recorded.

        So are modules that it imported and that are no part of its key, what its cells read and changed without asking
        here, as far as that can be told (`opened`), and one of these that changed since it began.
        """
        with opened.unheard():
            modules = foreign_modules(self.project)
        for module in modules:
            self._found_out(module)
        for op, name in opened.past(self.project, self.folder, [path for path, _ in self._opened.values()]):
            if op == "source":
                with suppress(RunError):  # it may be removed this moment, which is recorded
                    self._found_out(name)
            elif op == "listing":
                self._append(Record(op, name, listing_hash(self.project, listed(self.project, name))))
            elif op == "env":
                self._append(Record(op, name, env_hash(opened.value_of(name))))
            elif op == "read":
                self._read_past(name)
            else:
                self._append(Record(op, name))
        for name, (path, before) in self._opened.items():
            if _state_of(path) != before:
                self._append(Record("changed", name))
        self._append(Record("finish", self.phase))
        return Artefacts(self.phase, tuple(written(self.home).values()))

    def _read_past(self, name: str) -> None:
        """Record an artefact of another phase that was opened without asking here."""
        phase, _, file = name.partition("/")
        record = written(self.folder / phase).get(file)
        if record is not None and phase != self.phase:
            self._append(Record("read", record.name, record.sha256, record.digest, record.bytes, record.volatile))

    def _found_out(self, name: str) -> None:
        """Record a file that was read long before this came out: what it held then is certain if it is older still."""
        if self.source_file(name).stat().st_mtime > self._began:
            self._append(Record("changed", name))

    def _check_name(self, name: str, path: Path) -> None:
        """Refuse a name that leads elsewhere, and one that `read`, which needs no extension, could not tell apart."""
        if not name or Path(name).name != name or name.startswith("."):
            raise RunError.from_foreign_write(name, self.phase)
        kinds = [*artefacts.EXTENSIONS, *([""] if name not in _THE_RUNNERS else [])]
        for other in (self.home / f"{name}{kind}" for kind in kinds):
            if other != path and other.exists():
                raise RunError(
                    f"Phase {self.phase} has written {other.name} already, and {path.name} would be read by the same "
                    "name. Choose another name; in JupyterLab, call open_run again for a new run."
                )

    def _record_write(self, path: Path, *, volatile: bool) -> None:
        name = f"{self.phase}/{path.name}"
        self._append(
            Record("write", name, artefacts.sha256(path), artefacts.digest(path), artefacts.size(path), volatile)
        )

    def _find(self, folder: Path, name: str, wanted: str) -> Record:
        records = written(folder)
        for file, record in records.items():
            if wanted in (file, Path(file).stem):
                return record
        raise RunError.from_missing_artefact(name, [f"{folder.name}/{file}" for file in sorted(records)])

    def _append(self, record: Record) -> None:
        if not record.name.isascii() and any("\ud800" <= letter <= "\udfff" for letter in record.name):
            raise RunError(f"The name {record.name!a} is no text: its bytes are not UTF-8. Rename the file.")
        if record.op == "read" or record.op in LOOKS:
            if self._seen.get(record.name) == record.sha256 + record.op:
                return
            self._seen[record.name] = record.sha256 + record.op
        self.home.mkdir(parents=True, exist_ok=True)
        append(self.home, record)

    def _resolved(self, phase: str, known: dict[str, Path]) -> Path:
        """Return the folder of a phase; `known` holds those already resolved for the same question."""
        if phase not in known:
            known[phase] = self._resolve(phase, known)
        return known[phase]

    def _resolve(self, phase: str, known: dict[str, Path]) -> Path:
        own = self.folder / phase
        if phase == self.phase:
            return own
        if is_finished(own):
            return self._current(own, phase, known)
        if self.base is None or own.exists():
            raise RunError.from_missing_phase(phase, self.folder.name)
        if not is_finished(self.base / phase):
            raise RunError.from_missing_phase(phase, f"{self.folder.name} or its base run {self.base.name}")
        return self._current(self.base / phase, phase, known)

    def _current(self, folder: Path, phase: str, known: dict[str, Path]) -> Path:
        """Return the folder if all that the phase read is still what would be read now; a batch run is one piece."""
        if self.folder.name != SCRATCH:
            return folder
        found: dict[Path, dict[str, Record]] = {}
        for record in read_trace(folder):
            if record.op == "source" and self._source_changed(record):
                raise RunError.from_stale(f"{phase} in {folder.parent.name}", record.name, phase)
            if record.op == "read" and not record.volatile and not record.name.startswith(f"{phase}/"):
                source, _, file = record.name.partition("/")
                home = self._resolved(source, known)
                if home not in found:
                    found[home] = written(home)
                if file not in found[home]:
                    raise RunError.from_missing_artefact(
                        record.name, [f"{source}/{name}" for name in sorted(found[home])]
                    )
                if found[home][file].digest != record.digest:
                    raise RunError.from_stale(f"{phase} in {folder.parent.name}", record.name, phase)
        return folder

    def _source_changed(self, record: Record) -> bool:
        path = self.project / record.name
        return path.exists() and (artefacts.size(path) != record.bytes or artefacts.sha256(path) != record.sha256)


def _state_of(path: Path) -> list[tuple[str, int, int]] | None:
    try:
        states = [(str(file), file.stat()) for file in artefacts.files_of(path)]
    except OSError:
        return None
    return [(file, state.st_size, state.st_mtime_ns) for file, state in states]
