"""Reweighting: the formula by hand, independence under the weights, and what a scope may ask for."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.data import TARGET
from mlopskit.errors import ModelError, ProjectError
from mlopskit.mitigation import (
    Drawn,
    Reweighting,
    chosen_mitigation,
    fit_weighted,
    mitigation_problems,
    reweigh,
)
from mlopskit.model import fit_first, headline_metric, search_candidates, show_reweighting
from mlopskit.scope import Scope

examples = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("model_rows.py"))))
PROJECT = """
[project]
name = "x"
[data]
source = "x.csv"
task = "{task}"
target = "y"
{positive}
sensitive = ["sex", "age"]
[model]
{model}
"""


def scope(model: str, *, task: str = "binary") -> Scope:
    positive = 'positive = "yes"' if task == "binary" else ""
    return Scope.parse(PROJECT.format(task=task, positive=positive, model=model))


def test_the_published_example_by_hand() -> None:
    """Kamiran and Calders (2012): of ten applicants five are women; four of the six that are hired are men."""
    sex = ["m"] * 5 + ["f"] * 5
    hired = [1, 1, 1, 1, 0, 1, 1, 0, 0, 0]
    weights = reweigh(sex, hired)
    np.testing.assert_allclose(weights, [0.75] * 4 + [2.0] + [1.5] * 2 + [2 / 3] * 3)


rows_of_two = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), min_size=1, max_size=60)


@given(rows_of_two)
def test_group_and_class_are_independent_under_the_weights(rows: list[tuple[str, int]]) -> None:
    rows = [*rows, *((group, label) for group in "abc" for label in (0, 1))]  # every group holds both classes
    frame = pd.DataFrame(rows, columns=["group", "label"])
    frame["weight"] = reweigh(frame["group"], frame["label"])
    joint = frame.pivot_table(index="group", columns="label", values="weight", aggfunc="sum") / frame["weight"].sum()
    np.testing.assert_allclose(joint, np.outer(joint.sum(axis=1), joint.sum(axis=0)), atol=1e-12)
    np.testing.assert_allclose(joint.sum(axis=1), frame["group"].value_counts(normalize=True).sort_index())
    assert frame["weight"].mean() == pytest.approx(1.0)


def test_what_is_independent_already_is_left_alone_and_a_missing_group_is_a_group() -> None:
    assert reweigh(["a", "a", None, None], [0, 1, 0, 1]).tolist() == [1.0] * 4
    with pytest.raises(ModelError, match="2 groups and 1 classes"):
        reweigh(["a", "b"], [1])


def planted(n: int = 600) -> pd.DataFrame:
    """Rows whose target depends on x and, by half, on the group of z."""
    rng = np.random.default_rng(0)
    frame = examples.rows("binary", n).assign(sex=rng.choice(["f", "m"], n))
    less = (frame["sex"] == "f") & (rng.random(n) < 0.5)
    return frame.assign(**{TARGET: np.where(less, 0, frame[TARGET])})


def test_candidates_learn_with_the_weights_and_the_baseline_without(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    frame = planted()
    plain = replace(examples.make_data("binary"), train=frame, validation=frame)
    plain.preparation.fit(frame)
    weighted = replace(plain, mitigation=Reweighting("sex"))
    headline = headline_metric(None, plain.target)
    found = search_candidates(weighted, headline, candidates=["linear"], budget=1, project=tmp_path)
    weights = reweigh(frame["sex"], frame[TARGET])
    direct = LogisticRegression(C=1.0, max_iter=100).fit(plain.X_train, frame[TARGET], sample_weight=weights)
    np.testing.assert_allclose(found.winner.estimator.coef_, direct.coef_, rtol=1e-6)
    first, again = fit_first(weighted, headline), fit_first(plain, headline)
    np.testing.assert_array_equal(first.estimator.coef_, again.estimator.coef_)
    assert not np.allclose(first.estimator.coef_, direct.coef_, rtol=1e-3)


def test_an_estimator_without_weights_is_ranked_last_with_its_reason(tmp_path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(ModelError, match="KNeighborsClassifier cannot learn from weighted rows"):
        fit_weighted(KNeighborsClassifier(), [[0.0]], [1], np.ones(1))
    data = replace(examples.make_data("binary"), mitigation=Reweighting("k"))
    headline, names = headline_metric(None, data.target), ["linear", "sklearn.neighbors:KNeighborsClassifier"]
    table = search_candidates(data, headline, candidates=names, budget=1, project=tmp_path).table()
    assert table["candidate"].tolist()[0] == "linear"
    assert "takes no sample_weight" in table["note"].iloc[-1]


def test_numbers_are_weighted_by_range_and_the_weights_are_shown() -> None:
    frame = planted().assign(age=np.linspace(18, 80, 600))
    table = Reweighting("age").table(frame, target=examples.TARGETS["binary"])
    assert len(table) == 8
    assert table["n"].sum() == 600
    assert (table["n"] * table["weight"]).sum() == pytest.approx(600)
    shown = show_reweighting(Reweighting("sex"), frame, target=examples.TARGETS["binary"])
    assert "weighted by sex and y" in shown._repr_html_()
    assert "counts alike" in repr(show_reweighting(None, frame, target=examples.TARGETS["binary"]))
    small = show_reweighting(Reweighting("sex"), frame, target=examples.TARGETS["binary"], floor=400)
    assert "below the privacy floor" in repr(small)


def test_the_scope_chooses() -> None:
    assert chosen_mitigation(scope('mitigation = "reweighting"\nmitigate = "sex"')) == Reweighting("sex")
    assert chosen_mitigation(scope("")) is None
    assert chosen_mitigation(scope('mitigation = "none"\nmitigate = "sex"')) is None


@pytest.mark.parametrize("name", ["threshold-optimizer", "exponentiated-gradient"])
def test_either_of_fairlearns_can_be_chosen_and_weighs_no_row(name: str) -> None:
    chosen = chosen_mitigation(scope(f'mitigation = "{name}"\nmitigate = "sex"\nconstraint = "equalized_odds"'))
    assert chosen == Drawn(name, "sex", "equalized_odds")
    assert chosen.weights(planted(10)) is None


def test_what_is_to_be_equal_follows_from_the_first_criterion_on_the_gap() -> None:
    asked = 'mitigation = "threshold-optimizer"\nmitigate = "sex"\n'
    gap = '[[criterion]]\nmetric = "recall"\nat_most = 0.1\nbetween = "{}"\non_undecided = "stop"\n'
    assert chosen_mitigation(scope(asked + gap.format("sex"))).constraint == "true_positive_rate_parity"
    assert chosen_mitigation(scope(asked + gap.format("age"))).constraint == "demographic_parity"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ('mitigation = "threshold-optimizer"', 'mitigation = "threshold-optimizer" needs `mitigate`'),
        ('mitigation = "reweighting"', "needs `mitigate`"),
        ('mitigation = "reweighing"', "'none', 'reweighting', 'threshold-optimizer' or 'exponentiated-gradient'"),
        ('constraint = "parity"', "'demographic_parity'"),
    ],
)
def test_what_cannot_be_applied_is_refused_in_words(model: str, told: str) -> None:
    with pytest.raises(ProjectError, match=told):
        scope(model)


def test_a_column_that_is_not_sensitive_and_a_task_of_numbers_are_refused() -> None:
    asked = 'mitigation = "reweighting"\nmitigate = "sax"'
    told = "'sax' is none of the sensitive columns (did you mean sex?); [data] sensitive holds sex, age."
    assert mitigation_problems(scope(asked)) == [f"[model] mitigate = {told}"]
    with pytest.raises(ModelError, match=r"needs a binary task.*this task is regression"):
        chosen_mitigation(scope(asked.replace("sax", "sex"), task="regression"))
    with pytest.raises(ModelError, match=r'"threshold-optimizer" needs a binary task.*this task is multiclass'):
        chosen_mitigation(scope('mitigation = "threshold-optimizer"\nmitigate = "sex"', task="multiclass"))
