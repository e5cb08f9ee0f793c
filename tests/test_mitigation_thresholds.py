"""Thresholds by group: fairlearn's own probabilities, one answer a row, groups that are missing or never seen."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.base import clone

from mlopskit import artefacts
from mlopskit.data import TARGET
from mlopskit.errors import ModelError
from mlopskit.mitigation import GroupThresholds, row_draws
from mlopskit.mitigation.groups import halves, pooled
from mlopskit.mitigation.rules import Scores
from mlopskit.model import predict_table

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mitigated_rows.py"))))


def fitted(constraint: str = "demographic_parity", *, missing: float = 0.0, seed: int = 0) -> GroupThresholds:
    model = made.pipeline(made.rows(seed=1))
    return GroupThresholds(model, "sex", constraint=constraint, fallback=0.6, seed=seed).fit(
        made.rows(seed=2, missing=missing)
    )


def fairlearns(constraint: str, frame: pd.DataFrame, score: np.ndarray) -> ThresholdOptimizer:
    found = ThresholdOptimizer(
        estimator=Scores(), constraints=constraint, objective="balanced_accuracy_score", prefit=True,
        predict_method="predict_proba",
    )  # fmt: skip
    return found.fit(score[:, None], frame[TARGET].to_numpy(), sensitive_features=frame["sex"].to_numpy(dtype=object))


@pytest.mark.parametrize("constraint", made.CONSTRAINTS)
def test_the_chance_of_yes_is_fairlearns(constraint: str) -> None:
    own, learn, judge = fitted(constraint), made.rows(seed=2), made.rows(500, seed=3)
    score = own.predict_proba(judge)[:, 1]
    direct = fairlearns(constraint, learn, own.predict_proba(learn)[:, 1])
    groups = judge["sex"].to_numpy(dtype=object)
    theirs = direct._pmf_predict(score[:, None], sensitive_features=groups)[:, 1]
    np.testing.assert_allclose(own.decision_proba(judge), theirs, atol=1e-9)


def test_decisions_over_many_seeds_are_as_frequent_as_fairlearns() -> None:
    own, judge = fitted(), made.rows(60, seed=3)
    direct = fairlearns("demographic_parity", made.rows(seed=2), own.predict_proba(made.rows(seed=2))[:, 1])
    score, groups = own.predict_proba(judge)[:, 1][:, None], judge["sex"].to_numpy(dtype=object)
    theirs = np.mean([direct.predict(score, sensitive_features=groups, random_state=s) for s in range(300)], axis=0)
    X = own.named_steps["prepare"].transform(judge)
    ours = np.mean([own.set_params(seed=s).decide(X, judge["sex"]) for s in range(300)], axis=0)
    chance = own.decision_proba(judge)
    assert ((chance > 0.05) & (chance < 0.95)).any(), "some rows are drawn"
    assert np.abs(ours - chance).max() < 4 * 0.5 / np.sqrt(300)
    assert np.abs(ours - theirs).max() < 5.7 * 0.5 / np.sqrt(300)


def test_a_row_is_decided_alike_alone_among_others_and_by_its_parts() -> None:
    own, judge = fitted(), made.rows(80, seed=3)
    together = own.predict(judge)
    np.testing.assert_array_equal([own.predict(judge.iloc[[i]])[0] for i in range(80)], together)
    np.testing.assert_array_equal(own.predict(judge.iloc[::-1]), together[::-1])
    drawn = row_draws(own.named_steps["prepare"].transform(judge), seed=0)
    np.testing.assert_array_equal(together, drawn < own.decision_proba(judge))


def test_scores_stay_the_models_own_and_the_gap_closes() -> None:
    own, judge = fitted(), made.rows(6000, seed=4)
    np.testing.assert_array_equal(own.predict_proba(judge), own.model.predict_proba(judge))
    before = (own.model.predict_proba(judge)[:, 1] >= 0.5).astype(int)
    gap = {name: np.ptp(pd.Series(p).groupby(judge["sex"]).mean()) for name, p in
           (("before", before), ("after", own.predict(judge)))}  # fmt: skip
    assert gap["before"] > 0.25
    assert gap["after"] < 0.12


def test_missing_is_a_group_and_one_never_seen_gets_the_one_threshold() -> None:
    own = fitted(missing=0.2)
    assert own.groups_ == ["f", "m", "missing"]
    strange = made.rows(50, seed=5).assign(sex="x")
    expected = (own.predict_proba(strange)[:, 1] >= 0.6).astype(int)
    np.testing.assert_array_equal(own.predict(strange), expected)
    unseen = fitted(missing=0.0)
    gone = made.rows(50, seed=5).assign(sex=pd.Series([None] * 50, dtype="str"))
    np.testing.assert_array_equal(unseen.predict(gone), (unseen.predict_proba(gone)[:, 1] >= 0.6).astype(int))


def test_without_the_column_it_says_what_to_give() -> None:
    with pytest.raises(ModelError, match=r"no column 'sex', by whose groups .*Give it with every row"):
        fitted().predict(made.rows(5).drop(columns="sex"))


def test_it_is_saved_loaded_and_cloned_and_needs_no_fairlearn_to_decide(tmp_path: Path) -> None:
    own, judge = fitted(missing=0.1), made.rows(200, seed=3, missing=0.1)
    artefacts.write(own, tmp_path / "model.skops")
    judge.to_parquet(tmp_path / "rows.parquet")
    code = (
        "import sys, pandas as pd; from mlopskit.artefacts import load_model; from pathlib import Path\n"
        f"home = Path({str(tmp_path)!r}); model = load_model(home / 'model.skops')\n"
        "print(*model.predict(pd.read_parquet(home / 'rows.parquet')), sep='', end=' ')\n"
        "print(sorted(name for name in sys.modules if name.startswith('fairlearn')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["".join(map(str, own.predict(judge))), "[]"]
    again = clone(own)
    assert not hasattr(again, "chances_")
    np.testing.assert_array_equal(again.fit(made.rows(seed=2, missing=0.1)).groups_, own.groups_)


def test_no_single_threshold_is_put_in_its_place() -> None:
    own, judge = fitted(), made.rows(50, seed=3)
    with pytest.raises(ModelError, match=r"so 0\.4 cannot take its place; give threshold=None.*--notebooks-only"):
        predict_table(own, judge, target=made.BINARY, threshold=0.4)
    table = predict_table(own, judge, target=made.BINARY, threshold=None)
    np.testing.assert_array_equal(table["prediction"], own.predict(judge))
    np.testing.assert_array_equal(table["score"], own.predict_proba(judge)[:, 1])


def test_small_groups_share_and_one_large_group_is_refused_in_words() -> None:
    groups, y = ["a"] * 40 + ["b"] * 40 + ["c"] * 4, [0, 1] * 42
    assert set(pooled(groups, y)) == {"a", "b"}
    assert list(pooled(groups, y)[-4:]) == ["a"] * 4, "too few on their own: with the largest"
    with pytest.raises(ModelError, match=r'Fewer than two groups have 20 rows of each class.*mitigation = "none"'):
        pooled(["a"] * 40 + ["b"] * 4, [0, 1] * 22)


def test_halves_hold_as_many_of_each_kind() -> None:
    rng = np.random.default_rng(0)
    strata = rng.choice(["a0", "a1", "b0", "b1"], 401)
    counts = pd.crosstab(strata, halves(strata, seed=7))
    assert (counts[0] - counts[1]).abs().max() <= 1
