"""Kernels: fresh processes of the running Python, started ahead of the notebook that will use them.

The kernelspec lives in memory, so neither a missing nor a foreign ``python3`` kernelspec on the machine matters.
What happens in a kernel is noted in a `Watch` while it happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Any as AnyTrait
from traitlets import Type

from mlopskit.runner import descendants, inkernel
from mlopskit.runner.channels import PromptClient
from mlopskit.runner.coldprocess import ColdProcess
from mlopskit.runner.ports import free_ports
from mlopskit.runner.redaction import Redactor
from mlopskit.runner.resident import keeper
from mlopskit.runner.surroundings import HASH_SEED
from mlopskit.runner.warm import ForkedProcess, ForkServer, UnfitError, is_supported
from mlopskit.secrets import Secret, variables

_ARGUMENTS = [
    "--log-level=50",  # the runner says in words what goes wrong
    "--HistoryManager.hist_file=:memory:",
    f"--ext={inkernel.NAME}",
    *(["--IPKernelApp.parent_handle=0"] if hasattr(os, "killpg") else []),  # the extension watches the parent
]

_PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")


@dataclass
class Watch:
    """What happens in one notebook, noted as it happens.

    Attributes
    ----------
    on_cell : callable
        Told the index of each code cell when it starts.
    cell : int or None
        Index of the cell that runs, or ran last.
    executed : int
        Code cells that ran to their end.
    process : Popen or ForkedProcess or None
        The kernel's process, once there is one.
    stopping : bool
        True when the run was asked to stop.
    mark : str
        By which all that the kernel starts is found again.
    """

    on_cell: Callable[[int], None] = lambda _: None
    cell: int | None = None
    executed: int = 0
    process: subprocess.Popen[bytes] | ForkedProcess | None = None
    stopping: bool = False
    mark: str = field(default_factory=descendants.new_mark)

    def begin(self, index: int) -> None:
        """Note that a cell starts."""
        self.cell = index
        self.on_cell(index)

    def end(self) -> None:
        """Note that a cell ran to its end, well or not."""
        self.executed += 1

    def signal(self, number: int) -> None:
        """Send a signal to the kernel and to everything that it started."""
        if self.process is not None and self.process.pid and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def sweep(self) -> None:
        """Kill what the kernel left behind, in its process group and out of it: servers, pools, daemons."""
        if self.process is not None and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            descendants.kill({self.mark})


@dataclass
class Setting:
    """Where and how a notebook runs.

    Attributes
    ----------
    environment : mapping
        The kernel's whole environment.
    cwd : Path or None
        Its working directory; None is the caller's.
    log : Path or None
        File for what the kernel process prints past the notebook (crashes, C libraries); it is removed when empty.
    save_to : Path or None
        Where the notebook is saved, atomically.
    labels : mapping
        Put into the notebook's papermill metadata in the place of machine paths.
    limit : float or None
        Seconds for the whole notebook.
    injected : bool
        Whether papermill puts a cell with parameters in.
    watch : Watch
        Filled in while it runs.
    manager : OwnPythonKernelManager or None
        The kernel, once it was started.
    server : ForkServer or None
        Where the kernel is forked from; without one it starts cold.
    needs : sequence of str
        Import statements that the server should have executed before.
    unfit : str
        Why the server could not fork it, so that it was started anew.
    admitted : callable
        Called when the kernel answers: returns when the first cell may begin; False when the notebook will not run.
    lingers : bool
        Whether the kernel is left to the caller at the end, who calls `client.leave`.
    client : Client or None
        Who talks to the kernel, until it was left.
    secrets : sequence of Secret
        Handed to the kernel, past its environment, and taken out of what it shows.
    foreign : sequence of Secret
        Those of other notebooks of the run: only taken out of what it shows, should it come by one.
    letter : Path or None
        The file by which a cold kernel gets its secrets; the kernel removes it as soon as it has read it.
    nameless : file or None
        In the place of the log while a kernel that secrets are kept from showing lives: nobody finds it, should the
        runner be killed.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: {**os.environ, "PYTHONHASHSEED": HASH_SEED})
    cwd: Path | None = None
    log: Path | None = None
    save_to: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: float | None = None
    injected: bool = False
    watch: Watch = field(default_factory=Watch)
    manager: OwnPythonKernelManager | None = None
    server: ForkServer | None = None
    needs: Sequence[str] = ()
    unfit: str = ""
    admitted: Callable[[], bool] = lambda: True
    lingers: bool = False
    client: Any = None
    secrets: Sequence[Secret] = ()
    foreign: Sequence[Secret] = ()
    letter: Path | None = None
    nameless: IO[bytes] | None = None

    @property
    def known(self) -> Sequence[Secret]:
        """Every secret that must not show; where two are the same, under the name that it has here."""
        return (*self.foreign, *self.secrets)


class ServedProvisioner(LocalProvisioner):  # type: ignore[misc]  # the base class is untyped
    """Has a server fork the kernel, or start it anew; all else is as for a local process."""

    setting: Any = AnyTrait()

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Have the kernel of this command line started, which is ``python -m PROGRAM ARGUMENT…``."""
        try:
            await self._launch(cmd, options)
        except UnfitError as error:
            self.setting.unfit, self.setting.server = str(error), None
            await self._launch([*cmd[:2], *_program(self.setting), *cmd[3:]], options)
        self.pid = self.pgid = self.process.pid  # it leads a process group of its own
        return self.connection_info

    async def _launch(self, command: list[str], options: Mapping[str, Any]) -> None:
        anew = self.setting.server is None
        with open(os.devnull, "wb") as null:  # noqa: PTH123  a device answers at once
            outputs = [(options.get(name) or null).fileno() for name in ("stdout", "stderr")]
            self.process = await asyncio.to_thread(
                (self.setting.server or keeper.starter()).fork,
                command if anew else command[2:],
                anew=anew,
                environment=options["env"],
                cwd=str(options.get("cwd") or Path.cwd()),
                output=outputs[0],
                errors=outputs[1],
                needs=() if anew else self.setting.needs,
                secrets={} if anew else {secret.reference: secret.value for secret in self.setting.secrets},
            )


class ColdProvisioner(LocalProvisioner):  # type: ignore[misc]  # the base class is untyped
    """Starts a new interpreter where there can be no server, and learns how much memory it took when it ends."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        """Start the kernel of this command line."""
        connection = await super().launch_kernel(cmd, **options)
        started: Any = self.process
        self.process: Any = ColdProcess(started) if hasattr(os, "wait4") else started
        return connection


class OwnPythonKernelManager(AsyncKernelManager):  # type: ignore[misc]  # the base class is untyped
    """Starts kernels of the running Python, from a kernelspec that lies in no file."""

    setting: Any = AnyTrait()
    client_factory = Type(PromptClient)
    kernel_id: str | None
    provisioner: Any

    @property
    def kernel_spec(self) -> KernelSpec:
        """The kernelspec in memory."""
        argv = [sys.executable, "-m", *_program(self.setting), "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python", metadata={"debugger": True})

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        if self.provisioner is None:
            self.kernel_id = self.kernel_id or str(uuid4())
            common = {"kernel_id": self.kernel_id, "kernel_spec": self.kernel_spec, "parent": self}
            served = self.setting.server is not None or is_supported()
            self.provisioner = (
                ServedProvisioner(**common, setting=self.setting) if served else ColdProvisioner(**common)
            )
        prepared: tuple[list[str], dict[str, Any]] = await super()._async_pre_start_kernel(**options)
        return prepared

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        await super()._async_launch_kernel(kernel_cmd, **options)
        self.setting.watch.process = getattr(self.provisioner, "process", None)


async def start(setting: Setting) -> None:
    """Start the kernel of a notebook; returns when its process runs, which is before it answers.

    It is started anew where the server cannot fork one like that.
    """
    manager = OwnPythonKernelManager(
        kernel_name="python3",
        setting=setting,
        cache_ports=False,
        **dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True)),
    )
    cwd = {"cwd": str(setting.cwd)} if setting.cwd else {}
    with _kernel_log(setting) as where:
        await manager.start_kernel(extra_arguments=list(_ARGUMENTS), env=_environment(setting), **cwd, **where)
    setting.manager = manager


async def discard(setting: Setting) -> None:
    """Kill a kernel that was started and will not be used."""
    setting.watch.sweep()
    if setting.manager is not None:
        await setting.manager.shutdown_kernel(now=True)
        setting.manager = None
    tidy(setting)


def tidy(setting: Setting) -> None:
    """Remove the kernel's log when nothing was said in it, and the letter that a kernel did not live to read."""
    if setting.letter is not None:
        setting.letter.unlink(missing_ok=True)
    if setting.nameless is not None and setting.log is not None:
        if text := Redactor(setting.known).text(said(setting)):
            setting.log.write_text(text, encoding="utf-8")
        setting.nameless.close()
        setting.nameless = None
    if setting.log is not None and setting.log.exists() and not setting.log.stat().st_size:
        setting.log.unlink()


def said(setting: Setting) -> str:
    """Return what the kernel's process has printed past the notebook so far."""
    if setting.nameless is not None:
        number = setting.nameless.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode("utf-8", errors="replace")
    there = setting.log is not None and setting.log.exists()
    return setting.log.read_text(encoding="utf-8", errors="replace") if setting.log and there else ""


def _environment(setting: Setting) -> dict[str, str]:
    """Return the kernel's environment with its mark, without the variables that secrets come from."""
    hidden = variables(setting.secrets)
    shown = {name: value for name, value in setting.environment.items() if name not in hidden}
    return {**shown, descendants.VARIABLE: setting.watch.mark}


def _program(setting: Setting) -> list[str]:
    """Return the program of a kernel; where it starts cold and there are secrets, that with a letter to read first."""
    if setting.server is not None or not setting.secrets:
        return ["ipykernel_launcher"]
    if setting.letter is None:
        setting.letter = _letter(setting.secrets)
    return ["mlopskit.runner.coldstart", str(setting.letter)]


def _letter(secrets: Sequence[Secret]) -> Path:
    """Write the secrets to a file that only this user can read."""
    descriptor, name = tempfile.mkstemp(prefix="mlopskit-")
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor has no path
        json.dump({secret.reference: secret.value for secret in secrets}, file)
    return Path(name)


@contextlib.contextmanager
def _kernel_log(setting: Setting) -> Iterator[dict[str, Any]]:
    """Give the kernel's own standard streams a file, so that they do not end up in the runner's."""
    path = setting.log
    if path is None:
        yield {}
        return
    if setting.known:  # what it says may hold them, until it is redacted at the end
        setting.nameless = tempfile.TemporaryFile()  # noqa: SIM115  closed by `tidy`
        yield {"stdout": setting.nameless, "stderr": setting.nameless}
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        yield {"stdout": file, "stderr": file}
