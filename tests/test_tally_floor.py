"""The privacy floor in tables of one column, along scores and by windows: attacks by brute force."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mlopskit.data import ROW, TARGET, Columns, Target, column_profile, findings_table, group_profile
from mlopskit.data.checks import Finding
from mlopskit.data.floored import hide_counts
from mlopskit.data.overview import show_labels, show_rows
from mlopskit.deploy.automation import deferred_by_group
from mlopskit.deploy.floored import EVERY_GROUP, hide_warnings, show_requests
from mlopskit.evaluate.curves import calibration_table, confusion_table, precision_recall_curve, roc_curve
from mlopskit.model import Objective, choose_threshold, threshold_curve
from mlopskit.tally.floor.bounds import Published, confusion_kinds, short_of
from mlopskit.tally.floor.plan import SHOWN, plan_floor
from mlopskit.tally.floor.scores import cuts
from mlopskit.tally.floor.tables import folded, states_of, withhold

BINARY = Target("binary", "y", ("no", "yes"), "yes")
COLUMNS = Columns(("a", "b"), (), ("a", "b"), sensitive=("a",), slices=())
FLOOR = 5


def worlds(sizes, shown):
    """Every way in which the rows could lie in the groups, given their total and the groups that are shown."""
    total, open_groups = sum(sizes), [i for i in range(len(sizes)) if i not in shown]
    left = total - sum(sizes[i] for i in shown)
    for some in product(range(left + 1), repeat=max(len(open_groups) - 1, 0)):
        if open_groups and sum(some) <= left:
            yield dict(zip(open_groups, [*some, left - sum(some)], strict=True))


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4))
def test_an_attacker_who_tries_every_world_cannot_bound_a_hidden_group_below_the_floor(sizes):
    groups = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    states = states_of(groups, floor=FLOOR)
    shown = [i for i in range(len(sizes)) if states[f"g{i}"] == SHOWN]
    possible = list(worlds(sizes, shown))
    for group in set(range(len(sizes))) - set(shown):
        assert max(world[group] for world in possible) >= min(FLOOR, sum(sizes))


@settings(max_examples=200)
@given(cells=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_folded_cells_hold_no_row_of_a_kind_or_as_many_as_the_floor(cells):
    number = folded(cells, FLOOR)
    assert (np.diff(number) >= 0).all()
    sums = np.array([np.asarray(cells)[number == i].sum(axis=0) for i in range(number.max() + 1)])
    assert len(sums) == 1 or ((sums == 0) | (sums >= FLOOR)).all()


def scored(seed=0, n=300):
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 80, n) / 80
    truth = (rng.random(n) < score).astype(int)
    return pd.DataFrame({ROW: range(n), TARGET: truth, "prediction": (score >= 0.5).astype(int), "score": score})


@settings(max_examples=25)
@example(seed=368, n=20)  # 4 negatives in all, 3 of them called positive: the curve's ends tell no more than the totals
@given(seed=st.integers(0, 1000), n=st.integers(20, 300))
def test_no_two_tables_cut_along_the_scores_can_be_subtracted(seed, n):
    rows = scored(seed, n)
    if rows[TARGET].nunique() < 2:
        return
    positive, score = rows[TARGET].to_numpy() == 1, rows["score"].to_numpy()
    called = score >= 0.5
    known = {0.5, *cuts(positive, score, called, floor=FLOOR)}
    for curve in (roc_curve, precision_recall_curve):
        known |= set(curve(rows, BINARY, floor=FLOOR)["threshold"])
    # what lies between two cuts falls apart at the threshold, where the four cells of the confusion table are known
    for one, other in product(known, known):
        between = (score >= min(one, other)) & (score < max(one, other))
        for kind, side in product((positive, ~positive), (called, ~called)):
            count = int((kind & side & between).sum())
            assert count == 0 or count >= FLOOR or count == (kind & side).sum(), (one, other, count)


@settings(max_examples=25)
@given(seed=st.integers(0, 1000), n=st.integers(40, 300))
def test_the_curve_over_thresholds_and_the_one_in_use_leave_no_few_rows_of_a_class_between_them(seed, n):
    rows = scored(seed, n)
    if rows[TARGET].nunique() < 2:
        return
    truth, score = rows[TARGET].to_numpy(), rows["score"].to_numpy()
    objective = Objective()
    chosen = choose_threshold(truth, score, objective=objective)
    curve = threshold_curve(truth, score, objective=objective, chosen=chosen, floor=FLOOR)
    found = (curve["recall"] * truth.sum()).round().to_numpy(int)
    alarms = (curve["selected"] * n).round().to_numpy(int) - found
    called = score >= chosen.threshold
    for kind, counts in ((truth == 1, found), (truth == 0, alarms)):
        above, all_of_them = int((kind & called).sum()), int(kind.sum())
        known = np.unique([0, *counts, above, all_of_them])
        for low, high in pairwise(known):
            assert high - low >= FLOOR or {low, high} <= {0, above, all_of_them}, known


def test_calibration_bins_hold_enough_of_each_class_and_are_as_before_without_a_floor():
    rows = scored()
    table = calibration_table(rows, BINARY, bins=40, floor=10)
    hits = (table["observed"] * table["n"]).round().astype(int)
    for part in (hits, table["n"] - hits):
        assert ((part == 0) | (part >= 10)).all()
    assert table["n"].sum() == len(rows)
    pd.testing.assert_frame_equal(calibration_table(rows, BINARY, floor=1), calibration_table(rows, BINARY))


def test_small_confusions_of_several_classes_are_hidden_with_what_gives_them_away():
    pairs = {(0, 0): 50, (0, 1): 30, (0, 2): 2, (1, 0): 20, (1, 1): 60, (1, 2): 25, (2, 0): 22, (2, 1): 21, (2, 2): 40}
    rows = pd.DataFrame([key for key, n in pairs.items() for _ in range(n)], columns=[TARGET, "prediction"])
    table = confusion_table(rows, Target("multiclass", "y", ("a", "b", "c")), floor=FLOOR)
    hidden = table["n"].isna().to_numpy().reshape(3, 3)
    assert hidden[0, 2]
    assert set(hidden.sum(axis=0)) <= {0, 2, 3}
    assert set(hidden.sum(axis=1)) <= {0, 2, 3}
    assert not confusion_table(rows, Target("multiclass", "y", ("a", "b", "c")))["n"].isna().any()


@pytest.fixture(scope="module")
def people():
    """400 rows, 240 of them to train on; group z has 3 of these and 5 in all."""
    rng = np.random.default_rng(3)
    a = np.array(["x"] * 200 + ["y"] * 195 + ["z"] * 5, dtype=object)
    b = pd.Series(rng.choice(["p", "q"], 400)).mask(np.arange(400) % 130 == 7)
    parts = pd.Series(
        np.where(np.arange(400) % 5 < 3, "train", np.where(np.arange(400) % 5 == 3, "test", "validation"))
    )
    return pd.DataFrame({"a": a, "b": b, TARGET: rng.integers(0, 2, 400)}), parts


SCHEMA = pd.DataFrame({"feature": ["a", "b"], "role": "feature", "kind": "categorical"})


def test_training_groups_are_hidden_in_pairs_and_their_size_cannot_be_had(people):
    rows, parts = people
    table = group_profile(rows[parts == "train"], target=BINARY, columns=COLUMNS, floor=FLOOR)
    hidden = table[table["n"].isna()]
    assert "z" in set(hidden["group"])
    assert len(hidden) == 2
    assert hidden[["value", "low", "high"]].isna().all(axis=None)
    whole = group_profile(rows[parts == "train"], target=BINARY, columns=COLUMNS)
    assert whole["n"].dtype == np.int64
    assert whole["n"].min() == 3


def test_the_profile_counts_nothing_of_declared_columns_nor_what_a_part_of_the_split_has_few_of(people):
    rows, parts = people
    profile = column_profile(rows, SCHEMA, columns=COLUMNS, parts=parts, floor=FLOOR).set_index("feature")
    assert profile.loc["a", ["missing", "missing_share", "top_share"]].isna().all()
    assert profile.loc["b", ["missing", "missing_share"]].isna().all()  # 4 values are missing
    assert not np.isnan(profile.loc["b", "top_share"])
    pd.testing.assert_frame_equal(column_profile(rows, SCHEMA), column_profile(rows, SCHEMA, columns=COLUMNS, floor=1))


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_the_profile_less_the_tables_of_its_parts_leaves_no_small_count(sizes):
    # an attacker subtracts what later phases may show of some parts of the split from the whole
    parts = np.repeat(["train", "train", "test", "test", "validation", "validation"], sizes)
    values = np.repeat(["p", "q"] * 3, sizes)
    frame = pd.DataFrame({"b": values})
    if frame.empty:
        return
    schema = SCHEMA[SCHEMA["feature"] == "b"]
    profile = hide_counts(column_profile(frame, schema), frame, COLUMNS, floor=FLOOR, parts=pd.Series(parts))
    if profile["top_share"].isna().all():
        return
    inside = frame["b"] == profile["top"].iloc[0]
    counts = {part: int((inside & (parts == part)).sum()) for part in set(parts)}
    for taken in product([0, 1], repeat=len(counts)):
        left = sum(n for n, gone in zip(counts.values(), taken, strict=True) if not gone)
        assert left == 0 or left >= FLOOR


def test_checks_keep_what_they_found_and_lose_their_numbers():
    found = [
        Finding("DAT001", "a", "issue", "120 of 400 values are missing", 120),
        Finding("DAT012", "b", "issue", "2 values are infinite", 2),
        Finding("DAT001", "c", "issue", "40 of 400 values are missing", 40),
    ]
    table = findings_table(found, columns=COLUMNS, floor=FLOOR).set_index("subject")
    assert table["n"].isna().to_dict() == {"a": True, "b": True, "c": False}
    assert "120" not in table.loc["a", "detail"]
    assert "floor" in table.loc["b", "detail"]
    assert "40 of 400" in table.loc["c", "detail"]


def test_no_row_is_shown_where_there_is_a_floor(people):
    rows = people[0]
    for shown in (show_rows(rows, COLUMNS, floor=5), show_labels(rows, floor=5), show_requests(rows, floor=5)):
        assert "one person a row" in shown.text
    for shown in (show_rows(rows, COLUMNS), show_labels(rows), show_requests(rows)):
        assert "<table" in shown._repr_html_()


def test_what_is_deferred_is_shown_by_whole_columns_only():
    rows = pd.DataFrame(
        {ROW: range(200), "a": ["x"] * 197 + ["y"] * 3, "b": ["u"] * 100 + ["v"] * 100, "c": range(200)}
    )
    deferred = np.arange(200) % 4 == 0
    table = deferred_by_group(rows, rows, deferred, columns=["a", "b", "c"], floor=FLOOR)
    assert set(table.loc[table["group"] == EVERY_GROUP, "slice"]) == {"a", "c"}
    assert table.loc[table["slice"] == "b", "n"].tolist() == [100, 100]
    assert table.loc[table["group"] == EVERY_GROUP, ["n", "deferred"]].isna().all(axis=None)


def test_few_warnings_are_not_counted():
    warned = pd.DataFrame({"feature": ["a", "b"], "warning": "unseen", "n": [40, 2]})
    assert hide_warnings(warned, floor=5)["n"].isna().tolist() == [False, True]
    assert hide_warnings(warned)["n"].tolist() == [40, 2]


def test_withholding_keeps_rows_and_leaves_a_table_without_a_floor_alone():
    table = pd.DataFrame({"group": ["x", "y"], "n": [3, 40], "value": [0.5, 0.25], "status": "estimated"})
    hidden = withhold(table, [0, 2], 5)
    assert hidden["status"].tolist() == ["hidden", "estimated"]
    assert hidden["n"].isna().tolist() == [True, False]
    assert withhold(table, [0, 2], 1) is table


def plain_short_of(published, floor):
    """One linear program a withheld count over every combination, as the definition has it."""
    kinds, goals = published.rows.shape[1], np.minimum(floor, published.watched @ published.rows.sum(axis=0))
    left, right = [], []
    for members, state in zip(published.members, published.states, strict=True):
        for what in {2: np.eye(kinds), 1: np.ones((1, kinds))}.get(int(state), []):
            line = np.kron(members, what)
            left.append(line)
            right.append(line @ published.rows.ravel())
    short = []
    for group, count in published.withheld:
        line = np.kron(published.members[group], published.watched[count])
        most = -linprog(-line, A_eq=np.array(left), b_eq=right, method="highs").fun
        if 1e-6 < most < goals[count] - 1e-6:
            short.append((group, count))
    return short


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), density=st.sampled_from([0.5, 1.0, 3.0]))
def test_what_is_in_danger_is_found_as_by_one_program_for_each_count(seed, density):
    rng = np.random.default_rng(seed)
    cells = np.array(list(product(range(3), range(2), range(2))))
    rows = rng.poisson(density, (len(cells), 4))
    members = [np.ones(len(cells), dtype=bool)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        pairs = sorted({tuple(cell[[i, j]]) for cell in cells})
        members += [(cells[:, [i, j]] == pair).all(axis=1) for pair in pairs]
    states = np.append(2, rng.integers(0, 3, len(members) - 1))
    published = Published(np.array(members), rows, confusion_kinds([], [], 2)[1], states)
    assert short_of(published, FLOOR) == plain_short_of(published, FLOOR)


def test_the_floor_is_planned_from_the_lowest_level_on():
    frame = pd.DataFrame({"a": ["x"] * 995 + ["y"] * 3})
    assert plan_floor(frame, np.zeros(998, int), watched=[[1]], floor=5).withheld == 2
