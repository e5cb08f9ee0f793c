"""What the page's explorers answer from: slices and thresholds as small JSON, so that no kernel and no row is needed.

Only what the slices phase wrote is taken, so what the privacy floor withholds there is not here either. Shares are
given as counts: the page's script works out rates and Wilson's intervals from them, as `mlopskit.intervals` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from mlopskit import explored
from mlopskit.runner.report.cells import Block
from mlopskit.runner.report.evidence import Evidence, Phase, Row
from mlopskit.runner.report.marks import is_number

FEWEST = 10
"""Below so many rows in a denominator no interval is given, as in the tables of the phase."""
_OVERALL = "overall"
_SHARES = {"error rate": "accuracy", "false positive rate": "false_positive_rate", "false negative rate": "recall"}
"""Mean errors that are shares of rows, and the metric whose denominator is the same rows."""
_FIGURES = {"v": "value", "low": "low", "high": "high"}

Data = dict[str, Any]


@dataclass(frozen=True)
class Explorer:
    """One explorer of the page.

    Attributes
    ----------
    kind : str
        ``slices`` or ``thresholds``.
    title, lead : str
        Heading, and what can be said without a script.
    artefacts : tuple of str
        What it is computed from, as ``phase/name``.
    after : str
        The anchor of the block that it follows; empty for the end of the phase.
    data : Markup
        JSON that can stand in a script element.
    """

    kind: str
    title: str
    lead: str
    artefacts: tuple[str, ...]
    after: str
    data: Markup

    @property
    def anchor(self) -> str:
        """Its id."""
        return f"explore-{self.kind}"


def explorers(evidence: Evidence, phase: Phase, blocks: Sequence[Block]) -> list[Explorer]:
    """Return what can be explored of a phase; nothing where it left no slices and no rates by threshold."""
    makers: tuple[tuple[Callable[[Evidence, Phase], Explorer | None], str], ...] = (
        (_thresholds, "threshold_rates"),
        (_slices, "confirmed"),
    )
    made = []
    for maker, artefact in makers:
        found = maker(evidence, phase) if (phase.folder / f"{artefact}.parquet").is_file() else None
        if found is not None:
            writers = (block.anchor for block in blocks if f"{phase.name}/{artefact}" in block.writes)
            made.append(Explorer(**{**vars(found), "after": next(writers, "")}))
    return made


def as_json(value: Any) -> Markup:
    r"""Write a value as JSON that ends no script element, whatever names are in it.

    Examples
    --------
    >>> as_json(["</script>", None])
    Markup('["\\u003c/script\\u003e",null]')
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 (no sign of HTML is left in it)


def _slices(_: Evidence, phase: Phase) -> Explorer | None:
    found, confirmed, groups = (phase.table(name) for name in ("slices", "confirmed", "groups"))
    if not confirmed or not {"slice", "n", "error", "n_test", "error_test", "status"} <= set(confirmed[0]):
        return None
    rows = explored.joined([row for row in found if "slice" in row], confirmed)
    names = [str(row["slice"]) for row in rows]
    apart = [row["conditions"] for row in rows]
    statuses = sorted({row["status"] for row in rows})
    measure = str(confirmed[0].get("measure") or "error")
    validation = {str(row.get("slice")): row.get("majority") for row in found}
    guesses = [row["majority"] for row in rows], [validation.get(name) for name in names]
    measures = _errors(rows, measure, groups, guesses)
    declared, more = _metrics(names, groups)
    data = {
        "names": names,
        "columns": explored.described_by(apart),
        "apart": {place: parts for place, parts in enumerate(apart) if parts != names[place].split(explored.AND)},
        "declared": [place for place, row in enumerate(rows) if row["origin"] == "declared"],
        "confirmed": [place for place, row in enumerate(rows) if row["confirmed"]],
        "status": [statuses.index(row["status"]) for row in rows],
        "statuses": statuses,
        "score": _numbers(rows, "score"), "p": _numbers(rows, "adjusted"), "power": _numbers(rows, "power"),
        "same": _words(rows, "same_rows"), "over": _words(rows, "overlapping"),
        "measures": [*measures, *more], "groups": declared,
        "fit": explored.FIT, "few": FEWEST, "fewWords": explored.TOO_FEW,
        "guess": "mean guess" if measure == "mean squared error" else "majority guess",
    }  # fmt: skip
    count = sum(row["confirmed"] for row in rows)
    lead = explored.FIT.format(fitting=len(names), of=len(names), confirmed=count)
    read = tuple(f"{phase.name}/{name}" for name in ("confirmed", "slices", "groups"))
    return Explorer("slices", "Explore the slices", lead, read, "", as_json(data))


def _short(value: Any, digits: int = 5) -> float | int | None:
    """A number of so many digits; what is missing is None, and so null."""
    if not is_number(value):
        return None
    number = float(f"{float(value):.{digits}g}")
    return int(number) if number == int(number) and abs(number) < 1e15 else number


def _numbers(rows: Sequence[Row], name: str, digits: int = 5) -> list[float | int | None]:
    return [_short(row[name], digits) for row in rows]


def _words(rows: Sequence[Row], name: str) -> dict[str, str]:
    return {str(place): row[name] for place, row in enumerate(rows) if row[name]}


def _errors(
    rows: Sequence[Row], measure: str, groups: Sequence[Row], guesses: Sequence[Sequence[Any]]
) -> Iterator[Data]:
    """Yield the mean error on test rows and on validation rows, as counts where it is a share, with the guess's."""
    share = _SHARES.get(measure)
    overall = _overall(groups, share)
    total, of_all = overall.get("denominator" if share else "n"), _quotient(rows, "n", "share")
    seen = round(of_all) if of_all is not None else None
    parts: tuple[tuple[str, str, str, Any, Data], ...] = (
        ("test rows", "n_test", "error_test", total, {"rest": _numbers(rows, "error_rest")}),
        ("validation rows", "n", "error", seen, {"all": _short(_quotient(rows, "error", "times"))}),
    )
    for (kind, size, value, every, beside), guess in zip(parts, guesses, strict=True):
        sizes = [int(row[size]) if is_number(row[size]) else None for row in rows]
        shown = _counts(rows, sizes, value) if share else {"v": _numbers(rows, value)}
        yield {"name": measure, "rows": kind, "n": sizes, "total": _short(every, 15), "down": 1, **shown, **beside,
               **_guessed(guess)}  # fmt: skip


def _quotient(rows: Sequence[Row], part: str, share: str) -> float | None:
    """What a figure and its share of the whole say of the whole; every row that has both says the same."""
    known = (row for row in rows if is_number(row[part]) and is_number(row[share]) and row[share])
    return next((row[part] / row[share] for row in known), None)


def _counts(rows: Sequence[Row], sizes: Sequence[int | None], value: str) -> Data:
    pairs = zip(sizes, (row[value] for row in rows), strict=True)
    return {"k": [round(n * share) if n is not None and is_number(share) else None for n, share in pairs]}


def _overall(groups: Sequence[Row], metric: str | None) -> Row:
    rows = (row for row in groups if row.get("group") == _OVERALL and metric in (None, row.get("metric")))
    return next(rows, {})


def _metrics(names: Sequence[str], groups: Sequence[Row]) -> tuple[Data, list[Data]]:
    """Return where the declared groups stand among the slices, with their rows, and each metric that they have."""
    places = {name: number for number, name in enumerate(names)}
    wanted = {"slice", "group", "metric", "n", "value", "low", "high"}
    of_metric: dict[str, dict[int, Row]] = {}
    for row in groups if groups and wanted <= set(groups[0]) else ():
        place = places.get(f"{row['slice']} = {row['group']}")
        if place is not None:
            of_metric.setdefault(str(row["metric"]), {})[place] = row
    at = sorted({place for rows in of_metric.values() for place in rows})
    sizes = {place: row["n"] for rows in of_metric.values() for place, row in rows.items()}
    total = _short(_overall(groups, None).get("n"), 15)
    more = [_metric(name, [rows.get(place, {}) for place in at], groups) for name, rows in of_metric.items()]
    return {"at": at, "n": [_short(sizes[place], 15) for place in at], "total": total}, more


def _metric(name: str, rows: Sequence[Row], groups: Sequence[Row]) -> Data:
    figures = {key: [_short(row.get(long)) for row in rows] for key, long in _FIGURES.items()}
    beside = {"all": _short(_overall(groups, name).get("value")), "down": int(name in explored.LOWER_IS_BETTER)}
    guess = _guessed([row.get("majority") for row in rows])
    return {"name": name.replace("_", " "), "rows": "test rows", **figures, **beside, **guess}


def _guessed(values: Sequence[Any]) -> Data:
    """What the guess scores in each slice; nothing where the tables do not tell."""
    guess = [_short(value) for value in values]
    return {"guess": guess} if any(value is not None for value in guess) else {}


def _thresholds(evidence: Evidence, phase: Phase) -> Explorer | None:
    table = phase.table("threshold_rates")
    if not table or not {"slice", "group", "metric", "threshold", "denominator", "value"} <= set(table[0]):
        return None
    if not all(is_number(row["threshold"]) and is_number(row["denominator"]) for row in table):
        return None
    chosen, target = evidence.record("threshold"), evidence.record("target")
    own = chosen.get("threshold") if isinstance(chosen, Mapping) else None
    of_column: dict[str, list[Row]] = {}
    for row in table:
        of_column.setdefault(str(row["slice"]), []).append(row)
    columns = [made for name, rows in of_column.items() if (made := _by_threshold(name, rows, own)) is not None]
    if not columns:
        return None
    if not _known_to_be_unfloored(evidence):  # by two columns together, what one withholds could be had as a difference
        columns = columns[:1]
    data = {
        "columns": columns, "rates": dict(explored.RATES), "few": FEWEST, "fewWords": explored.TOO_FEW,
        "at": explored.AT, "ownWords": explored.OWN, "between": explored.BETWEEN,
        "guessWords": explored.GUESS, "guess": _one_guess(table),
        "positive": str(target.get("positive") or "") if isinstance(target, Mapping) else "",
    }  # fmt: skip
    steps, names = len(columns[0]["steps"]), [column["name"] for column in columns]
    of = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    lead = f"What each of {steps} thresholds would do to the groups of {of}; the counts are exact at each."
    lead += _withheld(phase, names[0])
    return Explorer("thresholds", "Explore the threshold", lead, (f"{phase.name}/threshold_rates",), "", as_json(data))


def _by_threshold(column: str, table: Sequence[Row], own: Any) -> Data | None:
    """Return the counts of one column's groups at each threshold; None where a threshold lacks a group's."""
    groups = list(dict.fromkeys(str(row["group"]) for row in table))
    steps = sorted({row["threshold"] for row in table})
    found, alarmed = _called(table, "recall"), _called(table, "false_positive_rate")
    if any(len(part.get(name, (0, ()))[1]) != len(steps) for part in (found, alarmed) for name in groups):
        return None
    return {
        "name": column, "groups": groups, "steps": [_short(step) for step in steps],
        "own": steps.index(own) if own in steps else None,
        "positives": [found[name][0] for name in groups], "negatives": [alarmed[name][0] for name in groups],
        "hits": [found[name][1] for name in groups], "alarms": [alarmed[name][1] for name in groups],
    }  # fmt: skip


def _one_guess(table: Sequence[Row]) -> float | int | None:
    """What the majority guess has as selection rate, recall and false positive rate in each group, 0 or 1."""
    found = {_short(row.get("majority")) for row in table if row["metric"] in explored.CALLED} - {None}
    return found.pop() if len(found) == 1 else None


def _known_to_be_unfloored(evidence: Evidence) -> bool:
    scope = evidence.record("data")
    floor = scope.get("privacy_floor") if isinstance(scope, Mapping) else None
    return isinstance(floor, int | float) and floor <= 1


def _withheld(phase: Phase, column: str) -> str:
    own = [row for row in phase.table("groups") if row.get("slice") == column and row.get("status") == "hidden"]
    count = len({row.get("group") for row in own})
    groups = f"{count} group{'' if count == 1 else 's'}"
    return f" The project’s privacy floor withholds {groups}, and thresholds too near each other." if count else ""


def _called(table: Sequence[Row], metric: str) -> dict[str, tuple[int, list[int]]]:
    """Return for each group how many rows of a class it has, and how many of them each threshold calls positive."""
    found: dict[str, tuple[int, list[int]]] = {}
    for row in sorted((row for row in table if row["metric"] == metric), key=lambda row: row["threshold"]):
        total = int(row["denominator"])
        counts = found.setdefault(str(row["group"]), (total, []))[1]
        counts.append(round(total * row["value"]) if total and is_number(row["value"]) else 0)
    return found
