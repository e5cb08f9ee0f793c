"""Lineage: one OpenLineage event a line in ``lineage.jsonl``, for catalogues that read that standard.

A run is a parent run, each phase a child; START when it begins, COMPLETE, FAIL or ABORT when it ends. Data sets are
the artefacts (``phase/file``) and the sources outside the runs, each with its content digest as version.

Source: OpenLineage specification 2-0-2, https://openlineage.io/docs/spec/object-model.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlopskit import __version__
from mlopskit.runner.manifest import PhaseEntry
from mlopskit.runs import LOOKS

FILE = "lineage.jsonl"
PRODUCER = f"urn:mlopskit:{__version__}"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_ENDINGS = {"done": "COMPLETE", "reused": "COMPLETE", "failed": "FAIL", "timed-out": "FAIL", "killed": "ABORT"}


def run_id(run: str, phase: str = "") -> str:
    """Return the UUID of a run or of one of its phases; the same for the same names."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mlopskit:{run}/{phase}"))


def started(run: str, project: str, phase: PhaseEntry, *, when: str) -> dict[str, Any]:
    """Return the START event of a phase."""
    return _event("START", run, project, phase, when)


def ended(run: str, project: str, phase: PhaseEntry, *, when: str) -> dict[str, Any]:
    """Return the event that says how a phase ended, with what it read and wrote."""
    event = _event(_ENDINGS[phase.status], run, project, phase, when)
    event["inputs"] = [_data_set(project, item) for item in phase.reads if item["op"] not in LOOKS]
    event["outputs"] = [_data_set(project, item) for item in phase.writes]
    if phase.error is not None:
        event["run"]["facets"]["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet",
            message=f"{phase.error['name']}: {phase.error['message']}",
            programmingLanguage="PYTHON",
        )
    return event


def append(folder: Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Add events to the run's file; each line is on disk before the next is written."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
            file.flush()
        os.fsync(file.fileno())


def _event(kind: str, run: str, project: str, phase: PhaseEntry, when: str) -> dict[str, Any]:
    parent = {"run": {"runId": run_id(run)}, "job": {"namespace": _namespace(project), "name": "run"}}
    return {
        "eventType": kind,
        "eventTime": when,
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {
            "runId": run_id(run, phase.name),
            "facets": {
                "parent": _facet("1-0-1/ParentRunFacet", **parent),
                "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", version=__version__, name="mlopskit"),
            },
        },
        "job": {
            "namespace": _namespace(project),
            "name": phase.name,
            "facets": {
                "jobType": _facet(
                    "2-0-3/JobTypeJobFacet", processingType="BATCH", integration="MLOPSKIT", jobType="PHASE"
                )
            },
        },
        "inputs": [],
        "outputs": [],
    }


def _namespace(project: str) -> str:
    return f"mlopskit://{project}"


def _data_set(project: str, item: Mapping[str, Any]) -> dict[str, Any]:
    version = item["digest"] or item["sha256"]
    facets = {"version": _facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=version)} if version else {}
    return {"namespace": _namespace(project), "name": item["name"], "facets": facets}


def _facet(schema: str, **content: Any) -> dict[str, Any]:
    name = schema.partition("/")[2]
    return {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/facets/{schema}.json#/$defs/{name}", **content}
