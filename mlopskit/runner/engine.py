"""The papermill engine, as an entry point that costs nothing until it is used.

papermill loads every ``papermill.engine`` entry point while it is itself being imported, so this module imports
neither papermill nor anything heavy before a notebook is to run. Under plain papermill it does around a notebook what
``mlopskit run`` does: it checks the parameters, looks up secrets, has a kernel forked, and says how that kernel ended.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit.errors import NotebookError, ParameterError, RunError
from mlopskit.notebooks import PUT_IN, language_of, source_of, tagged
from mlopskit.params import TAG, Parameter, check_overrides, read_parameters
from mlopskit.secrets import Secret, look_up, variables
from mlopskit.values import Text

if TYPE_CHECKING:
    from mlopskit.runner.kernels import Setting
    from mlopskit.runner.spill import Spill

_PAPERMILLS_OWN = {"PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"}  # of `--inject-paths`; no notebook declares them
_OMITTED = {"JPY_SESSION_NAME", "JPY_PARENT_PID"}  # of the notebook that calls papermill, not of the one it runs


class Engine:
    """Runs a notebook as ``mlopskit run`` does, for plain papermill.

    Use it with ``papermill --engine mlopskit in.ipynb out.ipynb``, or with ``engine_name="mlopskit"`` in
    `papermill.execute_notebook`.

    - The kernel is one of the Python that papermill runs in; no kernelspec needs to be installed. It is forked from a
      server that lives as long as the calling process. With ``MLOPSKIT_COLD=1`` in the environment, or ``cold=True``
      given to `papermill.execute_notebook`, it is started anew, with equal results.
    - Parameters are checked against the notebook's parameters cell before a kernel starts. Without one, values are
      refused; with none given there is nothing to check, and it runs as anybody's does. ``mlopskit run`` refuses it.
    - Secrets are references: values reach the kernel past the notebook and are redacted; undeclared, they are refused.
    - An output over a million characters goes to ``outputs/`` beside the output notebook, to a file that begins with
      that notebook's name; a link stands in its place. An output notebook that is no local file keeps its outputs.
    - A kernel that died is told with its signal, in the error and in its cell; cells that never ran stay "pending".
    """

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:  # noqa: ARG003  papermill's form
        """Execute `nb` in place and return it; called by papermill.

        Raises
        ------
        ParameterError
            For unknown parameters, wrong types, values out of range and secrets that lead nowhere, all at once.
        NotebookError
            When values are given and no cell is tagged ``parameters``, or when several are.
        DeadKernelError, CellTimeoutError
            When the kernel died, or a cell took longer than papermill was told to wait.
        RunError
            When the notebook wrote a secret into an artefact.
        """
        from mlopskit.runner import client

        if "setting" in options:
            return client.execute(nb, **options)
        return _execute(nb, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:  # noqa: ARG003  papermill's form
        """Return the kernel's name: always this Python, whatever the notebook's metadata say."""
        return "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:  # noqa: ARG003  papermill's form
        """Return the language that parameters are written in."""
        return "python"


def _execute(nb: Any, *, cold: bool = False, **options: Any) -> Any:
    """Execute a notebook for plain papermill."""
    from mlopskit.runner import client

    secrets = settle_parameters(nb, typed=_typed_values())
    target = client.local_file(nb.metadata.papermill.get("output_path"))
    with tempfile.TemporaryDirectory(prefix="mlopskit-") as folder:
        setting = _setting(nb, secrets, Path(folder), cold=cold)
        if options.get("output_path") is not None:
            setting.save_to = target
        spill, retell = _spill(target, setting), _reteller(nb, setting)
        try:
            _start(setting)
            done = client.execute(nb, setting=setting, spill=spill, retell=retell, **options)
        finally:
            _end(setting)
    _refuse_leaks(nb, setting)
    return done


def settle_parameters(nb: Any, *, typed: Mapping[str, Text]) -> list[Secret]:
    """Hold what papermill put in to what the notebook declares, write it as checked, and look up its secrets.

    Parameters
    ----------
    nb : NotebookNode
        With the values in its metadata and in its injected cell; both are rewritten.
    typed : mapping
        Values as they were typed on papermill's command line, which guesses their types.

    Raises
    ------
    ParameterError, NotebookError
        As `Engine.execute_notebook` tells.
    """
    from mlopskit.runner.overrides import secrets_shown
    from mlopskit.runner.redaction import Redactor

    given = dict(nb.metadata.papermill.get("parameters") or {})
    declared = _declared(nb, given)
    names = {parameter.name for parameter in declared}
    extra = {name: given.pop(name) for name in _PAPERMILLS_OWN & given.keys() - names}
    restored = _restored(given, declared)
    values, problems = check_overrides(declared, {name: typed.get(name, restored[name]) for name in given})
    secrets = list(_looked_up(declared, values, problems))
    redactor = Redactor(secrets)
    problems += [problem for _, problem in secrets_shown(declared, values, redactor)]
    if problems:
        raise ParameterError.from_problems(redactor.value(problems))  # others repeat what was given
    _inject(nb, {**extra, **{name: values[name] for name in given}})
    return secrets


def _declared(nb: Any, given: Mapping[str, Any]) -> list[Parameter]:
    path = nb.metadata.papermill.get("input_path")
    name = Path(path).name if isinstance(path, str) else "The notebook"
    if (language := language_of(nb)) != "python":
        raise NotebookError.from_language(name, language)
    cells = list(tagged(nb, TAG))
    if len(cells) > 1:
        raise NotebookError(f"{name} has {len(cells)} cells tagged `{TAG}`; keep the tag on the first code cell only.")
    if given and not cells:
        raise NotebookError.from_no_parameters_cell(Path(name))
    try:
        return read_parameters(source_of(cells[0])) if cells else []
    except ParameterError as error:
        told = error.problems or [str(error)]
        raise ParameterError.from_problems(f"{name}: {problem}" for problem in told) from None


def _restored(given: Mapping[str, Any], declared: Iterable[Parameter]) -> dict[str, Any]:
    """Return the values with NaN and infinities as numbers: an executed notebook that runs again holds their names."""
    floats = {parameter.name for parameter in declared if parameter.type == "float"}
    return {
        name: float(value) if name in floats and isinstance(value, str) and value in {"nan", "inf", "-inf"} else value
        for name, value in given.items()
    }


def _looked_up(declared: Iterable[Parameter], values: Mapping[str, Any], problems: list[str]) -> Iterable[Secret]:
    """Yield the secrets; add to `problems` for each reference that leads nowhere."""
    wrong = {problem.partition(" ")[0] for problem in problems}
    for item in declared:
        reference = values[item.name]
        if item.type == "secret" and reference is not None and item.name not in wrong:
            try:
                yield Secret(item.name, reference, look_up(reference))
            except ParameterError as error:
                problems.append(f"{item.name}: {error}")


def _inject(nb: Any, values: Mapping[str, Any]) -> None:
    """Write the checked values into the cell that papermill put in, and into the metadata."""
    from papermill.translators import translate_parameters

    nb.metadata.papermill["parameters"] = dict(values)
    for cell in nb.cells if values else ():
        if PUT_IN in cell.metadata.get("tags", []):
            cell.source = translate_parameters("python3", "python", dict(values))


def _typed_values() -> dict[str, Text]:
    """Return the values of ``-p`` as they were typed, when papermill's own command line is what runs."""
    command = sys.modules.get("papermill.cli")
    context = command.click.get_current_context(silent=True) if command is not None else None
    if context is None or context.command is not command.papermill:  # type: ignore[union-attr]
        return {}
    raw = {name for name, _ in context.params.get("parameters_raw") or ()}  # of `-r`: text, and nothing else
    return {name: Text(value) for name, value in context.params.get("parameters") or () if name not in raw}


def _setting(nb: Any, secrets: list[Secret], folder: Path, *, cold: bool) -> Setting:
    from mlopskit.runner.importing import imports_in, prepares_imports
    from mlopskit.runner.kernels import Setting
    from mlopskit.runner.resident import is_cold, keeper

    environment = {name: value for name, value in Setting().environment.items() if name not in _OMITTED}
    cwd, sources = Path.cwd(), _sources(nb)
    anew = is_cold(cold) or prepares_imports(sources)
    needs = [] if anew else imports_in(sources, cwd)
    return Setting(
        environment={**environment, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
        cwd=cwd,
        log=folder / "kernel.log",
        injected=any(tagged(nb, PUT_IN)),
        server=None if anew else keeper.server(needs, cwd, hidden=variables(secrets)),
        needs=needs,
        secrets=secrets,
    )


def _sources(nb: Any) -> list[str]:
    return [source_of(cell) for cell in nb.cells if cell.cell_type == "code"]


def _start(setting: Setting) -> None:
    """Start the kernel: forked, or anew when the server has just been killed."""
    from jupyter_core.utils import run_sync

    from mlopskit.runner.kernels import start

    try:
        run_sync(start)(setting)
    except RunError:
        setting.server = None
        run_sync(start)(setting)


def _spill(target: Path | None, setting: Setting) -> Spill:
    """Return where large outputs go: beside the output notebook, under its name."""
    from mlopskit.runner.redaction import Redactor
    from mlopskit.runner.spill import Spill

    class Beside(Spill):
        def begin(self, cell: str) -> None:
            super().begin(f"{target.stem}-{cell}" if target is not None else cell)

    return Beside(target.parent if target is not None else None, Redactor(setting.secrets))


def _reteller(nb: Any, setting: Setting) -> Callable[[Exception], Exception]:
    """Return what says of a dead kernel how it died, in the notebook and in the error."""

    def retell(error: Exception) -> Exception:
        from nbclient.exceptions import DeadKernelError
        from nbformat.v4 import new_output

        from mlopskit.runner.verdict import explain

        if type(error).__name__ == "CellTimeoutError":
            return error
        written = {"cells": [cell for cell in nb.cells if PUT_IN not in cell.metadata.get("tags", [])]}
        status, told = explain(error, notebook=written, setting=setting, stopped=False)
        if status != "killed" or told is None:
            return error
        said = f"{told['message']} {_place(told)}"
        if setting.watch.cell is not None:
            shown = new_output("error", ename=told["name"], evalue=said, traceback=[f"{told['name']}: {said}"])
            nb.cells[setting.watch.cell].outputs.append(shown)
        dead: Exception = DeadKernelError(said)
        return dead

    return retell


def _place(told: Mapping[str, Any]) -> str:
    if told["cell"] is None:
        return "No cell had begun."
    return f"Code cell {told['cell']} was running" + (f", under “{told['heading']}”." if told["heading"] else ".")


def _end(setting: Setting) -> None:
    """Leave no kernel, and pass on what it printed past the notebook, redacted."""
    from jupyter_core.utils import ensure_event_loop, run_sync

    from mlopskit.runner.kernels import discard

    if setting.manager is not None and setting.manager.has_kernel:
        run_sync(discard)(setting)
    if setting.log is not None and setting.log.exists():
        sys.stderr.write(setting.log.read_text(encoding="utf-8", errors="replace"))
    loop = ensure_event_loop()
    if threading.current_thread() is not threading.main_thread() and not loop.is_running():
        loop.close()  # nbclient leaves one in each thread


def _refuse_leaks(nb: Any, setting: Setting) -> None:
    """Fail a notebook that wrote one of its secrets into an artefact of its phase, or may have done so."""
    if not setting.secrets:
        return
    from mlopskit.runner.leaks import find_in

    advice = "Take it out of what the notebook writes, and change the secret."
    found = [find_in(folder, setting.secrets) for folder in _phase_folders(nb)]
    if told := " ".join(search.message(advice) for search in found if search):
        raise RunError(told)


def _phase_folders(nb: Any) -> Iterable[Path]:
    """Yield the folders of the phases that the notebook opens outside a batch run."""
    from mlopskit.errors import ProjectError
    from mlopskit.runs import SCRATCH, find_project

    try:
        scratch = find_project() / "runs" / SCRATCH
    except ProjectError:
        return
    opened = {name for source in _sources(nb) for name in re.findall(r"open_run\(\s*[\"']([\w-]+)[\"']", source)}
    yield from (folder for name in sorted(opened) if (folder := scratch / name).is_dir())
