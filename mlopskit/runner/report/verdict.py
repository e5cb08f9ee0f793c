"""May this model be used? Computed from what ran, the acceptance criteria, the alerts and what nobody has answered.

``yes``: the run ended, every criterion is met, nothing is open. ``conditions``: every criterion is met, or undecided
where the project file lets it pass, and something is open that a person must settle. ``no``: a criterion is not met.
``unknown``: the run did not end, no criterion was set, or the data cannot decide one that must be decided.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    answer: str
    headline: str
    reasons: tuple[str, ...]


def judge(evidence: Evidence) -> Verdict:
    """Return the verdict on a run."""
    rows = evidence.criteria
    missed = [row for row in rows if row.get("status") == "not-met"]
    stopping = [row for row in rows if row.get("status") == "undecided" and row.get("on_undecided") != "pass"]
    if missed:
        return Verdict("no", "No", (_tally(evidence), *(_sentence(row, "is not met") for row in missed)))
    if not _ended(evidence):
        return Verdict("unknown", "Not known", (_why_unfinished(evidence),))
    if not rows:
        why = "No acceptance criterion was checked, so nothing says what would be good enough."
        return Verdict("unknown", "Not known", (why,))
    if stopping:
        undecided = (_sentence(row, "cannot be decided with these data") for row in stopping)
        return Verdict("unknown", "Not known", (_tally(evidence), *undecided))
    conditions = _conditions(evidence)
    if conditions:
        return Verdict("conditions", "Yes, under conditions", (_tally(evidence), *conditions))
    return Verdict("yes", "Yes", (_tally(evidence), "No alert was raised and no question is open."))


def _ended(evidence: Evidence) -> bool:
    phases = evidence.phases
    ended = evidence.status in {"passed", "criteria-not-met"}
    return ended and bool(phases) and all(phase.ended_well for phase in phases)


def _why_unfinished(evidence: Evidence) -> str:
    failure = evidence.failure
    if failure:
        how = "was stopped" if failure.status == "killed" else failure.status.replace("-", " ")
        return f"The run did not end: phase {failure.name} {how}. What came before it is shown below."
    left = [phase.name for phase in evidence.phases if not phase.ended_well]
    named = f" Without results: {', '.join(left)}." if left else ""
    return f"The run did not end ({evidence.status.replace('-', ' ')}).{named}"


def _conditions(evidence: Evidence) -> list[str]:
    passed = [row for row in evidence.criteria if row.get("status") == "undecided"]
    found = [_sentence(row, "cannot be decided; the project file lets it pass") for row in passed]
    if evidence.alerts:
        found.append(f"{_many(len(evidence.alerts), 'alert')} of the rehearsed production must be looked at first.")
    if evidence.open_questions:
        found.append(f"{_many(len(evidence.open_questions), 'question')} of the project file must be answered first.")
    return found


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _tally(evidence: Evidence) -> str:
    outcomes = list(evidence.outcomes.values())
    met = outcomes.count("met")
    if met == len(outcomes) > 1:
        return f"All {met} acceptance criteria are met."
    return f"{met} of {len(outcomes)} acceptance criteria {'is' if met == 1 else 'are'} met."


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
