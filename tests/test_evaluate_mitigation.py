"""Mitigations side by side: a planted gap that shrinks, each applied and tested again, every reason in words."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mlopskit import artefacts
from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.data.features import make_preparation
from mlopskit.errors import ModelError
from mlopskit.evaluate import compare_mitigations, disparities, mitigation_note, mitigations_chart, show_mitigations
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.mitigation.change import gap_change
from mlopskit.evaluate.mitigation.table import Answer, _Judged, _undominated
from mlopskit.mitigation import Drawn, Reweighting
from mlopskit.model import (
    TrainingData,
    apply_mitigation,
    choose_threshold,
    headline_metric,
    predict_table,
    search_candidates,
)
from mlopskit.scope import Model, Scope
from mlopskit.tally import Grouping, Tally

TARGET_ = Target("binary", "y", ("no", "yes"), "yes")
COLUMNS = Columns(("x", "sex"), numeric=("x",), categorical=("sex",), sensitive=("sex",))


def rows(n: int, seed: int) -> pd.DataFrame:
    """A target that depends on x alike in both groups, and that a part of the women are denied."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({ROW: np.arange(n), "x": rng.normal(size=n), "sex": rng.choice(["f", "m"], n)})
    wanted = frame["x"] + rng.normal(0, 0.7, n) > 0
    denied = (frame["sex"] == "f") & (rng.random(n) < 0.5)
    return frame.assign(**{TARGET: (wanted & ~denied).astype(np.int64)})


class Project:
    """A run reduced to what the comparison reads: three tables, the model of a search, the project file."""

    def __init__(self, *, kind: str = "linear", applied: str = "none", n: int = 1200, **model: str | None) -> None:
        self.train, validation, test = (rows(n, seed) for seed in (1, 2, 3))
        preparation = make_preparation(COLUMNS).fit(self.train)
        chosen = {"none": None, "reweighting": Reweighting("sex")}.get(applied, Drawn(applied, "sex"))
        data = TrainingData(self.train, validation, TARGET_, preparation, mitigation=chosen)
        search = search_candidates(
            data, headline_metric(None, TARGET_), candidates=[kind], budget=1, project=Path(), max_iter=20
        )
        kept = apply_mitigation(search)
        self.models, self.model, self.threshold = {"model": kept.model, **kept.beside}, kept.model, kept.threshold
        project = Scope.parse(
            '[project]\nname="x"\n[data]\nsource="x"\ntask="binary"\ntarget="y"\npositive="yes"\nsensitive=["sex"]'
        )
        self.scope = project.model_copy(update={"model": Model.model_validate(model)})
        answers = [
            predict_table(self.model, part, target=TARGET_, threshold=self.threshold.threshold)
            for part in (validation, test)
        ]
        grouping = Grouping.fit(validation, ["sex"])
        self.data = GroupedRows(TARGET_, COLUMNS, grouping, validation, test, *answers, (), "roc_auc")

    def read(self, name: str) -> object:
        models = {f"model/{key}": model for key, model in self.models.items()}
        return {"data/train": self.train, "model/threshold": artefacts.plain(self.threshold), **models}[name]

    def has(self, name: str) -> bool:
        return name.removeprefix("model/") in self.models

    def compare(self) -> pd.DataFrame:
        return compare_mitigations(self, self.data, iterations=5, replicates=200)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def plain() -> SimpleNamespace:
    project = Project(kind="boosting")
    return SimpleNamespace(project=project, table=project.compare())


def row(table: pd.DataFrame, name: str, *, split: str = "validation", metric: str = "balanced_accuracy") -> pd.Series:
    found = table[(table["mitigation"] == name) & (table["split"] == split) & (table["metric"] == metric)]
    assert len(found) == 1
    return found.iloc[0]


def test_every_mitigation_lowers_the_planted_gap_beyond_doubt_and_says_what_it_costs(plain: SimpleNamespace) -> None:
    none = row(plain.table, "none")
    assert none["difference_low"] > 0.2
    for name in ("reweighting", "threshold-optimizer", "exponentiated-gradient"):
        found = row(plain.table, name)
        assert found["change_high"] < -0.1
        assert found["difference"] == pytest.approx(none["difference"] + found["change"])
        assert found["value"] == pytest.approx(none["value"] - found["cost"])
        assert found["cost_low"] <= found["cost"] <= found["cost_high"]


def test_the_model_as_it_is_has_the_figures_of_its_own_predictions(plain: SimpleNamespace) -> None:
    data = plain.project.data
    counted = data.predictions_validation.assign(group=data.validation["sex"])
    own = disparities(Tally.from_table(counted, ["group"]), metrics=["selection_rate"], replicates=200).iloc[0]
    none = row(plain.table, "none")
    assert none["difference"] == own["difference"]
    assert none["difference_high"] == own["difference_high"]
    right = counted["prediction"] == counted[TARGET]
    assert none["value"] == pytest.approx(right.groupby(counted[TARGET]).mean().mean())


def test_what_guessing_scores_stands_beside_every_mitigation(plain: SimpleNamespace) -> None:
    data = plain.project.data
    truth = data.validation[TARGET]
    for metric, expected in (("balanced_accuracy", 0.5), ("roc_auc", 0.5)):
        rows = plain.table[(plain.table["metric"] == metric) & (plain.table["split"] == "validation")]
        assert rows["majority"].tolist() == pytest.approx([expected] * len(rows))
    guess = _Judged(Answer("x", "validation", truth.to_numpy(), None, "", ""), None, data, {}, 1, 0)._guessed(
        "accuracy"
    )
    assert guess == pytest.approx(max(truth.mean(), 1 - truth.mean()))


def test_the_accuracy_that_each_costs_stands_beside_the_figure_that_was_chosen_by(plain: SimpleNamespace) -> None:
    data = plain.project.data
    own = (data.predictions_validation["prediction"] == data.validation[TARGET]).mean()
    assert row(plain.table, "none", metric="accuracy")["value"] == pytest.approx(own)
    note = mitigation_note(plain.table, data).text
    for name in ("reweighting", "threshold-optimizer", "exponentiated-gradient"):
        found = row(plain.table, name, metric="accuracy")
        assert found["value"] == pytest.approx(own - found["cost"])
        said = re.search(rf"{name}: leaves .*? of balanced accuracy and (−?[\d.]+) \(.*? of accuracy", note)
        assert said
        assert float(said[1].replace("−", "-")) == pytest.approx(found["cost"], abs=0.001)


def test_the_table_names_the_method_of_every_interval(plain: SimpleNamespace) -> None:
    words = row(plain.table, "reweighting", metric="roc_auc")["method"].split("; ")[1:]
    assert [part.partition(": ")[0] for part in words] == ["figure", "gap", "cost", "change"]
    assert words[0] == "figure: DeLong, logit scale"
    assert words[2].startswith("cost: DeLong")
    assert words[3] in ("change: paired multinomial bootstrap", "change: paired Dirichlet draws")
    none = row(plain.table, "none")["method"]
    assert "; gap: Newcombe" in none
    assert "cost: " not in none
    assert "change: " not in none


def test_thresholds_leave_scores_alone_and_what_draws_says_its_seed(plain: SimpleNamespace) -> None:
    assert row(plain.table, "reweighting", metric="roc_auc")["cost"] > 0
    assert row(plain.table, "threshold-optimizer", metric="roc_auc")["cost"] == 0
    assert row(plain.table, "exponentiated-gradient", metric="roc_auc")["cost"] > 0
    for name in ("threshold-optimizer", "exponentiated-gradient"):
        assert "drawn by row with seed 0" in row(plain.table, name)["method"]
        assert row(plain.table, name)["use"] == "can be chosen"
    assert row(plain.table, "none, linear model")["use"] == "for comparison only"
    assert "needs sex with each request" in row(plain.table, "threshold-optimizer")["method"]
    pd.testing.assert_frame_equal(plain.table, plain.project.compare())


def test_nothing_chosen_leaves_test_rows_alone(plain: SimpleNamespace) -> None:
    assert set(plain.table["split"]) == {"validation"}
    note = mitigation_note(plain.table, plain.project.data)
    assert "test rows were not asked" in note.text
    assert 'mitigate = "sex"' in note.text
    assert '"reweighting", "threshold-optimizer", "exponentiated-gradient"' in note.text
    assert "its linear model alone leaves" in note.text
    cost = row(plain.table, "exponentiated-gradient", metric="roc_auc")["cost"]
    assert f"which ranks less well: they cost {cost:.3f}" in note.text


def test_the_applied_one_is_tested_on_test_rows_against_the_same_settings_without_it() -> None:
    project = Project(applied="reweighting", mitigation="reweighting", mitigate="sex")
    table = project.compare()
    model = Project().model
    before = predict_table(model, project.data.validation, target=TARGET_, threshold=None)
    cut = choose_threshold(before[TARGET], before["score"]).threshold
    test = predict_table(model, project.data.test, target=TARGET_, threshold=cut)
    shares = test["prediction"].groupby(project.data.test["sex"]).mean()
    assert row(table, "none", split="test")["difference"] == pytest.approx(shares["m"] - shares["f"])
    own = project.data.predictions["prediction"].groupby(project.data.test["sex"]).mean()
    assert row(table, "reweighting", split="test")["difference"] == pytest.approx(abs(own["m"] - own["f"]))
    assert row(table, "reweighting")["use"] == "applied"
    note = mitigation_note(table, project.data)
    assert note.tone == "good"
    assert "1,200 test rows, on which nothing was compared" in note.text
    assert "none, linear model" not in set(table["mitigation"])


@pytest.mark.parametrize("name", ["threshold-optimizer", "exponentiated-gradient"])
def test_either_of_fairlearns_is_applied_and_tested_on_test_rows_as_the_model_decides(name: str) -> None:
    project = Project(kind="boosting", applied=name, mitigation=name, mitigate="sex")
    table, data = project.compare(), project.data
    assert project.threshold.threshold is None
    decided = project.model.predict(data.test)
    np.testing.assert_array_equal(data.predictions["prediction"], decided)
    shares = pd.Series(decided).groupby(data.test["sex"]).mean()
    found, before = row(table, name, split="test"), row(table, "none", split="test")
    assert found["difference"] == pytest.approx(np.ptp(shares))
    assert (found["use"], row(table, name)["use"]) == ("applied", "applied")
    plain = Project(kind="boosting")
    cut = plain.threshold.threshold
    unmitigated = predict_table(plain.model, data.test, target=TARGET_, threshold=cut)["prediction"]
    assert before["difference"] == pytest.approx(np.ptp(unmitigated.groupby(data.test["sex"]).mean()))
    assert found["cost"] == pytest.approx(before["value"] - found["value"])
    note = mitigation_note(table, data)
    assert note.tone == "good"
    assert f"Chosen and applied: {name}. On 1,200 test rows" in note.text
    assert f"{name.capitalize()}, applied: on 1,200 test rows" in mitigations_chart(table, data).svg


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("reweighting", "learned from rows that count alike"),
        ("threshold-optimizer", "decides by one threshold"),
        ("exponentiated-gradient", "decides by one threshold"),
    ],
)
def test_a_model_that_was_not_mitigated_although_the_scope_says_so_is_found_out(name: str, told: str) -> None:
    project = Project(applied="none", mitigation=name, mitigate="sex")
    table = project.compare()
    assert set(table["split"]) == {"validation"}
    assert row(table, name)["use"] == "chosen, but not applied by this run's model"
    note = mitigation_note(table, project.data)
    assert (note.tone, told in note.text) == ("bad", True)


@pytest.mark.parametrize("constraint", ["equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"])
def test_the_scope_says_what_is_to_be_equal(constraint: str) -> None:
    project = Project(constraint=constraint)
    table = project.compare()
    gaps = {"true_positive_rate_parity": "recall", "false_positive_rate_parity": "false_positive_rate"}
    assert set(table["gap"]) == {gaps.get(constraint, constraint)}
    assert (table[table["metric"] == "balanced_accuracy"]["status"] == "estimated").all()


def test_a_change_of_the_gap_is_paired_and_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    groups, covered = np.repeat(["a", "b"], 400), 0
    for seed in range(100):
        y, before = rng.integers(0, 2, 800), rng.random(800) < np.where(groups == "a", 0.6, 0.2)
        after = before | ((groups == "b") & (rng.random(800) < 1 / 8))  # b: 0.2 → 0.3
        _, low, high, _ = gap_change(
            y, before.astype(int), after.astype(int), groups, gap="selection_rate", replicates=200, seed=seed
        )
        covered += low <= -0.1 <= high
        assert high - low < 0.1, "two independent gaps would give 0.18"
    assert 90 <= covered <= 100


@pytest.mark.parametrize("n", [20, 50, 200])
def test_a_rare_change_among_few_rows_is_covered(n: int) -> None:
    """3 in 100 decisions change in a, 8 in 100 in b: a percentile bootstrap covers that in 87 % at 20 rows."""
    cells, covered = ([0.05, 0.02, 0.01, 0.92], [0.1, 0.06, 0.02, 0.82]), 0  # both no, only after, only before, both
    truth = abs(0.94 - 0.88) - abs(0.93 - 0.84)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        drawn = np.concatenate([rng.choice(4, n, p=part) for part in cells])
        before, after = drawn // 2, drawn % 2
        groups = np.repeat(["a", "b"], n)
        _, low, high, _ = gap_change(
            np.ones(2 * n, int), before, after, groups, gap="recall", replicates=300, seed=seed
        )
        covered += low <= truth <= high
    assert covered >= 0.93 * 300


@pytest.mark.parametrize(("called", "method"), [(10, "paired multinomial bootstrap"), (9, "paired Dirichlet draws")])
def test_a_change_is_bootstrapped_where_enough_are_called_and_enough_are_not(called: int, method: str) -> None:
    """In one group, before the mitigation only; the other figures are far from either edge."""
    before, after = np.repeat([1, 0, 1, 0], [called, 300 - called, 150, 150]), np.tile([0, 1], 300)
    found = gap_change(np.ones(600, int), before, after, np.repeat(["a", "b"], 300), gap="recall", replicates=50)
    assert found[3] == method


def test_no_change_is_zero_among_many_rows_and_unsure_among_few_and_small_groups_are_left_out() -> None:
    y, p, groups = [0, 1] * 400, [1, 1, 0, 0] * 200, ["a"] * 400 + ["b"] * 400
    assert gap_change(y, p, p, groups, gap="equalized_odds")[:3] == (0.0, 0.0, 0.0)
    y, p, groups = [0, 1] * 50, [1, 1, 0, 0] * 25, ["a"] * 50 + ["b"] * 50
    change, low, high, method = gap_change(y, p, p, groups, gap="equalized_odds")
    assert (change, low < -0.02, high > 0.02, method) == (0, True, True, "paired Dirichlet draws")
    assert np.isnan(gap_change(y[:55], p[:55], p[:55], groups[:55], gap="recall")[:3]).all()


def test_a_change_of_the_gap_counts_persons_and_not_their_rows() -> None:
    rng = np.random.default_rng(0)
    y, before, after = rng.integers(0, 2, 400), rng.random(400) < 0.4, rng.random(400) < 0.4
    groups, widths = np.repeat(["a", "b"], 200), {}
    for name, times, blocks in (("once", 1, None), ("alone", 10, None), ("persons", 10, np.arange(400) % 64)):
        parts = [np.repeat(part, times) for part in (y, before * 1, after * 1, groups)]
        whose = None if blocks is None else np.repeat(blocks, times)
        _, low, high, method = gap_change(*parts, gap="selection_rate", blocks=whose)
        widths[name] = high - low
        assert ("blocks" in method) == (blocks is not None)
    assert widths["alone"] < 0.5 * widths["once"]
    assert widths["persons"] == pytest.approx(widths["once"], rel=0.25)


def test_mitigations_are_compared_by_persons_where_these_have_several_rows() -> None:
    project = Project()
    data = project.data
    validation, test = (part.assign(person=np.arange(len(part)) // 2) for part in (data.validation, data.test))
    columns = replace(COLUMNS, group="person")
    once = project.compare()
    project.data = replace(data, columns=columns, validation=validation, test=test)
    found = project.compare()
    compared = found[found["mitigation"] == "reweighting"]
    assert len(compared)
    for part in ("figure: jackknife", "cost: paired jackknife", "change: paired bootstrap of blocks"):
        assert compared["method"].str.contains(part).all()
    exact = ["value", "cost", "difference", "change"]
    assert found[exact].to_numpy() == pytest.approx(once[exact].to_numpy(), nan_ok=True), "figures stay what they are"


def test_the_front_holds_what_nothing_betters() -> None:
    table = pd.DataFrame({"difference": [0.3, 0.1, 0.2, 0.1, np.nan], "value": [0.8, 0.7, 0.6, 0.7, 0.9]})
    table = table.assign(split="validation", metric="accuracy")
    assert _undominated(table, "accuracy") == [True, True, False, True, False]


def test_table_and_chart_show_the_same(plain: SimpleNamespace) -> None:
    chart, table = (show(plain.table, plain.project.data) for show in (mitigations_chart, show_mitigations))
    for name in ("reweighting", "threshold-optimizer", "exponentiated-gradient", "none, linear model"):
        assert name in chart.svg
        assert name in table._repr_html_()
    assert f"gap {row(plain.table, 'reweighting')['difference']:.3f}" in chart.alt


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target": Target("regression", "y")}, "need two classes"),
        ({"target": Target("multiclass", "y", ("a", "b", "c"))}, "need two classes"),
        ({"columns": Columns(("x",))}, "no sensitive column"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(change: dict[str, object], told: str) -> None:
    project = Project(n=200)
    data = replace(project.data, **change)  # type: ignore[arg-type]
    table = compare_mitigations(project, data)  # type: ignore[arg-type]
    assert table.empty
    for show in (mitigation_note, mitigations_chart, show_mitigations):
        assert told in repr(show(table, data))


def test_what_fails_is_named_and_the_others_go_on() -> None:
    project = Project(n=400)
    project.train = project.train.assign(sex=np.where(np.arange(400) < 6, "f", "m"))
    table = project.compare()
    failed = row(table, "exponentiated-gradient")
    assert failed["status"].startswith("could not be fitted: Fewer than two groups have 20 rows of each class")
    assert row(table, "reweighting")["status"] == "estimated"
    assert "exponentiated-gradient (validation rows): could not be fitted" in mitigation_note(table, project.data).text


def test_a_column_that_is_not_sensitive_is_refused() -> None:
    with pytest.raises(ModelError, match=r"mitigate = 'x' is none of the sensitive columns"):
        Project(n=200, mitigate="x").compare()


@pytest.fixture(scope="module")
def few_women() -> SimpleNamespace:
    """Four rows of a third group on validation rows, below a floor of ten."""
    project = Project()
    for part in (project.data.validation, project.data.test, project.train):
        part.loc[part.index[:4], "sex"] = "x"
    grouping = Grouping.fit(project.data.validation, ["sex"])
    data = replace(project.data, grouping=grouping, floor=10)
    return SimpleNamespace(data=data, table=compare_mitigations(project, data, replicates=200), project=project)


def test_under_a_floor_what_each_costs_over_all_rows_stays(few_women: SimpleNamespace) -> None:
    table = few_women.table[few_women.table["metric"] == "balanced_accuracy"]
    without = compare_mitigations(few_women.project, replace(few_women.data, floor=0), replicates=200)
    without = without[without["metric"] == "balanced_accuracy"]
    assert table["value"].tolist() == without["value"].tolist()
    assert np.isfinite(table.loc[table["mitigation"] != "none", "cost"]).all()
    assert "accuracy" not in set(few_women.table["metric"])  # with the balanced one it would tell all four counts


def test_under_a_floor_no_gap_rests_on_a_group_that_is_withheld(few_women: SimpleNamespace) -> None:
    hidden = few_women.table["status"] == "hidden"
    assert hidden.any()  # three groups, of which the small one takes another along: one is left, which has no gap
    assert few_women.table.loc[hidden, ["difference", "change", "difference_low"]].isna().all(axis=None)
    assert set(few_women.table.loc[hidden, "groups"]) == {"1 of 3"}
    said = mitigation_note(few_women.table, few_women.data).text
    assert "Only 1 of 3 groups of sex may be shown" in said
    assert "reweighting: balanced accuracy" in said
    assert "privacy floor" in mitigations_chart(few_women.table, few_women.data).text
