"""What can go wrong, and what to do about it.

Every error says what was wrong, what exists and what to do. Each class holds its sentences in ``from_…`` constructors,
so that the line that raises stays short and the wording stays in one place. All derive from `ValueError`, so code that
knows nothing of mlopskit still catches them.

::

    MlopskitError(ValueError)
    ├── ProjectError          mlops.toml is missing, malformed or says something impossible
    ├── ParameterError        a notebook's parameter is unknown, of the wrong type or out of range
    │   └── UsageError        the same, in what was typed on the command line
    ├── NotebookError         a notebook is missing or has not the form that a phase needs
    ├── RunError              a run, a phase or an artefact is missing, damaged or out of date
    ├── DataError             the data cannot be read or cannot answer the question
    ├── ModelError            a candidate or a baseline cannot be built or loaded
    ├── MetricError           a metric is unknown or does not fit the task
    ├── DeployError           a bundle, the server or a rollout cannot do what was asked
    └── MissingExtraError     an optional dependency is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``' (did you mean X?)'`` for the known name that is closest, or an empty string.

    Examples
    --------
    >>> nearest("max_itr", ["max_iter", "seed"])
    ' (did you mean max_iter?)'
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def listing(names: Iterable[object], *, limit: int = 12) -> str:
    """Join names for a sentence, at most `limit` of them.

    Examples
    --------
    >>> listing(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    words = [str(name) for name in names]
    rest = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + rest if words else "none"


class MlopskitError(ValueError):
    """The root: catch this to catch everything that mlopskit raises on purpose."""


class ProjectError(MlopskitError):
    """The project file is missing, malformed or says something impossible."""

    @classmethod
    def from_missing(cls, tried: Iterable[str]) -> ProjectError:
        """No project was found at any of the places tried."""
        return cls(
            f"No mlops.toml was found; looked at {listing(tried)}. "
            "Make a project with `mlopskit new my-project`, or name one with --project or MLOPSKIT_PROJECT."
        )

    @classmethod
    def from_syntax(cls, path: Path, line: int | None, message: str) -> ProjectError:
        """The file is not TOML."""
        where = f"{path.name}, line {line}" if line else path.name
        return cls(f"{where}: not valid TOML: {message}. Correct that line; nothing was run.")

    @classmethod
    def from_problems(cls, path: Path, problems: Iterable[str]) -> ProjectError:
        """The file is TOML, and some of what it says is wrong: every problem at once."""
        problems = list(problems)
        head = f"{path.name} has {len(problems)} problem{'s' if len(problems) != 1 else ''}:"
        return cls("\n".join([head, *(f"  - {problem}" for problem in problems)]))


class ParameterError(MlopskitError):
    """A notebook's parameter is unknown, of the wrong type or out of range."""

    problems: tuple[str, ...] = ()
    """Each problem by itself, where there are several."""

    @classmethod
    def from_problems(cls, problems: Iterable[str]) -> ParameterError:
        """Every problem at once, before any kernel starts."""
        problems = tuple(problems)
        if len(problems) == 1:
            return cls(problems[0])
        error = cls("\n".join([f"{len(problems)} parameters are wrong:", *(f"  - {problem}" for problem in problems)]))
        error.problems = problems
        return error


class UsageError(ParameterError):
    """What was typed on the command line is wrong; the command ends with exit code 2."""


class NotebookError(MlopskitError):
    """A notebook is missing or has not the form that a phase needs."""

    @classmethod
    def from_missing(cls, paths: Sequence[Path], existing: Iterable[str]) -> NotebookError:
        """Notebooks of phases are not there."""
        names = listing(dict.fromkeys(path.name for path in paths))
        folders = listing(dict.fromkeys(path.parent for path in paths))
        are, them = ("are", "them") if len(paths) > 1 else ("is", "it")
        return cls(
            f"Notebook{'s' * (are == 'are')} {names} {are} missing in {folders}; it holds {listing(existing)}. "
            f"Put {them} back: one that mlopskit brings with `mlopskit new --here --notebooks-only`, one of your own "
            "from version control; or correct `notebook` of its [[phase]] in mlops.toml."
        )

    @classmethod
    def from_language(cls, name: str, language: str) -> NotebookError:
        """The notebook is not in Python; whatever it names as its kernel, it would get this one."""
        return cls(
            f"{name} is written in {language}; only Python notebooks can be phases. "
            "Call the other program from a Python cell."
        )

    @classmethod
    def from_no_parameters_cell(cls, path: Path) -> NotebookError:
        """No cell bears the tag that papermill and mlopskit read parameters from."""
        return cls(
            f"{path.name} has no cell tagged `parameters`, so values given to it would be overwritten by its own. "
            "Tag its first code cell `parameters` (JupyterLab: Property Inspector, Common Tools, Cell Tags)."
        )

    @classmethod
    def from_unreadable(cls, path: Path, why: str) -> NotebookError:
        """The file is not a notebook."""
        return cls(f"{path.name} is not a readable notebook: {why}. Restore it from version control.")


class RunError(MlopskitError):
    """A run, a phase or an artefact is missing, damaged or out of date."""

    @classmethod
    def from_unknown_run(cls, name: str, existing: Iterable[str]) -> RunError:
        """No run of that name."""
        existing = list(existing)
        return cls(
            f"There is no run {name!r}{nearest(name, existing)}; runs here: {listing(existing)}. "
            "`mlopskit runs` lists them; `mlopskit run` makes one."
        )

    @classmethod
    def from_no_latest(cls, newest: str) -> RunError:
        """There are runs, and all phases ended well in none of them."""
        return cls(
            f"In no run here did all phases end well, so none is `latest`; the newest is {newest}. `mlopskit show "
            f"{newest}` tells how it ended, and `mlopskit run --resume {newest}` goes on with it."
        )

    @classmethod
    def from_no_run_folder(cls, runs: object, error: OSError) -> RunError:
        """The folder of a new run cannot be made."""
        return cls(
            f"The run folder cannot be made in {runs} ({error.strerror or error}). "
            "Make room there, or that folder writable, or name another with --out."
        )

    @classmethod
    def from_unsaved(cls, folder: Path, error: OSError, *, usual: bool) -> RunError:
        """What happens in a run can no longer be written down; its folder may lie where runs usually do."""
        resume = f"mlopskit run --resume {folder.name}" + ("" if usual else f" --out {folder.parent}")
        return cls(
            f"Run {folder.name} was ended: its files cannot be written any more ({error.strerror or error}). "
            "What was saved of it before is whole: phases that run.json calls done are kept. "
            f"Make room, or the folder writable, and go on with `{resume}`."
        )

    @classmethod
    def from_missing_artefact(cls, name: str, existing: Iterable[str]) -> RunError:
        """The phase ended and did not write this."""
        existing = list(existing)
        return cls(f"There is no artefact {name!r}{nearest(name, existing)}; that phase wrote {listing(existing)}.")

    @classmethod
    def from_missing_phase(cls, phase: str, where: str) -> RunError:
        """The phase has not been run to its end in any run that may be read from here."""
        return cls(
            f"Phase {phase} has no finished results in {where}. Run its notebook to the end first, "
            "or make a whole run with `mlopskit run`. Where the phase that reads it does not come after it, add it to "
            "`after` of that [[phase]] in mlops.toml."
        )

    @classmethod
    def from_failed_phase(cls, phase: str, base: str) -> RunError:
        """The base run has results of the phase, which failed all the same."""
        return cls(
            f"Phase {phase} did not end well in {base}, so its results are not taken from there. "
            "Make a whole run with `mlopskit run`, or name another run with --base."
        )

    @classmethod
    def from_no_base(cls, runs: object, latest: str, existing: Iterable[str]) -> RunError:
        """No run was named to take phases from, and ``latest`` names none that is there."""
        existing = list(existing)
        lead = f"{runs}/latest names {latest}, which is not there" if latest else f"There is no finished run in {runs}"
        there = f" with --base; there are {listing(existing)}." if existing else " with --base."
        return cls(
            f"{lead}, so there is nothing to take the other phases from. "
            f"Make a whole run with `mlopskit run`, or name one{there}"
        )

    @classmethod
    def from_stale(cls, name: str, read: str, phase: str) -> RunError:
        """The artefact was made from something that has changed since."""
        return cls(
            f"{name} was made from another {read} than the one that is current, so the two do not belong together "
            f"(a model may have been trained on rows that are now test rows). Run the {phase} notebook again."
        )

    @classmethod
    def from_damaged(cls, name: str) -> RunError:
        """The bytes on disk are not those that were written."""
        return cls(f"{name} is not what its phase wrote: its SHA-256 differs. Run that phase again.")

    @classmethod
    def from_foreign_write(cls, name: str, phase: str) -> RunError:
        """A phase writes only its own artefacts."""
        return cls(f"Phase {phase} cannot write {name!r}: give a plain name such as 'metrics', without a folder.")


class DataError(MlopskitError):
    """The data cannot be read or cannot answer the question."""


class ModelError(MlopskitError):
    """A candidate or a baseline cannot be built or loaded."""

    @classmethod
    def from_unknown_candidate(cls, name: str, known: Iterable[str]) -> ModelError:
        """No candidate of that name."""
        known = list(known)
        return cls(
            f"Unknown candidate {name!r}{nearest(name, known)}; there are {listing(known)}, "
            "or your own class as `package.module:Estimator`. Correct [model] candidates in mlops.toml."
        )

    @classmethod
    def from_import(cls, path: str, why: str, existing: Iterable[str], name: str = "") -> ModelError:
        """A candidate's class could not be imported; says what is there."""
        existing = list(existing)
        return cls(
            f"Candidate {path!r} cannot be imported: {why}{nearest(name, existing)}; there are {listing(existing)}. "
            "Write it as `package.module:Estimator`; modules beside mlops.toml are found too."
        )

    @classmethod
    def from_not_an_estimator(cls, path: str, missing: Iterable[str]) -> ModelError:
        """A candidate's class lacks what is called on it."""
        return cls(
            f"Candidate {path!r} has no {listing(missing)}; a candidate is a scikit-learn estimator with fit and "
            "predict, for classes also predict_proba (CalibratedClassifierCV adds it to those without)."
        )

    @classmethod
    def from_nothing_fitted(cls, reasons: Iterable[str]) -> ModelError:
        """Not one configuration of any candidate could be fitted."""
        reasons = list(dict.fromkeys(reasons)) or ["there are none"]
        return cls(
            f"No candidate could be fitted: {'; '.join(reasons[:5])}. "
            "Correct [model] candidates in mlops.toml, or the class that it names."
        )

    @classmethod
    def from_rule(cls, rule: str, why: str) -> ModelError:
        """A rule is not an expression that can be evaluated over the columns."""
        return cls(
            f"The rule {rule!r} cannot be used: {why}. A rule is a boolean expression over the columns, such as "
            "`age > 40 and education in ['Bachelor', 'Graduate']`; quote column names with spaces by backticks."
        )

    @classmethod
    def from_baseline_column(cls, kind: str, column: str, why: str, existing: Iterable[str]) -> ModelError:
        """The column of a human or previous baseline is missing or holds something else than decisions or scores."""
        existing = list(existing)
        return cls(
            f"The {kind} baseline's column {column!r} {why}{nearest(column, existing)}; the columns are "
            f"{listing(existing)}. It has to hold class labels or scores, for regression numbers in the target's unit."
        )


class MetricError(MlopskitError):
    """A metric is unknown or does not fit the task."""

    @classmethod
    def from_unknown(cls, name: str, known: Iterable[str]) -> MetricError:
        """No metric of that name for this task."""
        known = list(known)
        return cls(
            f"Unknown metric {name!r}{nearest(name, known)}; for this task there are {listing(known, limit=30)}."
        )


class DeployError(MlopskitError):
    """A bundle, the server or a rollout cannot do what was asked."""

    @classmethod
    def from_not_a_bundle(cls, path: Path, existing: Iterable[str]) -> DeployError:
        """The folder has no bundle.json that can be read."""
        return cls(
            f"{path} is no bundle: it has no readable bundle.json; it holds {listing(existing)}. "
            "Name the folder that the deploy phase wrote, runs/<run>/deploy/bundle."
        )

    @classmethod
    def from_changed_bundle(cls, path: Path, files: Iterable[str]) -> DeployError:
        """Files of the bundle are missing or differ from those that were written."""
        return cls(
            f"The bundle {path.name} is not as it was written: {listing(files)} is missing or has changed. "
            "Nothing was loaded from it. Run the deploy phase again, or copy the whole folder anew."
        )

    @classmethod
    def from_other_module(cls, name: str, file: str) -> DeployError:
        """A module of the bundle's name was imported before, from other code."""
        return cls(
            f"The bundle brings its own module {name}, but this process has already loaded another one from {file}. "
            "Load the bundle in a process of its own."
        )

    @classmethod
    def from_reference(cls, what: str, form: str) -> DeployError:
        """A secret was given as a value, or its reference leads nowhere; the text itself is never repeated."""
        return cls(f"{what} {form}. Give a reference: env:NAME for an environment variable, file:PATH for a file.")

    @classmethod
    def from_failed_start(cls, why: str) -> DeployError:
        """The server process ended or stayed silent."""
        return cls(f"The server did not start: {why}. Start it by hand with `python -m mlopskit.deploy.server BUNDLE`.")

    @classmethod
    def from_refused(cls, status: int, detail: str) -> DeployError:
        """The server answered with an error that the caller must know of."""
        return cls(
            f"The server answered {status}: {detail}. Correct the request; GET /model lists the fields it takes."
        )


class MissingExtraError(MlopskitError):
    """An optional dependency is not installed."""

    @classmethod
    def from_extra(cls, what: str, extra: str) -> MissingExtraError:
        """Name what needs it and how to install it."""
        return cls(f"{what} needs an optional dependency: pip install 'mlopskit[{extra}]'.")
