"""The privacy floor in monitoring: windows, groups by window, inputs and the reference; row-level files stay inside."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.data import Columns, Target
from mlopskit.monitor import Floor, Profile, profile_feature

BINARY = Target("binary", "y", ("no", "yes"), "yes")
K = 5


def traffic(sizes, groups=None):
    """Requests of windows of these sizes, every label known, each second one positive."""
    position = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.arange(len(position)) % 2.0
    words = ["a"] * len(position) if groups is None else groups
    windows = SimpleNamespace(labels=[f"w{i}" for i in range(len(sizes))], position=position)
    known = np.ones(len(position), dtype=bool)
    return SimpleNamespace(windows=windows, labels=labels, known=known, logged=pd.DataFrame({"g": words}))


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
