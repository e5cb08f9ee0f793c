"""Ages, sizes and moments, as people type them."""

from __future__ import annotations

import datetime as dt

import pytest

from mlopskit.cli import quantities
from mlopskit.errors import UsageError


@pytest.mark.parametrize("wrong", ["30", "d", "3 months", "-1d", "1e999d", "99999999999999999w"])
def test_lengths_of_time_that_are_none_are_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match=r"length of time|too long"):
        quantities.age(wrong)


def test_quantities_are_read_as_they_are_typed() -> None:
    assert quantities.age("2w") == dt.timedelta(days=14)
    assert (quantities.size("5GB"), quantities.size("1.5 kib"), quantities.size("7b")) == (5 * 10**9, 1536, 7)
    with pytest.raises(UsageError, match="no size"):
        quantities.size("5 cats")
    with pytest.raises(UsageError, match="no date"):
        quantities.moment("yesterday")
    assert quantities.moment("2026-01-01T12:00+02:00").astimezone(dt.UTC).hour == 10
