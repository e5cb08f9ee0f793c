"""Each artefact leads to the cell that wrote it, and each output to the artefacts that it rests on."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.runner.report.links import Links, links, settled


def of(*cells: str, phase: str = "model") -> list[Links]:
    known: dict[str, tuple[str, ...]] = {}
    return [links(source, phase, known) for source in cells]


def test_what_was_computed_from_an_artefact_rests_on_it_in_later_cells() -> None:
    found = of(
        'rows = run.read("data/test")', "scores = model(rows)\nlow, high = bounds(scores)", "show(low)", "show(x)"
    )
    assert [item.reads for item in found] == [("data/test",)] * 3 + [()]


def test_a_variable_that_was_written_rests_on_that_artefact_and_one_given_anew_on_nothing_old() -> None:
    found = of('rows = run.read("data/test")', 'run.write("figures", rows)', "rows.head()", "rows = 1\nrows", "rows")
    assert found[1].writes == ("model/figures",)
    assert found[2].reads == ("model/figures",)
    assert found[4].reads == ()


def test_what_write_returns_is_the_artefact() -> None:
    assert of('bound = run.write("threshold", choose(x))', "note(bound)")[1].reads == ("model/threshold",)


def test_the_project_file_is_where_the_scope_comes_from() -> None:
    assert of("scope = run.load_project_file()\nshow(scope)", "show(scope.data)")[1].reads == ("mlops.toml",)


def test_a_loop_over_literal_rows_writes_each_by_its_name() -> None:
    loop = 'for name, made in (("a", one), ("b", two)):\n    run.write(name, made)'
    first, second = of(loop, "show(two)")
    assert first == Links(("model/a", "model/b"), (), unnamed=False)
    assert second.reads == ("model/b",)


@pytest.mark.parametrize("code", ["run.write(name, x)", "run.freeze(scope)", "write_bundle(run, rule=1)"])
def test_what_no_code_names_belongs_to_the_only_cell_between_its_neighbours_that_may_have_written_it(code: str) -> None:
    found = of('run.write("before", x)', code, 'run.write("after", x)', "write_all(run)")
    written = [f"model/{name}" for name in ("before", "unnamed", "after", "last")]
    assert settled(found, written) == [("model/before",), ("model/unnamed",), ("model/after",), ("model/last",)]


def test_where_two_cells_may_have_written_it_nothing_is_said() -> None:
    assert settled(of("first(run)", "second(run)"), ["model/made"]) == [(), ()]


def test_code_that_is_no_python_has_no_links() -> None:
    assert of("for in") == [Links()]


@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_no_artefact_is_written_twice_and_cells_keep_the_order_of_writing(named: list[bool]) -> None:
    cells = [f'run.write("n{i}", x)' if plain else "write(run)" for i, plain in enumerate(named)]
    written = [f"model/n{i}" for i in range(len(named))]
    made = [name for names in settled(of(*cells), written) for name in names]
    assert len(made) == len(set(made))
    assert {f"model/n{i}" for i, plain in enumerate(named) if plain} <= set(made)
    assert all(written.index(a) < written.index(b) for a, b in pairwise(made))
