"""Odd rows, labels, weights and scores: what the groups and slices make of them is right, or is refused in words."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from mlopskit import Tally, confirm_slices, disparities, group_metrics
from mlopskit.errors import DataError, MetricError
from mlopskit.evaluate import disparities_by_column, incompatibility_note, metrics_by_slice, tally_metrics
from mlopskit.evaluate.slices.summary import judge_by_group
from mlopskit.evaluate.slices.whom_worst import no_gap
from mlopskit.scope import Criterion

rows_of = runpy.run_path(str(Path(__file__).with_name("test_evaluate_whom_worst.py")))["rows_of"]
rows_of_persons = runpy.run_path(str(Path(__file__).with_name("test_evaluate_by_group.py")))["rows_of_persons"]


def test_scores_beyond_probabilities_keep_their_order_however_many_rows_there_are():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 60_000)
    score = np.clip(0.25 + 0.5 * y + 0.2 * rng.normal(size=60_000), 0.001, None)
    names = ["roc_auc", "average_precision"]
    table = group_metrics(y, y, pd.DataFrame({"g": ["a"] * 60_000}), y_score=score, metrics=names)
    assert table["value"].tolist()[:2] == pytest.approx(
        [sk.roc_auc_score(y, score), sk.average_precision_score(y, score)], abs=1e-3
    )


def test_a_tally_refuses_scores_that_are_no_probabilities():
    rows = pd.DataFrame({"_target": [0, 1], "prediction": [0, 1], "score": [0.5, 1.4]})
    with pytest.raises(DataError, match="below 0 or above 1"):
        Tally.from_table(rows)


@pytest.mark.parametrize("metric", ["log_loss", "brier_score"])
def test_losses_of_scores_that_are_no_probabilities_are_refused(metric):
    with pytest.raises(MetricError, match="needs probabilities"):
        group_metrics(
            [0, 1] * 20, [0, 1] * 20, pd.DataFrame({"g": ["a"] * 40}), y_score=[3.0, 2.0] * 20, metrics=[metric]
        )


@pytest.mark.parametrize("labels", [(1, 2, 3), (10, 20, 30), (0, 2, 5)])
def test_several_labels_may_be_any_whole_numbers(labels):
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, (2, 300))
    groups = pd.DataFrame({"g": ["a", "b"] * 150})
    expected = group_metrics(y, p, groups)
    pd.testing.assert_frame_equal(group_metrics(np.array(labels)[y], np.array(labels)[p], groups), expected)
    assert set(expected["status"]) == {"estimated"}


def test_rows_of_weight_0_make_no_ranking_surer():
    y = np.array([0, 1] * 30)
    weight = np.where(np.arange(60) < 4, 1.0, 0.0)
    given = {"y_score": np.where(y == 1, 0.9, 0.1), "metrics": ["roc_auc", "average_precision"]}
    table = group_metrics(y, y, pd.DataFrame({"g": ["a"] * 60}), sample_weight=weight, **given)
    assert set(table["status"]) == {"cannot-be-estimated"}


def test_a_perfect_ranking_of_one_heavy_pair_is_hardly_sure():
    y = np.array([0, 1] * 30)
    weight = np.where(np.arange(60) < 2, 1e6, 1.0)
    given = {"y_score": y * 0.8 + 0.1, "sample_weight": weight, "metrics": ["roc_auc"]}
    table = group_metrics(y, y, pd.DataFrame({"g": ["a"] * 60}), **given)
    assert table["low"].max() == pytest.approx(0.025, abs=1e-3)  # one pair: AUC ** 1 = 0.025


def test_groups_without_an_interval_have_no_gap_and_no_p_value():
    groups = pd.DataFrame({"g": ["a"] * 16 + ["b"] * 8})
    y, p = np.random.default_rng(0).integers(0, 2, (2, 24))
    found = disparities(group_metrics(y, p, groups, metrics=["f1", "balanced_accuracy"]), minimum=1)
    assert found["p_value"].isna().all()
    assert set(found["status"]) == {"cannot-be-estimated"}


def test_a_gap_is_not_met_where_a_known_group_has_no_test_rows():
    same = {"f": (90, 10, 10, 90), "m": (90, 10, 10, 90), "x": (90, 10, 10, 90)}
    for metric in ("recall", "roc_auc"):
        data = rows_of(same, criteria=[Criterion(metric=metric, between="sex <b>", at_most=0.5)])
        left = (data.test["sex <b>"] != "x").to_numpy()
        data = dataclasses.replace(data, test=data.test[left], predictions=data.predictions[left])
        verdict = judge_by_group(data).iloc[0]
        assert (verdict["status"], "2 of 3 groups" in verdict["reason"]) == ("undecided", True)


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, np.log(2)])
@pytest.mark.parametrize("rows", [300, 301, 307, 1000, 1234])
@pytest.mark.parametrize("times", [1, 2])
def test_equal_losses_confirm_nothing(value, rows, times):
    features = pd.DataFrame({"a": np.random.default_rng(0).choice(["x", "y", "z"], rows)})
    slices = pd.DataFrame({"slice": [{"a": v} for v in "xyz"], "error": value + 0.1})
    unit = pd.Series(np.arange(rows) // times)
    found = confirm_slices(slices, features, np.full(rows, value), unit=unit)
    assert not found["confirmed"].any()


def test_no_spread_is_said_and_no_interval_of_no_width_is_given():
    y = np.random.default_rng(0).normal(size=20)
    table = group_metrics(y, y, pd.DataFrame({"g": ["a"] * 20}))
    assert set(table["status"]) == {"cannot-be-estimated"}
    assert set(table["method"]) == {"no interval: too few rows err to see a spread"}


def test_equal_words_are_one_group():
    table = group_metrics([0, 1] * 20, [0, 1] * 20, pd.DataFrame({"g": [1, "1"] * 20}), metrics=["accuracy"])
    assert table["group"].tolist() == ["overall", "1"]


def test_groups_too_small_are_not_said_to_be_alike():
    data = rows_of({"f": (1, 0, 0, 4), "m": (4, 0, 0, 1)})
    assert "can hold together" not in incompatibility_note(data).text


def test_where_no_two_groups_can_be_compared_none_is_said_to_be_alike():
    data = rows_of({"f": (1, 0, 0, 4), "m": (4, 0, 0, 1)})
    gaps = disparities_by_column(data, metrics_by_slice(data))
    assert "could be compared" in no_gap(data, gaps)
    many = rows_of({"f": (90, 10, 10, 90), "m": (90, 10, 10, 90)})
    assert "none differs" in no_gap(many, disparities_by_column(many, metrics_by_slice(many)))


def test_a_loss_found_above_1_gives_errors_no_power_and_no_warning():
    features = pd.DataFrame({"a": ["x", "y"] * 50})
    slices = pd.DataFrame({"slice": [{"a": "x"}], "error": [1.7]})
    found = confirm_slices(slices, features, np.tile([1.0, 0.0], 50))
    assert found["confirmed"].tolist() == [True]
    assert found["power"].isna().all()


def test_values_that_hold_the_word_between_values_make_no_group_of_two():
    groups = pd.DataFrame({"a": ["x and y", "x"] * 20, "b": ["z", "y and z"] * 20})
    y = np.array([0, 1] * 20)
    table = group_metrics(y, y * 0, groups, metrics=["accuracy"])
    assert sorted(table["group"]) == ['"x and y" and "z"', '"x" and "y and z"', "overall"]
    assert table.set_index("group")["value"]['"x and y" and "z"'] == 1
    tally = Tally.from_table(groups.assign(_target=y, prediction=y * 0), ["a", "b"])
    assert sorted(tally_metrics(tally, metrics=["accuracy"])["group"]) == sorted(table["group"])


@pytest.mark.parametrize("metric", ["log_loss", "brier_score"])
def test_losses_that_are_all_equal_have_no_interval_of_no_width(metric):
    for times in (1, 3):
        data = rows_of_persons(times)
        data = dataclasses.replace(data, predictions=data.predictions.assign(score=0.5))
        found = metrics_by_slice(data, metrics=[metric])
        assert set(found["status"]) == {"cannot-be-estimated"}
