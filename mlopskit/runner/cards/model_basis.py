"""What the run knows of the first half of a model card: details, use, factors, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
    words,
)
from mlopskit.runner.report.marks import STATUS, is_number, number
from mlopskit.runner.report.page import moment, plainly

_MITIGATED = {
    "threshold-optimizer": "thresholds by group decide on the model's scores, some rows by lot",
    "exponentiated-gradient": "a mixture of linear models decides in the place of the best candidate, some rows by lot",
}
"""Mitigations that take the place of the one threshold, in words."""


def basis(known: Known) -> Mapping[str, Filled]:
    """Return what is known of each field, by its id."""
    return {
        **_details(known),
        "model.use.primary": _use(known),
        **_factors(known),
        "model.metrics.performance": _performance(known),
        "model.metrics.thresholds": _thresholds(known),
        "model.metrics.variation": _variation(known),
    }


def _details(known: Known) -> dict[str, Filled]:
    role = words(known.roles.get("model"))
    report = (known.evidence.folder / "report.html").is_file()
    return {
        "model.details.developer": filled(said(role, "scope/project", when=role)),
        "model.details.date": filled(_date(known)),
        "model.details.version": filled(_version(known)),
        "model.details.type": filled(*_type(known)),
        "model.details.training": filled(*_training(known)),
        "model.details.resource": filled(
            said("The report of this run, report.html, shows how each figure came about.", when=report),
            rest="whether a paper or a page describes the model.",
        ),
        "model.details.contact": filled(
            said(f"{role} answers for the model.", "scope/project", when=role), rest="the address to write to."
        ),
    }


def _date(known: Known) -> Said | None:
    phase, began = known.phase("model"), known.evidence.manifest.get("started")
    if phase is None or not began:
        return None
    if phase.status == "reused":
        return Said(f"Trained at or before {moment(began)}: this run reused the model of an earlier one.")
    return Said(f"Trained in the run that began at {moment(began)}.")


def _version(known: Known) -> Said | None:
    file = known.file("model/model")
    if file is None:
        return None
    return Said(f"Run {known.evidence.name}; the model file {file.name} has SHA-256 {file.sha256}.", "model/model")


def _type(known: Known) -> Iterator[Said]:
    tried = known.table("model/candidates")
    best = _best(tried)
    if best is None:
        return
    by = label(best.get("metric"))
    yield Said(
        f"{words(best.get('candidate'))}, the best of {len(tried)} configurations by {by} on validation rows.",
        "model/candidates",
    )
    if known.target:
        yield Said(f"It predicts {known.target}.", "data/target")


def _training(known: Known) -> Iterator[Said | None]:
    tried = known.table("model/candidates")
    best = _best(tried)
    if best is None:
        return
    yield Said(f"{words(best.get('candidate'))} with {_parameters(best.get('parameters'))}.", "model/candidates")
    seed = known.parameters("model").get("seed")
    yield said(f"Seed {seed}.", when=is_number(seed))
    features = known.names("data/columns", "features")
    yield said(f"{len(features)} features: {words(features, limit=60)}.", "data/columns", when=features)
    yield _mitigation(known)


def _best(tried: list[dict[str, Any]]) -> dict[str, Any] | None:
    ranked = [row for row in tried if is_number(row.get("rank"))]
    return min(ranked, key=lambda row: row["rank"], default=None)


def _parameters(value: Any) -> str:
    try:
        found = json.loads(str(value))
    except ValueError:
        return str(value)
    return plainly(found) if found else "its default parameters"


def _mitigation(known: Known) -> Said | None:
    asked = known.record("scope/model")
    if not asked:
        return None
    chosen = words(asked.get("mitigation"))
    if chosen in {"", "none"}:
        return Said("Fairness constraints: the project file asks for no mitigation.", "scope/model")
    aim = f", so that {words(asked['constraint'])} holds" if asked.get("constraint") else ""
    how = f": {_MITIGATED[chosen]}" if chosen in _MITIGATED else ""
    return Said(f"Mitigation: {chosen} on {words(asked.get('mitigate'))}{aim}{how}.", "scope/model")


def _use(known: Known) -> Filled:
    project = known.record("scope/project")
    question, decision = words(project.get("question")), words(project.get("decision"))
    return filled(
        said(f"The question that it answers: {question}", "scope/project", when=question),
        said(f"The decision that it supports: {decision}", "scope/project", when=decision),
        rest="" if decision else "which decision the answer supports.",
    )


def _factors(known: Known) -> dict[str, Filled]:
    sensitive, slices = words(known.data.get("sensitive")), words(known.data.get("slices"))
    looked = [row for row in known.table("slices_and_bias/groups") if row.get("slice") != "overall"]
    pairs = {row.get("slice") for row in known.table("slices_and_bias/pairs")} - {"overall"}
    groups = {(row.get("slice"), row.get("group")) for row in looked}
    by = words(list(dict.fromkeys(row.get("slice") for row in looked)))
    return {
        "model.factors.relevant": filled(
            said(f"Sensitive, so that no group may be treated worse: {sensitive}.", "scope/data", when=sensitive),
            said(f"Key slices: {slices}.", "scope/data", when=slices),
            rest="which instruments and environments matter.",
        ),
        "model.factors.evaluated": filled(
            said(f"{len(groups)} groups by {by}.", "slices_and_bias/groups", when=groups),
            said(f"{len(pairs)} pairs of factors: {words(sorted(map(str, pairs)))}.", "slices_and_bias/pairs",
                 when=pairs),
            said("They are the columns that the project file calls sensitive or key slices.", "scope/data",
                 when=groups and (sensitive or slices)),
        ),
    }  # fmt: skip


def _performance(known: Known) -> Filled:
    asked = words(known.record("scope/model").get("metric"))
    measured = _measured(known)
    why = f"The project file chooses the model by {label(asked)}." if asked else ""
    return filled(
        said(why, "scope/model", when=why and measured), measured, _gains(known), _criteria(known),
        rest="" if asked else "why these measures were selected.",
    )  # fmt: skip


def _measured(known: Known) -> Grid | None:
    rows = known.table("evaluate/metrics")
    interval = interval_words(rows)
    return grid(
        "On test rows, which took no part in training or in the choice of the model",
        ("measure", "value", interval, "n", "majority guess", "what it means"),
        (
            (label(row.get("metric")), figure(row), between(row), number(row.get("n")), number(row.get("majority")),
             words(row.get("meaning")))
            for row in rows
        ),
        "evaluate/metrics",
        numeric=("value", interval, "n", "majority guess"),
        bars=[bar(row, mark=row.get("majority"), mark_label="majority guess") for row in rows],
        note="The upright line is the baseline: what always guessing the most frequent class (or the mean) reaches.",
        together=all(0 <= row["value"] <= 1 for row in rows if is_number(row.get("value"))),
    )  # fmt: skip


def _gains(known: Known) -> Grid | None:
    rows = known.table("evaluate/gains")
    drawn = [bar({**row, "value": row.get("gain")}, mark=0, mark_label="no gain") for row in rows]
    return grid(
        "Against each baseline on the same test rows",
        ("baseline", "measure", "model", "baseline reaches", "gain", "interval of the gain", "n", "verdict"),
        (
            (words(row.get("baseline")), label(row.get("metric")), number(row.get("model")), number(row.get("value")),
             number(row.get("gain")), between(row), number(row.get("n")), words(row.get("verdict")))
            for row in rows
        ),
        "evaluate/gains",
        numeric=("model", "baseline reaches", "gain", "interval of the gain", "n"),
        bars=drawn,
    )  # fmt: skip


def _criteria(known: Known) -> Grid | None:
    rows = known.criteria
    sides = {"at_least": "≥ ", "at_most": "≤ "}
    return grid(
        "Acceptance criteria, set in the project file before anything was trained",
        ("criterion", "outcome", "value", "interval", "bound", "group"),
        (
            (words(row.get("name")).replace("_", " "), STATUS.get(str(row.get("status")), ("", "", "not known"))[2],
             number(row.get("value")), between(row), f"{sides.get(str(row.get('side')), '')}{number(row.get('bound'))}",
             words(row.get("group")) or "–")
            for row in rows
        ),
        "run.json",
        numeric=("value", "interval", "bound"),
        bars=[bar(row, mark=row.get("bound"), mark_label="bound") for row in rows],
        together=False,
    )  # fmt: skip


def _thresholds(known: Known) -> Filled:
    chosen = known.record("model/threshold")
    if not chosen:
        return filled()
    value, objective = chosen.get("threshold"), label(chosen.get("objective"))
    text = (
        f"At or above a score of {number(value)} the answer is the positive class; chosen on validation rows for "
        f"{objective}."
        if is_number(value)
        else "None: the model's answer is used as it is."
    )
    mitigation = words(known.record("scope/model").get("mitigation"))
    if mitigation in _MITIGATED and not is_number(value):
        text = f"No single one: {_MITIGATED[mitigation]}."
    return filled(Said(text, "model/threshold"), _automation(known))


def _automation(known: Known) -> Said | None:
    row = next((row for row in known.table("deploy/automation") if row.get("chosen")), None)
    if row is None:
        return None
    text = f"Degree of automation: {words(row.get('degree'))}, that is: {words(row.get('meaning'))}"
    if is_number(row.get("decided")):
        text += f". Of such rows the model decides {number(row['decided'])} alone"
    if is_number(row.get("accuracy")):
        text += f", {number(row['accuracy'])} ({between(row)}) of them rightly, n = {number(row.get('n'))}"
    return Said(f"{text}.", "deploy/automation")


def _variation(known: Known) -> Filled:
    rows = known.table("evaluate/metrics")
    methods: dict[str, list[str]] = {}
    for row in rows:
        if row.get("method") and row.get("status", ESTIMATED) == ESTIMATED:
            methods.setdefault(str(row["method"]), []).append(label(row.get("metric")))
    by = "; ".join(f"{method} for {words(names)}" for method, names in methods.items())
    replicates = known.parameters("evaluate").get("replicates")
    return filled(
        said(f"Each figure has an interval from one test set, by method: {by}.", "evaluate/metrics", when=by),
        said(f"Bootstrap and other draws: {number(replicates)} replicates.", when=by and is_number(replicates)),
    )
