"""Whether the model knows its training rows better than new ones, and whether more rows would help.

The **gap** between the figure on training rows and on validation rows is what was learned by heart. The **learning
curve** is the figure on validation rows for models trained on a quarter, half and all of the rows: where it still
rises, more rows would help.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.metrics import Metric
from mlopskit.model.fitting import Fitted, TrainingData, fit_again, predict_prepared
from mlopskit.model.headline import Answers, Headline

SHARES = (0.25, 0.5, 1.0)

_COLUMNS = ["rows", "split", "n", "metric", "value", "low", "high", "gain", "gain_low", "gain_high"]


def learning_curve(winner: Fitted, data: TrainingData, headline: Headline, *, n_jobs: int = 1) -> pd.DataFrame:
    """Fit the winner's settings on growing shares of the training rows and measure each on both sides.

    Parameters
    ----------
    winner : Fitted
        The chosen candidate; its own fit is the last point.
    data : TrainingData
        What it was fitted on.
    headline : Headline
        What is measured; its seed chooses the rows of the shares, each of which is part of the next.
    n_jobs : int
        Fits side by side; it changes the time, never a result.

    Returns
    -------
    DataFrame
        rows (trained on), split (``train`` or ``validation``), n, metric, value, low, high, and for validation rows the
        paired gain over the share before: gain, gain_low, gain_high.
    """
    order = np.random.default_rng(headline.seed).permutation(len(data.train))
    drawn = [data.part(np.sort(order[: max(1, round(share * len(order)))])) for share in SHARES]
    parts = [part for part in drawn if _asks_the_same(part, data)]
    fits = [*fit_again(winner, parts[:-1], headline.metric, n_jobs=n_jobs), winner]
    found: list[dict[str, Any]] = []
    before: Answers | None = None
    for part, fitted in zip(parts, fits, strict=True):
        seen = _answers(fitted, part.X_train, data)
        new = _answers(fitted, data.X_validation, data)
        common = {"rows": len(part.train), "gain": np.nan, "gain_low": np.nan, "gain_high": np.nan}
        found.append(common | {"split": "train"} | headline.measure(part.y_train, seen))
        gain = _gain(new, before, data, headline) if before else {}
        found.append(common | {"split": "validation"} | headline.measure(data.y_validation, new) | gain)
        before = new
    return pd.DataFrame(found)[_COLUMNS]


def _asks_the_same(part: TrainingData, data: TrainingData) -> bool:
    """Tell whether a part of the rows knows every class: where one is missing, what is learned is another question."""
    return not data.target.is_classification or part.train[TARGET].nunique() == data.train[TARGET].nunique()


def _answers(fitted: Fitted, X: Any, data: TrainingData) -> Answers:
    prediction, score = predict_prepared(fitted.estimator, X, data.target)
    if fitted.threshold is not None and score is not None:
        prediction = (score >= fitted.threshold).astype(np.int64)
    return prediction, score


def _gain(new: Answers, before: Answers, data: TrainingData, headline: Headline) -> dict[str, float]:
    gain = headline.difference(data.y_validation, new, before, blocks=data.blocks)
    return {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}


def learning_note(curve: pd.DataFrame, metric: Metric) -> display.Note:
    """Say how large the gap is and whether the last doubling of rows still helped."""
    last = curve[curve["rows"] == curve["rows"].max()].set_index("split")
    train, validation = last.loc["train"], last.loc["validation"]
    gap = f"{metric.label} is {train['value']:.3f} on training rows and {validation['value']:.3f} on validation rows"
    better = bool(metric.greater_is_better)
    worse_on_new = validation["high"] < train["value"] if better else validation["low"] > train["value"]
    overfit = (
        "part of what it learned holds only for the rows that it saw, so only the validation figure counts"
        if worse_on_new
        else "no sign that it learned its rows by heart"
    )
    return display.note(f"{gap}: {overfit}.", _more_rows(validation, metric))


def _more_rows(validation: pd.Series[Any], metric: Metric) -> str:
    low, high = validation["gain_low"], validation["gain_high"]
    if not np.isfinite([low, high]).all():
        return "Whether more rows would help could not be checked."
    by = f"{validation['gain']:+.3g} ({low:+.3g} to {high:+.3g})"
    change = f"The last doubling of the training rows changed {metric.name} by {by}"
    helped = low > 0 if metric.greater_is_better else high < 0
    most = abs(high if metric.greater_is_better else low)
    unclear = f"not told from noise; another doubling may be worth {most:.3g} at most."
    return f"{change}: " + ("more rows would probably help." if helped else unclear)
