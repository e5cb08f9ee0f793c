"""Rows from files and engines: the same groups and counts as from a DataFrame, whatever the portions."""

from __future__ import annotations

import runpy
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.errors import DataError
from mlopskit.tally import Grouping, Tally
from mlopskit.tally.summaries import Numbers

_TALLY = runpy.run_path(str(Path(__file__).with_name("test_tally.py")))
_scored, _same = _TALLY["_scored"], _TALLY["_same"]


class _Stream:
    """What hands out Arrow batches and is no library's table, as a DuckDB relation is."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "engine",
    [
        lambda table: nw.from_native(table),
        lambda table: nw.from_native(table).lazy(),
        lambda table: nw.from_native(table.to_pandas()),
        lambda table: table.to_batches()[0],
        lambda table: pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=70)),
        _Stream,
    ],
)
def test_every_engine_counts_like_a_frame(engine):
    rows = _scored()
    columns = ["town", "sex"]
    found = Tally.from_table(engine(pa.Table.from_pandas(rows)), columns)
    expected = Tally.from_table(rows, columns)
    np.testing.assert_array_equal(found.counts, expected.counts)
    pd.testing.assert_frame_equal(found.cells, expected.cells)
    pd.testing.assert_frame_equal(found.scores, expected.scores, check_dtype=False)


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError, match="A set is no table"):
        Tally.from_table({1, 2})


def test_a_file_is_read_in_portions_and_gives_the_same_groups_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("mlopskit.tally.sources.PORTION", 64)
    rows = _scored(500).assign(age=np.random.default_rng(1).normal(40, 9, 500), born=pd.Timestamp("1980-01-01"))
    rows.to_parquet(tmp_path / "rows.parquet")
    columns = ["town", "age", "born"]
    grouping = Grouping.fit(tmp_path / "rows.parquet", columns)
    assert grouping == Grouping.fit(rows, columns)
    _same(
        Tally.from_table(tmp_path / "rows.parquet", columns, grouping=grouping),
        Tally.from_table(rows, columns, grouping=grouping),
    )


def test_an_empty_file_has_no_cells(tmp_path):
    _scored().head(0).to_parquet(tmp_path / "rows.parquet")
    assert Tally.from_table(tmp_path / "rows.parquet", ["town"]).sizes.tolist() == []
    assert Tally.from_table(tmp_path / "rows.parquet").sizes.tolist() == [0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=50, max_size=300), st.integers(1, 40))
@settings(max_examples=30)
def test_thinned_numbers_keep_all_rows_and_both_ends(values, portion):
    found = Numbers(most=32)
    for start in range(0, len(values), portion):
        found.add(np.array(values[start : start + portion]))
    assert found.counts.sum() == len(values)
    assert (found.distinct[0], found.distinct[-1]) == (min(values), max(values))
    assert len(found.distinct) <= 32
    assert (found.counts > 0).all()


def test_thinned_numbers_keep_their_quantiles():
    values = np.random.default_rng(0).normal(size=20_000)
    found = Numbers(most=1024)
    for part in np.split(values, 20):
        found.add(part)
    half = found.distinct[np.searchsorted(np.cumsum(found.counts), 10_000)]
    assert (values <= half).mean() == pytest.approx(0.5, abs=0.02)
