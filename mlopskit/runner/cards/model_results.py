"""What the run knows of the second half of a model card: data, results, ethics, caveats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mlopskit.runner.cards.content import Filled, Grid, Said
from mlopskit.runner.cards.known import (
    ESTIMATED,
    Known,
    bar,
    between,
    figure,
    filled,
    grid,
    interval_words,
    label,
    said,
    sentences,
    words,
)
from mlopskit.runner.report.evidence import Row
from mlopskit.runner.report.marks import STATUS, is_number, number
from mlopskit.runner.report.verdict import judge

WORST = 10
"""Groups of one table of intersectional results; the artefact has all."""


def results(known: Known) -> Mapping[str, Filled]:
    """Return what is known of each field, by its id."""
    return {
        **_rows_of(known, "test", "model.evaluation"),
        **_rows_of(known, "train", "model.training"),
        "model.training.distribution": filled(shares(known)),
        "model.results.unitary": filled(*_unitary(known)),
        "model.results.intersectional": filled(*_intersectional(known)),
        **_ethics(known),
        **_caveats(known),
    }


def _rows_of(known: Known, split: str, section: str) -> dict[str, Filled]:
    row = next((row for row in known.table("data/split") if row.get("split") == split), None)
    if row is None:
        return {}
    source = known.record("data/source")
    origin = words(source.get("origin")) or words(known.data.get("origin"))
    how = words(known.data.get("split"))
    share: Any = row.get("share")
    text = f"{number(row.get('n'))} {split} rows"
    if is_number(share):
        text += f", {number(100 * share, digits=0)} % of all rows with a target"
    dated = f"; dated {row['first']} to {row['last']}" if words(row.get("first")) else ""
    checked = [item for item in known.table("data/quality") if item.get("code") == "DAT003"] if split == "test" else []
    return {
        f"{section}.datasets": filled(
            Said(f"{text}{dated}.", "data/split"),
            *(Said(f"{key}: {number(value)}.", "data/split") for key, value in row.items() if _is_share(key, value)),
            said(f"Origin: {origin}.", "data/source", when=origin),
        ),
        f"{section}.motivation": filled(
            said(f"A {how} split of the same source, as the project file asks.", "scope/data", when=how),
            *(Said(f"{words(item.get('check'))}: {words(item.get('detail'))}.", "data/quality") for item in checked),
            rest="why this source stands for those whom the model will meet.",
        ),
        f"{section}.preprocessing": filled(*prepared(known)),
    }


def _is_share(key: str, value: Any) -> bool:
    return key.startswith(("share of ", "mean ")) and is_number(value)


def prepared(known: Known) -> Iterator[Said]:
    """Say what was done to the rows before a model saw them."""
    for row in known.table("data/quality"):
        if row.get("code") == "DAT004":
            yield Said(f"{words(row.get('detail'))}.", "data/quality")
    above = known.data.get("positive_above")
    if above is not None:
        yield Said(f"The target is made of a quantity: positive is what lies above {above}.", "scope/data")
    left_out = words(known.data.get("exclude"))
    if left_out:
        yield Said(f"Never used as features: {left_out}.", "scope/data")
    if known.file("data/preparation"):
        text = "What turns columns into numbers is fitted on training rows only and is part of the model."
        yield Said(text, "data/preparation")


def shares(known: Known) -> Grid | None:
    """Return how the target is spread over the groups of the training rows."""
    rows = known.table("data/groups")
    if all(row.get("slice") == "overall" for row in rows):
        return None
    what = words(list(dict.fromkeys(words(row.get("metric")) for row in rows)))
    whole = next((row.get("value") for row in rows if row.get("slice") == "overall"), None)
    return grid(
        f"{what[:1].upper()}{what[1:]}, by group of the training rows",
        ("factor", "group", "n", "value", "interval"),
        (
            (words(row.get("slice")), words(row.get("group")), number(row.get("n")), number(row.get("value")),
             between(row))
            for row in rows
        ),
        "data/groups",
        numeric=("n", "value", "interval"),
        bars=[bar(row, mark=whole, mark_label="all rows") for row in rows],
        note="The upright line is all rows together." if is_number(whole) else "",
    )  # fmt: skip


def _shown_metrics(known: Known, rows: Sequence[Row]) -> list[str]:
    """The metrics that the project file asks about, in its order; of none of these, the first that was measured."""
    there = list(dict.fromkeys(str(row.get("metric")) for row in rows))
    asked = [known.record("scope/model").get("metric"), *(row.get("metric") for row in known.criteria)]
    return [name for name in dict.fromkeys(map(str, asked)) if name in there] or there[:1]


def _worst_first(known: Known, rows: Iterable[Row], metric: str) -> list[Row]:
    """Sort estimated rows, the worst first; where no direction is better, the farthest from overall first."""
    from mlopskit.runner.compare_measures import directions

    rows = [row for row in rows if row.get("metric") == metric]
    whole = next((row.get("value") for row in rows if row.get("slice") == "overall"), None)
    better = directions(known.criteria).get(metric)

    def badness(row: Row) -> tuple[float, str, str]:
        value = float(row["value"])
        if better is None:
            weight = -abs(value - whole) if is_number(whole) and whole is not None else 0.0
        else:
            weight = value if better else -value
        return weight, str(row.get("slice")), str(row.get("group"))

    return sorted((row for row in rows if _estimated(row) and row.get("slice") != "overall"), key=badness)


def _estimated(row: Row) -> bool:
    return row.get("status", ESTIMATED) == ESTIMATED and is_number(row.get("value"))


def _by_group(known: Known, name: str, metric: str, *, limit: int) -> Grid | None:
    rows = [row for row in known.table(name) if row.get("metric") == metric]
    ordered = _worst_first(known, rows, metric)
    whole = next((row for row in rows if row.get("slice") == "overall"), {})
    note = f"Worst first. The upright line is all rows together: {figure(whole)}." if whole else "Worst first."
    if len(ordered) > limit:
        note += f" {len(ordered) - limit:,} more groups stand in the artefact."
    if lost := sum(not _estimated(row) and row.get("status") != "hidden" for row in rows):
        note += f" {lost:,} groups cannot be estimated, which does not mean that all is well there."
    if hidden := sum(row.get("status") == "hidden" for row in rows):
        note += f" {hidden:,} are hidden by the privacy floor."
    shown, interval = ordered[:limit], interval_words(rows)
    return grid(
        f"{label(metric)} by group",
        ("factor", "group", "value", interval, "rows", "of these count", "majority guess"),
        (
            (words(row.get("slice")), words(row.get("group")), figure(row), between(row), number(row.get("n")),
             number(row.get("denominator")), number(row.get("majority")))
            for row in shown
        ),
        name,
        numeric=("value", interval, "rows", "of these count", "majority guess"),
        bars=[bar(row, mark=whole.get("value"), mark_label="all rows") for row in shown],
        note=note,
    )  # fmt: skip


def _unitary(known: Known) -> Iterator[Grid | None]:
    name = "slices_and_bias/groups"
    for metric in _shown_metrics(known, known.table(name)):
        yield _by_group(known, name, metric, limit=60)
    yield _gaps(known)


def _gaps(known: Known) -> Grid | None:
    sensitive = known.names("scope/data", "sensitive")
    rows = [row for row in known.table("slices_and_bias/disparities") if row.get("slice") in sensitive]
    return grid(
        "Gaps between the groups of each sensitive column",
        ("factor", "measure", "smallest in", "largest in", "difference", "interval", "chance alone reaches", "ratio"),
        (
            (words(row.get("slice")), words(row.get("measure")) or label(row.get("metric")),
             words(row.get("smallest")), words(row.get("largest")), figure({**row, "value": row.get("difference")}),
             between(row, "difference_low", "difference_high"), number(row.get("chance_high")),
             number(row.get("ratio")))
            for row in rows
        ),
        "slices_and_bias/disparities",
        numeric=("difference", "interval", "chance alone reaches", "ratio"),
    )  # fmt: skip


def _intersectional(known: Known) -> Iterator[Grid | None]:
    name = "slices_and_bias/pairs"
    for metric in _shown_metrics(known, known.table(name)):
        yield _by_group(known, name, metric, limit=WORST)
    found = known.table("slices_and_bias/confirmed")
    yield grid(
        "Groups found by search on other rows, tested on test rows",
        ("group", "test rows", "error there", "error elsewhere", "adjusted p", "outcome"),
        (
            (words(row.get("slice")), number(row.get("n_test")), number(row.get("error_test")),
             number(row.get("error_rest")), _small(row.get("adjusted")), words(row.get("status")))
            for row in found[:WORST]
        ),
        "slices_and_bias/confirmed",
        numeric=("test rows", "error there", "error elsewhere", "adjusted p"),
        note=f"{len(found) - WORST} more stand in the artefact." if len(found) > WORST else "",
    )  # fmt: skip


def _small(value: Any) -> str:
    return "under 0.001" if is_number(value) and value < 0.001 else number(value)


def _ethics(known: Known) -> dict[str, Filled]:
    sensitive, features = known.names("scope/data", "sensitive"), known.names("data/columns", "features")
    used, unused = [x for x in sensitive if x in features], [x for x in sensitive if x not in features]
    deployment, told = known.record("scope/deployment"), words(known.record("scope/monitoring").get("notify"))
    asked = [(name, words(deployment.get(name))) for name in ("strategy", "automation", "security", "privacy")]
    missed = [row for row in known.criteria if row.get("status") != "met"]
    return {
        "model.ethics.data": filled(
            said(f"Sensitive columns among its features: {words(used)}.", "data/columns", when=used),
            said(f"Sensitive columns kept from the model, used for checking only: {words(unused)}.", "data/columns",
                 when=features and unused),
            *(sentences(known, "evaluate", about=["evaluate/shap_global"]) if sensitive else ()),
        ),
        "model.ethics.mitigations": filled(
            *(said(f"{name.capitalize()}: {text}.", "scope/deployment", when=text) for name, text in asked),
            said(f"Told when a threshold is crossed: {told}.", "scope/monitoring", when=told),
            said("In development none: the project file asks for no mitigation of gaps between groups.", "scope/model",
                 when=known.record("scope/model") and known.record("scope/model").get("mitigation") in (None, "none")),
            _reweighted(known),
            rest="" if any(text for _, text in asked) else "what guards its use.",
        ),
        "model.ethics.risks": filled(
            *(Said(f"{words(row.get('name')).replace('_', ' ')}: {STATUS.get(str(row.get('status')), ('', '', ''))[2]}."
                   f" {words(row.get('reason'))}", f"{_judging(row)}/criteria") for row in missed),
            *sentences(known, "slices_and_bias", tones=["bad", "warning"]),
            rest="who is harmed by a wrong answer, how likely and how gravely.",
        ),
    }  # fmt: skip


def _reweighted(known: Known) -> Said | None:
    asked = known.record("scope/model")
    chosen = words(asked.get("mitigation"))
    column, how = words(asked.get("mitigate")), "of training rows by" if chosen == "reweighting" else "by"
    text = f"In development: {chosen} {how} {column}."
    if chosen in {"threshold-optimizer", "exponentiated-gradient"}:
        text += " Some rows are decided by lot, drawn from their own values and a seed, so that a row has one answer."
    return said(text, "scope/model", when=chosen not in {"", "none"})


def _judging(row: Row) -> str:
    return "slices_and_bias" if row.get("scope") in {"slice", "gap"} else "evaluate"


def _caveats(known: Known) -> dict[str, Filled]:
    alerts = [row for row in known.table("monitor/alerts") if row.get("status") != "ok"]
    asked = [row for row in known.table("deploy/requirements") if row.get("outcome") not in ("met", "not asked")]
    steps = [
        Said(str(row["text"]), f"{phase.name}/summary")
        for phase in known.evidence.phases
        if phase.ended_well and phase.name != "scope"  # its questions have a section of their own
        for row in phase.next_steps
        if row.get("text")
    ]
    answer = judge(known.evidence)
    verdict = f"May it be used? {answer.headline}. {' '.join(answer.reasons)}"
    return {
        "model.caveats.testing": filled(*steps),
        "model.caveats.missing_groups": filled(
            *_not_represented(known), rest="which groups the source itself leaves out."
        ),
        "model.caveats.recommendations": filled(
            said(verdict, when=known.evidence.phases),
            *(said(words(row.get("text")), "monitor/alerts", when=words(row.get("text"))) for row in alerts),
            *(Said(f"{words(row.get('question'))}: asked {words(row.get('asked'))}; measured "
                   f"{words(row.get('measured'))}; {words(row.get('outcome'))}.", "deploy/requirements")
              for row in asked),
        ),
    }  # fmt: skip


def _not_represented(known: Known) -> Iterator[Said]:
    """Name the groups of which no measure could be estimated, by the table that says so."""
    for name in ("slices_and_bias/groups", "slices_and_bias/pairs"):
        found: dict[tuple[str, str], bool] = {}
        for row in known.table(name):
            key = str(row.get("slice")), str(row.get("group"))
            found[key] = found.get(key, False) or _estimated(row)
        lost = [f"{factor} = {group}" for (factor, group), seen in found.items() if not seen]
        if found:
            which = f": {words(lost, limit=12)}" if lost else ""
            yield Said(f"{len(lost)} of {len(found)} groups have too few test rows for any measure{which}.", name)
