"""Checks of data carry a code and one of four outcomes.

*Passed* and *issue* are what was looked at; *not applicable* and *could not check* are what was not, and neither is
ever shown as passed. A finding is one sentence about one subject; a table of findings is what a phase hands on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from mlopskit.data.columns import Columns

Outcome = Literal["passed", "issue", "not applicable", "could not check"]

CHECKS: Mapping[str, str] = {
    "DAT001": "missing values",
    "DAT002": "exact duplicates",
    "DAT003": "rows shared by train and test",
    "DAT004": "rows without target",
    "DAT005": "class balance",
    "DAT006": "a feature that gives the target away",
    "DAT007": "rows from the future in training data",
    "DAT008": "groups that straddle splits",
    "DAT009": "constant or empty columns",
    "DAT010": "identifiers among the features",
    "DAT011": "too many categories",
    "DAT012": "infinite values",
    "DAT013": "mixed types in a column",
    "DAT014": "text encoding",
    "DAT015": "stand-ins for missing values",
    "DAT016": "production rows against the schema",
    "DAT017": "sensitive columns",
    "DAT018": "labels merged into one class",
    "DAT019": "column names that need care",
    "DAT020": "repeats without a declared group",
}
"""Code → what is looked at."""

_ORDER = {"issue": 0, "could not check": 1, "passed": 2, "not applicable": 3}


@dataclass(frozen=True)
class Finding:
    """What one check found about one subject.

    Attributes
    ----------
    code : str
        A key of `CHECKS`.
    subject : str
        A column, or what else was looked at.
    outcome : str
        ``passed``, ``issue``, ``not applicable`` or ``could not check``.
    detail : str
        One sentence with the numbers in it.
    n : int
        How many rows, values or columns it concerns.
    """

    code: str
    subject: str
    outcome: Outcome
    detail: str
    n: int = 0


def findings_table(findings: Iterable[Finding], *, columns: Columns | None = None, floor: int = 0) -> pd.DataFrame:
    """Return findings as a table (code, check, subject, outcome, detail, n): issues first, then by code and subject.

    Under a privacy floor the numbers of checks on declared columns, and those below it, are withheld.

    Examples
    --------
    >>> findings_table([Finding("DAT002", "all rows", "passed", "no row occurs twice")])["check"].tolist()
    ['exact duplicates']
    """
    import pandas as pd

    ordered = sorted(findings, key=lambda item: (_ORDER[item.outcome], item.code, item.subject))
    rows = [{**asdict(item), "check": CHECKS[item.code]} for item in ordered]
    table = pd.DataFrame(rows, columns=["code", "check", "subject", "outcome", "detail", "n"])
    if columns is None or floor < 2:
        return table
    from mlopskit.data.floored import hide_findings

    return hide_findings(table, columns, floor=floor)


def percent(part: float, whole: float) -> str:
    """Write a share for a sentence.

    Examples
    --------
    >>> percent(1, 8), percent(1, 10_000), percent(0, 0)
    ('12.5 %', 'under 0.1 %', '0 %')
    """
    share = part / whole if whole else 0.0
    if share == 0:
        return "0 %"
    return "under 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"
