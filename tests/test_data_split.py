"""No row lost, none twice, no copy on two sides; classes, groups and time as the scope asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.data.columns import ROW, TARGET, Target
from mlopskit.data.split import SPLITS, production_mask, row_units, split_rows, split_summary, split_tables
from mlopskit.errors import DataError
from mlopskit.scope import Data

BINARY = Target("binary", "y", ("no", "yes"), "yes")


def data(**more: Any) -> Data:
    return Data.model_validate({"source": "a.csv", "task": "binary", "target": "y", "positive": "yes"} | more)


def rows(n: int = 400, *, seed: int = 0) -> tuple[pd.DataFrame, pd.Series[Any]]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(0, 40, n), "t": rng.integers(2000, 2010, n)})
    return frame, pd.Series(rng.integers(0, 2, n), dtype="Int64")


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    how=st.sampled_from(["stratified", "group", "time"]),
    production=st.sampled_from([None, 2007]),
    missing=st.floats(0, 0.3),
)
def test_every_row_with_a_target_is_dealt_exactly_once(
    seed: int, how: str, production: int | None, missing: float
) -> None:
    frame, values = rows(seed=seed)
    values = values.mask(np.random.default_rng(seed).random(len(values)) < missing)
    scope = data(split=how, time="t", group="g", production_from=production)
    splits = split_rows(frame, values, scope, target=BINARY, seed=seed)
    tables = split_tables(frame, values, splits, target=BINARY, time="t")
    together = pd.concat(tables.values())
    assert sorted(together[ROW]) == np.flatnonzero(values.notna()).tolist()
    assert (values.iloc[together[ROW]].to_numpy() == together[TARGET].to_numpy()).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), copies=st.integers(1, 5))
def test_equal_rows_stay_on_one_side(seed: int, copies: int) -> None:
    frame, values = rows(100, seed=seed)
    frame, values = pd.concat([frame] * copies, ignore_index=True), pd.concat([values] * copies, ignore_index=True)
    splits = split_rows(frame, values, data(), target=BINARY, seed=seed)
    assert splits.groupby(row_units(frame, values)).nunique().max() == 1


def test_a_stratified_split_keeps_classes_and_shares() -> None:
    frame, _ = rows(1000)
    values = pd.Series(np.arange(1000) % 10 == 0, dtype="Int64")
    splits = split_rows(frame, values, data(), target=BINARY, train_share=0.5, validation_share=0.25)
    counts = pd.crosstab(splits, values)
    assert counts.loc["train"].tolist() == [360, 40]  # half of four fifths of 900 and 100
    assert counts.loc["validation"].tolist() == counts.loc["test"].tolist() == [180, 20]
    assert counts.loc["production"].tolist() == [180, 20]


def test_groups_stay_together() -> None:
    frame, values = rows()
    splits = split_rows(frame, values, data(split="group", group="g"), target=BINARY)
    assert splits.groupby(frame["g"]).nunique().max() == 1


def test_a_split_by_time_leaves_no_younger_row_before_an_older_one() -> None:
    frame, values = rows()
    splits = split_rows(frame, values, data(split="time", time="t"), target=BINARY)
    spans = frame.groupby(splits)["t"].agg(["min", "max"]).loc[list(SPLITS)]
    assert (spans["max"].to_numpy()[:-1] < spans["min"].to_numpy()[1:]).all()


def test_production_begins_where_the_scope_says() -> None:
    frame, values = rows()
    splits = split_rows(frame, values, data(time="t", production_from=2007), target=BINARY)
    assert ((splits == "production") == (frame["t"] >= 2007)).all()


def test_dates_as_text_mark_production_too() -> None:
    frame = pd.DataFrame({"t": ["2020-01-05", "2021-07-01", None]})
    assert production_mask(frame, data(time="t", production_from="2021-01-01")).tolist() == [False, True, False]


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    frame, values = rows()
    first, again, other = (split_rows(frame, values, data(), target=BINARY, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize(
    ("more", "shares", "said"),
    [
        ({}, {"train_share": 0.8, "validation_share": 0.2}, "leave nothing for test data"),
        ({"time": "t", "production_from": 1990}, {}, "leaves no development row: 't' runs from 2000 to 2009"),
        ({"time": "t", "production_from": 2050}, {}, "leaves no production row"),
        ({"time": "t", "production_from": "soon"}, {}, "is no number"),
        ({"split": "group", "group": "one"}, {}, "No row is left for"),
    ],
)
def test_impossible_splits_are_refused(more: dict[str, Any], shares: dict[str, float], said: str) -> None:
    frame, values = rows()
    with pytest.raises(DataError, match=said):
        split_rows(frame.assign(one=1), values, data(**more), target=BINARY, **shares)


def test_a_time_column_of_words_is_refused() -> None:
    frame, values = rows(40)
    with pytest.raises(DataError, match=r"neither numbers nor dates .'spring'"):
        split_rows(frame.assign(t="spring"), values, data(split="time", time="t"), target=BINARY)


def test_images_can_be_told_apart() -> None:
    frame = pd.DataFrame({"image": [[0, 1], np.array([0.0, 1.0]), [1, 0]]})
    assert row_units(frame, pd.Series([0, 0, 0])).tolist() == [0, 0, 1]


def test_regression_targets_are_dealt_over_their_whole_range() -> None:
    frame, _ = rows(1000)
    values = pd.Series(np.arange(1000.0), dtype="Float64")
    target = Target("regression", "y")
    splits = split_rows(frame, values, data(task="regression", positive=None), target=target)
    tables = split_tables(frame, values, splits, target=target, time=None)
    assert split_summary(tables, target=target, time=None)["target_mean"].between(480, 520).all()
