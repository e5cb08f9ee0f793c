"""Files are read as what they are, or refused with the place that is wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlopskit.data import files
from mlopskit.errors import DataError


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "x,y\n1,a\n2,b\n"),
        ("b.csv", "x;y\r\n1;a\r\n2;b\r\n"),
        ("c.tsv", "x\ty\n1\ta\n2\tb\n"),
        ("d.jsonl", '{"x": 1, "y": "a"}\n\n{"x": 2, "y": "b"}\n'),
    ],
)
def test_text_formats_give_the_same_table(tmp_path: Path, name: str, content: str) -> None:
    frame = files.read(written(tmp_path, name, content)).frame
    assert frame.to_dict("list") == {"x": [1, 2], "y": ["a", "b"]}


def test_a_file_that_is_not_utf_8_is_read_as_windows_1252_and_that_is_said(tmp_path: Path) -> None:
    read = files.read(written(tmp_path, "a.csv", "city,n\nZürich,1\n".encode("cp1252")))
    assert read.frame["city"].tolist() == ["Zürich"]
    assert read.how.endswith("encoding Windows-1252")
    assert "at 8" in read.findings[0].detail  # c i t y , n newline Z, then the ü at 8


def test_bytes_that_are_neither_are_refused_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not UTF-8 \(byte 4\) and not Windows-1252 either \(byte 4\)"):
        files.read(written(tmp_path, "a.csv", b"a\n1\n\x81\n"))


def test_utf_16_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    read = files.read(written(tmp_path, "a.csv", "a,b\né,1\n".encode("utf-16")))
    assert read.frame["a"].tolist() == ["é"]
    assert read.findings[0].code == "DAT014"


def test_the_word_none_is_a_value_and_na_is_not(tmp_path: Path) -> None:
    frame = files.read(written(tmp_path, "a.csv", "x,y\nNone,1\nNA,2\n")).frame
    assert frame["x"].tolist()[0] == "None"
    assert frame["x"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "x,x\n1,2\n", "more than once: 'x'"),
        ("a.csv", "", "0 bytes"),
        ("a.csv", "x,y\n1,2\n1,2,3\n", "line 3"),
        ("a.csv", b"x\0y", "byte 1 is zero"),
        ("a.parquet", "no parquet", "not a readable Parquet file"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: list instead of an object"),
        ("a.xlsx", "x", "read from .parquet, .csv"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        files.read(written(tmp_path, name, content))


def test_duplicate_names_in_parquet_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="more than once: 'x'"):
        files.read(tmp_path / "a.parquet")


def test_column_names_are_text_whatever_they_were(tmp_path: Path) -> None:
    pd.DataFrame({"<script>": [1], "a b.c": [2], '"q"': [3]}).to_parquet(tmp_path / "a.parquet")
    assert files.read(tmp_path / "a.parquet").frame.columns.tolist() == ["<script>", "a b.c", '"q"']
