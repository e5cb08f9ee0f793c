"""The reference profile: counts that add, bins that cover everything, a round trip through JSON."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.artefacts import to_json
from mlopskit.errors import DataError
from mlopskit.monitor import Profile, cut_windows, input_table, profile_feature, unusual_inputs
from mlopskit.monitor.profile import MOST_CATEGORIES

NUMBERS = st.lists(st.floats(-1e9, 1e9) | st.just(np.nan) | st.just(np.inf), min_size=1, max_size=60)
NAMES = st.lists(st.sampled_from(["a", "<b>", "ü", None, "1"]), min_size=1, max_size=60)


@given(values=NUMBERS, bins=st.integers(2, 12))
def test_numeric_bins_count_every_row_once(values, bins):
    made = profile_feature(pd.Series(values), name="x", bins=bins)
    assert made.n == len(values)
    assert len(made.counts) == len(made.bins) <= bins + 1
    assert made.missing == sum(not np.isfinite(value) for value in values)


@given(first=NAMES, second=NAMES)
def test_profiles_add_to_the_profile_of_all_rows(first, second):
    whole = profile_feature(pd.Series([*first, *second], dtype="object"), name="x")
    parts = whole.recount(pd.Series(first, dtype="object")) + whole.recount(pd.Series(second, dtype="object"))
    assert parts.counts == whole.counts
    assert set(parts.known) == set(whole.known)


@given(values=NUMBERS, cut=st.integers(0, 60))
def test_numeric_profiles_add_with_their_range(values, cut):
    whole = profile_feature(pd.Series(values), name="x")
    parts = whole.recount(pd.Series(values[:cut], dtype=float)) + whole.recount(pd.Series(values[cut:], dtype=float))
    assert parts == whole


def test_profiles_with_other_bins_are_refused():
    with pytest.raises(DataError, match="other bins"):
        profile_feature(pd.Series([1.0, 2.0]), name="x") + profile_feature(pd.Series([5.0, 9.0]), name="x")


def test_bins_lie_at_the_quantiles_of_the_reference():
    made = profile_feature(pd.Series(range(1000)), name="x", bins=4)
    assert made.counts == (250, 250, 250, 250, 0)


def test_rare_categories_share_a_bin_and_stay_known():
    values = pd.Series([f"c{i:02d}" for i in range(30)] * 2, dtype="object")
    made = profile_feature(values, name="x")
    assert len(made.categories) == MOST_CATEGORIES
    assert made.counts[-2] == 2 * (30 - MOST_CATEGORIES)
    assert len(made.known) == 30


def test_a_profile_survives_json():
    frame = pd.DataFrame({"<a>": [1.0, 2.0, None], "b": ["x", None, "{y}"], "c": [True, False, True]})
    profile = Profile(
        tuple(profile_feature(frame[name]) for name in frame.columns), 3, {"value": 0.5}, ({"metric": "f1"},)
    )
    assert Profile.from_dict(json.loads(to_json(profile.to_dict()))) == profile


def checked(reference, current, **options):
    profile = Profile((profile_feature(reference),), len(reference))
    frame = current.to_frame(reference.name)
    table = input_table(profile, frame, cut_windows(None, n_rows=len(frame), width=len(frame)), **options)
    return table.set_index("metric")


def test_missing_unseen_and_out_of_range_values_are_counted():
    numbers = checked(pd.Series([1.0, 5.0] * 50, name="x"), pd.Series([0.0, 1.0, 6.0, None]))
    assert numbers.loc["out_of_range_share", "value"] == 0.5
    assert numbers.loc["missing_share", "value"] == 0.25
    assert numbers.loc["unseen_share", "status"] == "not applicable"
    names = checked(pd.Series(["a", "b"] * 50, name="x"), pd.Series(["a", "new", None, "b"]))
    assert names.loc["unseen_share", "value"] == 0.25
    assert (
        names.loc["schema_violations", "value"] == 2
    )  # the new one, and the missing one where none was missing before


def test_the_contract_of_the_data_phase_overrides_the_range_seen():
    schema = pd.DataFrame({"feature": ["x"], "nullable": [True], "low": [0.0], "high": [10.0], "categories": [None]})
    table = checked(pd.Series([1.0, 5.0] * 50, name="x"), pd.Series([6.0, 11.0, None]), schema=schema)
    assert table.loc["schema_violations", "value"] == 1
    assert table.loc["out_of_range_share", "successes"] == 2


def test_only_what_exceeds_the_reference_is_unusual():
    table = checked(pd.Series([1.0, None] * 50, name="x"), pd.Series([1.0, None] * 20)).reset_index()
    assert unusual_inputs(table).empty
    table = checked(pd.Series([1.0, None] * 50, name="x"), pd.Series([None] * 30 + [1.0])).reset_index()
    assert unusual_inputs(table)["metric"].tolist() == ["missing_share"]
