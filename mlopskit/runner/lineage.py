"""Lineage: one OpenLineage event a line in ``lineage.jsonl``, for catalogues that read that standard.

A run is a parent run, each phase a child; START when it begins, COMPLETE, FAIL or ABORT when it ends. Data sets are
the artefacts (``phase/file``) and the sources outside the runs, each with its content digest as version. The events of
the run hold its parameters as well, so that it can be gone on with when its manifest is damaged.

Source: OpenLineage specification 2-0-2, https://openlineage.io/docs/spec/object-model.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlopskit import __version__
from mlopskit.params import portable
from mlopskit.runner.manifest import Manifest, PhaseEntry
from mlopskit.runs import LOOKS

FILE = "lineage.jsonl"
PRODUCER = f"urn:mlopskit:{__version__}"
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_ENDINGS = {"done": "COMPLETE", "reused": "COMPLETE", "failed": "FAIL", "timed-out": "FAIL", "killed": "ABORT"}
_RUN_ENDINGS = {"passed": "COMPLETE", "criteria-not-met": "COMPLETE", "failed": "FAIL", "interrupted": "ABORT"}
_JOB = "run"
_PARAMETERS = "mlopskit_parameters"
_ANEW = "mlopskit_anew"


def run_id(run: str, phase: str = "") -> str:
    """Return the UUID of a run or of one of its phases; the same for the same names."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mlopskit:{run}/{phase}"))


def started(run: str, project: str, phase: PhaseEntry, *, when: str) -> dict[str, Any]:
    """Return the START event of a phase."""
    return _phase_event("START", run, project, phase, when)


def ended(run: str, project: str, phase: PhaseEntry, *, when: str) -> dict[str, Any]:
    """Return the event that says how a phase ended, with what it read and wrote."""
    event = _phase_event(_ENDINGS[phase.status], run, project, phase, when)
    event["inputs"] = [_data_set(project, item) for item in phase.reads if item["op"] not in LOOKS]
    event["outputs"] = [_data_set(project, item) for item in phase.writes]
    if phase.error is not None:
        event["run"]["facets"]["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet",
            message=f"{phase.error['name']}: {phase.error['message']}",
            programmingLanguage="PYTHON",
        )
    return event


def run_started(made: Manifest, *, when: str) -> dict[str, Any]:
    """Return the START event of a run."""
    return _run_event("START", made, when)


def run_ended(made: Manifest, *, when: str) -> dict[str, Any]:
    """Return the event that says how a run ended."""
    return _run_event(_RUN_ENDINGS[made.status], made, when)


def parameters(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the parameters that a run had, phase by phase, as its own last event has them.

    Raises
    ------
    OSError, ValueError
        When there is no such event.
    """
    for facets in _facets_of_run(folder):
        with suppress(LookupError, TypeError, AttributeError, ValueError):
            return {phase: dict(values) for phase, values in facets[_PARAMETERS]["parameters"].items()}
    raise ValueError(f"{folder / FILE} has no parameters")


def anew(folder: Path) -> list[str]:
    """Return the phases that a run was asked to execute whatever there was, as its own last event has them.

    Raises
    ------
    OSError
        When there is no such file.
    """
    for facets in _facets_of_run(folder):
        with suppress(LookupError, TypeError):
            return [str(name) for name in facets[_ANEW]["phases"]]
    return []


def _facets_of_run(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the facets of events, the last first; lines that were torn are left out."""
    for line in reversed((folder / FILE).read_text(encoding="utf-8").splitlines()):
        with suppress(ValueError, LookupError, TypeError):
            yield json.loads(line)["run"]["facets"]


def append(folder: Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Add events to the run's file; each line is on disk before the next is written."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
            file.flush()
        os.fsync(file.fileno())


def _run_event(kind: str, made: Manifest, when: str) -> dict[str, Any]:
    own = {"_producer": PRODUCER, "_schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunFacet"}
    facets = {_PARAMETERS: {**own, "parameters": portable(made.parameters)}, _ANEW: {**own, "phases": made.anew}}
    return _event(kind, made.project, run_id(made.run), _JOB, "RUN", facets, when)


def _phase_event(kind: str, run: str, project: str, phase: PhaseEntry, when: str) -> dict[str, Any]:
    parent = {"run": {"runId": run_id(run)}, "job": {"namespace": _namespace(project), "name": _JOB}}
    facets = {"parent": _facet("1-0-1/ParentRunFacet", **parent)}
    return _event(kind, project, run_id(run, phase.name), phase.name, "PHASE", facets, when)


def _event(
    kind: str, project: str, identity: str, job: str, job_type: str, facets: Mapping[str, Any], when: str
) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": when,
        "producer": PRODUCER,
        "schemaURL": _EVENT,
        "run": {
            "runId": identity,
            "facets": {
                **facets,
                "processing_engine": _facet("1-1-1/ProcessingEngineRunFacet", version=__version__, name="mlopskit"),
            },
        },
        "job": {
            "namespace": _namespace(project),
            "name": job,
            "facets": {
                "jobType": _facet(
                    "2-0-3/JobTypeJobFacet", processingType="BATCH", integration="MLOPSKIT", jobType=job_type
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
