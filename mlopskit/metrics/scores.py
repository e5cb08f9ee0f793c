"""The scores in a table of predictions."""

from __future__ import annotations

from typing import Any

import pandas as pd


def score_array(predictions: pd.DataFrame) -> Any:
    """Return the scores of a prediction table.

    Parameters
    ----------
    predictions : DataFrame
        With ``score`` (binary) or ``score_0`` … ``score_{K-1}`` (multiclass) or neither (regression).

    Returns
    -------
    ndarray of float, shape (n,) or (n, K), or None

    Examples
    --------
    >>> score_array(pd.DataFrame({"score_0": [0.2], "score_1": [0.8]})).tolist()
    [[0.2, 0.8]]
    """
    if "score" in predictions:
        return predictions["score"].to_numpy(dtype=float)
    numbers = sorted(
        int(name[6:]) for name in map(str, predictions.columns) if name.startswith("score_") and name[6:].isdigit()
    )
    return predictions[[f"score_{k}" for k in numbers]].to_numpy(dtype=float) if numbers else None
