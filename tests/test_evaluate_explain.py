"""SHAP values add up, come home to their columns, and stay within their bounds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline

from mlopskit.data import Columns, Target
from mlopskit.data.features import make_preparation
from mlopskit.evaluate.explain import OTHERS, choose_cases, explain, shap_global, shap_rows
from mlopskit.model import predict_table

COLUMNS = Columns(("age", "job <b>", "noise"), numeric=("age", "noise"), categorical=("job <b>",))
BINARY = Target("binary", "rich", ("no", "yes"), "yes")
SEVERAL = Target("multiclass", "kind", ("a", "b", "c"))
NUMBER = Target("regression", "price", unit="dollars")


def make_rows(target, n=240):
    rng = np.random.default_rng(0)
    age, job = rng.uniform(20, 60, n), rng.choice(["x", "y", "z"], n)
    signal = (age - 40) / 10 + (job == "x") * 2 + rng.normal(0, 0.5, n)
    cuts = {"binary": [0.5], "multiclass": [-0.5, 1.0]}.get(target.task)
    outcome = signal if cuts is None else np.digitize(signal, cuts)
    frame = pd.DataFrame({"_row": np.arange(n), "_target": outcome, "age": age, "job <b>": job})
    return frame.assign(noise=rng.normal(size=n)).astype({"job <b>": object})


def fit(estimator, rows, columns=COLUMNS):
    prepare = make_preparation(columns).fit(rows)
    return Pipeline([("prepare", prepare), ("estimate", estimator.fit(prepare.transform(rows), rows["_target"]))])


CASES = [
    (RandomForestClassifier(20, random_state=0), BINARY, "probability"),
    (HistGradientBoostingClassifier(max_iter=20), BINARY, "log-odds"),
    (LogisticRegression(), BINARY, "log-odds"),
    (GaussianNB(), BINARY, "probability"),
    (RandomForestClassifier(20, random_state=0), SEVERAL, "probability"),
    (HistGradientBoostingClassifier(max_iter=10), SEVERAL, "log-odds"),
    (LogisticRegression(), SEVERAL, "log-odds"),
    (GaussianNB(), SEVERAL, "probability"),
    (RandomForestRegressor(20, random_state=0), NUMBER, "dollars"),
    (HistGradientBoostingRegressor(max_iter=20), NUMBER, "dollars"),
    (Ridge(), NUMBER, "dollars"),
]


def says(model, rows, target, unit):
    """What the model itself says, in the unit of the explanation: the other road."""
    if target.task == "regression":
        return model.predict(rows)[:, None]
    said = model.predict_proba(rows) if unit == "probability" else model.decision_function(rows)
    return said[:, 1:] if said.ndim == 2 and said.shape[1] == 2 else said.reshape(len(rows), -1)


@pytest.mark.parametrize(("estimator", "target", "unit"), CASES, ids=lambda v: getattr(v, "task", type(v).__name__))
def test_contributions_and_base_add_up_to_what_the_model_says(estimator, target, unit):
    rows = make_rows(target)
    model = fit(estimator, rows)
    found = explain(model, rows, rows, target=target, columns=COLUMNS, max_rows=25)
    assert found.unit == unit
    expected = says(model, found.rows, target, unit)
    assert np.allclose(found.contributions.sum(axis=1) + found.base, expected, atol=1e-6)


def test_one_hot_columns_come_home_to_their_source_column():
    rows = make_rows(BINARY)
    found = explain(fit(LogisticRegression(), rows), rows, rows, target=BINARY, columns=COLUMNS)
    assert found.features == ("age", "noise", "job <b>")


def test_noise_matters_least_and_shares_add_to_one():
    rows = make_rows(BINARY)
    table = shap_global(explain(fit(LogisticRegression(), rows), rows, rows, target=BINARY, columns=COLUMNS))
    assert table["feature"].iloc[-1] == "noise"
    assert table["share"].sum() == pytest.approx(1)


def test_rows_asked_for_stay_out_of_the_global_figures():
    rows = make_rows(BINARY)
    model = fit(LogisticRegression(), rows)
    plain = explain(model, rows, rows, target=BINARY, columns=COLUMNS, max_rows=20)
    asked = [int(row) for row in rows["_row"] if row not in set(plain.rows["_row"])][:2]
    more = explain(model, rows, rows, target=BINARY, columns=COLUMNS, max_rows=20, also=asked)
    assert len(more.rows) == 22
    assert set(asked) <= set(more.rows["_row"])
    pd.testing.assert_frame_equal(shap_global(plain), shap_global(more))


def test_each_explained_row_adds_up_from_base_to_output_and_names_its_others():
    rows = make_rows(SEVERAL)
    model = fit(LogisticRegression(), rows)
    cases = choose_cases(predict_table(model, rows, target=SEVERAL, threshold=None), target=SEVERAL, threshold=None)
    found = explain(model, rows, rows, target=SEVERAL, columns=COLUMNS, also=cases["_row"], max_rows=10)
    table = shap_rows(found, cases, target=SEVERAL, top=2)
    for _, group in table.groupby("case"):
        assert group["base"].iloc[0] + group["contribution"].sum() == pytest.approx(group["output"].iloc[0])
        assert group["feature"].iloc[-1] == OTHERS
        assert (group["class"] == group["predicted"]).all()


def test_cases_are_the_surest_right_the_surest_wrong_and_the_nearest_to_the_threshold():
    table = pd.DataFrame({
        "_row": [10, 11, 12, 13], "_target": [1, 0, 0, 1], "prediction": [1, 1, 0, 0], "score": [0.99, 0.9, 0.2, 0.31],
    })  # fmt: skip
    cases = choose_cases(table, target=BINARY, threshold=0.3)
    assert cases["_row"].tolist() == [10, 11, 13]
    assert cases["actual"].tolist() == ["yes", "no", "yes"]


def test_a_model_without_mistakes_has_no_surest_mistake():
    table = pd.DataFrame({"_row": [1, 2], "_target": [1, 0], "prediction": [1, 0], "score": [0.9, 0.4]})
    cases = choose_cases(table, target=BINARY, threshold=0.5)
    assert cases["case"].tolist() == ["surest and right", "hardest to decide"]


def test_regression_cases_go_by_distance():
    table = pd.DataFrame({"_row": [1, 2, 3], "_target": [0.0, 0.0, 0.0], "prediction": [0.1, 5.0, 1.0]})
    cases = choose_cases(table, target=NUMBER, threshold=None)
    assert cases["_row"].tolist() == [1, 2, 3]


def test_pixels_of_an_image_stay_apart():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, size=(120, 4)).astype(float)
    rows = pd.DataFrame({"_row": range(120), "_target": (images[:, 2] > 8).astype(int), "picture": list(images)})
    columns = Columns(("picture",), image="picture", image_shape=(2, 2))
    found = explain(fit(LogisticRegression(), rows, columns), rows, rows, target=BINARY, columns=columns)
    table = shap_global(found)
    assert sorted(table["feature"]) == ["picture: r0c0", "picture: r0c1", "picture: r1c0", "picture: r1c1"]
    assert table["feature"].iloc[0] == "picture: r1c0"


def test_the_same_seed_gives_the_same_explanation():
    rows = make_rows(BINARY)
    model = fit(GaussianNB(), rows)
    one, two = (explain(model, rows, rows, target=BINARY, columns=COLUMNS, max_rows=12, seed=3) for _ in range(2))
    assert np.array_equal(one.contributions, two.contributions)


def test_linear_contributions_are_coefficient_times_distance_from_the_average_row():
    rows = make_rows(NUMBER, n=100)
    model = fit(Ridge(), rows)
    found = explain(model, rows, rows, target=NUMBER, columns=COLUMNS)
    X, coefficients = model[0].transform(rows), model[1].coef_
    by_hand = (X - X.mean(axis=0)) * coefficients
    assert found.contributions[:, 0, 0] == pytest.approx(by_hand[:, 0])
    assert found.contributions[:, 2, 0] == pytest.approx(by_hand[:, 2:].sum(axis=1))


def test_sampled_contributions_are_near_the_exact_ones_and_leave_the_random_state_alone():
    class Unknown(Ridge):
        """Not on the list of what is explained exactly."""

    Unknown.__module__ = "mine"
    rows = make_rows(NUMBER, n=100)
    found = explain(fit(Unknown(), rows), rows, rows, target=NUMBER, columns=COLUMNS, max_rows=20)
    assert found.method == "sampled subsets of features"
    prepare = make_preparation(COLUMNS).fit(rows)
    exact = Ridge().fit(prepare.transform(rows), rows["_target"])
    age = prepare.transform(found.rows)[:, 0] - prepare.transform(rows)[:10, 0].mean()
    assert found.contributions[:, 0, 0] == pytest.approx(age * exact.coef_[0], abs=1e-6)
    before = np.random.get_state()[1].copy()
    explain(fit(Unknown(), rows), rows, rows, target=NUMBER, columns=COLUMNS, max_rows=5)
    assert np.array_equal(before, np.random.get_state()[1])
