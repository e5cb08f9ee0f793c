"""Tiny notebooks: projects whose phases start a real kernel and do next to nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlopskit.runner import Choice, Outcome, Phase, execute, plan
from mlopskit.runner.warm import ForkServer

PROJECT = """
[project]
name = "tiny"

[data]
source = "rows.csv"
task = "binary"
target = "bought"
positive = "yes"
"""

SERVER: ForkServer | None = None
"""Where kernels are forked from; the fixture `forked` sets it for a test."""

PARAMETERS = "n: int = 1  # 0..9: how many\nseed: int = 0  # seed"


def markdown(source: str, *, name: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": source}


def code(source: str, *, name: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


def phase_notebook(
    body: str, *, phase: str, parameters: str | None = PARAMETERS, finish: bool = True
) -> dict[str, Any]:
    """A phase of four code cells; the third, below the heading "Work", is `body`."""
    cells = [markdown(f"# {phase}", name="title")]
    if parameters is not None:
        cells.append(code(parameters, name="parameters", tags=("parameters",)))
    cells += [
        code(f"from mlopskit import open_run\nrun = open_run({phase!r})", name="imports"),
        markdown("## Work\n\nWhy, and how to read it.", name="work-text"),
        code(body, name="work"),
        markdown("## Artifacts", name="artifacts-text"),
        code("run.finish()" if finish else "1 + 1", name="artifacts"),
    ]
    return notebook(cells)


def make_project(folder: Path, bodies: Mapping[str, str | dict[str, Any]], *, toml: str = PROJECT) -> tuple[Phase, ...]:
    """Lay a project with one notebook for each phase and return the phases."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "mlops.toml").write_text(toml, encoding="utf-8")
    phases = []
    for number, (name, body) in enumerate(bodies.items(), start=1):
        made = phase_notebook(body, phase=name) if isinstance(body, str) else body
        phase = Phase(name, f"notebooks/{number}_{name}.ipynb")
        phase.path(folder).write_text(json.dumps(made), encoding="utf-8")
        phases.append(phase)
    return tuple(phases)


def run(folder: Path, phases: tuple[Phase, ...], *arguments: str, **options: Any) -> Outcome:
    """Plan and execute a run of a tiny project."""
    listener, server = options.pop("listener", lambda _: None), options.pop("server", SERVER)
    choice = Choice(
        **{name: options.pop(name) for name in ("only", "first", "last", "base", "resume") if name in options}
    )
    return execute(
        plan(folder, arguments=arguments, choice=choice, phases=phases, **options), listener=listener, server=server
    )


def manifest_of(outcome: Outcome) -> dict[str, Any]:
    return json.loads((outcome.folder / "run.json").read_text(encoding="utf-8"))
