"""Two artefacts compared: what counts as equal, and where a difference is said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from mlopskit import artefacts
from mlopskit.runner.likeness import Tolerance, compare, leaf_differences, table_differences, texts_alike
from mlopskit.runner.likeness_cells import compare_cells
from tests import tiny

numbers = st.floats(-1e6, 1e6).filter(lambda value: abs(value) > 1e-3)


def kept(folder: Path, name: str, value: Any) -> Path:
    path = folder / f"{name}{artefacts.extension_of(value)}"
    artefacts.write(value, path)
    return path


def outputs(*texts: str, tags: tuple[str, ...] = (), name: str = "c") -> dict[str, Any]:
    cell = tiny.code("print(1)", name=name, tags=tags)
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text} for text in texts]
    return tiny.notebook([tiny.markdown("## Work", name="h"), cell])


@given(value=numbers, share=st.floats(0, 0.99), rtol=st.sampled_from([1e-9, 1e-6, 1e-3]))
def test_numbers_nearer_than_the_tolerance_are_alike_whichever_comes_first(
    value: float, share: float, rtol: float
) -> None:
    tolerance, other = Tolerance(rtol, 0.0), value * (1 + share * rtol)
    assert tolerance.alike(value, other)
    assert tolerance.alike(other, value)


@given(value=numbers, times=st.floats(1.01, 1e3), rtol=st.sampled_from([1e-9, 1e-6, 1e-4]))
def test_numbers_farther_than_the_tolerance_are_not_alike(value: float, times: float, rtol: float) -> None:
    other = value * (1 + times * rtol)
    assert not Tolerance(rtol / (1 + times * rtol), 0.0).alike(value, other)


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20), seed=st.integers(0, 99)
)
def test_table_leaf_and_number_agree_on_what_is_alike(values: list[float], seed: int) -> None:
    tolerance = Tolerance(1e-6, 1e-9)
    noise = np.random.default_rng(seed).choice([0.0, 1e-8, 1e-3], len(values))
    others = [value * (1 + float(part)) for value, part in zip(values, noise, strict=True)]
    alike = all(tolerance.alike(a, b) for a, b in zip(values, others, strict=True))
    frames = (pd.DataFrame({"x": np.array(column, dtype=float)}) for column in (values, others))
    assert (table_differences(*frames, tolerance) == []) is alike
    assert (list(leaf_differences(values, others, tolerance)) == []) is alike


def test_a_table_says_the_column_the_row_and_how_many() -> None:
    before = pd.DataFrame({"x": [1.0, 2.0, None], "name": ["a", None, "c"], "n": [1, 2, 3]})
    after = before.assign(x=[1.0, 2.5, None], name=["a", None, "d"])
    said = table_differences(before, after, Tolerance())
    assert said == [
        "column x: 1 of 3 cells differ, first row 1: 2.0 → 2.5",
        "column name: 1 of 3 cells differ, first row 2: 'c' → 'd'",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.head(1), "2 → 1 rows"),
        (lambda frame: frame.assign(b=1), "column b is new"),
        (lambda frame: frame.drop(columns="n"), "column n is gone"),
        (lambda frame: frame[["n", "x"]], "the columns stand in another order"),
        (lambda frame: frame.astype({"x": "float32"}), "column x: float64 → float32"),
        (lambda frame: frame.assign(x=[0.5, None]), "column x: 1 of 2 cells differ, first row 1: 1.5 → nan"),
    ],
)
def test_a_table_of_another_shape_or_type_is_different_at_any_tolerance(change: Any, said: str) -> None:
    frame = pd.DataFrame({"x": [0.5, 1.5], "n": [1, 2]})
    assert table_differences(frame, change(frame), Tolerance(1.0, 10.0)) == [said]


def test_whole_numbers_and_lists_in_a_table_are_compared_too() -> None:
    before = pd.DataFrame({"n": [1, 2], "image": [[0.0, 1.0], [2.0, 3.0]]})
    after = pd.DataFrame({"n": [1, 3], "image": [[0.0, 1.0 + 1e-12], [2.0, 3.1]]})
    said = table_differences(before, after, Tolerance())
    assert [text.split(",")[0] for text in said] == [
        "column n: 1 of 2 cells differ",
        "column image: 1 of 2 cells differ",
    ]


def test_leaves_of_other_kinds_are_never_alike() -> None:
    before = {"a": True, "b": 1, "c": "x", "d": None, "e": [1, 2], "f": 1}
    after = {"a": 1, "b": 2, "c": "y", "d": 0.0, "e": [1], "g": 1}
    said = list(leaf_differences(before, after, Tolerance(10.0, 10.0)))
    assert [text.split(":")[0] for text in said] == ["a", "b", "c", "d", "e", "f is gone", "g is new"]


def test_words_decide_before_the_numbers_in_a_text() -> None:
    loose = Tolerance(rtol=0.1)
    assert texts_alike("AUC 0.812 [0.790, 0.833]", "AUC 0.813 [0.791, 0.833]", loose)
    assert not texts_alike("AUC 0.812 is good", "AUC 0.812 is bad", loose)
    assert not texts_alike("17 rows", "18 rows", loose)


@pytest.mark.parametrize("value", [{"x": [1.0, None]}, "# Card\n\nmean 0.5\n", pd.DataFrame({"x": [1.0]})])
def test_what_was_written_twice_is_identical(value: Any, tmp_path: Path) -> None:
    assert compare(kept(tmp_path, "a", value), kept(tmp_path, "b", value)).outcome == "identical"


def test_tiny_differences_in_files_are_within_tolerance_and_large_ones_are_not(tmp_path: Path) -> None:
    first = kept(tmp_path, "first", {"a": {"b": 1.0}})
    assert compare(first, kept(tmp_path, "near", {"a": {"b": 1.0 + 1e-12}})).outcome == "within tolerance"
    far = compare(first, kept(tmp_path, "far", {"a": {"b": 1.1}}))
    assert (far.alike, far.text) == (False, "a.b: 1.0 → 1.1")


def test_models_count_by_their_content_not_their_bytes(tmp_path: Path) -> None:
    rows = np.arange(8.0).reshape(4, 2)
    fits = [Ridge(alpha=alpha).fit(rows, rows[:, 0]) for alpha in (1.0, 1.0, 2.0)]
    paths = [kept(tmp_path, f"m{number}", model) for number, model in enumerate(fits)]
    assert compare(paths[0], paths[1]).outcome == "identical"
    assert compare(paths[0], paths[2]).text == "the fitted model is another one"


def test_a_folder_names_the_file_in_it(tmp_path: Path) -> None:
    for folder, value in (("one", 1.0), ("two", 2.0)):
        kept(tmp_path / folder, "same", "text")
        kept(tmp_path / folder, "numbers", {"x": value})
    artefacts.write_text(tmp_path / "two" / "extra.txt", "x")
    said = compare(tmp_path / "one", tmp_path / "two").text
    assert said == "extra.txt is in one of the two only; numbers.json: x: 1.0 → 2.0"


def test_streams_are_compared_whole_and_addresses_do_not_count() -> None:
    before, after = outputs("a\n", "<obj at 0x7f12345678>\n"), outputs("a\n<obj at 0x7f87654321>\n")
    assert [cell.outcome for cell in compare_cells(before, after)] == ["identical"]


def test_a_cell_that_says_something_else_is_named_with_its_heading() -> None:
    (cell,) = compare_cells(outputs("rows: ten\n"), outputs("rows: two\n"))
    assert (cell.cell, cell.outcome) == ("c (Work)", "different")
    assert "ten" in cell.text


def test_volatile_cells_are_left_out_and_ignored_texts_do_not_count() -> None:
    (cell,) = compare_cells(outputs("1 s", tags=("volatile",)), outputs("2 s", tags=("volatile",)))
    assert cell.outcome == "left out"
    (cell,) = compare_cells(outputs("run one"), outputs("run two"), ignore=["one", "two"])
    assert cell.outcome == "identical"
