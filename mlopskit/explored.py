"""What can be explored of a run, alike in JupyterLab and in its report: the table of slices, and the words.

A kernel answers in a notebook, a script in a report. Both show the same rows in the same order and say the same
sentences: these are templates, which either fills in. Nothing here is computed from single rows.
"""

from __future__ import annotations

import json
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
    "majority", "conditions",
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
CALLED = ("selection_rate", "recall", "false_positive_rate")
"""Rates that one answer for everybody has alike in each group."""

GUESS = "One answer for everybody, the majority guess, has a {rate} of {guess} in every group, whatever the threshold."


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
        One a slice with `COLUMNS`, worst first by score; what was not computed is None. ``conditions`` is a list;
        ``majority``, what guessing errs in the slice, is of test rows where these were tested.

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
        made["conditions"] = conditions_of(str(made["slice"]), level=made["level"], told=made["conditions"])
    return sorted(rows, key=_by_score)


def _by_score(row: Row) -> tuple[bool, float]:
    score = row["score"]
    known = isinstance(score, int | float) and score == score
    return (not known, -float(score) if known else 0.0)


def conditions_of(name: str, *, level: Any = None, told: Any = None) -> list[str]:
    """Return the conditions of a slice in words; a value may hold the word that joins them.

    Parameters
    ----------
    name : str
        The slice in words.
    level : int, optional
        How many conditions it has; a declared group has one.
    told : str, optional
        Its conditions as JSON, as the artefact ``slices`` holds them. In tables that do not tell, what names no column
        belongs to the value before it.

    Examples
    --------
    >>> conditions_of("taste = rock and roll and sex = f")
    ['taste = rock and roll', 'sex = f']
    """
    parts = _listed(told)
    if AND.join(parts) == name:
        return parts
    if level == 1:
        return [name]
    first, *others = name.split(AND)
    parts = [first]
    for part in others:
        if " = " in part:
            parts.append(part)
        else:
            parts[-1] += AND + part
    return parts


def _listed(told: Any) -> list[str]:
    try:
        parts = json.loads(told)
    except (TypeError, ValueError):
        return []
    return [str(part) for part in parts] if isinstance(parts, list) else []


def described_by(slices: Iterable[str | Sequence[str]]) -> list[str]:
    """Return the columns that slices are described by, each in words or as its conditions.

    Examples
    --------
    >>> described_by(["town = a and sex = f", ["town = b and c = d"]])
    ['sex', 'town']
    """
    parts = [part for one in slices for part in (conditions_of(one) if isinstance(one, str) else one)]
    return sorted({part.partition(" = ")[0] for part in parts if " = " in part})
