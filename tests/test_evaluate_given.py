"""The public functions without a run: any kind of table, and bad input refused in a sentence."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import mlopskit
from mlopskit.errors import DataError, MetricError, MlopskitError
from mlopskit.evaluate import calibration_by_group, tally_metrics

Y, P = [0, 1] * 20, [0, 1] * 15 + [1, 0] * 5
SCORE = [0.2 + 0.6 * call for call in P]
TOWN = ["a", "b"] * 20
GROUPS = pd.DataFrame({"town": TOWN})
RNG = np.random.default_rng(0)
FEATURES = pd.DataFrame({"town": RNG.choice(list("abc"), 400), "code": RNG.integers(0, 3, 400)})
ERRORS = ((FEATURES["town"] == "b") & (FEATURES["code"] == 1)).to_numpy() * 1.0


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("group_metrics", ["y_true", "y_pred", "groups", "*", "y_score=None", "metrics=None", "method='auto'",
                           "replicates=1000", "confidence=0.95", "seed=0"]),
        ("disparities", ["table_or_tally"]),
        ("find_slices", ["features", "errors", "*", "k=10", "alpha=0.95", "min_support=None", "max_level=3",
                         "direction='worse'"]),
        ("confirm_slices", ["slices", "features", "errors"]),
    ],
)  # fmt: skip
def test_public_functions_take_what_is_promised(name, signature):
    """Further options may follow, by keyword only."""
    parameters = list(inspect.signature(getattr(mlopskit, name)).parameters.values())
    words, keyword = [], False
    for item in parameters:
        if item.kind is item.KEYWORD_ONLY and not keyword:
            keyword = True
            words.append("*")
        words.append(item.name if item.default is item.empty else f"{item.name}={item.default!r}")
    assert words[: len(signature)] == signature
    assert keyword


@pytest.mark.parametrize(
    "kind",
    [list, np.array, pd.Series, pl.Series, tuple, lambda part: pd.Series(part, index=range(100, 140))],
    ids=["list", "NumPy", "pandas", "polars", "tuple", "pandas of another index"],
)
def test_rows_of_any_kind_give_one_table(kind):
    expected = mlopskit.group_metrics(Y, P, GROUPS, y_score=SCORE)
    pd.testing.assert_frame_equal(mlopskit.group_metrics(kind(Y), kind(P), GROUPS, y_score=kind(SCORE)), expected)


@pytest.mark.parametrize(
    "groups",
    [{"town": TOWN}, TOWN, np.array(TOWN), pd.Series(TOWN, index=range(7, 47)), pl.DataFrame({"town": TOWN}),
     pl.Series(TOWN), pa.table({"town": TOWN}), GROUPS.astype("category"), GROUPS.set_index(np.arange(5, 45))],
)  # fmt: skip
def test_groups_of_any_kind_give_one_table(groups):
    expected = mlopskit.group_metrics(Y, P, GROUPS, metrics=["recall", "f1"])
    pd.testing.assert_frame_equal(mlopskit.group_metrics(Y, P, groups, metrics=["recall", "f1"]), expected)


@pytest.mark.parametrize("kind", [lambda t: pl.DataFrame(t.to_dict("list")), pa.Table.from_pandas])
def test_features_of_any_kind_give_the_same_slices(kind):
    found = mlopskit.find_slices(FEATURES, ERRORS, min_support=10)
    assert found["slice"][0] == {"town": "b", "code": 1}
    pd.testing.assert_frame_equal(mlopskit.find_slices(kind(FEATURES), pl.Series(ERRORS), min_support=10), found)
    tested = mlopskit.confirm_slices(found, kind(FEATURES), list(ERRORS))
    pd.testing.assert_frame_equal(tested, mlopskit.confirm_slices(found, FEATURES, ERRORS))


REFUSED = {
    "lengths": ({"y_pred": P[:-1]}, "different lengths: y_true 40, y_pred 39, groups 40"),
    "no y_true": ({"y_true": None}, r"y_true has shape \(\); give one label or number a row"),
    "a column": ({"y_true": np.reshape(Y, (-1, 1))}, r"y_true has shape \(40, 1\)"),
    "missing label": ({"y_true": [None, *Y[1:]]}, "holds missing values; leave those rows out"),
    "NaN label": ({"y_true": [np.nan, *Y[1:]]}, "holds missing or infinite values"),
    "NA label": ({"y_true": pd.Series([pd.NA, *Y[1:]], dtype="Int64")}, "holds missing or infinite values"),
    "NaN label of a class": ({"y_pred": [np.nan, *P[1:]], "task": "binary"}, "holds missing values"),
    "NaN among words": ({"y_true": ["no", np.nan] * 20, "y_pred": ["no", "yes"] * 20}, "holds missing values"),
    "None among words": ({"y_true": ["no", None] * 20, "y_pred": ["no", "yes"] * 20}, "holds missing values"),
    "words and numbers in one": ({"y_true": ["no", 1] * 20, "y_pred": ["no", "yes"] * 20}, "hold words and numbers"),
    "words and numbers": ({"y_true": ["no", "yes"] * 20}, "hold words and numbers, which are never equal"),
    "words in a regression": ({"y_true": TOWN, "y_pred": TOWN, "task": "regression"}, "y_true holds values that are"),
    "dates": ({"y_true": pd.to_datetime(["2020", "2021"] * 20)}, "y_true holds values of type datetime64"),
    "complex": ({"y_true": np.array(Y) * 1j}, "y_true holds values of type complex128"),
    "three labels": ({"y_true": [0, 1, 2, 1] * 10, "task": "binary"}, "two labels; there are 0, 1, 2"),
    "one word": ({"y_true": ["yes"] * 40, "y_pred": ["yes"] * 40}, "yes is the only label, so it cannot be told"),
    "no rows": ({"y_true": [], "y_pred": [], "groups": GROUPS.head(0)}, "There are no rows"),
    "no groups": ({"groups": None}, "groups is None; give a DataFrame of one or more columns"),
    "one group for all": ({"groups": "a"}, "groups is of type str"),
    "groups of several lengths": ({"groups": {"a": TOWN, "b": TOWN[:-1]}}, "groups is of type dict"),
    "no columns": ({"groups": GROUPS[[]]}, "groups has no columns"),
    "columns twice": ({"groups": pd.concat([GROUPS, GROUPS], axis=1)}, "two columns of one name: town"),
    "lists": ({"groups": pd.DataFrame({"g": [[1], [2]] * 20})}, "Column 'g' holds lists"),
    "a group called overall": ({"groups": ["overall", "b"] * 20}, "called 'overall', which is the name of all rows"),
    "words as scores": ({"y_score": ["high"] * 40}, "y_score holds values that are no numbers; give probabilities"),
    "missing score": ({"y_score": [np.nan, *SCORE[1:]]}, "y_score holds values that are missing or infinite"),
    "scores of both classes": ({"y_score": np.c_[SCORE, SCORE]}, r"y_score\[:, 1\] is the positive class's"),
    "one score for several classes": (
        {"y_true": [0, 1, 2, 0] * 10, "y_score": SCORE},
        r"a multiclass task needs a column a class, \(n, classes\)",
    ),
    "too few columns of scores": (
        {"y_true": [0, 1, 2, 0] * 10, "y_score": np.c_[SCORE, SCORE]},
        "y_score has 2 columns and there are 3 labels",
    ),
    "one score for all": ({"y_score": 0.5}, "y_score is of type float; give one value a row"),
    "unknown metric": ({"metrics": ["acuracy"]}, r"Unknown metric 'acuracy' \(did you mean accuracy\?\)"),
    "metric of another task": ({"metrics": ["mae"]}, "Unknown metric 'mae'"),
    "no name": ({"metrics": [None]}, "metrics holds None; give names"),
    "a number": ({"metrics": 3}, "metrics holds 3; give names"),
    "no metrics": ({"metrics": []}, "metrics is empty"),
    "scores needed": ({"metrics": ["log_loss"]}, "log_loss needs scores; give y_score"),
    "unknown method": ({"method": "jackknife"}, "choose auto or bootstrap"),
    "unknown task": ({"task": "regresion"}, r"Unknown task 'regresion' \(did you mean regression\?\)"),
    "no replicates": ({"replicates": 0}, "replicates = 0 must be a whole number from 1"),
    "half a replicate": ({"replicates": 99.5}, "replicates = 99.5 must be a whole number"),
    "per cent": ({"confidence": 95}, "confidence = 95 must lie between 0 and 1; 0.95 is usual"),
    "seed": ({"seed": -1}, "seed = -1 must be a whole number from 0"),
    "minimum": ({"minimum": 0}, "minimum = 0 must be a whole number from 1"),
    "clusters": ({"clusters": "ten"}, "clusters = 'ten' must be a whole number from 1"),
    "negative weight": ({"sample_weight": [-1] * 40}, "sample_weight holds values that are missing, infinite or below"),
    "words as weights": ({"sample_weight": TOWN}, "sample_weight holds values that are no numbers"),
    "no weight": ({"sample_weight": [0] * 40}, "sample_weight is 0 for every row"),
    "units of other rows": ({"unit": [1]}, "different lengths"),
    "bootstrap of units": ({"unit": Y, "method": "bootstrap"}, "knows no weights and no units"),
}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_bad_rows_groups_and_settings_are_refused_in_a_sentence(given, said):
    with pytest.raises(MetricError, match=said):
        mlopskit.group_metrics(**{"y_true": Y, "y_pred": P, "groups": GROUPS, **given})


def test_one_group_and_one_class_are_no_error():
    one = mlopskit.group_metrics(Y, P, ["a"] * 40, metrics=["recall"])
    assert one["value"].tolist() == [0.75, 0.75]
    gap = mlopskit.disparities(one).iloc[0]
    assert (gap["status"], gap["method"]) == ("cannot-be-estimated", "fewer than two groups can be estimated")
    table = mlopskit.group_metrics([1] * 40, [1] * 40, GROUPS, metrics=["recall", "specificity"]).set_index("metric")
    assert table.loc["recall", "value"].tolist() == [1, 1, 1]
    assert table.loc["specificity", "value"].isna().all()
    assert set(table.loc["specificity", "status"]) == {"cannot-be-estimated"}


def test_what_is_missing_in_a_list_of_groups_is_a_group_of_its_own():
    for nothing in (None, np.nan, pd.NA):
        for groups in (["a", nothing] * 20, {"town": ["a", nothing] * 20}):
            table = mlopskit.group_metrics(Y, P, groups, metrics=["accuracy"])
            assert table["group"].tolist() == ["overall", "a", "missing"]


def test_metrics_named_twice_have_one_row_a_group():
    table = mlopskit.group_metrics(Y, P, GROUPS, metrics=["recall", "recall"])
    assert len(table) == 3
    pd.testing.assert_frame_equal(mlopskit.group_metrics(Y, P, GROUPS, metrics="recall"), table)


def test_units_that_are_all_missing_are_one_unit():
    table = mlopskit.group_metrics(Y, P, GROUPS, metrics=["accuracy"], unit=[None] * 40)
    assert table["method"].str.startswith("fewer than 10 clusters").all()


TABLE = mlopskit.group_metrics(Y, P, GROUPS, metrics=["recall"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"table_or_tally": None}, "no table of group_metrics: it lacks group, n"),
        ({"table_or_tally": TABLE.drop(columns="method")}, "it lacks method"),
        ({"metrics": ["recal"]}, r"did you mean recall\?"),
        ({"metrics": [1]}, "metrics holds 1; give names"),
        ({"confidence": 1}, "confidence = 1 must lie between 0 and 1"),
        ({"replicates": -5}, "replicates = -5 must be a whole number"),
        ({"minimum": "x"}, "minimum = 'x' must be a whole number"),
        ({"clusters": 0}, "clusters = 0 must be a whole number"),
    ],
)
def test_other_tables_and_settings_cannot_be_compared(given, said):
    with pytest.raises(MetricError, match=said):
        mlopskit.disparities(**{"table_or_tally": TABLE, **given})


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"features": None}, DataError, "features is None; give a DataFrame"),
        ({"features": [1, 2]}, DataError, "features is of type list"),
        ({"features": FEATURES.set_axis(["x", "x"], axis=1)}, DataError, "Columns occur twice: x"),
        ({"features": pd.DataFrame({"x": [[1]] * 400})}, DataError, "cannot be compared, such as a list"),
        ({"errors": None}, DataError, r"errors of shape \(\); give one error a row"),
        ({"errors": ERRORS[:-1]}, DataError, r"400 rows of features and errors of shape \(399,\)"),
        ({"errors": ["a"] * 400}, DataError, "Errors must be numbers"),
        ({"errors": -ERRORS}, DataError, "finite and not negative"),
        ({"errors": np.where(ERRORS > 0, np.nan, 0)}, DataError, "finite and not negative"),
        ({"k": 0}, MlopskitError, "k = 0 must be a whole number from 1"),
        ({"max_level": 1.5}, MlopskitError, "max_level = 1.5 must be a whole number from 1"),
        ({"alpha": 0}, MlopskitError, r"alpha = 0 must lie in \(0, 1\]"),
        ({"min_support": "many"}, MlopskitError, "min_support = 'many' must be a number of rows"),
        ({"min_support": float("nan")}, MlopskitError, "min_support = nan"),
        ({"direction": "best"}, MlopskitError, "choose worse or better"),
    ],
)
def test_bad_features_errors_and_settings_are_refused_in_a_sentence(given, error, said):
    with pytest.raises(error, match=said):
        mlopskit.find_slices(**{"features": FEATURES, "errors": ERRORS, **given})


FOUND = mlopskit.find_slices(FEATURES, ERRORS, min_support=10)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"slices": None}, DataError, "slices is None; give the table that find_slices returned"),
        ({"slices": FOUND.drop(columns="error")}, DataError, "it lacks error; it has slice, level, n, score"),
        ({"slices": FOUND.assign(slice="town = b")}, DataError, "slice must map columns to values"),
        ({"features": FEATURES[["town"]]}, DataError, "speak of code, which these rows do not have"),
        ({"features": 3}, DataError, "features is of type int"),
        ({"errors": ["a"] * 400}, DataError, "Errors must be numbers"),
        ({"level": 5}, MlopskitError, "level = 5 must lie between 0 and 1"),
        ({"method": "bonferroni"}, MlopskitError, "choose bh"),
        ({"direction": "best"}, MlopskitError, "choose worse or better"),
        ({"unit": [1]}, DataError, "1 units for 400 rows"),
    ],
)
def test_what_cannot_be_confirmed_is_refused_in_a_sentence(given, error, said):
    with pytest.raises(error, match=said):
        mlopskit.confirm_slices(**{"slices": FOUND, "features": FEATURES, "errors": ERRORS, **given})


def test_calibration_and_tallies_refuse_the_same():
    for given, said in (({"minimum": 0}, "minimum = 0"), ({"y_score": ["x"] * 40}, "no numbers"),
                        ({"groups": None}, "groups is None"), ({"confidence": 0}, "confidence = 0")):  # fmt: skip
        with pytest.raises(MetricError, match=said):
            calibration_by_group(**{"y_true": Y, "y_score": SCORE, "groups": GROUPS, **given})
    rows = pd.DataFrame({"_target": Y, "prediction": P, "town": TOWN})
    tally = mlopskit.Tally.from_table(rows, ["town"])
    for given, said in (({"minimum": 0}, "minimum = 0"), ({"metrics": []}, "metrics is empty")):
        with pytest.raises(MetricError, match=said):
            tally_metrics(tally, **given)
    named = mlopskit.Tally.from_table(rows.replace({"town": {"a": "overall"}}), ["town"])
    with pytest.raises(MetricError, match="called 'overall'"):
        mlopskit.disparities(named)
