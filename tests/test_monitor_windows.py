"""Windows: every row in exactly one, none lost, empty ones present."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.monitor import cut_windows
from mlopskit.monitor.windows import MOST_WINDOWS, NO_TIME

YEARS = st.lists(st.integers(1900, 2100), min_size=1, max_size=60)
DATES = st.lists(st.datetimes(pd.Timestamp("2019-01-01"), pd.Timestamp("2021-12-31")), min_size=1, max_size=40)


def holds_every_row_once(windows, n_rows):
    table = windows.table
    assert len(windows.position) == n_rows
    assert table["n"].sum() == n_rows
    assert np.array_equal(np.bincount(windows.position, minlength=len(table)), table["n"])
    assert table["window"].is_unique
    assert sorted(row for i in range(len(table)) for row in windows.rows_of(i)) == list(range(n_rows))


@given(years=YEARS, width=st.integers(1, 50), start=st.none() | st.integers(1890, 2110))
def test_numeric_windows_keep_every_row_once_and_hold_it_between_their_bounds(years, width, start):
    windows = cut_windows(pd.Series(years), width=width, start=start)
    holds_every_row_once(windows, len(years))
    bounds = windows.table.iloc[windows.position]
    assert (bounds["first"].astype(float).to_numpy() <= years).all()
    assert (bounds["last"].astype(float).to_numpy() > years).all()


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1, max_size=40),
    width=st.none() | st.floats(1, 1e5),
)
def test_windows_of_any_numbers_keep_every_row_once(values, width):
    holds_every_row_once(cut_windows(pd.Series(values), width=width), len(values))


@given(dates=DATES, width=st.sampled_from(["7D", "30D", "MS", "ME", "W", "QS", "YS", None, "1s", 4, "nonsense"]))
def test_date_windows_keep_every_row_once(dates, width):
    windows = cut_windows(pd.Series(pd.to_datetime(dates)), width=width)
    holds_every_row_once(windows, len(dates))
    assert len(windows.table) <= MOST_WINDOWS


@given(n=st.integers(0, 500), width=st.none() | st.integers(1, 600))
def test_windows_of_rows_are_full_but_for_the_last(n, width):
    windows = cut_windows(None, n_rows=n, width=width)
    holds_every_row_once(windows, n)
    assert len(set(windows.table["n"].iloc[:-1])) <= 1


def test_the_last_period_is_kept_and_marked_partial():
    table = cut_windows(pd.Series([1995, 1996, 1997, 1998, 1999, 2000]), width=4).table
    assert table[["window", "n", "status"]].to_numpy().tolist() == [
        ["1995–1998", 4, "complete"],
        ["1999–2002", 2, "partial"],
    ]


def test_a_gap_shows_as_an_empty_window():
    table = cut_windows(pd.Series([2000, 2001, 2006, 2007]), width=2).table
    assert table["status"].tolist() == ["complete", "empty", "empty", "complete"]


def test_a_last_window_that_no_usual_step_could_still_reach_is_complete():
    biennial = pd.Series([1996, 1998, 2000, 2002])
    assert cut_windows(biennial, width=4, start=1995).table["status"].tolist() == ["complete", "complete"]


def test_calendar_months_are_laid_from_the_first_of_the_month():
    dates = pd.Series(pd.to_datetime(["2020-01-15", "2020-03-31"]))
    table = cut_windows(dates, width="MS").table
    assert table["window"].tolist() == ["from 2020-01-01", "from 2020-02-01", "from 2020-03-01"]
    assert table["n"].tolist() == [1, 0, 1]


def test_dates_as_text_and_time_zones_are_understood():
    text = cut_windows(pd.Series(["2020-01-05", "2020-02-05"]), width="MS")
    zoned = cut_windows(
        pd.Series(pd.to_datetime(["2020-01-05", "2020-02-05"])).dt.tz_localize("Asia/Tokyo"), width="MS"
    )
    assert text.labels == zoned.labels == ["from 2020-01-01", "from 2020-02-01"]


def test_rows_without_a_time_get_a_window_of_their_own():
    windows = cut_windows(pd.Series([1.0, None, 2.0]), width=1)
    assert windows.labels[-1] == NO_TIME
    assert windows.table["n"].tolist()[-1] == 1


@pytest.mark.parametrize(("times", "width"), [(pd.Series([1, 2]), "30D"), (pd.Series([1, 10_000]), 1), (None, "30D")])
def test_a_window_that_does_not_fit_the_times_is_replaced_and_said_so(times, width):
    windows = cut_windows(times, n_rows=2, width=width)
    assert repr(width) in windows.warning
    assert len(windows.table) <= 7
