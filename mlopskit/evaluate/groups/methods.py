"""Which method made the intervals of a table, in one sentence: figures in words have no room to name it each."""

from __future__ import annotations

import pandas as pd

from mlopskit.errors import listing
from mlopskit.metrics import ESTIMATED, METRICS

_EFFECTIVE = r"effective n ([\d,]+)"


def interval_methods(table: pd.DataFrame) -> str:
    """Say what share of intervals is to hold the truth, and by which method each metric has its own.

    Parameters
    ----------
    table : DataFrame
        metric, method and status, as from `metrics_by_slice`; where it has ``confidence``, that is said.

    Examples
    --------
    >>> rows = {"metric": ["recall", "precision", "precision"], "status": "estimated", "confidence": 0.95}
    >>> interval_methods(pd.DataFrame({**rows, "method": ["Wilson", "Dirichlet draws", "multinomial bootstrap"]}))
    '95 % intervals: recall by Wilson; precision by Dirichlet draws or multinomial bootstrap.'
    """
    known = table[table["status"] == ESTIMATED]
    if known.empty:
        return ""
    names: dict[str, list[str]] = {}
    for metric, methods in known.groupby("metric", sort=False)["method"]:
        brief = sorted(set(methods.str.partition(", ")[0]))
        names.setdefault(" or ".join(brief), []).append(metric_words(str(metric)))
    share = f"{known['confidence'].iloc[0] * 100:g} % intervals" if "confidence" in known else "Intervals"
    return f"{share}: {'; '.join(f'{listing(metrics)} by {how}' for how, metrics in names.items())}."


def effective_rows(table: pd.DataFrame) -> pd.Series[float]:
    """Return how many independent rows would be as sure, where rows belong together or are weighted; else NaN."""
    found = table["method"].astype("str").str.extract(_EFFECTIVE)[0].str.replace(",", "")
    return pd.to_numeric(found)


def metric_words(metric: str) -> str:
    """Write a metric's name as it stands inside a sentence."""
    label = METRICS[metric].label if metric in METRICS else metric
    return label if label[:2].isupper() else label[:1].lower() + label[1:]
