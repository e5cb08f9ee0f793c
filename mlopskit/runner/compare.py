"""What differs between two runs, from what they were made of to what came out.

Parameters, data, environment and code are causes; metrics, slices, criteria and figures are effects. A metric is called
worse only beyond the noise, as `compare_measures` tells it; a slice never makes the comparison fail, because among
many slices some get worse by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlopskit.artefacts import plain
from mlopskit.params import portable
from mlopskit.runner.compare_causes import (
    CellChange,
    Change,
    TableChange,
    around,
    changes,
    code,
    data,
    differing,
    distributions,
    parameters_of,
    source,
)
from mlopskit.runner.compare_measures import (
    METHOD,
    SAME_ROWS,
    Difference,
    compare_headlines,
    compare_rows,
    directions,
)
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.findings import rank
from mlopskit.runner.manifest import ENDED_WELL

METRICS = "evaluate/metrics.parquet"
GROUPS = "slices_and_bias/groups.parquet"
TEST_ROWS = "data/test.parquet"


@dataclass(frozen=True)
class CriterionChange:
    """A criterion whose status differs; ``not judged`` stands for a run that does not have it."""

    name: str
    before: str
    after: str
    reason: str

    @property
    def worse(self) -> bool:
        """Tell whether it fell: from met to anything else, or from undecided to not met."""
        return rank(self.after) < rank(self.before)


@dataclass(frozen=True)
class Figure:
    """A figure that differs, ``phase/file``; None for the run that lacks it or has it damaged."""

    name: str
    before: Path | None
    after: Path | None


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side; everything listed differs, except `metrics` and `slices`, which are complete.

    Attributes
    ----------
    before, after : str
        Names of the runs.
    status : tuple of str
        Their status.
    readable : bool
        False when a manifest or an artefact is damaged, so that not all could be compared.
    parameters, environment, distributions, source, phases : tuple of Change
        Named ``phase.parameter``, and so on; `phases` are those whose status changed between ended well and not.
    data : tuple of TableChange
        Artefacts of the data phase.
    code : tuple of CellChange
        Code cells; Markdown is left out.
    headline : Difference or None
        First figure of the evaluation, when both runs have the same one.
    metrics, slices : tuple of Difference
        On all test rows, and by slice and group.
    same_rows : bool
        True when both used the same test rows.
    criteria : tuple of CriterionChange
        Acceptance criteria.
    figures : tuple of Figure
        Charts.
    artefacts : tuple of str
        Everything written that differs; what measures time is left out.
    problems : tuple of str
        What could not be compared.
    """

    before: str
    after: str
    status: tuple[str, str]
    readable: bool
    parameters: tuple[Change, ...]
    environment: tuple[Change, ...]
    distributions: tuple[Change, ...]
    source: tuple[Change, ...]
    phases: tuple[Change, ...]
    data: tuple[TableChange, ...]
    code: tuple[CellChange, ...]
    headline: Difference | None
    metrics: tuple[Difference, ...]
    slices: tuple[Difference, ...]
    same_rows: bool
    criteria: tuple[CriterionChange, ...]
    figures: tuple[Figure, ...]
    artefacts: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def worsened(self) -> tuple[str, ...]:
        """What got worse, in sentences: phases that no longer end well, criteria, metrics beyond noise."""
        fallen = (item for item in self.phases if item.after not in ENDED_WELL)
        said = [f"phase {item.name}: {item.before} → {item.after or 'not there'}" for item in fallen]
        said += [f"criterion {item.name}: {item.before} → {item.after}" for item in self.criteria if item.worse]
        every = (*((self.headline,) if self.headline else ()), *self.metrics)
        said += [f"metric {item.metric}: worse beyond noise" for item in every if item.verdict == "worse"]
        return tuple(said)

    @property
    def worse_slices(self) -> tuple[Difference, ...]:
        """Slices and groups that got worse beyond noise."""
        return tuple(item for item in self.slices if item.verdict == "worse")

    @property
    def unworsened(self) -> str:
        """What a comparison in which nothing `worsened` may claim: slices that got worse are not passed over."""
        worse = len(self.worse_slices)
        of_slices = f" overall; {worse} of {len(self.slices)} measures of slices did" if worse else ""
        return f"nothing got worse beyond noise{of_slices}"

    @property
    def exit_code(self) -> int:
        """1 when a manifest or an artefact is damaged, 3 when something got worse, else 0."""
        return 1 if not self.readable else 3 if self.worsened else 0

    @property
    def method(self) -> str:
        """How the interval of a difference was made."""
        return f"{METHOD}; {SAME_ROWS}" if self.same_rows else METHOD

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold."""
        judged = {"worsened": self.worsened, "unworsened": self.unworsened, "exit_code": self.exit_code}
        found = plain(portable({**asdict(self), "method": self.method, **judged}))
        return dict(found)


def compare(before: Path, after: Path) -> Comparison:
    """Compare two run folders; what is missing or damaged is said in `Comparison.problems`.

    Parameters
    ----------
    before, after : Path
        Run folders; they may be of different projects, failed, or damaged.
    """
    old, new = Side.open(before), Side.open(after)
    is_whole = not [*old.damaged(), *new.damaged()]
    better = directions([*old.entries("criteria"), *new.entries("criteria")])
    metrics_before, metrics_after = _rows_of_both(old, new, METRICS)
    groups_before, groups_after = _rows_of_both(old, new, GROUPS)
    readable = bool(old.said and new.said)
    parameters, environments, headlines = (  # what a damaged manifest does not say is not known, which is no change
        [side.table(name) if readable else {} for side in (old, new)]
        for name in ("parameters", "environment", "headline")
    )
    written = old.artefacts(), new.artefacts()
    test_rows = [items[TEST_ROWS].digest if TEST_ROWS in items else None for items in written]
    return Comparison(
        before=before.name,
        after=after.name,
        status=(old.status, new.status),
        readable=readable and is_whole,
        parameters=tuple(changes(*map(parameters_of, parameters))),
        environment=tuple(around(*environments)),
        distributions=tuple(changes(*map(distributions, environments))),
        source=tuple(changes(source(old), source(new))),
        phases=tuple(_phases(old, new)),
        data=tuple(data(old, new)),
        code=tuple(code(old, new)),
        headline=compare_headlines(*headlines, metrics=metrics_before, better=better),
        metrics=compare_rows(metrics_before, metrics_after, better=better),
        slices=compare_rows(_parts(groups_before), _parts(groups_after), better=better),
        same_rows=test_rows[0] is not None and test_rows[0] == test_rows[1],
        criteria=tuple(_criteria(old, new)),
        artefacts=tuple(differing(old, new)),
        figures=tuple(_figures(old, new)),
        problems=(*old.problems, *new.problems),  # last: reading the parts above adds to them
    )


def _rows_of_both(old: Side, new: Side, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a table of both runs; a table that only one of them has is no comparison, and is said to be missing."""
    before, after = old.rows(name), new.rows(name)
    if before is not None and after is not None:
        return before, after
    for side, rows, others in ((old, before, after), (new, after, before)):
        if rows is None and others is not None and name not in side.artefacts():  # what is damaged was said to be so
            side.problems.append(f"{side.folder.name}: no {name} to compare")
    return [], []


def _phases(old: Side, new: Side) -> Iterator[Change]:
    for change in changes(old.phases, new.phases):
        if old.said and new.said and (change.before in ENDED_WELL) != (change.after in ENDED_WELL):
            yield change


def _criteria(old: Side, new: Side) -> Iterator[CriterionChange]:
    if not old.said or not new.said:
        return
    before, after = old.judged(), new.judged()
    statuses = ({name: row["status"] for name, row in judged.items()} for judged in (before, after))
    for change in changes(*statuses):
        states = change.before or "not judged", change.after or "not judged"
        yield CriterionChange(change.name, *states, str(after.get(change.name, {}).get("reason") or ""))


def _parts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the rows on everyone: they repeat the metrics."""
    return [row for row in rows if row.get("slice") != "overall"]


def _figures(old: Side, new: Side) -> Iterator[Figure]:
    for name in differing(old, new):
        if name.endswith(".svg"):
            yield Figure(name, old.whole(name), new.whole(name))
