"""What a decider reads first: verdict, three figures, whom it serves worst, what is open, what to do, what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlopskit.runner.report.cells import Block, error_of, failed_block
from mlopskit.runner.report.evidence import Evidence, Phase, Row, anchor
from mlopskit.runner.report.marks import is_number
from mlopskit.runner.report.verdict import Verdict, judge

_BY_GROUP = ("slices_and_bias/", "slices/", "bias/")
"""Artefacts that speak of groups of people or cases; the sentence on whom the model serves worst rests on one."""

_ADVICE = {
    "failed": "Open that phase's notebook in JupyterLab, mend what the error names, and run again: `mlopskit run`.",
    "killed": "The kernel was ended from outside, often for want of memory. Give it more, or fewer rows; run again.",
    "timed-out": "Raise the phase's time limit or lower its parameters, then run again.",
    "Interrupted": "Someone stopped the run. Start it again with `mlopskit run`; what had ended is used again.",
}


class SectionLike(Protocol):
    """What is needed of a section here."""

    @property
    def phase(self) -> Phase: ...  # noqa: D102
    @property
    def blocks(self) -> Sequence[Block]: ...  # noqa: D102


@dataclass(frozen=True)
class Failure:
    """Where a run broke and what to do."""

    phase: Phase
    heading: str
    anchor: str
    name: str
    message: str
    advice: str


@dataclass(frozen=True)
class Outlook:
    """The first screen."""

    verdict: Verdict
    facts: Sequence[Mapping[str, Any]]
    worst: Row | None
    worst_phase: str
    warnings: Sequence[Row]
    steps: Sequence[Mapping[str, Any]]
    failure: Failure | None


def look(evidence: Evidence, sections: Sequence[SectionLike]) -> Outlook:
    """Compose the first screen from the evidence."""
    worst_phase, worst = _worst(evidence)
    return Outlook(
        verdict=judge(evidence),
        facts=_headline(evidence),
        worst=worst,
        worst_phase=worst_phase,
        warnings=[row for row in _warnings(evidence) if worst is None or row.get("text") != worst.get("text")],
        steps=_steps(evidence),
        failure=_failure(evidence, sections),
    )


def _headline(evidence: Evidence, *, most: int = 3) -> Sequence[Mapping[str, Any]]:
    """The figures that matter: with an interval and a baseline first, in the order in which the phases put them."""
    rows = [{**fact, "phase": phase.anchor} for phase in evidence.phases for fact in phase.facts]
    order = {phase.anchor: rank for rank, phase in enumerate(_by_weight(evidence.phases))}

    def weight(row: Mapping[str, Any]) -> tuple[int, int]:
        complete = is_number(row.get("low")) + is_number(row.get("baseline")) + is_number(row.get("value"))
        return -complete, order[row["phase"]]

    return [row for row in sorted(rows, key=weight) if is_number(row.get("value"))][:most]


def _by_weight(phases: Sequence[Phase]) -> list[Phase]:
    """Phases that judge come before those that prepare, which come before those that merely rehearse."""
    judges = [phase for phase in phases if any(item.key == f"{phase.name}/criteria" for item in phase.writes)]
    return [*judges, *(phase for phase in phases if phase not in judges)]


def _worst(evidence: Evidence) -> tuple[str, Row | None]:
    for phase in evidence.phases:
        spoken = [row for row in phase.statements if str(row.get("artefact") or "").startswith(_BY_GROUP)]
        if spoken:  # a phase puts the sentence that matters most first
            return phase.anchor, spoken[0]
    return "", None


def _warnings(evidence: Evidence) -> list[Row]:
    rows = [{**row, "phase": phase.anchor} for phase in evidence.phases for row in phase.statements]
    return [row for row in rows if row.get("tone") == "bad"]


def _steps(evidence: Evidence, *, most: int = 5) -> Sequence[Mapping[str, Any]]:
    """What to do next, the last phase's advice first: it has seen the most."""
    seen: set[str] = set()
    steps = []
    for phase in reversed(evidence.phases):
        for row in phase.next_steps:
            text = str(row.get("text") or "")
            if text and text not in seen:
                seen.add(text)
                steps.append({"text": text, "phase": str(row.get("phase") or ""), "of": phase.anchor})
    return steps[:most]


def _failure(evidence: Evidence, sections: Sequence[SectionLike]) -> Failure | None:
    phase = evidence.failure
    if phase is None:
        return None
    section = next(item for item in sections if item.phase is phase)
    told = {key: str(value) for key, value in phase.error.items() if value is not None}
    named = next((item for item in section.blocks if item.anchor == anchor(phase.anchor, told.get("id", "-"))), None)
    block = failed_block(section.blocks) or named or _last_run(section.blocks)
    seen = error_of(phase)
    return Failure(
        phase=phase,
        heading=told.get("heading") or (block.heading if block else ""),
        anchor=block.anchor if block else phase.anchor,
        name=told.get("name") or seen.get("name") or phase.status.replace("-", " "),
        message=told.get("message") or seen.get("value") or "",
        advice=_ADVICE.get(told.get("name", ""), _ADVICE[phase.status]),
    )


def _last_run(blocks: Sequence[Block]) -> Block | None:
    """The cell that was running when a kernel died: the last that began."""
    return next((block for block in reversed(blocks) if block.kind == "code" and block.ran), None)
