"""Whatever a file had, the columns come out as numbers, dates, labels or lists, and changes are said."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from mlopskit.data.tidy import tidy
from mlopskit.errors import DataError


def test_infinite_values_become_missing_and_are_counted() -> None:
    frame, found = tidy(pd.DataFrame({"x": [1.0, np.inf, -np.inf, 2.0]}))
    assert frame["x"].isna().tolist() == [False, True, True, False]
    assert [(item.code, item.n) for item in found] == [("DAT012", 2)]


def test_a_few_words_among_numbers_become_missing() -> None:
    frame, found = tidy(pd.DataFrame({"x": [*map(str, range(99)), "lots"]}))
    assert frame["x"].dtype == "float64"
    assert frame["x"].isna().sum() == 1
    assert found[0].code == "DAT013"
    assert "“lots”" in found[0].detail


def test_half_words_half_numbers_stay_labels_and_are_said() -> None:
    frame, found = tidy(pd.DataFrame({"x": ["1", "a", "2", "b"]}))
    assert frame["x"].tolist() == ["1", "a", "2", "b"]
    assert "taken as labels" in found[0].detail


def test_objects_of_several_kinds_become_text() -> None:
    frame, found = tidy(pd.DataFrame({"x": [1, "one", None, True]}, dtype=object))
    assert frame["x"].tolist()[:2] == ["1", "one"]
    assert frame["x"].isna().sum() == 1
    assert [item.code for item in found] == ["DAT013"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([Decimal("1.5"), None], "f"),
        ([dt.date(2020, 1, 1), None], "M"),
        (["2020-01-01", "2021-05-06"], "M"),
        (pd.Categorical(["a", "b"]), "O"),
        (pd.array([1, None], dtype="Int64"), "f"),
        (pd.to_datetime(["2020-01-01", "2020-06-01"]).tz_localize("Europe/Rome"), "M"),
    ],
)
def test_unusual_types_become_plain_ones(values: object, kind: str) -> None:
    frame, _ = tidy(pd.DataFrame({"x": values}))
    assert frame["x"].dtype.kind == kind


def test_a_target_keeps_its_words() -> None:
    frame, _ = tidy(pd.DataFrame({"y": [*map(str, range(99)), "lots"]}), keep=("y",))
    assert frame["y"].iloc[-1] == "lots"


def test_raw_bytes_are_refused_unless_nobody_reads_them() -> None:
    audio = pd.DataFrame({"wav": [b"RIFF", b"RIFF"], "x": [1, 2]})
    with pytest.raises(DataError, match=r"'wav' holds raw bytes.*`exclude`"):
        tidy(audio)
    assert tidy(audio, skip=("wav",))[0].columns.tolist() == ["x"]


def test_the_given_frame_is_left_alone() -> None:
    frame = pd.DataFrame({"x": [1.0, np.inf]})
    tidy(frame)
    assert np.isinf(frame["x"].iloc[1])


def test_texts_with_a_stray_number_are_not_called_mixed() -> None:
    texts = [f"message number {i}" for i in range(99)] + ["645"]
    assert tidy(pd.DataFrame({"text": texts}))[1] == []
