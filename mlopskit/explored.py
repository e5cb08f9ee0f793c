"""What can be explored of a run, alike in JupyterLab and in its report: the table of slices, and the words.

A kernel answers in a notebook, a script in a report. Both show the same rows in the same order and say the same
sentences: these are templates, which either fills in. Nothing here is computed from single rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

Row = Mapping[str, Any]

ORDERS = {
    "score": "score on validation rows",
    "error_test": "error on test rows",
    "error": "error on validation rows",
    "n": "rows",
    "adjusted": "p, adjusted",
}
"""What slices can be sorted by; p rises, the others fall."""

COLUMNS = [
    "slice", "origin", "level", "n", "share", "error", "times", "score", "n_test", "error_test", "error_rest",
    "p_value", "adjusted", "power", "confirmed", "status", "same_rows", "overlapping",
]  # fmt: skip
AND = " and "

RATES: Mapping[str, str] = MappingProxyType(
    {
        "selection_rate": "selection rate",
        "recall": "recall",
        "false_positive_rate": "false positive rate",
        "precision": "precision",
        "accuracy": "accuracy",
    }
)
"""What is shown by threshold, each a share of some rows, so that each has Wilson's interval."""

LOWER_IS_BETTER = frozenset(
    {"false_positive_rate", "false_negative_rate", "log_loss", "brier_score", "mae", "rmse"}
)  # fmt: skip
"""Metrics whose high figures are the bad ones."""

FIT = "{fitting} of {of} slices and declared groups fit; {confirmed} of them are confirmed on test rows."
AT = "Threshold {threshold}{own}: {rate} is {overall} overall"
OWN = " (the model’s own)"
BETWEEN = ", from {low} for {column} = {lowest} to {high} for {highest}"
TOO_FEW = "too few: {rows}"


def joined(found: Sequence[Row], confirmed: Sequence[Row]) -> list[dict[str, Any]]:
    """Put the slices found and those tested side by side.

    Parameters
    ----------
    found : sequence of mapping
        Rows of the artefact ``slices``; what is missing is None.
    confirmed : sequence of mapping
        Rows of the artefact ``confirmed``: the same slices and, in newer runs, every declared group.

    Returns
    -------
    list of dict
        One a slice with `COLUMNS`, worst first by score; what was not computed is None.

    Examples
    --------
    >>> rows = joined([{"slice": "a = 1", "score": 0.5, "share": 0.1}], [{"slice": "a = 1", "score": 0.5}])
    >>> rows[0]["share"], rows[0]["status"], rows[0]["confirmed"]
    (0.1, 'not tested', False)
    """
    own = {str(row["slice"]): row for row in found}
    rows = []
    for row in confirmed or found:
        both = {"origin": "searched", **own.get(str(row["slice"]), {}), **row}
        rows.append({name: both.get(name) for name in COLUMNS})
    for made in rows:
        for name, empty in (("origin", "searched"), ("same_rows", ""), ("overlapping", ""), ("status", "not tested")):
            made[name] = empty if made[name] is None else str(made[name])
        made["confirmed"] = made["confirmed"] is True
    return sorted(rows, key=_by_score)


def _by_score(row: Row) -> tuple[bool, float]:
    score = row["score"]
    known = isinstance(score, int | float) and score == score
    return (not known, -float(score) if known else 0.0)


def described_by(names: Iterable[str]) -> list[str]:
    """Return the columns that slices in words are described by.

    Examples
    --------
    >>> described_by(["town = a and sex = f", "town = b"])
    ['sex', 'town']
    """
    parts = [part for name in names for part in str(name).split(AND)]
    return sorted({part.partition(" = ")[0] for part in parts if " = " in part})
