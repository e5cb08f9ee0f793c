"""A mixture of linear models: fairlearn's own probabilities, one answer a row, kept as plain numbers."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fairlearn import reductions
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from mlopskit import artefacts
from mlopskit.data import TARGET
from mlopskit.mitigation import LinearMixture, mixture

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mitigated_rows.py"))))
KINDS = {
    "demographic_parity": reductions.DemographicParity,
    "equalized_odds": reductions.EqualizedOdds,
    "true_positive_rate_parity": reductions.TruePositiveRateParity,
    "false_positive_rate_parity": reductions.FalsePositiveRateParity,
}


def parts(n: int = 600, seed: int = 4) -> tuple[Any, Any, Any]:
    frame = made.rows(n, seed)
    X = made.pipeline(frame)[:-1].transform(frame)
    return X, frame[TARGET].to_numpy(), frame["sex"].to_numpy(dtype=object)


def fairlearns(constraint: str, *, costs: dict[str, float] | None) -> reductions.ExponentiatedGradient:
    X, y, groups = parts()
    estimator = LogisticRegression(solver="newton-cholesky", max_iter=100)
    found = reductions.ExponentiatedGradient(
        estimator, KINDS[constraint](), objective=reductions.ErrorRate(costs=costs), max_iter=4
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fairlearn 0.15 uses what pandas 3 warns of
        return found.fit(X, y, sensitive_features=groups)


@pytest.mark.parametrize("constraint", made.CONSTRAINTS)
def test_the_chance_of_yes_is_fairlearns(constraint: str) -> None:
    X, y, groups = parts()
    own = LinearMixture(constraint=constraint, iterations=4).fit(X, y, groups=groups)
    direct = fairlearns(constraint, costs={"fp": 0.5 / (1 - y.mean()), "fn": 0.5 / y.mean()})
    theirs = direct._pmf_predict(X)[:, 1]
    assert np.mean(np.abs(own.predict_proba(X)[:, 1] - theirs) > 1e-3) < 0.005, "single precision moves hardly a row"
    assert own.weights_.sum() == pytest.approx(1)
    assert own.n_iter_ == direct.last_iter_ + 1


def test_accuracy_counts_every_mistake_once() -> None:
    X, y, groups = parts()
    own = LinearMixture(objective="accuracy", iterations=4).fit(X, y, groups=groups)
    theirs = fairlearns("demographic_parity", costs=None)._pmf_predict(X)[:, 1]
    assert np.mean(np.abs(own.predict_proba(X)[:, 1] - theirs) > 1e-3) < 0.005


def test_decisions_over_many_seeds_are_as_frequent_as_the_weights_say() -> None:
    X, y, groups = parts()
    own = LinearMixture(iterations=4).fit(X, y, groups=groups)
    chance, some = own.predict_proba(X)[:, 1], X[:80]
    assert ((chance > 0.05) & (chance < 0.95)).any(), "some rows are drawn"
    often = np.mean([own.set_params(seed=seed).predict(some) for seed in range(400)], axis=0)
    assert np.abs(often - chance[:80]).max() < 4 * 0.5 / np.sqrt(400)
    np.testing.assert_array_equal(often[chance[:80] == 1], 1)
    np.testing.assert_array_equal(often[chance[:80] == 0], 0)


def test_a_row_is_decided_alike_alone_and_among_others_after_a_round_trip(tmp_path: Path) -> None:
    X, y, groups = parts()
    own = LinearMixture(iterations=4, seed=5).fit(X, y, groups=groups)
    artefacts.write(own, tmp_path / "model.skops")
    again = artefacts.read(tmp_path / "model.skops")
    together = own.predict(X)
    np.testing.assert_array_equal([again.predict(X[[i]])[0] for i in range(100)], together[:100])
    np.testing.assert_array_equal(clone(own).fit(X, y, groups=groups).predict(X), together)


def test_more_rows_than_wanted_are_sampled_by_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "MOST_ROWS", 300)
    X, y, groups = parts()
    own, again = (LinearMixture(iterations=2, seed=1).fit(X, y, groups=groups) for _ in range(2))
    assert own.n_rows_ == 300
    np.testing.assert_array_equal(own.coef_, again.coef_)


@pytest.mark.parametrize("always", [0, 1])
def test_a_member_that_always_says_the_same_has_no_slope(always: int) -> None:
    slope, at = mixture._line(DummyClassifier(strategy="constant", constant=always).fit([[0.0]], [always]), 3)
    assert (np.array([[5.0, -9.0, 1.0]]) @ slope + at > 0).tolist() == [bool(always)]
