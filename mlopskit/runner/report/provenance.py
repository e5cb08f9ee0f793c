"""Where everything is from and how to repeat it: the part of a report for who repeats."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlopskit.runner.report.evidence import Evidence


@dataclass(frozen=True)
class Origin:
    """The end of a report."""

    run: Sequence[tuple[str, Any]]
    source: Sequence[tuple[str, Any]]
    environment: Sequence[tuple[str, Any]]
    distributions: Sequence[tuple[str, str]]
    installed: int
    parameters: Sequence[tuple[str, str, Any]]
    repeat: str
    verify: str
    render: str


def trace(evidence: Evidence) -> Origin:
    """Gather the origin of a run from its manifest and from the data phase's record of its source."""
    manifest = evidence.manifest
    environment = manifest.get("environment")
    environment = dict(environment) if isinstance(environment, Mapping) else {}
    packages = _table(environment.pop("distributions", None)) or _table(environment.pop("packages", None))
    direct = environment.pop("direct", None)
    direct = direct if isinstance(direct, Sequence) and direct else list(packages)
    source = evidence.record("source")
    return Origin(
        run=[("Run", evidence.name), ("Status", evidence.status), *_known(manifest)],
        source=list(source.items()) if isinstance(source, Mapping) else [],
        environment=[*environment.items(), *_git(manifest.get("git"))],
        distributions=sorted((str(name), str(version)) for name, version in packages.items() if name in direct),
        installed=len(packages),
        parameters=list(_parameters(manifest.get("parameters"))),
        repeat=_command(manifest),
        verify=shlex.join(["mlopskit", "verify", evidence.name]),
        render=shlex.join(["mlopskit", "report", evidence.name]),
    )


def _table(value: Any) -> dict[Any, Any]:
    """Return a part of the manifest that should be a mapping, empty when it is not."""
    return dict(value) if isinstance(value, Mapping) else {}


def _known(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    keys = ("started", "seconds", "seed", "base")
    return [(key.capitalize(), manifest[key]) for key in keys if manifest.get(key) is not None]


def _git(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"git {key}", item) for key, item in value.items()]
    return [("git", value)] if value else []


def _parameters(value: Any) -> list[tuple[str, str, Any]]:
    if not isinstance(value, Mapping):
        return []
    nested = [(phase, items) for phase, items in value.items() if isinstance(items, Mapping)]
    return [(str(phase), str(name), item) for phase, items in nested for name, item in items.items()]


def _command(manifest: Mapping[str, Any]) -> str:
    """Return the command line that makes this run again, every parameter named, whatever the defaults become."""
    words = ["mlopskit", "run"]
    for phase, name, value in _parameters(manifest.get("parameters")):
        if isinstance(value, str | int | float):
            words += ["-p", f"{phase}.{name}={str(value).lower() if isinstance(value, bool) else value}"]
    return shlex.join(words)
