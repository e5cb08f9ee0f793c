"""What a decider reads first: verdict, three figures, whom it serves worst, what is open, what to do, what failed."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlopskit.runner.report.cells import Block, error_of, failed_block
from mlopskit.runner.report.evidence import Evidence, Phase, Row, anchor
from mlopskit.runner.report.marks import is_number
from mlopskit.runner.report.verdict import Verdict, judge, undecided

_BY_GROUP = ("slices_and_bias/", "slices/", "bias/")
"""Artefacts that speak of groups of people or cases; the sentence on whom the model serves worst rests on one."""

_ADVICE = {
    "failed": "Open that phase's notebook in JupyterLab, mend what the error names, and go on",
    "killed": "Its kernel ended before the phase did; what it last printed may say why. Mend that, and go on",
    "SIGKILL": "The kernel was ended from outside, often for want of memory. Give it more, or fewer rows, and go on",
    "timed-out": "Raise the phase's time limit or lower its parameters, and go on",
    "Interrupted": "Someone stopped the run. Go on",
    "RunnerDied": "Something ended the whole run, such as a machine that went down or a closed session. Go on",
}
"""Cause or status → what helps; the command that goes on follows, which takes what had ended as it is."""


class SectionLike(Protocol):
    """What is needed of a section here."""

    @property
    def phase(self) -> Phase: ...  # noqa: D102
    @property
    def blocks(self) -> Sequence[Block]: ...  # noqa: D102
    @property
    def short(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Unknown:
    """What the run leaves open, why that matters, and the place that says more: its id and what it is called."""

    text: str
    why: str
    anchor: str
    place: str


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
    worst: Sequence[Row]
    worst_phase: str
    unknown: Sequence[Unknown]
    warnings: Sequence[Row]
    steps: Sequence[Mapping[str, Any]]
    failure: Failure | None


def look(evidence: Evidence, sections: Sequence[SectionLike]) -> Outlook:
    """Compose the first screen from the evidence."""
    worst_phase, worst = _worst(evidence)
    verdict = judge(evidence)
    return Outlook(
        verdict=verdict,
        facts=_headline(evidence),
        worst=worst,
        worst_phase=worst_phase,
        unknown=list(_unknown(evidence, sections, verdict)),
        warnings=_warnings(evidence, said={str(row.get("text")) for row in worst}),
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


def _worst(evidence: Evidence, *, most: int = 2) -> tuple[str, Sequence[Row]]:
    """What the first phase that compares groups says of them: of the declared ones, then of those that were found."""
    for phase in evidence.phases:
        spoken: dict[str, Row] = {}  # a phase puts the sentence that matters most first
        for row in phase.statements:
            if (artefact := str(row.get("artefact") or "")).startswith(_BY_GROUP):
                spoken.setdefault(artefact, row)
        if spoken:
            return phase.anchor, list(spoken.values())[:most]
    return "", []


def _unknown(evidence: Evidence, sections: Sequence[SectionLike], verdict: Verdict) -> Iterator[Unknown]:
    """What did not end, what the data cannot decide, what could not be checked, what nobody has answered."""
    if left := [section.short for section in sections if not section.phase.ended_well]:
        yield Unknown(f"What would have come of: {', '.join(left)}.", "", "phases", "What ran")
    if verdict.answer == "no":  # the other answers give these as their reasons
        for row in evidence.criteria:
            if row.get("status") == "undecided":
                yield Unknown(undecided(row), str(row.get("reason") or ""), "criteria", "Criteria")
    for section in sections:
        place, damage = (section.phase.anchor, section.short), section.phase.damage
        if damage and not any(damage in reason for reason in verdict.reasons):
            yield Unknown(f"What the run found in phase {section.phase.name}: {damage}.", "", *place)
        for row in section.phase.unchecked:
            yield Unknown(_unchecked(row), "", *place)
        for row in section.phase.table("open_questions"):
            yield Unknown(str(row.get("question") or ""), str(row.get("why") or ""), *place)


def _unchecked(row: Row) -> str:
    name = row.get("name") or row.get("metric") or "A threshold"
    return str(row.get("text") or f"{name} could not be checked.")


def _warnings(evidence: Evidence, *, said: Container[str]) -> list[Row]:
    """What is bad and not said above: in so many words, or by the verdict, which names the criteria that are missed."""
    rows = [{**row, "phase": phase.anchor} for phase in evidence.phases for row in phase.statements]
    bad = [row for row in rows if row.get("tone") == "bad" and row.get("text") not in said]
    judged = {f"{row.get('phase')}/criteria" for row in evidence.criteria}
    return [row for row in bad if row.get("artefact") not in judged]


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
        advice=_advice(evidence.name, phase, told),
    )


def _advice(run: str, phase: Phase, told: Mapping[str, str]) -> str:
    """What helps depends on who ended it: SIGKILL comes from outside, as when memory runs out."""
    name = told.get("name", "")
    if name == "KernelDied" and "SIGKILL" in told.get("message", ""):
        name = "SIGKILL"
    return f"{_ADVICE.get(name, _ADVICE[phase.status])}: `mlopskit run --resume {run}` takes over what had ended."


def _last_run(blocks: Sequence[Block]) -> Block | None:
    """The cell that was running when a kernel died: the last that began."""
    return next((block for block in reversed(blocks) if block.kind == "code" and block.ran), None)
