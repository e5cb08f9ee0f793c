"""May this model be used? Computed from what ran, the acceptance criteria, the alerts and what nobody has answered.

``yes``: the run ended, every criterion is met, nothing is open. ``conditions``: every criterion is met, or undecided
where the project file lets it pass, and something is open that a person must settle: an alert, a check of production
that could not be made, a question. ``no``: a criterion is not met.
``unknown``: the run did not end, no criterion was set, the data cannot decide one that must be decided, or what the
run wrote is not what lies there now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlopskit.runner.report.evidence import Evidence, Row
from mlopskit.runner.report.marks import is_number, number


@dataclass(frozen=True)
class Verdict:
    """The answer for who decides.

    Attributes
    ----------
    answer : str
        ``yes``, ``conditions``, ``no`` or ``unknown``.
    headline : str
        The answer in words.
    reasons : tuple of str
        Why, one sentence each.
    artefacts : tuple of str
        What each reason rests on, as ``phase/name``; empty where that is more than one artefact, or none.
    """

    answer: str
    headline: str
    reasons: tuple[str, ...]
    artefacts: tuple[str, ...] = ()


Reason = tuple[str, str]
"""A sentence and the artefact that it rests on."""


def judge(evidence: Evidence) -> Verdict:
    """Return the verdict on a run."""
    answer, headline, *reasons = _judged(evidence)
    return Verdict(answer, headline, tuple(text for text, _ in reasons), tuple(name for _, name in reasons))


def _judged(evidence: Evidence) -> tuple[Any, ...]:
    rows, tally = evidence.criteria, (_tally(evidence), "")
    missed = [row for row in rows if row.get("status") == "not-met"]
    stopping = [row for row in rows if row.get("status") == "undecided" and row.get("on_undecided") != "pass"]
    if missed:
        return "no", "No", tally, *((_sentence(row, "is not met"), _judging(row)) for row in missed)
    if not _ended(evidence):
        return "unknown", "Not known", (_why_unfinished(evidence), "")
    if changed := [(f"Phase {phase.name}: {phase.damage}.", "") for phase in evidence.phases if phase.damage]:
        why = "So what is shown here may not be what the run found. Make it again: `mlopskit run`."
        return "unknown", "Not known", *changed, (why, "")
    if not rows:
        why = "No acceptance criterion was checked, so nothing says what would be good enough."
        return "unknown", "Not known", (why, "")
    if stopping:
        return "unknown", "Not known", tally, *((undecided(row), _judging(row)) for row in stopping)
    conditions = _conditions(evidence)
    if conditions:
        return "conditions", "Yes, under conditions", tally, *conditions
    return "yes", "Yes", tally, ("No alert was raised and no question is open.", "")


def _judging(row: Row) -> str:
    """Name the table that holds the judgement."""
    return f"{row['phase']}/criteria" if row.get("phase") else ""


def undecided(row: Row) -> str:
    """Say that the data cannot decide a criterion, and what they say of it."""
    return _sentence(row, "cannot be decided with these data")


def _ended(evidence: Evidence) -> bool:
    phases = evidence.phases
    ended = evidence.status in {"passed", "criteria-not-met"}
    return ended and bool(phases) and all(phase.ended_well for phase in phases)


def _why_unfinished(evidence: Evidence) -> str:
    failure = evidence.failure
    if failure:
        how = "was stopped" if failure.status == "killed" else failure.status.replace("-", " ")
        return f"The run did not end: phase {failure.name} {how}. What the phases before it found is kept."
    left = [phase.name for phase in evidence.phases if not phase.ended_well]
    if evidence.partial:
        return f"Only a part of the project was run; left out: {', '.join(left)}."
    named = f" Without results: {', '.join(left)}." if left else ""
    return f"The run did not end ({evidence.status.replace('-', ' ')}).{named}"


def _conditions(evidence: Evidence) -> list[Reason]:
    passed = [row for row in evidence.criteria if row.get("status") == "undecided"]
    found = [(_sentence(row, "cannot be decided; the project file lets it pass"), _judging(row)) for row in passed]
    if evidence.alerts:
        many = _many(len(evidence.alerts), "alert")
        found.append((f"{many} of the rehearsed production must be looked at first.", "monitor/alerts"))
    if evidence.unchecked:
        many = _many(len(evidence.unchecked), "check")
        why = f"{many} of the rehearsed production could not be made, which is not good news."
        found.append((why, "monitor/alerts"))
    if evidence.open_questions:
        many = _many(len(evidence.open_questions), "question")
        found.append((f"{many} of the project file must be answered first.", "scope/open_questions"))
    return found


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _tally(evidence: Evidence) -> str:
    outcomes, unjudged = list(evidence.outcomes.values()), len(evidence.unjudged)
    met, undecided, asked = outcomes.count("met"), outcomes.count("undecided"), len(outcomes) + unjudged
    if met == asked > 1:
        return f"All {met} acceptance criteria are met."
    rest = f"; {undecided} cannot be decided" if undecided else ""
    rest += f"; {unjudged} {'was' if unjudged == 1 else 'were'} not checked" if unjudged else ""
    return f"{met} of {asked} acceptance criteria {'is' if met == 1 else 'are'} met{rest}."


def _sentence(row: Row, what: str) -> str:
    name = str(row.get("name", "a criterion")).replace("_", " ")
    return f"“{name[:1].upper()}{name[1:]}” {what}{_found(row)}."


def _found(row: Row) -> str:
    """Say the figure in short where there is one, else the reason that was given."""
    if not is_number(row.get("value")):
        reason = str(row.get("reason") or "").strip().rstrip(".")
        return f": {reason}" if reason else ""
    group = f" for {row['group']}" if row.get("group") else ""
    between = f" ({number(row['low'])} to {number(row['high'])})" if is_number(row.get("low")) else ""
    return f": {number(row['value'])}{between}{group}"
