"""Deferral: which cases the model decides alone, and which a person decides.

Split conformal prediction (Vovk et al. 2005; LAC: Sadinle, Lei and Wasserman 2019) turns scores into sets of classes
that hold the true one with a chosen confidence, whatever the model, as long as new rows are like those it was tuned
on. A case is decided by the model when its set holds the predicted class and nothing else; every other case is
deferred. The promise is about the sets over all cases, not about the decided ones, so their accuracy is measured
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import TARGET, Target

CONFIDENCES = tuple(round(0.5 + step / 100, 2) for step in range(50))
_GRID = 10_000


@dataclass(frozen=True)
class DeferralRule:
    """A case is decided by the model when exactly one class reaches `min_probability` and it is the predicted one.

    Attributes
    ----------
    confidence : float
        Share of cases whose conformal set holds the true class.
    min_probability : float
        The score that puts a class into the set.
    max_deferred : float, optional
        The share of cases that people can take over, as the project says.
    expected_deferred : float, optional
        Share deferred on validation rows that the rule was not tuned on; None where the privacy floor withholds it.
    """

    confidence: float
    min_probability: float
    max_deferred: float | None
    expected_deferred: float | None

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> DeferralRule:
        """Restore from plain data."""
        return cls(**record)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for ``bundle.json``."""
        return asdict(self)

    def defers(self, scores: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Tell which cases go to a person.

        Parameters
        ----------
        scores : ndarray (n,) or (n, K)
            P(positive) when binary, else one probability a class.
        predictions : ndarray (n,)
            Class indices.

        Examples
        --------
        >>> rule = DeferralRule(0.9, 0.3, None, 0.2)
        >>> rule.defers(np.array([0.05, 0.5, 0.9]), np.array([0, 1, 1])).tolist()
        [False, True, False]
        """
        return _outside(probabilities(scores) >= self.min_probability, predictions)


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Return scores as one column a class, (n, K)."""
    scores = np.asarray(scores, dtype=float)
    return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores


def _outside(sets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """True where the set is not just the predicted class."""
    predicted = np.take_along_axis(sets, np.asarray(predictions, dtype=int)[:, None], axis=1)[:, 0]
    return np.asarray(~(predicted & (sets.sum(axis=1) == 1)))


def scores_of(table: pd.DataFrame) -> np.ndarray | None:
    """Return the scores of a prediction table, (n,) when binary, (n, K) when multiclass, None for regression."""
    if "score" in table:
        return np.asarray(table["score"], dtype=float)
    several = sorted((name for name in table if str(name).startswith("score_")), key=lambda name: int(str(name)[6:]))
    return np.asarray(table[several], dtype=float) if several else None


def deferral_curve(
    validation: pd.DataFrame, *, target: Target, rule: DeferralRule | None = None, seed: int = 0, floor: int = 0
) -> pd.DataFrame:
    """Measure, for each confidence, how many cases are deferred and how right the rest are.

    Sets are calibrated on one half of the validation rows and measured on the other, with mapie's
    `SplitConformalClassifier`.

    Parameters
    ----------
    validation : DataFrame
        Prediction table of the validation rows.
    target : Target
        Task and classes.
    rule : DeferralRule, optional
        Under a privacy floor its step is kept before others, if it may be shown.
    seed : int
        Which half of the validation rows calibrates.
    floor : int
        Privacy floor: only steps between any two of which no right or wrong row changes its place, or at least as
        many. Its place is among the decided, or whether its set holds the true class; the ends are steps too.

    Returns
    -------
    DataFrame
        confidence, deferred (share), decided (rows), accuracy (of decided rows), coverage (of the sets),
        accuracy_all, n; empty for regression, where an interval has the same width for every row and so defers none
        or all.
    """
    names = ["confidence", "deferred", "decided", "accuracy", "coverage", "accuracy_all", "n"]
    steps = _steps(validation, target, seed)
    if steps is None:
        return pd.DataFrame(columns=names, dtype=float)
    places = zip(steps.decided.T, steps.covered.T, strict=True)
    table = pd.DataFrame([_measured(*place, steps.right) for place in places]).assign(confidence=steps.levels)[names]
    return table if floor < 2 else table[_apart(steps, rule, floor)].reset_index(drop=True)


@dataclass(frozen=True)
class _Steps:
    """What each confidence does to each measured row: (n, levels), and whether the answer is right, (n,)."""

    levels: list[float]
    decided: np.ndarray
    covered: np.ndarray
    right: np.ndarray


def _steps(validation: pd.DataFrame, target: Target, seed: int) -> _Steps | None:
    scores = scores_of(validation)
    if not target.is_classification or scores is None or len(validation) < 20:
        return None
    order = np.random.default_rng(seed).permutation(len(validation))
    tune, test = order[: len(order) // 2], order[len(order) // 2 :]
    truth = validation[TARGET].to_numpy().astype(int)
    prediction = validation["prediction"].to_numpy().astype(int)
    levels = _levels(len(tune))
    sets = _sets(probabilities(scores[tune]), truth[tune], probabilities(scores[test]), levels)
    decided = [~_outside(sets[:, :, i], prediction[test]) for i in range(len(levels))]
    covered = np.take_along_axis(sets, truth[test][:, None, None], axis=1)[:, 0]
    return _Steps(levels, np.stack(decided, axis=1), covered, (prediction == truth)[test])


def _apart(steps: _Steps, rule: DeferralRule | None, floor: int) -> np.ndarray:
    """Tell which steps a privacy floor lets stand, (levels,); those nearest to the rule's come first.

    A right row that is decided has its class in the set and a wrong one has not, so a row's place is one of three.
    """
    place = np.where(steps.decided, 2, steps.covered)
    seen, shown = [np.zeros(len(place), dtype=int)], np.zeros(len(steps.levels), dtype=bool)  # nothing decided
    start = rule.confidence if rule is not None else max(steps.levels)
    for level in np.argsort(np.abs(np.array(steps.levels) - start), kind="stable"):
        if all(_far(place[:, level], other, steps.right, floor) for other in seen):
            shown[level] = True
            seen.append(place[:, level])
    return shown


def _far(place: np.ndarray, other: np.ndarray, right: np.ndarray, floor: int) -> bool:
    """Whether as many rows as the floor, or none, are at one place here and at another there, right and wrong each."""
    moved = np.bincount((place * 3 + other) * 2 + right, minlength=18)
    return bool(((moved == 0) | (moved >= floor)).all())


def _levels(n: int) -> list[float]:
    """Confidences that n calibration rows can support, as mapie has it."""
    return [level for level in CONFIDENCES if 1 / (1 - level) <= n]


def _measured(decided: np.ndarray, covered: np.ndarray, right: np.ndarray) -> dict[str, float]:
    return {
        "deferred": float(1 - decided.mean()),
        "decided": int(decided.sum()),
        "accuracy": float(right[decided].mean()) if decided.any() else float("nan"),
        "coverage": float(covered.mean()),
        "accuracy_all": float(right.mean()),
        "n": len(right),
    }


def _sets(tune: np.ndarray, truth: np.ndarray, scores: np.ndarray, levels: list[float]) -> np.ndarray:
    """Return conformal sets (n, K, levels) for probabilities that are given, not computed again."""
    from mapie.classification import SplitConformalClassifier

    from mlopskit.deploy.given import GivenScores

    given = GivenScores(tune.shape[1]).fit(tune, truth)
    conformal = SplitConformalClassifier(given, confidence_level=levels, conformity_score="lac", prefit=True)
    _, sets = conformal.conformalize(tune, truth).predict_set(scores)
    return np.asarray(sets, dtype=bool)


def tune_deferral(
    validation: pd.DataFrame,
    *,
    target: Target,
    max_deferred: float | None,
    confidence: float = 0.9,
    seed: int = 0,
    floor: int = 0,
) -> DeferralRule | None:
    """Choose the confidence and return the rule that the server goes by.

    Parameters
    ----------
    validation : DataFrame
        Prediction table of the validation rows.
    target : Target
        Task and classes.
    max_deferred : float or None
        The highest confidence that defers no more than this share is chosen; None: `confidence` is.
    confidence : float
        Used when the project does not say how much people can take over.
    seed : int
        Which half of the validation rows calibrates.
    floor : int
        Privacy floor; the choice is the same, but what it defers is told only if `deferral_curve` shows that step.

    Returns
    -------
    DeferralRule or None
        None for regression, and where even the least demanding confidence defers too much.
    """
    curve = deferral_curve(validation, target=target, seed=seed)
    fits = curve[curve["deferred"] <= max_deferred] if max_deferred is not None else _closest(curve, confidence)
    if fits.empty:
        return None
    chosen = fits.sort_values("confidence").iloc[-1]
    level = float(chosen["confidence"])
    probability = _least_probability(validation, level)
    most = None if max_deferred is None else float(max_deferred)
    rule = DeferralRule(level, probability, most, float(chosen["deferred"]))
    shown = deferral_curve(validation, target=target, rule=rule, seed=seed, floor=floor) if floor > 1 else curve
    return rule if level in set(shown["confidence"]) else replace(rule, expected_deferred=None)


def _closest(curve: pd.DataFrame, confidence: float) -> pd.DataFrame:
    return curve.iloc[(curve["confidence"] - confidence).abs().argsort(kind="stable")[:1]]


def _least_probability(validation: pd.DataFrame, level: float) -> float:
    """The smallest score that puts a class into the set, found by asking mapie about a grid of scores."""
    scores = scores_of(validation)
    assert scores is not None  # noqa: S101
    tune = probabilities(scores)
    grid = np.linspace(0, 1, _GRID + 1)
    rest = (1 - grid) / (tune.shape[1] - 1)
    probe = np.column_stack([grid, *[rest] * (tune.shape[1] - 1)])
    included = _sets(tune, validation[TARGET].to_numpy().astype(int), probe, [level])[:, 0, 0]
    return float(grid[included.argmax()]) if included.any() else 1.0
