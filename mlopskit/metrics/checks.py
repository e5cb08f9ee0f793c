"""What is wrong with the metrics, criteria and baselines that a project file names, told before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mlopskit.errors import MetricError, listing, nearest
from mlopskit.metrics.registry import get_metric

if TYPE_CHECKING:
    from mlopskit.runs.frozen import FrozenScope
    from mlopskit.scope import Baseline, Criterion, Scope


def criterion_problems(scope: Scope | FrozenScope) -> list[str]:
    """Check every metric and baseline that the scope names, without data.

    Returns
    -------
    list of str
        A sentence for each unknown metric, metric that does not fit the task, headline metric without a better
        direction, unknown baseline in ``gain_over``, published baseline of another metric, and column that is kept
        out of the tables.

    Examples
    --------
    >>> from mlopskit.scope import Scope
    >>> text = '''
    ... [project]
    ... name = "x"
    ... [data]
    ... source = "x.csv"
    ... task = "regression"
    ... target = "y"
    ... [[criterion]]
    ... metric = "mea"
    ... at_most = 3
    ... '''
    >>> criterion_problems(Scope.parse(text))[0]
    "[criterion] Unknown metric 'mea' (did you mean mae?); for this task there are mae, rmse, r2, bias."
    """
    return [
        *_headline_problems(scope),
        *(problem for baseline in scope.baseline for problem in _baseline_problems(baseline, scope)),
        *(problem for criterion in scope.criterion for problem in _criterion_problems(criterion, scope)),
    ]


def _unknown(name: str | None, table: str, task: str) -> list[str]:
    if name is None:
        return []
    try:
        get_metric(name, task)
    except MetricError as error:
        return [f"[{table}] {error}"]
    return []


def _headline_problems(scope: Scope | FrozenScope) -> Iterator[str]:
    name, task = scope.model.metric, scope.data.task
    unknown = _unknown(name, "model", task)
    yield from unknown
    if name and not unknown and get_metric(name, task).greater_is_better is None:
        yield f"[model] metric {name!r} has no better direction, so no model can be chosen by it; name another."


def _baseline_problems(baseline: Baseline, scope: Scope | FrozenScope) -> Iterator[str]:
    yield from _unknown(baseline.metric, "baseline", scope.data.task)


def _criterion_problems(criterion: Criterion, scope: Scope | FrozenScope) -> Iterator[str]:
    yield from _unknown(criterion.metric, "criterion", scope.data.task)
    if criterion.gain_over is not None:
        yield from _gain_problems(criterion, scope)
    for column in filter(None, (criterion.every_slice_of, criterion.between)):
        kept = {*scope.data.sensitive, *scope.data.slices}
        if column in scope.data.exclude and column not in kept:
            yield (
                f"[criterion] {criterion.name!r} speaks of {column!r}, which `exclude` keeps out of the tables; "
                "list it under `sensitive` or `slices` of [data] as well (the model still will not use it)."
            )


def _names(baselines: Sequence[Baseline]) -> list[str]:
    """A baseline is named by its kind; a second of a kind gets a number."""
    kinds = [baseline.kind for baseline in baselines]
    repeats = [kinds[:place].count(kind) for place, kind in enumerate(kinds)]
    return [f"{kind}_{before + 1}" if before else kind for kind, before in zip(kinds, repeats, strict=True)]


def _gain_problems(criterion: Criterion, scope: Scope | FrozenScope) -> Iterator[str]:
    declared = _names(scope.baseline)
    if criterion.gain_over not in declared:
        yield (
            f"[criterion] gain_over = {criterion.gain_over!r} names no baseline"
            f"{nearest(criterion.gain_over or '', declared)}; declared: {listing(declared)}. "
            "Add a [[baseline]] of that kind or name one of these."
        )
    for name, baseline in zip(declared, scope.baseline, strict=True):
        value_only = name == criterion.gain_over and baseline.column is None and baseline.value is not None
        if value_only and baseline.metric != criterion.metric:
            yield (
                f"[criterion] {criterion.name!r} cannot be judged: the {baseline.kind} baseline gives a figure for "
                f"{baseline.metric}, not for {criterion.metric}. Use {baseline.metric} in the criterion."
            )
