"""The parameters cell as a schema, and values held to it."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.cli.output import document_text
from mlopskit.cli.parameters import _described
from mlopskit.errors import NotebookError, ParameterError
from mlopskit.params import (
    Parameter,
    as_declared,
    notebook_parameters,
    portable,
    read_parameters,
    recorded,
    resolve,
)
from mlopskit.runner.overrides import Parameters
from mlopskit.values import TYPES, Text, convert


def one(source: str) -> Parameter:
    (parameter,) = read_parameters(source)
    return parameter


@pytest.mark.parametrize(
    ("source", "kind", "default", "optional"),
    [
        ("n: int = 3", "int", 3, False),
        ("n: float = 3", "float", 3.0, False),
        ("n: float = -1.5", "float", -1.5, False),
        ("n: bool = True", "bool", True, False),
        ("n: str = 'a # b = c'", "str", "a # b = c", False),
        ("n: int | None = None", "int", None, True),
        ("n: Optional[float] = 2", "float", 2.0, True),
        ("n: 'date' = '1974-01-01'", "date", "1974-01-01", False),
        ("n: 'datetime | None' = '1974-01-01T10:00'", "datetime", "1974-01-01T10:00:00", True),
        ("n: 'Path' = 'data/a.csv'", "path", "data/a.csv", False),
        ("n: 'secret' = 'env:TOKEN'", "secret", "env:TOKEN", False),
        ("n: dict = {'a': [1, 2.5]}", "dict", {"a": [1, 2.5]}, False),
        ("n: list = (1, 'b')", "list", [1, "b"], False),
        ("n = 3", "int", 3, False),
        ("n = None", "str", None, True),
    ],
)
def test_declaration_is_read_with_its_type(source: str, kind: str, default: Any, optional: bool) -> None:
    parameter = one(source)
    assert (parameter.name, parameter.type, parameter.default, parameter.optional) == ("n", kind, default, optional)


@pytest.mark.parametrize(
    ("source", "low", "high", "choices", "text"),
    [
        ("n: int = 5  # 1..9: how many", 1, 9, (), "how many"),
        ("n: int = 5  # 0..: open above", 0, None, (), "open above"),
        ("n: float = 5  # ..1e3: open below", None, 1000.0, (), "open below"),
        ("n: float = 0  # -1.5..1.5", -1.5, 1.5, (), ""),
        ("n: 'date' = '1980-01-01'  # 1974-01-01..2018-12-31: first day", "1974-01-01", "2018-12-31", (), "first day"),
        ("n: str = 'a'  # a | b-c | d: which", None, None, ("a", "b-c", "d"), "which"),
        ("n: int = 2  # 1 | 2 | 4", None, None, (1, 2, 4), ""),
        ("n: Literal['x', 'y'] = 'y'  # which: one of two", None, None, ("x", "y"), "which: one of two"),
        ("n: int = 5  # plain help with = and # in it", None, None, (), "plain help with = and # in it"),
        ("n: int = 5", None, None, (), ""),
        ("n: int = 5  # 1..10 : help", 1, 10, (), "help"),
        ("n: int = 5  # 1 .. 10 : help", 1, 10, (), "help"),
        ("n: int = 5  # 1..10 :", 1, 10, (), ""),
        ("n: str = 'a'  # a | b : help", None, None, ("a", "b"), "help"),
        ("n: int = (\n    5  # 0..9: a\n)", 0, 9, (), "a"),
        ("n: list[int] = [  # 0..9: a\n    5,\n    6,\n]", 0, 9, (), "a"),
        ("n: list[int] = [\n    5,\n    # 0..9: a\n    6,\n]", 0, 9, (), "a"),
        ("n: list[int] = [\n    5,  #\n    6,\n]  # 0..9: a", 0, 9, (), "a"),
    ],
)
def test_comment_says_limits_and_help(source: str, low: Any, high: Any, choices: tuple[Any, ...], text: str) -> None:
    parameter = one(source)
    assert (parameter.low, parameter.high, parameter.choices, parameter.help) == (low, high, choices, text)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("n: int = f(3)", r"line 1: `f\(3\)` is not a literal"),
        ("import os", "only `name: type = literal` may stand here"),
        ("n: int = 12  # 1..9: how many", r"the default `n = 12` is out of range; allowed is 1\.\.9"),
        ("n: str = 'c'  # a | b: which", "the default `n = 'c'` is not one of a, b"),
        ("n: int = 'x'", "the default `n = 'x'` is not a whole number but text"),
        ("n: flaot = 1.0", r"unknown type `flaot` \(did you mean float\?\)"),
        ("n: int | str = 1", "is not one type"),
        ("n: int = 1\nn: int = 2", "`n` is declared twice"),
        ("n: 'secret' = 'hunter2'", "must be a reference"),
        ("n: int =", "line 1, is not Python"),
        ("n: str = 'a'  # 1..3: range of a text", "a str has no range"),
        (
            "n: int = (  # 0..9\n    12  # help\n)",
            r"line 1: `n` has 2 comments, and only one can say its limits and "
            "its help; keep one, and put the others above it",
        ),
        (
            "n: int = 12; m: int = 5  # 0..9: a",
            r"`n` and `m` share a line, and with it a comment; give each a line "
            "of its own",
        ),
        (
            "n: flot = 1",
            r"known are int, .*secret and enum \(its choices stand in its comment, as in "
            r"`method: \"enum\" = \"a\"  # a \| b: help`\)",
        ),
        ("n: 'enu' = 'a'", r"did you mean enum\?"),
        (
            "n: 'enum[a, b]' = 'a'",
            r"`enum\[a, b\]` is not how an enum is written: its choices stand in its comment, as in",
        ),
        ("n: 'list[enm]' = ['a']", r"did you mean enum\?"),
        ("n: int | str = 1", "secret and enum"),
        ("n: 'str[a]' = 'a'", "nothing stands in brackets behind str"),
    ],
)
def test_bad_declaration_is_refused_with_its_line(source: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        read_parameters(source)


def test_two_on_one_line_without_a_comment_and_comments_above_are_no_fault() -> None:
    found = read_parameters("# of all\nn: int = 1; m: int = 2\n# of k\nk: int = 3  # 0..9: help")
    assert [(item.name, item.high) for item in found] == [("n", None), ("m", None), ("k", 9)]


def test_secret_in_a_cell_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ParameterError) as caught:
        read_parameters("n: 'secret' = 'hunter2'")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ParameterError) as caught:
        resolve(read_parameters("n: 'secret' = 'env:A'"), {"n": Text("hunter2")})
    assert "hunter2" not in str(caught.value)


def test_all_bad_lines_are_told_at_once() -> None:
    with pytest.raises(ParameterError, match=r"(?s)2 parameters are wrong.*line 1.*line 3"):
        read_parameters("n: int = g()\nm: int = 1\nk: float = 'x'")


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("n: int = 1", Text("-7"), -7),
        ("n: int = 1", Text("1_000"), 1000),
        ("n: int = 1", 7, 7),
        ("n: float = 1", Text("1e-3"), 0.001),
        ("n: float = 1", 2, 2.0),
        ("n: bool = False", Text("Yes"), True),
        ("n: bool = True", Text("off"), False),
        ("n: str = ''", Text("none"), "none"),
        ("n: str | None = ''", Text("none"), None),
        ("n: 'date' = '1974-01-01'", dt.date(2000, 2, 29), "2000-02-29"),
        ("n: 'date' = '1974-01-01'", Text("2000-02-29"), "2000-02-29"),
        ("n: 'datetime' = '1974-01-01'", dt.datetime(2000, 2, 29, 12), "2000-02-29T12:00:00"),
        ("n: list[int] = [1]", Text("3,4"), [3, 4]),
        ("n: list[int] = [1]", Text("[3, 4]"), [3, 4]),
        ("n: list[float] = [1]", [3, 4.5], [3.0, 4.5]),
        ("n: list[str] = []", Text(""), []),
        ("n: dict[str, float] = {}", Text('{"a": 3}'), {"a": 3.0}),
        ("n: dict = {}", Text('{"a": {"b": 1}}'), {"a": {"b": 1}}),
        ("n: dict = {}", {"since": dt.date(2000, 1, 1)}, {"since": "2000-01-01"}),
        ("n: 'secret' = 'env:A'", Text("file:/run/token"), "file:/run/token"),
    ],
)
def test_value_is_converted_by_the_declared_type(source: str, value: Any, expected: Any) -> None:
    resolved = resolve(read_parameters(source), {"n": value})["n"]
    assert resolved == expected
    assert type(resolved) is type(expected)
    json.dumps(resolved, allow_nan=False)


@pytest.mark.parametrize(
    ("source", "value", "message"),
    [
        ("n: int = 1", Text("3.0"), "n = 3.0 is not a whole number"),
        ("n: int = 1", "3", "n = '3' is not a whole number but text"),
        ("n: int = 1", True, "n = True is not a whole number but bool"),
        ("n: int = 1  # 0..5", Text("6"), r"is out of range; allowed is 0\.\.5"),
        ("n: float = 1  # 0..5", Text("nan"), "is out of range"),
        ("n: bool = True", Text("maybe"), "is not true or false"),
        ("n: str = 'a'  # auto | wilson", Text("wilsn"), r"is not one of auto, wilson \(did you mean wilson\?\)"),
        ("n: str = 'a'", 3, "is not text but int"),
        ("n: 'date' = '1974-01-01'", Text("1974-13-01"), "is not a date like"),
        ("n: list[int] = [1]", Text("1,b"), "is not a whole number"),
        ("n: list[int] = [1]  # 0..5", Text("1,9"), "is out of range"),
        ("n: dict = {}", Text("[1]"), "is not a mapping"),
        ("n: dict[str, float] = {}", Text('{"a": "b"}'), "holds 'b', which is not a number but text"),
        ("n: dict[str, int] = {}  # 0..5", {"a": 1, "b": 9}, r"holds 9, which is out of range; allowed is 0\.\.5"),
        ("n: int = 1", None, "is not a whole number but none"),
    ],
)
def test_wrong_value_is_refused(source: str, value: Any, message: str) -> None:
    source = source.replace("'a'  # auto", "'auto'  # auto")
    with pytest.raises(ParameterError, match=message):
        resolve(read_parameters(source), {"n": value})


def test_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"unknown parameter model\.max_itr \(did you mean max_iter\?\)"):
        resolve(read_parameters("max_iter: int = 1"), {"max_itr": 3}, where="model.")


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_a_range_lets_through_exactly_what_lies_in_it(low: int, high: int, value: int) -> None:
    low, high = min(low, high), max(low, high)
    parameters = read_parameters(f"n: int = {low}  # {low}..{high}: limits")
    if low <= value <= high:
        assert resolve(parameters, {"n": Text(value)}) == {"n": value}
    else:
        with pytest.raises(ParameterError, match="out of range"):
            resolve(parameters, {"n": Text(value)})


@given(st.floats(allow_nan=False))
def test_float_survives_the_command_line(value: float) -> None:
    assert convert(Text(repr(value)), "float") == value


@given(st.sampled_from(sorted(set(TYPES) - {"secret"})), st.text())
def test_any_text_is_converted_or_refused_in_words(kind: str, text: str) -> None:
    parameter = Parameter("n", kind, None)
    try:
        json.dumps(parameter.check(Text(text)))
    except ValueError:
        with pytest.raises(ParameterError, match=r"^n = "):
            resolve([parameter], {"n": Text(text)})


def test_portable_values_are_valid_json() -> None:
    made = portable({"a": [math.inf, -math.inf, math.nan, 1.0], "b": "inf"})
    assert json.loads(json.dumps(made, allow_nan=False)) == {"a": ["inf", "-inf", "nan", 1.0], "b": "inf"}


def test_notebook_without_or_with_two_tagged_cells_is_refused(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": ["n: int = 1  # 0..2: n\n", "m: int = 2"],
    }
    path = tmp_path / "a.ipynb"
    for cells, message in (([], "no cell tagged"), ([cell, cell], "2 cells tagged")):
        path.write_text(json.dumps({"nbformat": 4, "cells": cells}), encoding="utf-8")
        with pytest.raises(NotebookError, match=message):
            notebook_parameters(path)
    path.write_text(json.dumps({"nbformat": 4, "cells": [cell]}), encoding="utf-8")
    assert [parameter.name for parameter in notebook_parameters(path)] == ["n", "m"]


def test_params_needs_no_nbformat(tmp_path: Path) -> None:
    import subprocess
    import sys

    heavy = ("nbformat", "papermill", "pandas")
    code = f"import sys, mlopskit.params; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0


NUMBERS = st.floats() | st.sampled_from([math.nan, math.inf, -math.inf])
KEYS = st.text(max_size=2) | st.sampled_from(["$float", "$$float", "$", "float"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=3) | st.sampled_from(["nan", "inf"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
)


@given(
    st.one_of(
        st.tuples(st.just(Parameter("p", "dict", {})), st.dictionaries(KEYS, VALUES, max_size=3)),
        st.tuples(st.just(Parameter("p", "list", [])), st.lists(VALUES, max_size=3)),
        st.tuples(st.just(Parameter("p", "list", [], item="float")), st.lists(NUMBERS, max_size=3)),
        st.tuples(st.just(Parameter("p", "dict", {}, item="float")), st.dictionaries(KEYS, NUMBERS, max_size=3)),
        st.tuples(st.just(Parameter("p", "float", 0.0, optional=True)), st.none() | NUMBERS),
        st.tuples(st.just(Parameter("p", "str", "")), st.sampled_from(["nan", "inf", ""])),
    )
)
def test_a_recorded_value_is_valid_json_and_reads_as_the_same_value(case: tuple[Parameter, Any]) -> None:
    parameter, value = case
    text = json.dumps(recorded([parameter], {"p": value}), allow_nan=False)
    assert repr(as_declared(parameter, json.loads(text)["p"])) == repr(value)


def test_a_record_of_floats_as_text_is_read_as_before() -> None:
    """Runs made before anything could stand within a dict: a float is its name, text within a dict is text."""
    assert as_declared(Parameter("p", "list", [], item="float"), ["inf", 1.0]) == [math.inf, 1.0]
    assert as_declared(Parameter("p", "float", 0.0), "-inf") == -math.inf
    assert as_declared(Parameter("p", "dict", {}), {"a": "nan"}) == {"a": "nan"}


@pytest.mark.parametrize("kind", ["str", "path", "list", "dict", "secret"])
def test_bytes_that_are_no_utf8_are_refused_at_any_depth(kind: str) -> None:
    """An argument of the command line holds such bytes as lone surrogates; a manifest cannot."""
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")
    values = {"list": [Text(odd), Text(f'["{odd}"]'), [[odd]]], "dict": [Text(f'{{"a": ["{odd}"]}}'), {odd: 1}]}
    for value in values.get(kind, [Text(f"file:{odd}")]):
        with pytest.raises(ValueError, match="holds bytes that are no UTF-8 text"):
            convert(value, kind)


@pytest.mark.parametrize("kind", ["dict", "list"])
def test_what_is_nested_too_deep_is_refused_in_words(kind: str) -> None:
    for depth in (101, 300, 600, 100_000):
        text = '{"a":' * depth + "1" + "}" * depth
        with pytest.raises(ParameterError, match=r"is nested more than 100 levels deep|is not a (mapping|list)"):
            resolve([Parameter("p", kind, None)], {"p": Text(text if kind == "dict" else f"[{text}]")})
    text = '{"a":' * 90 + "1" + "}" * 90
    assert resolve([Parameter("p", "dict", None)], {"p": Text(text)})


def test_numbers_that_json_lacks_have_one_name_wherever_params_shows_them() -> None:
    source = 'a: float = float("nan")\nb: list[float] = [float("nan"), float("inf")]\nc: "float | None" = None'
    declared = read_parameters(source)
    known = Parameters(declared, {item.name: item.default for item in declared}, {})
    told = json.loads(document_text([_described(item, known) for item in declared]))
    assert [item["value"] for item in told] == ["nan", ["nan", "inf"], None]
    assert [item["default"] for item in told] == ["nan", ["nan", "inf"], None]


def test_all_bad_lines_of_a_notebook_stand_in_one_list_with_its_name(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "source": "n: int = g()\nk: float = 'x'", "metadata": {"tags": ["parameters"]}}
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    with pytest.raises(ParameterError) as caught:
        notebook_parameters(tmp_path / "a.ipynb")
    first, *rest = str(caught.value).splitlines()
    assert first == "2 parameters are wrong:"
    assert [line[: line.index(":")] for line in rest] == ["  - a.ipynb", "  - a.ipynb"]


BARE = ["p: path = 'x'", "p: secret | None = None", "p: list[Literal['a']] = ['a']", "p: Optional[int] = 1"]


@pytest.mark.parametrize("line", BARE)
def test_type_that_the_kernel_would_not_know_must_be_quoted(tmp_path: Path, line: str) -> None:
    def lay(*cells: tuple[str, list[str]]) -> Path:
        listed = [{"cell_type": "code", "source": text, "metadata": {"tags": tags}} for text, tags in cells]
        (tmp_path / "a.ipynb").write_text(json.dumps({"cells": listed, "metadata": {}, "nbformat": 4}))
        return tmp_path / "a.ipynb"

    with pytest.raises(ParameterError, match=r'line 1: Python knows no `\w+` there; quote the type: `p: "'):
        notebook_parameters(lay((line, ["parameters"])))
    with pytest.raises(NameError):
        exec(compile(line, "cell", "exec", dont_inherit=True), {})
    name, _, rest = line.partition(": ")
    kind, _, value = rest.partition(" = ")
    quoted = f'{name}: "{kind}" = {value}'
    exec(compile(quoted, "cell", "exec", dont_inherit=True), {})
    assert [item.name for item in notebook_parameters(lay((quoted, ["parameters"])))] == ["p"]
    imports = ("from typing import Literal, Optional\npath = secret = str", [])
    assert [item.name for item in notebook_parameters(lay(imports, (line, ["parameters"])))] == ["p"]
