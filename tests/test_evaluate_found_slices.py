"""From errors to sentences: what slices are searched by, how grouped, tested beside the declared groups, told."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import log_loss

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.data.features import make_preparation
from mlopskit.errors import MlopskitError
from mlopskit.evaluate import (
    GroupedRows,
    confirmed_better,
    confirmed_slices,
    count_evaluation,
    count_uses,
    find_slices,
    show_confirmed,
    show_slices,
    slice_examples,
    slice_features,
    slice_rows,
    uses_note,
    worst_slices,
)
from mlopskit.evaluate.slices.errors import BY, slice_errors
from mlopskit.params import read_parameters
from mlopskit.runs import Run
from mlopskit.tally import Grouping

BINARY = Target("binary", "y", ("no", "yes"), "yes")
COLUMNS = Columns(("town", "code", "age"), ("age",), ("town", "code"), sensitive=("sex <b>",))


def rows_of(seed, n=4000):
    """False positives are common in town b, false negatives among the old; `code` says the same as `town`."""
    rng = np.random.default_rng(seed)
    town, old = rng.choice(list("abcd"), n), rng.random(n) < 0.2
    truth = (rng.random(n) < 0.5).astype(int)
    rate = np.where(truth == 0, np.where(town == "b", 0.5, 0.05), np.where(old, 0.5, 0.05))
    answer = np.where(rng.random(n) < rate, 1 - truth, truth)
    rows = pd.DataFrame({ROW: np.arange(n), "town": town, "code": np.char.upper(town), "age": np.where(old, 70, 30),
                         "sex <b>": rng.choice(["f", "m"], n), TARGET: truth})  # fmt: skip
    answers = rows[[ROW, TARGET]].assign(prediction=answer, score=np.where(answer == 1, 0.8, 0.3))
    return rows, answers


@pytest.fixture(scope="module")
def data():
    (validation, seen), (test, answers) = rows_of(0), rows_of(1)
    grouping = Grouping.fit(validation, ["sex <b>"])
    return GroupedRows(BINARY, COLUMNS, grouping, validation, test, seen, answers, (), "accuracy")


@pytest.fixture(scope="module")
def features(data):
    return slice_features(data, None)


def test_what_counts_as_an_error_is_what_the_field_says(data):
    answers = data.predictions
    truth, guess = answers[TARGET].to_numpy(), answers["prediction"].to_numpy()
    means = {by: slice_errors(answers, BINARY, by=by) for by in BY}
    assert means["error"].each.mean() == pytest.approx((truth != guess).mean())
    assert means["loss"].each.mean() == pytest.approx(log_loss(truth, answers["score"]))
    assert means["false_positive_rate"].each.mean() == pytest.approx(guess[truth == 0].mean())
    assert means["false_negative_rate"].each.mean() == pytest.approx(1 - guess[truth == 1].mean())
    assert means["false_positive_rate"].at_risk.tolist() == (truth == 0).tolist()


def test_what_does_not_apply_is_said_not_raised(data, features):
    several = GroupedRows(Target("multiclass", "y", ("a", "b", "c")), *list(vars(data).values())[1:9])
    found = worst_slices(several, features, by="false_positive_rate")
    assert found.empty
    assert "exists for two classes only" in show_slices(found, several, alpha=0.99, by="false_positive_rate").text
    tested = confirmed_slices(several, features, found, by="false_positive_rate")
    assert "Not applicable" in show_confirmed(tested).text
    without = several.predictions.drop(columns="score")
    assert "gives no probabilities" in slice_errors(without, several.target, by="loss")
    with pytest.raises(MlopskitError, match="choose error, loss, false_positive_rate, false_negative_rate"):
        slice_errors(without, BINARY, by="recall")


@pytest.mark.parametrize(
    ("by", "words", "actual"),
    [("false_positive_rate", "town = b", 0), ("false_negative_rate", "age = 70", 1)],
)
def test_rates_are_searched_and_counted_over_the_rows_at_risk_only(data, features, by, words, actual):
    found = worst_slices(data, features, by=by, k=1, alpha=0.9)
    at_risk = (data.validation[TARGET] == actual).to_numpy()
    first = found.iloc[0]
    inside = at_risk & (features.validation[list(first["columns"])] == first["columns"]).all(axis=1).to_numpy()
    wrong = (data.predictions_validation["prediction"] != data.validation[TARGET]).to_numpy()
    assert words in {first["slice"], *first["same_rows"].split("; ")}
    assert (first["n"], first["error"]) == (inside.sum(), pytest.approx(wrong[inside].mean()))
    assert first["share"] == pytest.approx(inside.sum() / at_risk.sum())


def test_slices_of_the_same_rows_are_one_and_overlapping_ones_are_named_beside_it(data, features):
    found = worst_slices(data, features, by="false_positive_rate", k=3, alpha=0.9)
    first = found.iloc[0]
    assert first["slice"] == "code = B"
    assert first["same_rows"] == "town = b"
    assert "age = 30 and code = B" in found["overlapping"][0]
    assert not set(found["slice"][1:]) & {"town = b", "town = b and code = B"}
    assert "At alpha = 0.99 a slice scores above 0 only if" in show_slices(found, data, alpha=0.99).caption


def test_declared_groups_are_tested_whatever_their_score(data, features):
    found = worst_slices(data, features, by="false_positive_rate", k=2, alpha=0.9)
    tested = confirmed_slices(data, features, found, by="false_positive_rate")
    declared = tested[tested["origin"] == "declared"]
    assert declared["slice"].tolist() == ["sex <b> = f", "sex <b> = m"]
    assert declared["score"].min() < 0
    assert tested["status"][0] == "confirmed"
    assert not declared["confirmed"].any()
    at_risk, inside = data.predictions[TARGET] == 0, data.test["town"] == "b"
    wrong = data.predictions.loc[at_risk & inside, "prediction"]
    assert tested[["n_test", "error_test"]].iloc[0].tolist() == [len(wrong), pytest.approx(wrong.mean())]
    together = stats.false_discovery_control(tested["p_value"])  # Benjamini-Hochberg over all that are shown
    assert tested["adjusted"].tolist() == pytest.approx(together.tolist())
    assert tested["confirmed"].tolist() == (together <= 0.05).tolist()
    assert tested["power"].notna().all()
    shown = show_confirmed(tested)
    claim = ("Of the confirmed slices at most 5 % are expected to be no worse than the rest; not each single one, "
             "not a cause, not worse than its parent.")  # fmt: skip
    assert claim in shown.caption
    assert "sex <b> = m" in repr(shown)
    assert {"slice", "power"} <= set(shown.frame)


def test_pictures_are_sliced_by_what_is_known_of_them_and_by_clusters_and_shown():
    rng = np.random.default_rng(0)
    frames, answers = [], []
    for _ in range(2):
        kind, site = rng.integers(0, 2, 600), rng.choice(["north", "south"], 600)
        pictures = [list(row) for row in rng.random((600, 4)) + 5 * kind[:, None]]
        truth = rng.integers(0, 2, 600)
        wrong = (kind == 1) & (site == "south") & (rng.random(600) < 0.7)
        frames.append(pd.DataFrame({ROW: range(600), "image": pictures, "site": site, TARGET: truth}))
        answers.append(frames[-1][[ROW, TARGET]].assign(prediction=np.where(wrong, 1 - truth, truth)))
    columns = Columns(("image",), image="image", image_shape=(2, 2), slices=("site",))
    grouping, prepare = Grouping.fit(frames[0], ["site"]), make_preparation(columns).fit(frames[0])
    data = GroupedRows(BINARY, columns, grouping, *frames, *answers, (), "accuracy")
    features = slice_features(data, prepare, clusters=2)
    found = worst_slices(data, features, k=1)
    assert {"cluster", "site"} <= set(found["columns"][0])
    first = slice_rows(data, features, found, 1)
    assert set(first["site"]) == {"south"}
    assert np.stack(first["image"]).min() > 4
    assert slice_examples(data, features, found, images=3).svg.count("<image") == 3


def test_the_notebook_asks_more_of_small_slices_than_the_function_does():
    path = Path(__file__).parents[1] / "notebooks" / "5_slices_and_bias.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    source = next("".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    assert {item.name: item.default for item in read_parameters(source)}["alpha"] == 0.99
    assert inspect.signature(find_slices).parameters["alpha"].default == 0.95


def test_rows_of_a_slice_are_shown_by_hand_and_refused_in_a_batch_run(data, features, monkeypatch):
    found = worst_slices(data, features, by="false_positive_rate", k=1, alpha=0.9)
    monkeypatch.delenv("MLOPSKIT_RUN", raising=False)
    shown = slice_rows(data, features, found, 1)
    assert set(shown["town"]) == {"b"}
    assert len(shown) == (data.validation["town"] == "b").sum()
    assert shown["prediction"].tolist() == data.predictions_validation["prediction"][
        data.validation["town"] == "b"].tolist()  # fmt: skip
    with pytest.raises(MlopskitError, match="no slice 2; 1 were found"):
        slice_rows(data, features, found, 2)
    monkeypatch.setenv("MLOPSKIT_RUN", "runs/one")
    with pytest.raises(MlopskitError, match="not shown in a batch run"):
        slice_rows(data, features, found, 1)


def test_how_often_the_test_rows_were_used_is_counted_by_question(data, features, tmp_path):
    first = Run(tmp_path, tmp_path / "runs" / "one", "data")
    first.write("test", data.test)
    first.finish()
    found = worst_slices(data, features, k=1)
    tested = confirmed_slices(data, features, found)
    run = Run(tmp_path, tmp_path / "runs" / "one", "slices_and_bias")
    assert (
        "not used before to evaluate another model or to test slices" in uses_note(count_uses(run, data, tested)).text
    )
    assert count_uses(run, data, tested)["before"] == 0
    other = count_uses(run, data, tested.tail(1))
    assert other == {"slices": 1, "before": 1}
    assert "were used once before" in uses_note(other).text
    assert count_uses(run, data, tested)["before"] == 0


def test_an_evaluation_of_another_model_counts_as_a_use_and_that_of_this_one_does_not(data, features, tmp_path):
    first = Run(tmp_path, tmp_path / "runs" / "one", "data")
    first.write("test", data.test)
    first.finish()
    run = Run(tmp_path, tmp_path / "runs" / "one", "evaluate")
    assert count_evaluation(run, data.predictions.assign(prediction=0)) == 0
    assert count_evaluation(run, data.predictions) == 1
    found = worst_slices(data, features, k=1)
    counted = count_uses(run, data, confirmed_slices(data, features, found))
    assert counted["before"] == 1
    assert "once before, to evaluate another model" in uses_note(counted).text


def test_where_the_model_does_unusually_well_is_said_as_an_extension(data, features):
    found = worst_slices(data, features, k=2)
    better = worst_slices(data, features, k=2, direction="better")
    assert len(better)
    assert (better["times"] < 1).all()
    words = show_slices(found, data, alpha=0.99, better=confirmed_better(data, features, better))._repr_html_()
    assert "an extension of ours" in words
    assert "an extension of ours" not in show_slices(found, data, alpha=0.99, better=better.head(0))._repr_html_()
    hidden = worst_slices(replace(data, floor=5), features, k=2, direction="better")
    assert hidden["n"].isna().all()
    assert confirmed_better(replace(data, floor=5), features, hidden) is hidden
    assert "Unusually good" not in show_slices(found, data, alpha=0.99, better=hidden)._repr_html_()


def test_slices_that_are_unusually_good_are_tested_on_test_rows_as_well(data, features):
    better = confirmed_better(data, features, worst_slices(data, features, k=3, direction="better"))
    wrong = (data.predictions["prediction"] != data.predictions["_target"]).to_numpy()
    for row in better.to_dict("records"):
        inside = np.logical_and.reduce([features.test[name] == value for name, value in row["columns"].items()])
        table = [[wrong[part].sum(), (~wrong[part]).sum()] for part in (inside, ~inside)]
        assert row["n_test"] == inside.sum()
        assert row["p_value"] == pytest.approx(stats.fisher_exact(table, alternative="less").pvalue)
    ranked = stats.false_discovery_control(better["p_value"])
    assert better["adjusted"].to_numpy() == pytest.approx(ranked)
    words = show_slices(better, data, alpha=0.99, better=better).caption
    assert all(f"{status} on test rows" in words for status in better["status"])
