"""Rows from files and engines: the same groups and counts as from a DataFrame, whatever the portions."""

from __future__ import annotations

import datetime as dt
import runpy
from decimal import Decimal
from pathlib import Path

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit.errors import DataError
from mlopskit.tally import Grouping, Tally
from mlopskit.tally.sources import frames, reads_once
from mlopskit.tally.summaries import Numbers

_TALLY = runpy.run_path(str(Path(__file__).with_name("test_tally.py")))
_scored, _same = _TALLY["_scored"], _TALLY["_same"]


def _odd(n: int = 200) -> pd.DataFrame:
    """What engines, files and pandas hold differently, with gaps only in some portions."""
    rng = np.random.default_rng(0)

    def pick(*values: object) -> list[object]:
        return [values[place] for place in rng.integers(0, len(values), n)]

    y = rng.integers(0, 2, n)
    return pd.DataFrame({
        "_target": y, "prediction": 1 - y, "score": rng.random(n),
        "word": pd.array(pick("a", "é", "<b>", None), dtype="str"),
        "sort": pd.Categorical(pick("x", "y", None), categories=["y", "x", "unused"]),
        "flag": pd.array([None if place > 150 else place % 3 == 0 for place in range(n)], dtype="boolean"),
        "whole": pd.array([None if place > 150 else place % 7 for place in range(n)], dtype="Int64"),
        "real": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        "when": pd.array(pick("2020-01-01T10:30", "2021-05-06T07:00", None), dtype="datetime64[us]"),
        "day": pick(dt.date(2020, 1, 1), dt.date(9999, 12, 31), dt.date(2021, 2, 3), None),
        "money": pick(Decimal("1.50"), Decimal("2.25"), Decimal("30.00"), None),
        "id": pick(Decimal(1), Decimal(2), Decimal(3)),
        "span": pd.array(pick(1, 5), dtype="timedelta64[s]"),
        "void": [None] * n, "long": pick("x" * 70_000, "y" * 70_000)})  # fmt: skip


ODD = [name for name in _odd(1).columns if name not in ("_target", "prediction", "score")]


def _table(rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows, preserve_index=False)


def _file(rows: pd.DataFrame, folder: Path) -> Path:
    pq.write_table(_table(rows), folder / "rows.parquet", row_group_size=90)
    return folder / "rows.parquet"


def _folder(rows: pd.DataFrame, folder: Path) -> Path:
    for place in range(0, len(rows), 100):
        pq.write_table(_table(rows.iloc[place : place + 100]), folder / f"{place:03d}.parquet")
    return folder


ENGINES = {
    "pandas": lambda rows, _: nw.from_native(rows),
    "pandas of Arrow": lambda rows, _: _table(rows).to_pandas(types_mapper=pd.ArrowDtype),
    "Arrow table": lambda rows, _: _table(rows),
    "Arrow batch": lambda rows, _: _table(rows).combine_chunks().to_batches()[0],
    "Arrow stream": lambda rows, _: _table(rows).to_reader(70),
    "narwhals": lambda rows, _: nw.from_native(_table(rows)).lazy(),
    "DuckDB": lambda rows, _: duckdb.connect().from_arrow(_table(rows)),
    "DuckDB in narwhals": lambda rows, _: nw.from_native(duckdb.connect().from_arrow(_table(rows))),
    "polars": lambda rows, _: pl.from_arrow(_table(rows)),
    "polars, lazy": lambda rows, folder: pl.scan_parquet(_file(rows, folder)),
    "Parquet file": _file,
    "Parquet folder": _folder,
    "Parquet pattern": lambda rows, folder: f"{_folder(rows, folder)}/*.parquet",
}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_counts_like_a_frame(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 64)
    spanless = {"DuckDB", "DuckDB in narwhals"}  # a span of time is a kind of its own there
    names = [name for name in ODD if name != "span" or engine not in spanless]
    rows = _odd()[["_target", "prediction", *names]]
    grouping = Grouping.fit(rows, names)
    assert Grouping.fit(ENGINES[engine](rows, tmp_path), names) == grouping
    for name in names:
        units = [{"unit": name}] if name in ("word", "sort", "whole", "id") else []
        for how in ({"columns": [name]}, {"columns": [name], "grouping": grouping}, *units):
            _same(Tally.from_table(ENGINES[engine](rows, tmp_path), **how), Tally.from_table(rows, **how))


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "Arrow stream"])
def test_scores_of_small_groups_are_kept_exactly_whatever_the_engine(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 64)
    found = Tally.from_table(ENGINES[engine](_scored(), tmp_path), ["town"])
    assert len(found.exact) > 0
    _same(found, Tally.from_table(_scored(), ["town"]))


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_without_ids_fall_into_the_blocks_of_their_places(engine, tmp_path, monkeypatch):
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 64)
    rows = _odd()[["_target", "prediction"]]
    found = Tally.from_table(ENGINES[engine](rows, tmp_path), task="regression")
    _same(found, Tally.from_table(rows, task="regression"))


@pytest.mark.parametrize(
    "engine", [name for name in ENGINES if name not in ("Arrow batch", "Parquet folder", "Parquet pattern")]
)
def test_a_table_without_rows_has_no_cells(engine, tmp_path):
    rows = _odd().head(0)
    assert Tally.from_table(ENGINES[engine](rows, tmp_path), ["word", "whole"]).sizes.tolist() == []
    assert Grouping.fit(ENGINES[engine](rows, tmp_path), ["whole"]) == Grouping.fit(rows, ["whole"])


@pytest.mark.parametrize("engine", ENGINES)
def test_lists_are_no_groups_in_any_engine_unless_nobody_asks_for_them(engine, tmp_path):
    rows = _odd().assign(image=[[1, 2]] * 200)
    with pytest.raises(DataError, match="Column 'image' holds lists"):
        Tally.from_table(ENGINES[engine](rows, tmp_path), ["image"])
    assert Tally.from_table(ENGINES[engine](rows, tmp_path)).sizes.tolist() == [200]


def _twice(*, case: bool) -> pa.Table:
    return pa.table([[0, 1, 1], [0, 1, 0], ["a", "b", "c"], ["d", "d", "e"]],
                    names=["_target", "prediction", "Town" if case else "town", "town"])  # fmt: skip


TWICE = {
    "pandas": lambda table, _: pd.DataFrame(dict(enumerate(table.columns))).set_axis(table.column_names, axis=1),
    "Arrow": lambda table, _: table,
    "Parquet": lambda table, folder: (pq.write_table(table, folder / "x.parquet"), folder / "x.parquet")[1],
    "DuckDB": lambda table, _: duckdb.connect().sql(
        f"select * from (values (0, 0, 'a', 'd'), (1, 1, 'b', 'd'), (1, 0, 'c', 'e')) t({', '.join(_quoted(table))})"
    ),
}


def _quoted(table: pa.Table) -> list[str]:
    return [f'"{name}"' for name in table.column_names]


@pytest.mark.parametrize("engine", ["pandas", "Arrow", "Parquet"])
def test_a_column_that_occurs_twice_is_refused_where_it_is_needed(engine, tmp_path):
    table = TWICE[engine](_twice(case=False), tmp_path)
    with pytest.raises(DataError, match="Column 'town' occurs 2 times"):
        Tally.from_table(table, ["town"])
    assert Tally.from_table(table).sizes.tolist() == [3]


@pytest.mark.parametrize("engine", ["pandas", "Arrow", "Parquet"])
def test_columns_that_differ_in_case_only_are_told_apart(engine, tmp_path):
    """DuckDB takes them for one name and would answer with the first."""
    found = Tally.from_table(TWICE[engine](_twice(case=True), tmp_path), ["town"])
    assert found.cells["town"].tolist() == ["d", "e"]
    assert found.sizes.tolist() == [2, 1]


@pytest.mark.parametrize("name", ["a.b", 'q"x', "d'; drop table t; --", "{x}", "sélect", " "])
def test_column_and_file_names_are_never_read_as_sql_or_patterns(name, tmp_path):
    rows = _scored(30).rename(columns={"town": name})
    (tmp_path / "o[1]*'; --").mkdir()
    for folder in ("o[1]*'; --", "."):  # a pattern would find both, or none
        rows.to_parquet(tmp_path / folder / "rows [a-z]*?.parquet")
    file = tmp_path / "o[1]*'; --" / "rows [a-z]*?.parquet"
    _same(Tally.from_table(file, [name]), Tally.from_table(rows, [name]))
    _same(Tally.from_table(duckdb.connect().from_arrow(_table(rows)), [name]), Tally.from_table(rows, [name]))


def test_folders_named_by_a_value_give_a_column_and_files_may_differ(tmp_path):
    parts = {"2023": _scored(30).astype({"prediction": "int8"}), "2024": _scored(40)[["town", *_scored(1).columns[:4]]]}
    for year, part in parts.items():
        (tmp_path / f"year={year}").mkdir()
        part.to_parquet(tmp_path / f"year={year}" / "rows.parquet")
    (tmp_path / "_notes.parquet").write_text("no table")
    rows = pd.concat([part.assign(year=year) for year, part in parts.items()], ignore_index=True)
    with pytest.warns(UserWarning, match="repeat the id"):
        found = Tally.from_table(tmp_path, ["year", "sex"])
    with pytest.warns(UserWarning, match="repeat the id"):
        _same(found, Tally.from_table(rows, ["year", "sex"]))
    assert set(found.cells["sex"]) == {"f", "m", "missing"}


@pytest.mark.parametrize("kind", ["int64", "str"])
def test_ids_that_come_again_in_a_later_portion_bring_the_warning(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 1000)
    rows = _scored(2000).assign(_row=np.arange(2000)).astype({"_row": kind})
    for name, table in (("once", rows), ("twice", pd.concat([rows, rows]))):
        table.to_parquet(tmp_path / f"{name}.parquet")
    with pytest.warns(UserWarning, match=r"\d+ rows or more repeat the id of another") as caught:
        Tally.from_table(tmp_path / "twice.parquet")
    assert 10 < int(str(caught[0].message).split()[0]) < 60, "one id in 64 is held"
    Tally.from_table(tmp_path / "once.parquet")


def test_what_is_no_parquet_file_is_said_in_words(tmp_path):
    (tmp_path / "x.parquet").write_text("no table")
    for path, words in (("x.parquet", "cannot be read as Parquet"), ("y.parquet", "is no file, folder or pattern")):
        with pytest.raises(DataError, match=words):
            Tally.from_table(tmp_path / path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no Parquet file"):
        Tally.from_table(str(tmp_path / "empty"))


def test_wide_rows_are_held_a_few_at_a_time(monkeypatch, tmp_path):
    monkeypatch.setattr("mlopskit.tally.arrow.WEIGHT", 1 << 20)
    monkeypatch.setattr("mlopskit.tally.duck.BATCH", 2048)
    rows = pd.DataFrame({"text": [f"{place:04d}" * 256 for place in range(6000)]})
    for engine in ("Parquet file", "Arrow table"):
        sizes = [len(part) for part in frames(ENGINES[engine](rows, tmp_path))]
        assert sum(sizes) == 6000
        assert max(sizes) <= 2048


def test_a_stream_that_reads_once_is_not_read_again():
    class Once:
        def __init__(self) -> None:
            self.reader = _table(_scored(300)).to_reader(70)

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.reader.__arrow_c_stream__(requested_schema)

    assert reads_once(Once())
    assert reads_once(Once().reader)
    assert not any(
        reads_once(make(_scored(), Path("x"))) for name, make in ENGINES.items() if name.startswith("DuckDB")
    )
    assert Tally.from_table(Once(), ["town"]).sizes.tolist() == Tally.from_table(_scored(300), ["town"]).sizes.tolist()


def test_dask_and_ibis_tables_count_like_frames(monkeypatch):
    """Slower to import than all else, and so tried once."""
    dask, ibis = pytest.importorskip("dask.dataframe"), pytest.importorskip("ibis")
    rows = _odd()
    for name in ("word", "sort", "flag", "whole", "real", "when"):
        part = rows[["_target", "prediction", "score", name]]
        for table in (dask.from_pandas(part, npartitions=4), ibis.memtable(_table(part))):
            _same(Tally.from_table(table, [name]), Tally.from_table(part, [name]))


def test_what_is_no_table_is_refused():
    with pytest.raises(DataError, match="A set is no table"):
        Tally.from_table({1, 2})


def test_a_file_is_read_in_portions_and_gives_the_same_groups_and_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 64)
    rows = _scored(500).assign(age=np.random.default_rng(1).normal(40, 9, 500), born=pd.Timestamp("1980-01-01"))
    rows.to_parquet(tmp_path / "rows.parquet")
    columns = ["town", "age", "born"]
    grouping = Grouping.fit(tmp_path / "rows.parquet", columns)
    assert grouping == Grouping.fit(rows, columns)
    _same(
        Tally.from_table(tmp_path / "rows.parquet", columns, grouping=grouping),
        Tally.from_table(rows, columns, grouping=grouping),
    )


@pytest.mark.parametrize("weight", [None, "w"])
def test_portions_that_differ_in_their_highest_class_are_added(tmp_path, monkeypatch, weight):
    rows = pd.DataFrame(
        {"_target": [0, 0, 1, 2, 3, 1], "prediction": [0, 1, 1, 0, 1, 4], "w": 0.5, "g": list("ababab")}
    )
    whole = Tally.from_table(rows, ["g"], task="multiclass", weight=weight)
    rows.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 2)
    found = Tally.from_table(tmp_path / "rows.parquet", ["g"], task="multiclass", weight=weight)
    assert found.classes == 5
    assert np.array_equal(found.counts, whole.counts)
    assert np.array_equal(found.weights, whole.weights)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "Arrow stream"])
def test_a_misspelt_column_is_told_beside_those_that_there_are(engine, tmp_path):
    rows = pd.DataFrame({"_target": [0, 1], "prediction": [0, 1], "town": ["a", "b"]})
    table = ENGINES[engine](rows, tmp_path)
    with pytest.raises(DataError, match=r"no column twon \(did you mean town\?\); it has _target, prediction, town\."):
        Tally.from_table(table, ["twon"])
    with pytest.raises(
        DataError, match=r"'twon' to group by \(did you mean town\?\); there are _target, prediction, t"
    ):
        Grouping.fit(ENGINES[engine](rows, tmp_path), ["twon"])


def test_times_are_spelt_alike_in_every_portion(tmp_path, monkeypatch):
    when = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-02 03:00", "2020-01-01"], format="mixed")
    rows = pd.DataFrame({"_target": [0, 1, 0, 1], "prediction": [0, 1, 1, 0], "when": when})
    rows.to_parquet(tmp_path / "rows.parquet")
    monkeypatch.setattr("mlopskit.tally.arrow.PORTION", 2)
    for table in (rows, tmp_path / "rows.parquet"):
        tally = Tally.from_table(table, ["when"])
        assert tally.cells["when"].tolist() == ["2020-01-01", "2020-01-02", "2020-01-02 03:00:00"]
        assert tally.sizes.tolist() == [2, 1, 1]


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
