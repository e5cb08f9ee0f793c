"""Why slices are worse: pushes by hand and by scipy, shares by counting, sentences only of what is beyond doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.data.features import make_preparation
from mlopskit.evaluate import (
    GroupedRows,
    confirmed_slices,
    explain,
    show_slice_reasons,
    slice_features,
    slice_reasons,
    worst_slices,
)
from mlopskit.evaluate.slices.pushes import OUTPUT, RIGHT, sample_slices
from mlopskit.evaluate.slices.reasons import MISSING, TRAINING
from mlopskit.intervals import newcombe
from mlopskit.model import predict_table
from mlopskit.tally import Grouping

TOWN = "town <b>"
COLUMNS = Columns((TOWN, "age", "pay"), ("age", "pay"), (TOWN,), sensitive=(TOWN,))
TARGETS = {
    "binary": Target("binary", "y", ("no", "yes"), "yes"),
    "multiclass": Target("multiclass", "y", ("a", "b", "c")),
    "regression": Target("regression", "y", unit="kg"),
}


class Reads:
    """What the function reads of a run."""

    def __init__(self, **artefacts):
        self.artefacts = artefacts

    def read(self, name):
        return self.artefacts[name.partition("/")[2]]


def rows_of(task, n, seed, share):
    """In town b age says nothing, pay is often missing; b has the given share of the rows."""
    rng = np.random.default_rng(seed)
    town = np.where(rng.random(n) < share, "b", rng.choice(["a", "c"], n))
    age = rng.normal(40 + 8 * (town == "b"), 10, n)
    signal = np.where(town == "b", rng.normal(0, 1, n), (age - 40) / 5 + rng.normal(0, 0.5, n))
    outcome = signal if task == "regression" else np.digitize(signal, {"binary": [0], "multiclass": [-1, 1]}[task])
    pay = np.where(rng.random(n) < np.where(town == "b", 0.4, 0.1), np.nan, rng.normal(size=n))
    return pd.DataFrame({ROW: np.arange(n), TOWN: town, "age": age, "pay": pay, TARGET: outcome})


def made(task, *, floor=0, n=900):
    train, validation, test = (rows_of(task, n, seed, share) for seed, share in enumerate((0.05, 0.25, 0.25)))
    target, prepare = TARGETS[task], make_preparation(COLUMNS).fit(train)
    estimator = LogisticRegression() if task != "regression" else Ridge()
    model = Pipeline([("prepare", prepare), ("estimate", estimator.fit(prepare.transform(train), train[TARGET]))])
    threshold = 0.5 if task == "binary" else None
    answers = [predict_table(model, rows, target=target, threshold=threshold) for rows in (validation, test)]
    grouping = Grouping.fit(validation, [TOWN])
    metric = "mae" if task == "regression" else "accuracy"
    data = GroupedRows(target, COLUMNS, grouping, validation, test, *answers, (), metric, floor)
    return Reads(model=model, preparation=prepare, train=train), data


def reasons(run, data, *, by="error", **options):
    features = slice_features(data, None)
    found = worst_slices(data, features, by=by, k=3, alpha=0.9)
    tested = confirmed_slices(data, features, found, by=by)
    return slice_reasons(run, data, features, found, tested, by=by, **options)


@pytest.fixture(scope="module")
def binary():
    run, data = made("binary")
    return run, data, reasons(run, data, rows=10_000)


def of(table, kind, name=f"{TOWN} = b"):
    part = table[(table["slice"] == name) & (table["kind"] == kind)]
    assert len(part)
    return part.set_index("feature")


def test_pushes_of_a_linear_model_are_its_terms_and_the_interval_is_welchs(binary):
    run, data, table = binary
    model, inside = run.read("model/model"), (data.test[TOWN] == "b").to_numpy()
    place = list(model.named_steps["prepare"].get_feature_names_out()).index("numeric__age")
    term = model.named_steps["estimate"].coef_[0, place] * model.named_steps["prepare"].transform(data.test)[:, place]
    row = of(table, OUTPUT).loc["age"]
    welch = stats.ttest_ind(term[inside], term[~inside], equal_var=False)
    low, high = welch.confidence_interval(1 - 0.05 / 3)
    assert row["difference"] == pytest.approx(term[inside].mean() - term[~inside].mean())
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    assert (row["n_inside"], row["n_outside"]) == (inside.sum(), (~inside).sum())
    assert row["method"] == "Welch's t, all 3 features together"


def test_what_says_nothing_in_the_slice_helps_less_there(binary):
    _, _, table = binary
    right = of(table, RIGHT)
    assert right.loc["age", "high"] < 0
    assert right["rank"].idxmin() == "age"
    assert right["difference"].abs().is_monotonic_decreasing


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_pushes_towards_the_right_answer_of_other_tasks(task):
    run, data = made(task, n=400)
    e = explain(run.read("model/model"), data.test, run.read("data/train"), target=data.target, columns=COLUMNS,
                max_rows=10_000)  # fmt: skip
    truth, age = e.rows[TARGET].to_numpy(), e.features.index("age")
    values = e.contributions[:, age, :]
    own = values[np.arange(400), truth] if task == "multiclass" else values[:, 0] * np.sign(truth - e.base[0])
    inside = (e.rows[TOWN] == "b").to_numpy()
    table = reasons(run, data, rows=10_000)
    assert of(table, RIGHT).loc["age", "difference"] == pytest.approx(own[inside].mean() - own[~inside].mean())
    assert (OUTPUT in set(table["kind"])) == (task == "regression")
    assert "less than elsewhere" in show_slice_reasons(table).text


def test_missing_values_and_training_rows_are_counted(binary):
    run, data, table = binary
    inside, absent = (data.test[TOWN] == "b").to_numpy(), data.test["pay"].isna().to_numpy()
    row = of(table, MISSING).loc["pay"]
    counts = [absent[inside].sum(), inside.sum(), absent[~inside].sum(), (~inside).sum()]
    assert (row["inside"], row["outside"]) == (counts[0] / counts[1], counts[2] / counts[3])
    assert (row["low"], row["high"]) == newcombe(*counts)
    trained = of(table, TRAINING).iloc[0]
    assert (trained["n_inside"], trained["n_outside"]) == ((run.read("data/train")[TOWN] == "b").sum(), 900)
    assert (trained["inside"], trained["outside"]) == (trained["n_inside"] / 900, pytest.approx(inside.mean()))
    assert trained["high"] < 0


def test_the_sentences_say_what_the_table_holds(binary):
    _, _, table = binary
    text = show_slice_reasons(table).text
    trained, missing = of(table, TRAINING).iloc[0], of(table, MISSING).loc["pay"]
    assert f"{TOWN} = b (error rate" in text
    assert "age moves rows towards the right answer by" in text
    assert f"pay is missing for {missing['inside']:.1%} of its rows, {missing['outside']:.1%} elsewhere" in text
    assert f"it has {trained['n_inside']} of 900 training rows" in text
    assert "fewer than its share" in text
    assert "not of causes" in text
    assert "<b>" not in show_slice_reasons(table)._repr_html_()


def test_what_guessing_errs_in_the_slice_stands_beside_its_error(binary):
    _, data, table = binary
    truth, inside = data.test[TARGET], data.test[TOWN] == "b"
    rate = (truth[inside] != truth.mode()[0]).mean()
    own = table[table["slice"] == f"{TOWN} = b"]
    assert own["majority"].unique().tolist() == pytest.approx([rate])
    error, rest = own[["error", "error_rest"]].iloc[0]
    assert (
        f"(error rate {error:.0%}, {rest:.0%} elsewhere, majority guess {rate:.0%})" in show_slice_reasons(table).text
    )
    hidden = show_slice_reasons(table.assign(majority=np.nan)).text
    assert f"(error rate {error:.0%}, {rest:.0%} elsewhere)" in hidden


def test_for_a_quantity_the_guess_in_a_slice_is_the_mean_of_all_rows():
    run, data = made("regression", n=400)
    table = reasons(run, data, rows=200)
    off = (data.test[TARGET] - data.test[TARGET].mean()) ** 2
    own = table[table["slice"] == f"{TOWN} = b"]["majority"]
    assert own.unique().tolist() == pytest.approx([off[data.test[TOWN] == "b"].mean()])
    assert ", mean guess " in show_slice_reasons(table).text


def test_false_positives_are_explained_over_negative_rows_only():
    run, data = made("binary")
    table = reasons(run, data, by="false_positive_rate", rows=10_000)
    first = table["slice"].iloc[0]
    train = run.read("data/train")
    assert of(table, TRAINING, first).iloc[0]["n_outside"] == (train[TARGET] == 0).sum()
    assert set(table["kind"]) >= {RIGHT, TRAINING}
    assert OUTPUT not in set(table["kind"])
    assert "actually negative training rows" in show_slice_reasons(table).text


def test_the_same_seed_gives_the_same_table(binary):
    run, data, _ = binary
    first, second = (reasons(run, data, rows=100, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert first["n_inside"][first["kind"] == RIGHT].max() <= 100


@given(st.integers(1, 300), st.integers(2, 200), st.lists(st.floats(0, 1), min_size=1, max_size=5), st.integers(0, 9))
def test_samples_stay_within_their_slices_and_the_budget(n, size, shares, seed):
    masks = np.random.default_rng(seed).random((len(shares), n)) < np.array(shares)[:, None]
    base, samples = sample_slices(masks, size, seed=seed)
    assert len(np.unique(np.concatenate([base, *samples]))) <= max(size, 1)
    for mask, sample in zip(masks, samples, strict=True):
        assert mask[sample].all()
        assert set(base[mask[base]]) <= set(sample)


def test_few_rows_and_slow_models_are_not_judged(binary):
    run, data, _ = binary
    table = reasons(run, data, rows=12)
    pushes = table[table["kind"].isin(["", RIGHT, OUTPUT])]
    assert set(pushes["status"]) == {"cannot-be-estimated"}
    assert "cannot be estimated" in show_slice_reasons(table).text


def test_images_are_compared_by_training_rows_alone():
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(3):
        label = rng.integers(0, 2, 300)
        pictures = [list(row) for row in rng.random((300, 4)) + 3 * label[:, None]]
        frames.append(pd.DataFrame({ROW: np.arange(300), "image": pictures, TARGET: label}))
    columns = Columns(("image",), image="image", image_shape=(2, 2))
    prepare = make_preparation(columns).fit(frames[0])
    wrong = [f[[ROW, TARGET]].assign(prediction=np.where(f[TARGET] == 1, rng.integers(0, 2, 300), 0)) for f in frames]
    data = GroupedRows(TARGETS["binary"], columns, Grouping.fit(frames[1], []), frames[1], frames[2], wrong[1],
                       wrong[2], (), "accuracy")  # fmt: skip
    features = slice_features(data, prepare, clusters=2)
    found = worst_slices(data, features, alpha=0.9)
    run = Reads(train=frames[0], preparation=prepare)
    table = slice_reasons(run, data, features, found, confirmed_slices(data, features, found), clusters=2)
    assert set(table.loc[table["kind"].isin([RIGHT, MISSING]), "status"]) == {"not applicable"}
    assert (table.loc[table["kind"] == TRAINING, "n_outside"] == 300).all()
    assert "not applicable" in show_slice_reasons(table).text


def test_no_count_below_the_privacy_floor_is_told():
    run, data = made("binary", floor=60)
    features = slice_features(data, None)
    found = worst_slices(data, features, k=3, alpha=0.9)
    tested = confirmed_slices(data, features, found)
    table = slice_reasons(run, data, features, found, tested, rows=10_000)
    shown = table[table["status"] == "estimated"]
    assert (shown["n_inside"] >= 60).all()
    counts = shown[shown["kind"] == MISSING]
    missing = np.rint((counts["inside"] * counts["n_inside"]).astype(float))
    assert ((missing == 0) | (missing >= 60)).all()
    assert (table["kind"] == TRAINING).any()
    trained = of(table, TRAINING, table["slice"].iloc[0]) if (table["slice"] == f"{TOWN} = b").any() else None
    assert trained is None or (trained["status"] == "hidden").all()
    assert table["majority"].isna().all()  # it would tell how many rows of a slice are of which class
    assert "withheld by the privacy floor" in show_slice_reasons(table, slices=5).text


def test_where_there_is_nothing_to_explain_it_says_so():
    run, data = made("binary", n=400)
    right = replace(data, predictions=data.predictions.assign(prediction=data.predictions[TARGET]))
    table = reasons(run, right)
    assert table.empty
    assert "Not applicable" in show_slice_reasons(table).text
    unsure = reasons(run, data, rows=200).assign(confirmed=False)
    note = show_slice_reasons(unsure)
    assert note.tone == "warning"
    assert "may describe chance" in note.text
