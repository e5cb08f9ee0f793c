"""The mitigation that the scope chooses, applied to the winner: what is kept, what is shown, what is refused."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlopskit.data import TARGET, make_preparation
from mlopskit.errors import ModelError
from mlopskit.mitigation import Drawn, Reweighting
from mlopskit.model import (
    Mitigated,
    Objective,
    Search,
    TrainingData,
    apply_mitigation,
    choose_threshold,
    headline_metric,
    plot_threshold,
    predict_table,
    search_candidates,
    show_mitigation,
    threshold_curve,
    tracking_record,
    winner_note,
)

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("mitigated_rows.py"))))
BOTH = ["threshold-optimizer", "exponentiated-gradient"]


def searched(mitigation: Reweighting | Drawn | None, *, metric: str | None = None) -> Search:
    train, validation = made.rows(1000, 1, missing=0.1), made.rows(800, 2, missing=0.1)
    data = TrainingData(
        train, validation, made.BINARY, make_preparation(made.COLUMNS).fit(train), Objective("f1"), mitigation
    )
    return search_candidates(
        data, headline_metric(metric, made.BINARY), candidates=["linear"], budget=1, project=Path()
    )


@pytest.fixture(scope="module", params=BOTH)
def applied(request: pytest.FixtureRequest) -> tuple[Search, Mitigated]:
    search = searched(Drawn(request.param, "sex"))
    return search, apply_mitigation(search, seed=3)


@pytest.mark.parametrize("mitigation", [None, Reweighting("sex")])
def test_without_one_that_draws_the_winner_is_kept_with_its_threshold(mitigation: Reweighting | None) -> None:
    search = searched(mitigation)
    kept = apply_mitigation(search)
    assert (kept.beside, kept.name) == ({}, "linear")
    assert kept.threshold == choose_threshold(*search.validation_scores, objective=Objective("f1"))
    assert "kept as it is" in repr(show_mitigation(kept, search))


def test_the_gap_closes_on_rows_that_nobody_has_seen(applied: tuple[Search, Mitigated]) -> None:
    search, kept = applied
    new = made.rows(6000, 9)
    before = search.model.predict_proba(new)[:, 1] >= apply_mitigation(searched(None)).threshold.threshold
    gaps = [
        abs(np.diff([p[new["sex"] == group].mean() for group in "fm"])[0]) for p in (before, kept.model.predict(new))
    ]
    assert gaps[0] > 0.25
    assert gaps[1] < 0.12


def test_no_threshold_is_left_and_what_the_decisions_reach_is_noted(applied: tuple[Search, Mitigated]) -> None:
    search, kept = applied
    decided, y = kept.model.predict(search.data.validation), search.data.y_validation
    f1 = 2 * (decided & y).sum() / (decided.sum() + y.sum())
    assert kept.threshold.threshold is None
    assert (kept.threshold.objective, kept.threshold.value) == ("f1", pytest.approx(f1))
    curve = threshold_curve(*search.validation_scores, objective=Objective("f1"))
    assert "the mitigation above" in repr(plot_threshold(curve, kept.threshold, Objective("f1")))


def test_what_is_kept_is_named_and_shown(applied: tuple[Search, Mitigated]) -> None:
    search, kept = applied
    shown = show_mitigation(kept, search)._repr_html_()
    by_group = kept.mitigation.name == BOTH[0]
    assert ("Requests must name sex" in shown) == by_group
    assert ("Logistic regressions on 1,000 training rows" in shown) != by_group
    assert "the same row always gets the same answer" in shown
    headline = headline_metric(None, made.BINARY)
    predictions = predict_table(kept.model, search.data.validation, target=made.BINARY, threshold=None)
    said = winner_note(search, predictions, headline, applied=kept).text
    assert f"Kept is {kept.name}: ROC AUC" in said
    record = tracking_record(search, predictions, headline, project="p", run="r", tags={})
    assert (record["params"]["mitigation"], record["params"]["mitigate"]) == (kept.mitigation.name, "sex")


def test_the_winner_of_the_search_can_be_compared_with_what_took_its_place(applied: tuple[Search, Mitigated]) -> None:
    search, kept = applied
    plain = kept.beside["unmitigated"] if kept.mitigation.name == BOTH[1] else kept.model.model
    rows = search.data.validation
    np.testing.assert_array_equal(plain.predict_proba(rows), search.model.predict_proba(rows))


def test_groups_are_those_of_training_rows_and_a_column_with_one_large_group_is_refused() -> None:
    search = searched(Drawn(BOTH[0], "sex"))
    search.data.validation["sex"] = "f"
    with pytest.raises(ModelError, match=r"Fewer than two groups have 20 rows .* set mitigation"):
        apply_mitigation(search)
    assert set(search.data.validation[TARGET]) == {0, 1}


def test_where_accuracy_decides_it_is_what_fairlearn_makes_large() -> None:
    kept = apply_mitigation(searched(Drawn(BOTH[1], "sex"), metric="accuracy"))
    assert kept.model[-1].objective == "accuracy"


def test_without_a_mitigation_fairlearn_is_not_imported() -> None:
    code = (
        "import sys; import mlopskit.model as m; [getattr(m, name) for name in m.__all__]\n"
        "import mlopskit.mitigation as r; [getattr(r, name) for name in r.__all__]\n"
        "print([name for name in sys.modules if name.startswith('fairlearn')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
