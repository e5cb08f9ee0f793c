"""Model card and data card of a run: the fields of two papers, filled from evidence, open where nobody answered.

A card repeats what the run's artefacts and its frozen project file say, each answer with the artefact it is from. What
only people can answer they write into ``cards.toml``; it is shown as their answer, beside the evidence and never in its
place. What neither has answered stands in the card as an open question.
"""

from mlopskit.runner.cards.answers import ANSWERS_FILE, read_answers
from mlopskit.runner.cards.fields import DATA_CARD, FORMS, MODEL_CARD
from mlopskit.runner.cards.filling import cards, fill
from mlopskit.runner.cards.writing import Written, render

__all__ = ["ANSWERS_FILE", "DATA_CARD", "FORMS", "MODEL_CARD", "Written", "cards", "fill", "read_answers", "render"]
