"""The privacy floor in monitoring: windows, groups by window, inputs and the reference; row-level files stay inside."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from mlopskit.data import Columns, Target
from mlopskit.monitor import Floor, Profile, profile_feature, read_traffic, score_chart, stream_sentence

BINARY = Target("binary", "y", ("no", "yes"), "yes")
K = 5


def traffic(sizes, groups=None):
    """Requests of windows of these sizes, every label known, each second one positive."""
    position = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.arange(len(position)) % 2.0
    words = ["a"] * len(position) if groups is None else groups
    windows = SimpleNamespace(labels=[f"w{i}" for i in range(len(sizes))], position=position)
    known = np.ones(len(position), dtype=bool)
    log = pd.DataFrame({"prediction": labels.astype(int)})
    logged = pd.DataFrame({"g": words})
    return SimpleNamespace(windows=windows, labels=labels, known=known, answered=known, log=log, logged=logged)


def table(sizes):
    names = [f"w{i}" for i in range(len(sizes))]
    return pd.DataFrame({"window": names, "metric": "accuracy", "n": sizes, "value": 0.5, "status": "measured"})


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(1, 30), min_size=2, max_size=5))
def test_a_small_window_cannot_be_had_from_the_others(sizes):
    shown = Floor(traffic(sizes), BINARY, K).windows(table(sizes))
    hidden = shown["n"].isna().to_numpy()
    assert all(gone for n, gone in zip(sizes, hidden, strict=True) if n < K)
    assert not hidden.any() or np.array(sizes)[hidden].sum() >= min(K, sum(sizes))
    assert hidden.sum() != 1
    assert shown.loc[hidden, "value"].isna().all()


def test_without_a_floor_every_table_is_as_it_was():
    sizes = [3, 40, 40]
    none = Floor(traffic(sizes), BINARY)
    made = table(sizes)
    assert none.windows(made) is made
    assert none.groups(made) is made
    assert none.inputs(made) is made


def test_groups_by_window_are_hidden_where_they_are_small_and_where_they_give_a_small_one_away():
    groups = np.repeat(["x", "y", "x", "y"], [37, 3, 20, 20])
    rows = [{"slice": "g", "group": g, "window": w, "n": n, "value": 0.5, "status": "measured", "method": "Wilson"}
            for (g, w), n in zip(product("xy", ["w0", "w1"]), [37, 20, 3, 20], strict=True)]  # fmt: skip
    shown = Floor(traffic([40, 40], groups), BINARY, K).groups(pd.DataFrame(rows))
    assert shown["n"].isna().sum() >= 2
    assert shown.loc[(shown["group"] == "y") & (shown["window"] == "w0"), "n"].isna().all()
    assert set(shown.loc[shown["n"].isna(), "status"]) == {"hidden"}


def test_few_missing_values_are_not_counted_nor_had_from_the_other_windows():
    made = pd.DataFrame({"feature": "age", "metric": "missing_share", "window": ["w0", "w1", "w2"], "n": [40, 40, 40],
                         "successes": [1, 12, 15], "value": [0.025, 0.3, 0.375], "status": "measured"})  # fmt: skip
    shown = Floor(traffic([40, 40, 40]), BINARY, K).inputs(made)
    assert shown["successes"].isna().tolist() in ([True, True, False], [True, False, True])  # of two, one protects it
    assert shown["value"].isna().tolist() == shown["successes"].isna().tolist()
    assert shown["n"].tolist() == [40, 40, 40]


@pytest.fixture
def profile():
    town = profile_feature(pd.Series(["a"] * 50 + ["b"] * 3, name="town"))
    sex = profile_feature(pd.Series(["f"] * 30 + ["m"] * 23, name="sex"))
    size = profile_feature(pd.Series(np.arange(53.0), name="size"), bins=4)
    return Profile((town, sex, size), 53)


def test_the_reference_that_is_kept_counts_nothing_small_and_nothing_declared(profile):
    columns = Columns(("town", "sex", "size"), ("size",), ("town", "sex"), sensitive=("sex",))
    floor = Floor(traffic([40]), BINARY, K)
    counts = {feature["feature"]: feature["counts"] for feature in floor.reference(profile, columns)["features"]}
    assert counts["town"] == []
    assert counts["sex"] == []
    assert sum(counts["size"]) == 53
    assert floor.profile(profile, columns)["largest_bin"].tolist()[:2] == ["hidden", "hidden"]
    assert Floor(traffic([40]), BINARY).reference(profile, columns) == profile.to_dict()


def test_no_page_reads_a_table_of_rows():
    import re
    from pathlib import Path

    import mlopskit.runner as runner

    rows = {"train", "validation", "test", "production", "labels", "predictions", "predictions_validation", "requests",
            "latency", "shap_rows"}  # fmt: skip
    folder = Path(str(runner.__file__)).parent
    pages = [path for name in ("report", "cards", "site") for path in sorted((folder / name).glob("*.py"))]
    read = {name.rpartition("/")[2] for page in pages for name in re.findall(r'table\("([a-z_/]+)"', page.read_text())}
    assert {"metrics", "groups"} <= read
    assert not read & rows


def drifting(counts, column="town"):
    """Windows with these counts of two categories, their drift from a reference of 50 and 50, and the profile."""
    sizes = [sum(pair) for pair in counts]
    seen = traffic(sizes)
    seen.frame = pd.DataFrame({column: np.repeat(["a", "b"] * len(counts), np.ravel(counts))})
    profile = Profile((profile_feature(pd.Series(["a"] * 50 + ["b"] * 50, name=column)),), 100)
    share = np.array([pair[1] / sum(pair) for pair in counts])
    psi = (share - 0.5) * np.log(share / 0.5) + (0.5 - share) * np.log((1 - share) / 0.5)
    rows = [{"feature": column, "window": f"w{i}", "n": n, "statistic": "psi", "value": psi[i], "status": "drift"}
            for i, n in enumerate(sizes)]  # fmt: skip
    return Floor(seen, BINARY, K), pd.DataFrame(rows), profile


TOWN = Columns(("town",), (), ("town",))


@settings(max_examples=40)
@given(counts=st.lists(st.tuples(st.integers(10, 40), st.integers(1, 30)), min_size=2, max_size=4))
def test_rows_of_a_category_cannot_be_solved_from_its_drift_where_they_are_few(counts):
    floor, table_, profile = drifting(counts)
    shown = floor.drift(table_, profile, TOWN)
    for (most, few), value in zip(counts, shown["value"], strict=True):
        assert few >= K or np.isnan(value), (most, few)
    assert shown["value"].isna().sum() != 1


def test_drift_of_a_declared_column_with_a_small_group_is_withheld_in_every_window():
    floor, table_, profile = drifting([(30, 3), (30, 20), (20, 20)])
    declared = Columns(("town",), (), ("town",), sensitive=("town",))
    assert floor.drift(table_, profile, declared)["value"].isna().all()
    assert floor.drift(table_, profile, TOWN)["value"].isna().sum() == 2
    assert Floor(floor.traffic, BINARY).drift(table_, profile, declared) is table_


def test_what_is_shown_of_drift_is_rounded():
    floor, table_, profile = drifting([(30, 13), (31, 20)])
    shown = floor.drift(table_, profile, TOWN)["value"]
    assert shown.tolist() == table_["value"].round(2).tolist()
    assert not np.allclose(shown, table_["value"], atol=1e-6)


def test_an_alarm_keeps_its_window_and_names_no_row():
    found = pd.DataFrame({"kind": ["alarm"], "row": [17], "window": ["w1"], "position": [12], "error_rate": [0.25]})
    shown = Floor(traffic([40, 40]), BINARY, K).stream(found)
    assert shown[["row", "position", "error_rate"]].isna().all(axis=None)
    assert shown[["kind", "window"]].to_numpy().tolist() == [["alarm", "w1"]]
    assert stream_sentence(shown, traffic([40, 40])).endswith("called 1 alarms, at w1.")
    assert Floor(traffic([40, 40]), BINARY).stream(found) is found


def attack(cells, shown):
    """The most that each hidden cell can be, given those shown and the total of each column; by linear programming."""
    places = [np.eye(cells.size)[i] for i in np.flatnonzero(shown)]
    columns = [np.ravel(np.arange(cells.shape[1])[None, :] == j, order="C") for j in range(cells.shape[1])]
    columns = [np.broadcast_to(column, cells.shape).ravel().astype(float) for column in columns]
    known = np.array(places + columns)
    right = known @ cells.ravel()
    hidden = np.flatnonzero(~shown.ravel())
    return {i: -linprog(-np.eye(cells.size)[i], A_eq=known, b_eq=right, method="highs").fun for i in hidden}


@settings(max_examples=40)
@example(cells=[3, 6, 20, 0])  # the plan of groups by window would withhold both windows, which other tables show
@given(cells=st.lists(st.sampled_from([0, 3, 6, 9, 20]), min_size=4, max_size=4))
def test_a_hidden_group_cannot_be_had_from_the_windows_that_other_tables_show(cells):
    made = np.array(cells).reshape(2, 2)
    if not made.sum(axis=0).all():
        return
    words = np.repeat(["x", "y", "x", "y"], made.T.ravel())
    seen = traffic(made.sum(axis=0), words)
    seen.known[:] = False  # sizes alone
    seen.log["prediction"] = 0
    floor = Floor(seen, BINARY, K)
    rows = [{"slice": "g", "group": g, "window": w, "n": n, "value": 0.5, "status": "measured", "method": "Wilson"}
            for (g, w), n in zip(product("xy", ["w0", "w1"]), made.ravel(), strict=True) if n]  # fmt: skip
    shown = floor.groups(pd.DataFrame(rows)).set_index(["group", "window"])["n"]
    told = np.array([[shown.get((g, f"w{i}"), 0) for i in range(2)] for g in "xy"], dtype=object)
    if table(made.sum(axis=0)).pipe(floor.windows)["n"].isna().any():
        return
    for cell, most in attack(made, ~pd.isna(told)).items():
        assert most >= K - 1e-6 or (made.ravel()[cell] == 0 and most < 1e-6), (cell, most)


@pytest.mark.parametrize(("column", "value"), [("prediction", 1), ("decided_by", "person")])
def test_a_window_in_which_few_are_called_or_deferred_is_hidden_with_another(column, value):
    seen = traffic([40, 40, 40])
    seen.log = pd.DataFrame({"prediction": np.zeros(120, dtype=int), "decided_by": "model"})
    rest = seen.log[column].iloc[0]
    seen.log[column] = [value if i < 3 or (i >= 40 and i % 2) else rest for i in range(120)]
    hidden = Floor(seen, BINARY, K).windows(table([40, 40, 40]))["n"].isna()
    assert hidden[0]
    assert hidden.sum() >= 2
    seen.log[column] = [value if i % 3 else rest for i in range(120)]
    assert not Floor(seen, BINARY, K).windows(table([40, 40, 40]))["n"].isna().any()


def test_missing_values_of_declared_columns_are_not_counted_by_window():
    made = pd.DataFrame({"feature": ["sex", "sex", "age", "age"], "metric": "missing_share", "window": ["w0", "w1"] * 2,
                         "n": 40, "successes": [20, 15, 20, 15], "value": 0.5, "status": "measured"})  # fmt: skip
    columns = Columns(("sex", "age"), ("age",), ("sex",), sensitive=("sex",))
    floor = Floor(traffic([40, 40]), BINARY, K)
    assert floor.inputs(made, columns)["successes"].isna().tolist() == [True, True, False, False]
    none = made.assign(successes=0, value=0.0)
    assert not floor.inputs(none, columns)["successes"].isna().any()


def scored_traffic(sizes, seed=0):
    """Requests with scores, and validation rows; threshold 0.5, people decide between 0.4 and 0.6."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.8, 0.8, sum(sizes))
    log = pd.DataFrame({"_row": np.arange(len(score)), "time": np.repeat(np.arange(len(sizes)), sizes), "score": score})
    log = log.assign(
        prediction=(score >= 0.5).astype(int), decided_by=np.where(abs(score - 0.5) < 0.1, "person", "model")
    )
    truth = (rng.random(len(score)) < score).astype(int)
    labels = log[["_row"]].assign(_target=truth)
    seen = read_traffic(log, labels, target=BINARY, columns=Columns((), time="time"), width=1, label_delay_windows=0)
    return seen, log[["score", "prediction"]].assign(_target=truth)


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_the_chart_of_scores_tells_no_more_than_how_many_rows_lie_in_ranges_of_enough_rows(seed):
    seen, validation = scored_traffic([150, 200], seed)
    shown, spread = Floor(seen, BINARY, K).scores(validation)
    now = shown.outputs["score"].iloc[seen.windows.rows_of(1)]
    assert now.notna().all()
    for told in (now, spread["score"]):
        # within a range neighbours are equally far apart; one step leads to the next range
        steps = np.diff(np.sort(told.to_numpy()))
        breaks = np.flatnonzero(~np.isclose(steps[1:], steps[:-1], rtol=1e-6, atol=1e-12)) + 1
        lengths = np.diff([0, *breaks, len(steps)])
        assert ((lengths == 1) | (lengths >= K - 1)).all(), lengths
        assert not ((lengths[1:] == 1) & (lengths[:-1] == 1)).any()
    assert abs(np.sort(now) - np.sort(seen.outputs["score"].iloc[seen.windows.rows_of(1)])).max() < 0.1


def test_the_chart_of_scores_leaves_a_small_window_out_and_is_as_it_was_without_a_floor():
    seen, validation = scored_traffic([150, 3])
    assert "nan" not in score_chart(*Floor(seen, BINARY, K).scores(validation), target=BINARY).alt
    shown, _ = Floor(seen, BINARY, K).scores(validation)
    assert shown.outputs["score"].isna().all()  # the other window would give the small one away
    assert Floor(seen, BINARY).scores(validation) == (seen, validation)


def test_shares_of_predicted_classes_are_not_drawn_where_one_has_few_rows():
    three = Target("multiclass", "y", ("a", "b", "c"))
    log = pd.DataFrame({"_row": range(120), "prediction": [0] * 60 + [1] * 58 + [2] * 2, "score_0": 0.5})
    log = log.assign(score_1=0.3, score_2=0.2, time=0)
    labels = log[["_row"]].assign(_target=[0, 1, 2] * 40)
    seen = read_traffic(log, labels, target=three, columns=Columns((), time="time"), width=1, label_delay_windows=0)
    nothing = pd.DataFrame(columns=["metric"])
    said = Floor(seen, three, K).decision_chart(nothing, log, bound=None)
    assert "privacy floor" in said._repr_html_()
    assert "<svg" in Floor(seen, three).decision_chart(nothing, log, bound=None)._repr_html_()
    assert "<svg" in Floor(seen, three, 2).decision_chart(nothing, log, bound=None)._repr_html_()


def test_few_timed_requests_are_not_counted_by_window():
    timed = pd.DataFrame({"window": ["all", "w0", "w1", "w2"], "metric": "latency_p95_ms", "n": [40, 3, 17, 20],
                          "value": 9.0, "status": "measured"})  # fmt: skip
    shown = Floor(traffic([40, 40, 40]), BINARY, K).windows(timed)
    assert shown["n"].isna().tolist() == [False, True, True, False]
    assert shown.loc[1:2, "value"].isna().all()
