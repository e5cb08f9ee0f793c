"""The terms of the first screen: each can be tapped and says what it means, in words that a decider knows.

What a metric means is taken from the run, where evaluation wrote it down; the rest is the vocabulary of the phases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from markupsafe import Markup, escape

from mlopskit.runner.report.evidence import Evidence

VOCABULARY = {
    "acceptance criterion": "What the model has to reach before it may be used, set before anything was trained.",
    "alert": "A figure that is watched in production went beyond the threshold set for it.",
    "balance": "How evenly the outcomes or groups are represented.",
    "baseline": "What the model is held against: the way it is decided today, or a simple rule.",
    "calibration": "Whether scores can be read as probabilities: of the cases scored 0.7, 70 % come true.",
    "canary": "A new model answers a small share of requests first, and is stopped where it does worse.",
    "champion": "The model in use, which a new one has to beat.",
    "chance": "What differences would be seen if nothing differed in truth.",
    "concept drift": "The same inputs lead to other outcomes than before, so what was learnt no longer holds.",
    "confirmed": "Seen again on test rows, more than chance explains.",
    "data drift": "Inputs are distributed otherwise than when the model was trained.",
    "declared group": "A group that the project file names beforehand, such as each gender.",
    "drift": "Inputs or outcomes are distributed otherwise than when the model was trained; 0 is no difference.",
    "false positive rate": "Of the negative cases, the share called positive.",
    "gain": "How much better the model does than a baseline on the same rows.",
    "interval": "Where the true figure lies, in all likelihood (95 %); the more rows, the narrower.",
    "labelled": "With a known true outcome.",
    "linear": "A simple model that adds up weighted inputs.",
    "majority guess": "Always giving the commonest answer.",
    "mitigation": "A change to training or thresholds that is meant to narrow a gap between groups.",
    "n": "How many rows the figure rests on.",
    "noise": "Differences that chance alone makes among so many rows.",
    "no gain": "As good as what it is compared with.",
    "precision": "Of the cases called positive, the share that is.",
    "re-weighting": "Letting some rows count more in training.",
    "recall": "Of the positive cases, the share that is found.",
    "replayed": "Taken from kept-back rows and sent to the packed model as requests would be.",
    "rule": "A simple rule, written down in the project file.",
    "score": "The model’s number for a case; the higher, the likelier the positive answer.",
    "selection rate": "Share of cases called positive.",
    "shadow": "A new model answers beside the one in use, and nobody acts on its answers.",
    "slice": "A part of the rows that values of columns describe, such as age = 18–28.",
    "target rate": "Share of positives among the rows whose outcome is known.",
    "test row": "A row kept apart: the model was neither trained nor chosen on it.",
    "threshold": "A bound: scores from it on are called positive; a watched figure beyond it raises an alert.",
    "undecided": "The interval holds the bound, so these rows cannot tell.",
    "validation row": "A row on which the model was chosen, not trained.",
    "window": "A stretch of production time that is looked at as one.",
}
"""Term, as one of it is called → what it means."""


_CLOSING = frozenset(",.;:)”!?")
"""Signs that stay on the line of the word before them."""


@dataclass
class Terms:
    """Marks terms in sentences as long as the first screen lasts, and knows which it marked, as they stood there."""

    meanings: Mapping[str, str]
    _used: dict[str, str] = field(default_factory=dict)
    _open: bool = True

    @classmethod
    def of(cls, evidence: Evidence) -> Terms:
        """Gather the vocabulary and what the run says of its metrics."""
        rows = [row for phase in evidence.phases for row in phase.table("metrics") if row.get("meaning")]
        own = {str(row.get("metric")).replace("_", " "): str(row["meaning"]) for row in rows}
        return cls({**VOCABULARY, **own})

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest = sorted(self.meanings, key=len, reverse=True)
        words = "|".join(_forms(term) for term in longest if term != "n")
        return re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def told(self, text: Any) -> Markup:
        """Escape a sentence, set what stands between backticks as code, and mark its terms, each once."""
        parts = re.split(r"(`[^`]+`)", str(text))
        seen: set[str] = set()
        return Markup("").join(
            _code(part) if place % 2 else self._marked(part, seen) for place, part in enumerate(parts)
        )

    def tag(self, term: str, words: Any) -> Markup:
        """Mark words that stand for a term."""
        if not self._open or term not in self.meanings:
            return escape(words)
        written = str(words) if str(words).lower() == term else term
        self._used.setdefault(term, written)
        button = Markup('<button type="button" class="term" popovertarget="{}">{}</button>')
        return button.format(_anchor(term), words)

    def close(self) -> Iterator[tuple[str, str, str]]:
        """Yield id, term and meaning of each term that was marked; nothing is marked from here on."""
        self._open = False
        yield from ((_anchor(term), words, self.meanings[term]) for term, words in sorted(self._used.items()))

    def _marked(self, text: str, seen: set[str]) -> Markup:
        if not self._open:
            return escape(text)
        made, last = Markup(""), 0
        for found in self._pattern.finditer(text):
            term = self._term(found[0])
            if term not in seen:
                seen.add(term)
                made += escape(text[last : found.start()])
                last = found.end()
                sign = text[last : last + 1] if text[last : last + 1] in _CLOSING else ""
                last += len(sign)
                button = self.tag(term, found[0])
                made += Markup('<span class="whole">{}{}</span>').format(button, sign) if sign else button
        return made + escape(text[last:])

    def _term(self, words: str) -> str:
        plain = re.sub(r"[\s_]+", " ", words.lower())
        forms = (plain, re.sub(r"criteria$", "criterion", plain), re.sub(r"s$", "", plain))
        return next(form for form in forms if form in self.meanings)


def _forms(term: str) -> str:
    """A term in one or several, with spaces or underscores."""
    plural = re.escape(term[:-2]) + "(?:on|a)" if term.endswith("criterion") else f"{re.escape(term)}s?"
    return plural.replace(r"\ ", r"[\s_]")


def _code(part: str) -> Markup:
    return Markup("<code>{}</code>").format(part.strip("`"))


def _anchor(term: str) -> str:
    return "term-" + re.sub(r"[^a-z0-9]+", "-", term)
