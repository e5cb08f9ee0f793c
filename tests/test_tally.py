"""Groups and counts: the same whatever the order and the portions in which rows arrive."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.metrics import average_precision_score, roc_auc_score

from mlopskit.errors import DataError
from mlopskit.evaluate import tally_metrics
from mlopskit.intervals import areas, average_precisions, delong
from mlopskit.tally import Grouping, ScoreBins, Tally, auc_from_bins, block_of
from mlopskit.tally.entries import binned_entries, entries_of

RNG = np.random.default_rng(0)


def _scored(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    score = 1 / (1 + np.exp(-(rng.normal(size=n) + y)))
    town = rng.choice(["a", "b", "<script>"], n)
    return pd.DataFrame({"_row": np.arange(n), "_target": y, "prediction": (score > 0.5).astype(int), "score": score,
                         "town": town, "sex": rng.choice(["f", "m"], n)})  # fmt: skip


def _same(a: Tally, b: Tally) -> None:
    pd.testing.assert_frame_equal(a.cells, b.cells)
    np.testing.assert_array_equal(a.counts, b.counts)
    np.testing.assert_allclose(a.sums, b.sums, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a.weights, b.weights, rtol=1e-9, atol=1e-9)
    for left, right in ((a.scores, b.scores), (a.exact, b.exact)):
        pd.testing.assert_frame_equal(left, right, check_dtype=False)


def test_numeric_ranges_are_readable_and_about_equally_large():
    ages = pd.DataFrame({"age": np.repeat(np.arange(20, 60), 5)})
    grouping = Grouping.fit(ages, ["age"])
    assert grouping.transform(ages)["age"].value_counts().to_dict() == {
        "20–29": 50, "30–39": 50, "40–49": 50, "50–59": 50}  # fmt: skip


def test_values_beyond_the_reference_fall_into_the_outer_groups():
    grouping = Grouping.fit(pd.DataFrame({"age": np.arange(20, 60)}), ["age"], bins=2)
    assert grouping.transform(pd.DataFrame({"age": [3.0, 39.5, 95.0]}))["age"].tolist() == ["20–39", "40–59", "40–59"]


def test_missing_rare_and_unknown_values_have_groups():
    reference = pd.DataFrame({"town": ["a"] * 5 + ["b"] * 3 + ["c"] * 2 + ["d", None]})
    grouping = Grouping.fit(reference, ["town"], max_groups=3)
    seen = grouping.transform(pd.DataFrame({"town": ["a", "b", "c", "never seen", None]}))
    assert seen["town"].tolist() == ["a", "b", "other", "other", "missing"]


@pytest.mark.parametrize(
    "values",
    [[-1.5, 0.25, 3.0, 9.75] * 3, [True, False] * 6, [None] * 12, [1.0] * 12, pd.date_range("2024-01-01", periods=12)],
)
def test_a_grouping_survives_json_and_groups_every_row(values):
    frame = pd.DataFrame({"x {y} 'z'": values})
    grouping = Grouping.fit(frame, list(frame.columns))
    again = Grouping.from_dict(json.loads(json.dumps(grouping.to_dict())))
    assert again == grouping
    assert again.transform(frame).notna().all(axis=None)


def test_datetimes_beyond_what_nanoseconds_hold_are_its_ends():
    days = ["1000-01-01", "1850-05-05", "2020-01-01", "2021-01-01", "2500-01-01", "9999-12-31"]
    rows = pd.DataFrame({"when": np.array(days * 5, dtype="datetime64[s]")})
    grouping = Grouping.fit(rows, ["when"], bins=3)
    assert grouping.columns[0].labels == ("1677-09-23 to 1850-05-05", "2020-01-01 to 2021-01-01", "2262-04-11")
    assert grouping.codes(rows)["when"].tolist() == [0, 0, 1, 1, 2, 2] * 5


def test_lists_and_unknown_columns_are_refused():
    with pytest.raises(DataError, match="holds lists"):
        Grouping.fit(pd.DataFrame({"image": [[1, 2], [3, 4]]}), ["image"])
    with pytest.raises(DataError, match="did you mean town"):
        Grouping.fit(_scored(), ["twon"])


@settings(max_examples=15)
@given(cut=st.integers(0, 60), seed=st.integers(0, 1000))
def test_adding_parts_gives_the_tally_of_the_whole(cut, seed):
    rows = _scored(60, seed)
    parts = [Tally.from_table(part, ["town", "sex"]) for part in (rows.iloc[:cut], rows.iloc[cut:])]
    _same(parts[0] + parts[1], Tally.from_table(rows, ["town", "sex"]))
    _same(parts[1] + parts[0], parts[0] + parts[1])


def test_regression_sums_keep_their_digits_far_from_zero():
    y = 1e9 + RNG.normal(size=300)
    rows = pd.DataFrame({"_row": range(300), "_target": y, "prediction": y + 0.5, "g": "all"})
    whole = Tally.from_table(rows.head(100), ["g"], task="regression") + Tally.from_table(
        rows.tail(200), ["g"], task="regression"
    )
    sums = whole.marginal()
    mean = float((sums.sums[0, :, 0] * sums.sums[0, :, 4]).sum() / 300)
    spread = sums.sums[0, :, 5].sum() + (sums.sums[0, :, 0] * (sums.sums[0, :, 4] - mean) ** 2).sum()
    assert spread == pytest.approx(np.sum((y - y.mean()) ** 2), rel=1e-5)


@pytest.mark.parametrize("weight", [None, "w"])
def test_sums_of_two_parts_give_the_errors_and_the_fit_of_all_rows(weight):
    rng = np.random.default_rng(7)
    y, w = rng.normal(1e4, 3, 500), rng.integers(1, 4, 500)
    rows = pd.DataFrame({"_row": range(500), "_target": y, "prediction": y + rng.normal(0.5, 2, 500), "w": w})
    parts = [Tally.from_table(part, task="regression", weight=weight) for part in (rows.head(123), rows.tail(377))]
    found = tally_metrics(parts[0] + parts[1]).head(4).set_index("metric")["value"]
    pair, how = (y, rows["prediction"]), {"sample_weight": w if weight else None}
    assert found.to_dict() == pytest.approx({
        "mae": sk.mean_absolute_error(*pair, **how), "rmse": sk.root_mean_squared_error(*pair, **how),
        "r2": sk.r2_score(*pair, **how), "bias": np.average(rows["prediction"] - y, weights=how["sample_weight"]),
    })  # fmt: skip


def test_confusion_counts_agree_with_counting_by_hand():
    rows = pd.DataFrame({"g": list("aab"), "_target": [0, 2, 1], "prediction": [0, 1, 1]})
    counts = Tally.from_table(rows, ["g"], task="multiclass").confusion()
    assert counts[0, 0, 0] == counts[0, 2, 1] == counts[1, 1, 1] == 1
    assert counts.sum() == 3


def test_marginals_forget_columns_and_lose_no_row():
    tally = Tally.from_table(_scored(), ["town", "sex"])
    _same(tally.marginal(["sex"]), Tally.from_table(_scored(), ["sex"]))
    assert tally.marginal().sizes.tolist() == [400]


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_tally_survives_its_parquet_file(tmp_path, task, weight):
    rows = _scored().assign(w=lambda table: 1 + table["_row"] % 3)
    tally = Tally.from_table(rows, ["town"], task=task, grouping=Grouping.fit(rows, ["town"]), weight=weight)
    tally.save(tmp_path / "tally.parquet")
    again = Tally.load(tmp_path / "tally.parquet")
    _same(again, tally)
    assert again.grouping == tally.grouping
    _same(again + tally, tally + tally)


def test_arrow_tables_and_parquet_files_count_like_frames(tmp_path):
    rows = _scored()
    rows.to_parquet(tmp_path / "rows.parquet")
    expected = Tally.from_table(rows, ["town"])
    _same(Tally.from_table(pa.Table.from_pandas(rows), ["town"]), expected)
    _same(Tally.from_table(tmp_path / "rows.parquet", ["town"]), expected)


def test_tallies_of_different_edges_are_not_added():
    rows = _scored()
    with pytest.raises(DataError, match="different score bin edges"):
        _ = Tally.from_table(rows, ["town"]) + Tally.from_table(rows, ["town"], score_bins=ScoreBins(bins=16))
    groupings = [Grouping.fit(part, ["score"]) for part in (rows, rows.head(50))]
    with pytest.raises(DataError, match="different bin edges or categories"):
        _ = Tally.from_table(rows, ["score"], grouping=groupings[0]) + Tally.from_table(
            rows, ["score"], grouping=groupings[1]
        )


def test_rows_with_scores_are_not_added_to_rows_without():
    """Areas would be those of some rows, beside the number of all."""
    first, second = _scored(50), _scored(60, seed=1).drop(columns="score")
    with pytest.raises(DataError, match=r"different kinds of rows \(with scores or without\)"):
        _ = Tally.from_table(first) + Tally.from_table(second)
    nobody = Tally.from_table(second.head(0))
    _same(nobody + Tally.from_table(first), Tally.from_table(first))


def test_a_missing_person_has_one_block_however_the_numbers_are_stored():
    given = [1, None, 3, 2**40]
    kinds = [pd.Series(given, dtype=kind) for kind in ("float64", "Int64", "object", "Float64", "int64[pyarrow]")]
    blocks = {tuple(block_of(units)) for units in kinds}
    assert len(blocks) == 1
    whole = block_of(pd.Series([1, 3, 2**40]))
    found = blocks.pop()
    assert [found[place] for place in (0, 2, 3)] == whole.tolist()


def test_a_unit_keeps_its_rows_in_one_block():
    rows = _scored().assign(person=lambda table: table["_row"] // 10)
    counts = Tally.from_table(rows, unit="person").counts[0].sum(axis=(1, 2))
    assert counts.sum() == 400
    assert (counts % 10 == 0).all()
    assert (counts > 0).sum() > 20  # 40 persons dealt to 64 blocks


@pytest.mark.parametrize(
    "how", [{"unit": "person"}, {"weight": "w"}, {"task": "regression"}, {"task": "multiclass", "unit": "person"}]
)
def test_counts_and_sums_are_kept_by_the_hash_of_the_unit_or_else_of_the_rows_id(how):
    rows = _scored().assign(person=lambda table: table["_row"] // 10, w=1.0).sample(frac=1, random_state=0)
    rows = rows.reset_index(drop=True)  # what counts is the id, not the place
    hashed = pd.util.hash_pandas_object(rows[how.get("unit", "_row")], index=False).to_numpy() % 64
    tally = Tally.from_table(rows, **how)
    found = tally.sums[0, :, 0] if how.get("task") == "regression" else tally.counts[0].sum(axis=(1, 2))
    assert found.tolist() == np.bincount(hashed.astype(int), minlength=64).tolist()
    assert Tally.from_table(rows).counts.shape == (1, 1, 2, 2)  # independent rows need no blocks


def test_a_person_has_one_block_however_the_number_is_stored():
    ids = pd.Series([3, 1, 700, 3])
    for kind in ("int32", "float64", "Int64", "category"):
        assert block_of(ids.astype(kind)).tolist() == block_of(ids).tolist()
    assert block_of(pd.Series([3.0, np.nan]))[0] == block_of(ids)[0]
    words = pd.Series(["a", "b", "a"])
    assert block_of(words.astype("category")).tolist() == block_of(words).tolist()


def test_area_from_bins_stays_within_its_bound():
    rows = _scored(3000)
    histogram = Tally.from_table(rows).histogram()
    found = auc_from_bins(histogram[:, 0], histogram[:, 1])
    assert abs(found["value"][0] - roc_auc_score(rows["_target"], rows["score"])) <= found["bound"][0] < 0.001
    assert [found[key][0] for key in ("low", "high")] == pytest.approx(
        delong(rows["_target"], rows["score"])[1:], abs=1e-3
    )


@pytest.mark.parametrize("column", ["_target", "prediction", "score"])
def test_missing_labels_and_scores_are_refused(column):
    rows = _scored(20).astype({column: float})
    rows.loc[3, column] = None
    with pytest.raises(DataError, match=f"Column '{column}' holds missing values"):
        Tally.from_table(rows)


def test_class_indices_beyond_the_classes_are_refused():
    with pytest.raises(DataError, match="Class index 3 does not fit 2 classes"):
        Tally.from_table(pd.DataFrame({"_target": [0, 3], "prediction": [0, 1]}))


def test_given_edges_make_the_groups():
    people = pd.DataFrame({"age": [17.0, 18.0, 30.0, 65.0, 80.0, None]})
    grouping = Grouping.fit(people, ["age"], edges={"age": [18, 65]})
    assert grouping.transform(people)["age"].tolist() == [
        "up to 18", "up to 18", "18–65", "18–65", "over 65", "missing"]  # fmt: skip
    with pytest.raises(DataError, match="must be rising numbers"):
        Grouping.fit(people, ["age"], edges={"age": [65, 18]})


def test_weights_are_added_and_so_are_their_squares():
    rows = pd.DataFrame({"_target": [1, 1, 0], "prediction": [1, 1, 0], "w": [0.5, 2.0, 3.0]})
    first, second = Tally.from_table(rows.head(2), weight="w"), Tally.from_table(rows.tail(1), weight="w")
    total = (first + second).weights.sum(axis=1)[0]
    assert total[1, 1].tolist() == [2.5, 4.25]
    assert total[0, 0].tolist() == [3.0, 9.0]
    with pytest.raises(DataError, match="kinds of rows"):
        _ = first + Tally.from_table(rows, unit="w")
    with pytest.raises(DataError, match="weights that are missing, infinite or below 0"):
        Tally.from_table(rows.assign(w=-1), weight="w")


def test_weighted_regression_sums_are_those_of_repeated_rows():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        {"_target": rng.normal(50, 5, 60), "prediction": rng.normal(50, 5, 60), "w": rng.integers(1, 4, 60)}
    )
    rows["person"] = np.arange(60)
    repeated = rows.loc[rows.index.repeat(rows["w"])]
    weighted = Tally.from_table(rows, task="regression", weight="w", unit="person")
    plain = Tally.from_table(repeated, task="regression", unit="person")
    np.testing.assert_allclose(weighted.sums[..., :6], plain.sums)
    assert weighted.sizes.tolist() == [60]


def test_rows_that_repeat_bring_a_warning_unless_it_is_said_what_belongs_together():
    rows = _scored().assign(_row=lambda table: table["_row"] // 2, person=lambda table: table["_row"])
    with pytest.warns(UserWarning, match="200 rows or more repeat the id of another"):
        Tally.from_table(rows)
    Tally.from_table(rows, unit="person")


def test_scores_are_kept_exactly_where_bins_are_too_coarse(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.random(6000) < 0.1
    score = 0.01 + 0.002 * rng.random(6000) + 0.0005 * y  # a rare event: all scores within a few bins
    rows = pd.DataFrame({"_row": range(6000), "_target": y * 1, "prediction": 0, "score": score})
    rows.to_parquet(tmp_path / "rows.parquet")
    for source in (rows, tmp_path / "rows.parquet"):
        tally = Tally.from_table(source)
        assert average_precisions(binned_entries(tally), bins=True).bound[0] > 0.001
        entries, exact = entries_of(tally)
        assert exact.all()
        assert areas(entries).value[0] == pytest.approx(roc_auc_score(y, score), abs=1e-12)
        assert average_precisions(entries).value[0] == pytest.approx(average_precision_score(y, score), abs=1e-12)


def test_exact_scores_survive_addition_only_where_both_have_them():
    one, other = _scored(300), _scored(300, seed=1)
    both = Tally.from_table(one) + Tally.from_table(other)
    joined = pd.concat([one, other])
    assert areas(entries_of(both)[0]).value[0] == pytest.approx(roc_auc_score(joined["_target"], joined["score"]))
    large = Tally.from_table(_scored(9000, seed=2))
    assert len(large.exact) == 0
    assert len((large + both).exact) == 0


def test_parts_that_hold_one_class_each_still_give_the_area_of_the_whole():
    """How far bins move it is known once both classes are there, so the scores are kept until then."""
    rows = _scored(12_000).assign(score=lambda table: 0.5 + table["score"] / 1000)  # all within a few bins
    parts = [Tally.from_table(rows[rows["_target"] == actual]) for actual in (0, 1)]
    area = areas(entries_of(parts[0] + parts[1])[0]).value[0]
    assert area == pytest.approx(roc_auc_score(rows["_target"], rows["score"]), abs=1e-12)
    wide = [Tally.from_table(part) for _, part in _scored(12_000).groupby("_target")]
    assert len(wide[0].exact) > 0
    assert len((wide[0] + wide[1]).exact) == 0, "bins suffice"


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), size=st.integers(30, 3000), spread=st.floats(0.05, 3))
def test_bins_move_average_precision_by_no_more_than_their_bound(seed, size, spread):
    rng = np.random.default_rng(seed)
    y = np.r_[0, 1, rng.integers(0, 2, size)]
    score = 1 / (1 + np.exp(-spread * (rng.normal(size=size + 2) + y)))
    tally = Tally.from_table(pd.DataFrame({"_target": y, "prediction": y, "score": score}))
    found = average_precisions(binned_entries(tally), bins=True)
    assert abs(found.value[0] - average_precision_score(y, score)) <= found.bound[0] + 1e-12


def test_every_threshold_follows_from_the_bins():
    rows = _scored(2000)
    tally = Tally.from_table(rows)
    edges, counts = tally.score_bins.edges(), tally.histogram()[0]
    for place in (900, 2048, 3000):
        called = rows["score"] >= edges[place]
        for actual in (0, 1):
            assert counts[actual, place + 1 :].sum() == (called & (rows["_target"] == actual)).sum()
    scores = tally.scores.set_index(["actual", "bin"])["score_sum"]
    home = np.searchsorted(edges, rows["score"], side="right")
    expected = rows["score"].groupby([rows["_target"], home]).sum()
    assert len(edges) == 4095
    assert np.diff(np.log(edges / (1 - edges))) == pytest.approx(24 / 4096)  # equal steps on the logit scale
    assert scores.to_numpy() == pytest.approx(expected.to_numpy())


def test_an_area_that_bins_may_have_moved_far_cannot_be_estimated():
    """In either part all bins are of one class; together they are of both, and the order within them is not known."""
    rng, parts = np.random.default_rng(0), []
    for higher in (0, 1):
        actual = rng.integers(0, 2, 5000)
        score = 0.5 + 0.1 * (actual == higher) + rng.random(5000) / 1e6
        parts.append(pd.DataFrame({"_target": actual, "prediction": actual, "score": score}))
    joined = Tally.from_table(parts[0]) + Tally.from_table(parts[1])
    found = tally_metrics(joined, metrics=["roc_auc", "average_precision"])
    assert (found["status"] == "cannot-be-estimated").all()
    assert found[["low", "high"]].isna().all(axis=None)
    assert found["method"].str.contains("score bins are off by up to 0.").all()
    at_once = tally_metrics(Tally.from_table(pd.concat(parts)), metrics=["roc_auc"])
    assert (at_once["status"] == "estimated").all()
