from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from mlopskit.errors import ModelError
from mlopskit.model import Objective, Threshold, choose_threshold, plot_threshold, threshold_curve

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=4, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@settings(deadline=None, max_examples=50)
@given(ROWS)
def test_no_other_threshold_is_better(rows: list[tuple[int, int]]) -> None:
    y, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows]) / 20
    functions = {"balanced_accuracy": balanced_accuracy_score, "f1": f1_score}
    for name, function in functions.items():
        chosen = choose_threshold(y, scores, objective=Objective(name))
        assert function(y, scores >= chosen.threshold) == pytest.approx(chosen.value)
        assert chosen.value >= max(function(y, scores >= cut) for cut in np.unique(scores)) - 1e-12


def test_a_costly_miss_lowers_the_threshold() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 500)
    scores = np.clip(0.3 * y + rng.uniform(0, 0.7, 500), 0, 1)
    cheap, dear = (choose_threshold(y, scores, objective=Objective("cost", cost)) for cost in (0.2, 5.0))
    assert dear.threshold < cheap.threshold


def test_cost_is_worked_out_by_hand() -> None:
    # At 0.5 one false alarm (0.6) and one miss (0.4): (1 + 3) / 4; at 0.3 the false alarm alone: 1 / 4.
    chosen = choose_threshold([0, 1, 1, 0], [0.6, 0.4, 0.9, 0.2], objective=Objective("cost", 3.0))
    assert (chosen.threshold, chosen.value) == (pytest.approx(0.3), 0.25)


def test_youden_cuts_where_balanced_accuracy_does() -> None:
    rng = np.random.default_rng(1)
    y, scores = rng.integers(0, 2, 100), rng.uniform(size=100)
    cuts = {
        choose_threshold(y, scores, objective=Objective(name)).threshold for name in ("youden", "balanced_accuracy")
    }
    assert len(cuts) == 1


@pytest.mark.parametrize("scores", [None, np.zeros((3, 4))])
def test_without_one_score_a_row_there_is_no_threshold(scores: object) -> None:
    chosen = choose_threshold([0, 1, 2], scores)
    assert chosen == Threshold(None, "not applicable", None)
    curve = threshold_curve([0, 1, 2], scores, objective=Objective())
    assert curve.empty
    assert "No threshold is needed" in plot_threshold(curve, chosen, Objective()).text


def test_a_curve_is_recall_and_precision_by_hand() -> None:
    curve = threshold_curve([0, 1, 1, 0], [0.1, 0.4, 0.6, 0.8], objective=Objective("f1")).set_index("threshold")
    assert curve.loc[0.4, ["recall", "precision", "selected"]].tolist() == [1.0, pytest.approx(2 / 3), 0.75]
    assert curve.loc[0.8, ["recall", "precision", "selected"]].tolist() == [0.0, 0.0, 0.25]
    assert curve.loc[0.1, "objective"] == pytest.approx(2 / 3)


def test_a_curve_of_many_rows_has_few_points() -> None:
    rng = np.random.default_rng(0)
    y, scores = rng.integers(0, 2, 10_000), rng.uniform(size=10_000)
    curve = threshold_curve(y, scores, objective=Objective())
    assert len(curve) <= 200
    chart = plot_threshold(curve, choose_threshold(y, scores), Objective())
    assert "chosen threshold" in chart.alt


def test_an_unknown_objective_says_what_exists() -> None:
    with pytest.raises(ModelError, match=r"'yuden' \(did you mean youden\?\); there are balanced_accuracy, f1"):
        Objective("yuden")
