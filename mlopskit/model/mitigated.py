"""From the winner of the search to the model that is kept: the mitigation that the project file chooses, applied.

With reweighting nothing is left to do, since candidates learned from weighted rows. ``threshold-optimizer`` keeps the
winner and its scores, and takes the place of the one threshold: rules by group are found on the validation rows.
``exponentiated-gradient`` takes the place of the winner: a mixture of linear models learns from the training rows, and
the winner is kept beside it, so that what the mixture costs can be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import Target
from mlopskit.mitigation.choice import GRADIENT, THRESHOLDS, Drawn
from mlopskit.mitigation.reweighting import Reweighting
from mlopskit.model.fitting import TrainingData, calmly
from mlopskit.model.threshold import Threshold, choose_threshold
from mlopskit.model.training import Search

_FEW = 10
_DRAWN = "Chances are drawn from a row's own values and a seed: the same row always gets the same answer."


@dataclass(frozen=True)
class Mitigated:
    """The model that is kept, and what was done to get it.

    Attributes
    ----------
    model : estimator
        Takes a split table as it is.
    beside : dict
        What is kept beside it, by the name of the artefact: ``unmitigated``, the winner, where a mixture takes its
        place.
    threshold : Threshold
        The one threshold; its ``threshold`` is None where the model decides otherwise.
    name : str
        What decides, in words.
    mitigation : Reweighting or Drawn, optional
        What was applied.
    """

    model: Any
    beside: dict[str, Any]
    threshold: Threshold
    name: str
    mitigation: Reweighting | Drawn | None

    @property
    def chosen(self) -> str:
        """The mitigation's name in the project file; empty without one."""
        return "" if self.mitigation is None else self.mitigation.name

    @property
    def drawn(self) -> bool:
        """Whether decisions are not those of one threshold."""
        return isinstance(self.mitigation, Drawn)


def apply_mitigation(search: Search, *, seed: int = 0) -> Mitigated:
    """Apply the mitigation that the search's data carry to its winner.

    Parameters
    ----------
    search : Search
        The winner, with the training and validation rows.
    seed : int
        Of the decisions that are drawn.

    Raises
    ------
    ModelError
        When the column has fewer than two groups with enough rows of each class.
    """
    data, winner = search.data, search.winner.candidate.name
    single = choose_threshold(*search.validation_scores, objective=data.objective)
    chosen = data.mitigation
    if not isinstance(chosen, Drawn):
        return Mitigated(search.model, {}, single, winner, chosen)
    # fairlearn knows accuracy and balanced accuracy
    aim = "accuracy" if search.metric.name == "accuracy" else "balanced_accuracy"
    with calmly([]):
        if chosen.name == THRESHOLDS:
            model, beside = _by_group(search, chosen, aim, single.threshold, seed), {}
        else:
            model, beside = data.pipeline(_mixture(data, chosen, aim, seed)), {"unmitigated": search.model}
    decided = model.predict(data.validation)
    threshold = Threshold(None, single.objective, _reached(decided, data))
    names = {THRESHOLDS: f"{winner} with thresholds by {chosen.column}", GRADIENT: "a mixture of linear models"}
    return Mitigated(model, beside, threshold, names[chosen.name], chosen)


def _by_group(search: Search, chosen: Drawn, aim: str, single: float | None, seed: int) -> Any:
    from mlopskit.mitigation.thresholds import GroupThresholds
    from mlopskit.tally import Grouping

    data = search.data
    made = GroupThresholds(
        search.model, chosen.column, grouping=Grouping.fit(data.train, [chosen.column]).to_dict(),
        constraint=chosen.constraint, objective=aim, fallback=0.5 if single is None else single, seed=seed,
    )  # fmt: skip
    return made.fit(data.validation, data.y_validation)


def _mixture(data: TrainingData, chosen: Drawn, aim: str, seed: int) -> Any:
    from mlopskit.mitigation.groups import pooled
    from mlopskit.mitigation.mixture import LinearMixture

    groups = pooled(Reweighting(chosen.column).groups(data.train), data.y_train)
    return LinearMixture(constraint=chosen.constraint, objective=aim, seed=seed).fit(
        data.X_train, data.y_train, groups=groups
    )


def _reached(decided: Any, data: TrainingData) -> float:
    """The objective of the threshold, as the drawn decisions reach it on the validation rows."""
    y = data.y_validation
    tp, fp = float(decided[y == 1].sum()), float(decided[y == 0].sum())
    positives = int(y.sum())
    return float(data.objective.values(np.array([tp]), np.array([fp]), positives, len(y) - positives)[0])


def show_reweighting(
    mitigation: Reweighting | Drawn | None, rows: pd.DataFrame, *, target: Target, floor: int = 0
) -> display.Table | display.Note:
    """Show the weights that candidates learn with, or say that rows count alike.

    Parameters
    ----------
    mitigation : Reweighting, Drawn or None
        As from `chosen_mitigation`.
    rows : DataFrame
        Training rows.
    target : Target
        What is predicted.
    floor : int
        The project's privacy floor: with fewer rows in any group and class, none are counted here.
    """
    if mitigation is None:
        return display.note("No mitigation is chosen in mlops.toml: every row counts alike.")
    if isinstance(mitigation, Drawn):
        return display.note(f"Every row counts alike: {mitigation.name} comes after the search.")
    table = mitigation.table(rows, target=target)
    if table["n"].min() < floor:
        return display.note(
            f"Candidates learn from rows weighted by {mitigation.column} and {target.column}. The weights are not "
            "shown: they would tell of groups below the privacy floor."
        )
    few = int((table["n"] < _FEW).sum())
    warned = f"; {few} weights rest on fewer than {_FEW} rows" if few else ""
    caption = (
        f"Candidates learn from rows weighted by {mitigation.column} and {target.column}{warned}. The linear baseline "
        f"does not. Predictions do not ask for {mitigation.column} on account of it."
    )
    return display.table(table, held=60, caption=caption)


def show_mitigation(applied: Mitigated, search: Search, *, floor: int = 0) -> display.Table | display.Note:
    """Show the rules by group, or the members of the mixture, or say that one threshold decides.

    Parameters
    ----------
    applied : Mitigated
        From `apply_mitigation`.
    search : Search
        What it was applied to.
    floor : int
        The project's privacy floor: of groups with fewer validation rows the share called yes is not shown.
    """
    if not isinstance(applied.mitigation, Drawn):
        if applied.mitigation is None:
            return display.note("No mitigation is chosen in mlops.toml: the winner is kept as it is.")
        return display.note("Nothing more is done: the winner learned from weighted rows, and is kept as it is.")
    if applied.mitigation.name == THRESHOLDS:
        return _rules_table(applied, applied.mitigation, search, floor)
    return _members_table(applied, applied.mitigation, search)


def _rules_table(applied: Mitigated, chosen: Drawn, search: Search, floor: int) -> display.Table:
    model, rows = applied.model, search.data.validation
    by_group = pd.Series(model.decision_proba(rows)).groupby(model.groups_of(rows))
    chance = by_group.mean().where(by_group.size() >= floor)
    table = pd.DataFrame(
        {
            "group": model.groups_,
            "lower": model.edges_[:, 0],
            "upper": model.edges_[:, 1],
            "below": model.chances_[:, 0],
            "between": model.chances_[:, 1],
            "above": model.chances_[:, 2],
            "yes": [float(chance.get(name, np.nan)) for name in model.groups_],
        }
    )
    caption = (
        f"{_named(chosen)} {_DRAWN} Scores stay {search.winner.candidate.name}'s own. Any other group gets the one "
        f"threshold {model.fallback:.3g}. Requests must name {chosen.column}."
    )
    headings = {
        "lower": "lower threshold", "upper": "upper threshold", "below": "chance of yes below both",
        "between": "between", "above": "above both", "yes": "share called yes, validation",
    }  # fmt: skip
    return display.table(table, held=60, caption=caption, headings=headings)


def _named(chosen: Drawn) -> str:
    return f"{chosen.name} by fairlearn: {chosen.constraint.replace('_', ' ')} between groups of {chosen.column}."


def _members_table(applied: Mitigated, chosen: Drawn, search: Search) -> display.Table:
    mixture = applied.model[-1]
    yes = mixture.votes(search.data.X_validation).mean(axis=0)
    table = pd.DataFrame({"member": np.arange(1, len(yes) + 1), "weight": mixture.weights_, "yes": yes})
    caption = (
        f"{_named(chosen)} Logistic regressions on {mixture.n_rows_:,} training rows take "
        f"{search.winner.candidate.name}'s place; one decides, by weight. {_DRAWN} The score is the chance of yes. "
        f"Requests need not name {chosen.column} on account of it."
    )
    return display.table(table, held=60, caption=caption, headings={"yes": "share called yes, validation"})
