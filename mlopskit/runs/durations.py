"""How long phases take here, told by the runs that were made before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_NEWEST = 20  # runs that are looked at


def usual_seconds(manifests: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return how long each phase took when it was last executed, from manifests with the newest first."""
    took: dict[str, float] = {}
    for manifest in manifests:
        phases = manifest.get("phases")
        for entry in phases if isinstance(phases, list) else []:
            match entry:  # a damaged manifest tells nothing
                case {"name": str(name), "status": "done", "seconds": int() | float() as seconds}:
                    took.setdefault(name, float(seconds))
    return took


def earlier_seconds(runs: Path) -> dict[str, float]:
    """Return how long each phase took when it was last executed in a runs folder; what cannot be read is left out."""
    return usual_seconds(_manifests(runs))


def _manifests(runs: Path) -> Iterator[Mapping[str, Any]]:
    for path in sorted(runs.glob("*/run.json"), reverse=True)[:_NEWEST]:
        with suppress(OSError, ValueError):
            said = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(said, dict):
                yield said
