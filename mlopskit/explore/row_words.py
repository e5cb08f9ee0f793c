"""What a model says of a row, in words."""

from __future__ import annotations

from mlopskit.display import format_value
from mlopskit.explore.row_model import Answer, RowModel

NOTHING_TRIED = (
    "No value of an input alone can be tried: the inputs are images, texts or dates, have no value in the training "
    "rows, or the project's privacy floor withholds theirs."
)


def told(asked: RowModel, now: Answer) -> str:
    """Say what is predicted, with what score, and how far that is from another answer."""
    target = asked.target
    if not target.is_classification:
        return f"Predicted {target.column}: {now.prediction}{f' {target.unit}' if target.unit else ''}."
    side = "above" if now.distance >= 0 else "below"
    if target.task == "binary" and asked.bound is None:
        score = f"The score for “{target.positive}” is {format_value(now.measure)}"
        return f"Prediction: {now.prediction}. {score}; no one threshold decides."
    if target.task == "binary":
        return (
            f"Prediction: {now.prediction}. The score for “{target.positive}” is {format_value(now.measure)}, "
            f"{abs(now.distance):.3f} {side} the threshold {format_value(asked.bound)}."
        )
    return (
        f"Prediction: {now.prediction} with probability {format_value(now.measure)}, {abs(now.distance):.3f} {side} "
        f"the next, {now.next}."
    )


def drawn_label(asked: RowModel, now: Answer) -> str:
    """Name what is measured, with its unit."""
    target = asked.target
    if target.task == "binary":
        return f"score for “{target.positive}”"
    if target.task == "multiclass":
        return f"probability of “{now.prediction}”"
    return f"predicted {target.column}{f' ({target.unit})' if target.unit else ''}"
