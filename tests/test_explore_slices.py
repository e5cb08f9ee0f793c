"""Slices to sort, filter and look into; rows only where a kernel shows them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.errors import MlopskitError, RunError
from mlopskit.evaluate.slices.find import in_words
from mlopskit.explore.slice_table import chosen, conditions, joined, mapping_of, parents
from mlopskit.explore.slice_widget import SliceExplorer
from mlopskit.explored import described_by

HOSTILE = "town = <img src=x onerror=alert(1)>"
SECRET = "Ada Lovelace"
FOUND = pd.DataFrame(
    {
        "slice": ["age = 18–32 and town = b", HOSTILE],
        "level": [2, 1], "n": [40, 90], "share": [0.1, 0.2], "error": [0.6, 0.4], "times": [3.0, 2.0],
        "score": [1.5, 0.7], "also": [0, 1], "same_rows": ["", "street = c"], "overlapping": ["town = b", ""],
    }
)  # fmt: skip
TESTED = pd.DataFrame(
    {
        "slice": [*FOUND["slice"], "town = b", "age = 18–32"],
        "origin": ["searched", "searched", "declared", "declared"], "level": [2, 1, 1, 1], "n": [40, 90, 150, 200],
        "error": [0.6, 0.4, 0.3, 0.2], "score": [1.5, 0.7, 0.1, -0.2], "n_test": [38, 91, 149, 201],
        "error_test": [0.5, 0.2, 0.35, 0.2], "error_rest": [0.2, 0.2, 0.18, 0.2], "p_value": [0.001, 0.5, 0.01, 0.6],
        "adjusted": [0.004, 0.6, 0.02, 0.6], "confirmed": [True, False, True, False], "power": [0.9, 0.8, 0.7, 0.1],
        "status": ["confirmed", "not confirmed", "confirmed", "not confirmed"],
    }
)  # fmt: skip


def explorer(rows: object = None) -> SliceExplorer:
    return SliceExplorer(joined(FOUND, TESTED), rows=rows)


def test_found_and_tested_slices_stand_in_one_table_worst_first() -> None:
    table = joined(FOUND, TESTED)
    assert table["slice"].tolist() == TESTED["slice"].tolist()
    assert table["share"].tolist()[:2] == [0.1, 0.2]
    assert table["share"].isna().tolist() == [False, False, True, True]
    assert table["same_rows"].tolist() == ["", "street = c", "", ""]


def test_what_older_runs_or_untested_slices_lack_is_missing_not_made_up() -> None:
    older = joined(FOUND[["slice", "level", "n", "share", "error", "score"]], TESTED.drop(columns="origin").head(2))
    assert older["origin"].tolist() == ["searched", "searched"]
    assert older["times"].isna().all()
    untested = joined(FOUND, TESTED.head(0))
    assert untested["status"].tolist() == ["not tested", "not tested"]
    assert not untested["confirmed"].any()


def test_a_value_that_holds_the_joining_word_stays_whole_where_the_search_told_its_conditions() -> None:
    parts = ["taste = rock and roll and x = y", "code = 0"]
    name = " and ".join(parts)
    searched = pd.DataFrame({"slice": [name, "code = 0"], "conditions": [json.dumps(parts), '["code = 0"]']})
    tested = pd.DataFrame({"slice": ["x = y", parts[0]], "level": 1, "origin": "declared", "majority": [0.2, 0.3]})
    searched = searched.assign(level=[2, 1], majority=0.1)
    table = joined(searched, pd.concat([searched[["slice", "majority"]], tested]))
    assert set(chosen(table, column="x")["slice"]) == {"x = y"}
    assert set(chosen(table, column="taste")["slice"]) == {name, parts[0]}
    assert set(parents(table, name)["slice"]) == {"code = 0", parts[0]}
    assert described_by(table["conditions"]) == ["code", "taste", "x"]
    wanted = {name: 0.1, "code = 0": 0.1, "x = y": 0.2, parts[0]: 0.3}
    assert table.set_index("slice")["majority"].to_dict() == wanted


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text": "TOWN b"}, ["age = 18–32 and town = b", "town = b"]),
        ({"column": "age"}, ["age = 18–32 and town = b", "age = 18–32"]),
        ({"column": "ag"}, []),
        ({"level": 2}, ["age = 18–32 and town = b"]),
        ({"min_n": 150}, ["town = b", "age = 18–32"]),
        ({"confirmed": True, "order": "n"}, ["town = b", "age = 18–32 and town = b"]),
        ({"text": ".*"}, []),
    ],
)
def test_filters_keep_what_fits(options: dict[str, object], expected: list[str]) -> None:
    assert chosen(joined(FOUND, TESTED), **options)["slice"].tolist() == expected


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(MlopskitError, match=r"cannot be sorted by 'eror'.*did you mean error"):
        chosen(joined(FOUND, TESTED), order="eror")


def test_columns_levels_and_orders_that_are_not_there_are_refused_and_nothing_changes() -> None:
    shown = explorer()
    for name, value, words in (
        ("column", "twon", r"No slice is described by 'twon' \(did you mean town\?\); "),
        ("level", 7, "No slice is described by 7 columns; there are levels 1, 2."),
        ("order", "eror", r"cannot be sorted by 'eror'.*did you mean error"),
    ):
        before = getattr(shown, name)
        with pytest.raises(MlopskitError, match=words):
            setattr(shown, name, value)
        assert getattr(shown, name) == before


def test_counts_are_whole_and_shares_keep_their_digits_also_where_they_are_whole() -> None:
    shown = SliceExplorer(joined(FOUND.assign(times=[3.0, 1.0]), TESTED.assign(n_test=[1, 91, None, 201])))
    assert [f">{text}<" in shown._detail.value for text in ("3.000", "1", "1.000")] == [True, True, False]
    shown.chosen = "town = b"
    assert ">149<" not in shown._detail.value


def test_a_slice_is_part_of_those_with_some_of_its_conditions() -> None:
    table = joined(FOUND, TESTED)
    assert parents(table, "age = 18–32 and town = b")["slice"].tolist() == ["town = b", "age = 18–32"]
    assert parents(table, "town = b").empty


words = st.text(alphabet="ab =and", min_size=1, max_size=8)


@given(st.dictionaries(words, st.lists(words, min_size=1, max_size=3, unique=True), min_size=1, max_size=3), st.data())
def test_a_slice_in_words_is_read_back_to_what_gives_the_same_words(
    values: dict[str, list[str]], data: st.DataObject
) -> None:
    columns = data.draw(st.lists(st.sampled_from(sorted(values)), min_size=1, unique=True))
    name = in_words({column: data.draw(st.sampled_from(values[column])) for column in columns})
    found = conditions(name, values)
    assert found is not None
    assert in_words(found) == name


def test_a_reading_that_gives_other_rows_is_not_taken() -> None:
    features = pd.DataFrame({"town": ["a", "b", "b"], "age": ["x", "x", None]})
    assert mapping_of("town = b", features, n=2) == {"town": "b"}
    assert mapping_of("age = missing and town = b", features, n=1) == {"age": "missing", "town": "b"}
    assert mapping_of("town = b", features, n=3) is None
    assert mapping_of("street = b", features, n=2) is None


def test_filtering_shows_in_the_table_and_chooses_what_is_left() -> None:
    shown = explorer()
    assert shown.chosen == "age = 18–32 and town = b"
    shown.confirmed = True
    assert "2 of 4 slices" in shown._words.value
    assert shown._list.options == ("age = 18–32 and town = b", "town = b")
    shown._controls["text"].value = "town = b"
    shown._controls["level"].value = 1
    assert (shown.chosen, shown.table["slice"].tolist()) == ("town = b", ["town = b"])
    shown.text = "nothing like it"
    assert "0 of 4 slices" in shown._words.value
    assert shown._list.options == ()


def test_the_chosen_slice_is_shown_with_what_it_is_part_of() -> None:
    shown = explorer()
    assert "it is part of" in shown._detail.value
    assert "overlapping slices" in shown._detail.value
    shown._list.value = "town = b"
    assert shown.chosen == "town = b"
    assert "it is part of" not in shown._detail.value
    assert "0.350" in shown._detail.value
    with pytest.raises(MlopskitError, match="There is no slice 'town = z'"):
        shown.chosen = "town = z"


def test_the_worst_are_a_table() -> None:
    worst = explorer().worst(2)
    assert worst.frame["slice"].tolist() == FOUND["slice"].tolist()
    assert "onerror=alert(1)&gt;" in worst._repr_html_()


def test_rows_are_in_the_live_view_only_and_go_when_another_slice_is_chosen() -> None:
    asked = []

    def rows(name: str, n: int) -> pd.DataFrame:
        asked.append((name, n))
        return pd.DataFrame({"name": [SECRET] * n, "_target": [0] * n})

    shown = explorer(rows)
    shown._button.click()
    assert asked == [("age = 18–32 and town = b", 40)]
    assert shown._single.value.count(SECRET) == 20
    bundle = shown._repr_mimebundle_()
    assert SECRET not in bundle["text/html"] + bundle["text/plain"]
    shown.chosen = "town = b"
    assert shown._single.value == ""


def test_an_image_is_not_spelt_out() -> None:
    shown = explorer(lambda name, n: pd.DataFrame({"image": [np.zeros(64)] * 3, "_target": [0, 1, 1]}))
    shown._button.click()
    assert shown._single.value.count("64 numbers") == 3


def test_rows_that_may_not_be_shown_are_refused_in_words() -> None:
    def rows(name: str, n: int) -> pd.DataFrame:
        raise RunError("Rows are not shown in a batch run: <its> report may be passed on.")

    shown = explorer(rows)
    shown._button.click()
    assert "Rows are not shown in a batch run: &lt;its&gt; report" in shown._single.value
    with pytest.raises(MlopskitError, match="without a run"):
        explorer().rows()


def test_a_slice_that_is_withheld_stays_listed_and_shows_no_rows() -> None:
    hidden = TESTED.assign(n=pd.array([40, 90, None, 200], dtype="Int64"), error=[0.6, 0.4, float("nan"), 0.2])
    shown = SliceExplorer(joined(FOUND, hidden), rows=lambda name, n: pd.DataFrame())
    shown.chosen = "town = b"
    assert "town = b" in shown.table["slice"].tolist()
    assert "–" in shown._detail.value
    with pytest.raises(MlopskitError, match="withheld by the project's privacy floor"):
        shown.rows()


def test_without_a_kernel_the_state_is_a_picture_and_nothing_in_it_is_code() -> None:
    shown = explorer()
    shown.chosen = HOSTILE
    bundle = shown._repr_mimebundle_()
    assert "<img" not in bundle["text/html"]
    assert "&lt;img" in bundle["text/html"]
    assert "4 of 4 slices" in bundle["text/plain"]
