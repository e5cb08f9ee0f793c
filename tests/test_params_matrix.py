"""Every type of parameter, from every place that a value can come from, to what the notebook sees."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mlopskit.errors import ParameterError, UsageError
from mlopskit.params import read_parameters
from mlopskit.runner.overrides import combine
from tests import tiny

NASTY = 'it\'s "said" {x} \\N # Grüße\t</script>'
DECLARED = '''
a_int: int = 3  # 0..100: whole
a_float: float = 2  # number
a_nan: float = float("nan")  # not a number
a_bool: bool = True  # or not
a_str: str = "plain # = text"  # words
a_none: "int | None" = None  # 1..9: or none
a_date: "date" = "1974-01-31"  # 1970-01-01..2030-12-31: day
a_datetime: "datetime" = "1974-01-31T12:30"  # moment
a_path: "path" = "data/a.csv"  # place
an_enum: "enum" = "auto"  # auto | wilson: method
a_choice: "Literal[1, 2, 4]" = 2  # one of
a_list: list[float] = [1, float("-inf")]  # ..5: numbers
some: list[str] = ["a"]  # a | b | c: letters
a_dict: dict = {"k": [1, None]}  # anything
a_secret: "secret" = "env:MATRIX_TOKEN"  # reference
'''.strip()  # fmt: skip
BODY = "run.write('seen', {name: repr(globals()[name]) for name in NAMES})"

# name: default as the notebook sees it; TOML and what is seen; command line and what is seen
SEEN: dict[str, tuple[str, str, str, str, str]] = {
    "a_int": ("3", "7", "7", "1_0", "10"),
    "a_float": ("2", "4", "4.0", "-1e-3", "-0.001"),
    "a_nan": ("nan", "inf", "inf", "-inf", "-inf"),
    "a_bool": ("True", "false", "False", "off", "False"),
    "a_str": ("'plain # = text'", json.dumps(NASTY), repr(NASTY), NASTY, repr(NASTY)),
    "a_none": ("None", "5", "5", "none", "None"),
    "a_date": ("'1974-01-31'", "2000-02-29", "'2000-02-29'", "1999-12-31", "'1999-12-31'"),
    "a_datetime": ("'1974-01-31T12:30'", "2000-02-29T01:02:03", "'2000-02-29T01:02:03'", "1999-12-31T23:59:00Z",
                   "'1999-12-31T23:59:00+00:00'"),
    "a_path": ("'data/a.csv'", "'b.csv'", "'b.csv'", "/tmp/a b=c.csv", "'/tmp/a b=c.csv'"),
    "an_enum": ("'auto'", "'wilson'", "'wilson'", "wilson", "'wilson'"),
    "a_choice": ("2", "4", "4", "1", "1"),
    "a_list": ("[1, -inf]", "[3, -inf, 0.5]", "[3.0, -inf, 0.5]", "-inf,2,3.5", "[-inf, 2.0, 3.5]"),
    "some": ("['a']", "['b', 'c']", "['b', 'c']", "c,a", "['c', 'a']"),
    "a_dict": ("{'k': [1, None]}", "{since = 2000-01-01, x = [1, nan]}", "{'since': '2000-01-01', 'x': [1, nan]}",
               '{"a": {"b": NaN}}', "{'a': {'b': nan}}"),
    "a_secret": ("'env:MATRIX_TOKEN'", "'env:OTHER_TOKEN'", "'env:OTHER_TOKEN'", "env:MATRIX_TOKEN",
                 "'env:MATRIX_TOKEN'"),
}  # fmt: skip


def refuse(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.notebooks
@pytest.mark.parametrize("place", ["default", "toml", "argument"])
def test_notebook_sees_the_converted_value(project: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("MATRIX_TOKEN", "a-long-token")
    monkeypatch.setenv("OTHER_TOKEN", "another-token")
    table = "\n[parameters.one]\n" + "".join(f"{name} = {row[1]}\n" for name, row in SEEN.items())
    toml = tiny.PROJECT + (table if place == "toml" else "")
    body = BODY.replace("NAMES", repr(list(SEEN)))
    made = tiny.phase_notebook(body, phase="one", parameters=DECLARED)
    phases = tiny.make_project(project / "p", {"one": made}, toml=toml)
    arguments = [f"one.{name}={row[3]}" for name, row in SEEN.items()] if place == "argument" else []
    outcome = tiny.run(project / "p", phases, *arguments)
    assert tiny.manifest_of(outcome)["phases"][0]["error"] is None
    seen = json.loads((outcome.folder / "one" / "seen.json").read_text(encoding="utf-8"))
    column = {"default": 0, "toml": 2, "argument": 4}[place]
    assert seen == {name: row[column] for name, row in SEEN.items()}
    texts = [(outcome.folder / file).read_text(encoding="utf-8") for file in ("one/notebook.ipynb", "run.json")]
    for text in [*texts, *(outcome.folder / "lineage.jsonl").read_text(encoding="utf-8").splitlines()]:
        json.loads(text, parse_constant=refuse)
    assert "-token" not in texts[0] + texts[1]


def resolved(name: str, value: str, place: str) -> Any:
    """Resolve one value given in a place, as TOML spells it or as it is typed."""
    declared = {"one": read_parameters(DECLARED)}
    table = {"one": tomllib.loads(f"{name} = {value}")} if place == "toml" else {}
    arguments = [f"one.{name}={value}"] if place == "argument" else []
    return combine(declared, table=table, arguments=arguments)["one"].values[name]


ACCEPTED: Sequence[tuple[str, str, str, Any]] = [
    ("a_int", "toml", "100", 100), ("a_int", "argument", " 0 ", 0), ("a_int", "argument", "+5", 5),
    ("a_float", "toml", "2.5", 2.5), ("a_float", "argument", "Infinity", math.inf), ("a_float", "argument", "7", 7.0),
    ("a_bool", "argument", " YES ", True), ("a_bool", "argument", "0", False), ("a_bool", "toml", "true", True),
    ("a_str", "argument", "", ""), ("a_str", "argument", "None", "None"), ("a_str", "argument", "3", "3"),
    ("a_none", "argument", "", None), ("a_none", "argument", "NULL", None), ("a_none", "argument", "9", 9),
    ("a_date", "toml", "'2000-02-29'", "2000-02-29"), ("a_date", "argument", "20000229", "2000-02-29"),
    ("a_datetime", "toml", "2000-02-29", "2000-02-29T00:00:00"),
    ("a_datetime", "toml", "2000-02-29T01:02:03.5+02:00", "2000-02-29T01:02:03.500000+02:00"),
    ("a_datetime", "argument", "2000-02-29 01:02", "2000-02-29T01:02:00"),
    ("a_choice", "toml", "1", 1), ("a_list", "argument", "[1, 2.5]", [1.0, 2.5]), ("a_list", "toml", "[]", []),
    ("a_list", "argument", "", []), ("some", "argument", "['b', 'c']", ["b", "c"]), ("some", "toml", "['a']", ["a"]),
    ("a_dict", "argument", "{'a': (1, None)}", {"a": [1, None]}),
    ("a_dict", "toml", "{a = {b = true}}", {"a": {"b": True}}),
    ("a_secret", "argument", "file:/run/a b", "file:/run/a b"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "place", "value", "expected"), ACCEPTED)
def test_value_is_accepted_and_converted(name: str, place: str, value: str, expected: Any) -> None:
    found = resolved(name, value, place)
    assert (found, type(found)) == (expected, type(expected))


REFUSED = [
    ("a_int", "toml", "3.0", "a_int = 3.0 is not a whole number but float"),
    ("a_int", "toml", "'3'", "a_int = '3' is not a whole number but text"),
    ("a_int", "toml", "101", r"a_int = 101 is out of range; allowed is 0\.\.100"),
    ("a_int", "argument", "-1", r"a_int = -1 is out of range; allowed is 0\.\.100"),
    ("a_int", "argument", "1__0", "a_int = 1__0 is not a whole number$"),
    ("a_int", "argument", "", "a_int =  is not a whole number"),
    ("a_int", "argument", "9" * 5000, r"a_int = 9{200}… is not a whole number"),
    ("a_int", "argument", "none", "a_int = none is not a whole number"),
    ("a_float", "toml", "true", "a_float = True is not a number but bool"),
    ("a_float", "toml", "1" + "0" * 400, "is too large for a float"),
    ("a_float", "argument", "1e400", "a_float = 1e400 is too large for a float"),
    ("a_float", "argument", "-9e999", "a_float = -9e999 is too large for a float"),
    ("a_float", "argument", "1,5", "a_float = 1,5 is not a number"),
    ("a_bool", "toml", "1", "a_bool = 1 is not true or false but int"),
    ("a_bool", "argument", "maybe", "a_bool = maybe is not true or false"),
    ("a_str", "toml", "3", "a_str = 3 is not text but int"),
    ("a_str", "toml", "2000-02-29", "a_str = 2000-02-29 is not text but date"),
    ("a_str", "toml", "2000-02-29T01:02:03Z", r"a_str = 2000-02-29T01:02:03\+00:00 is not text but datetime"),
    ("a_none", "argument", "0", r"a_none = 0 is out of range; allowed is 1\.\.9"),
    ("a_date", "toml", "2000-01-01T00:00:00", "is not a date like 1974-01-31 but datetime"),
    ("a_date", "toml", "12:30:00", "is not a date like 1974-01-31 but time"),
    ("a_date", "toml", "'1974-1-1'", "a_date = '1974-1-1' is not a date like 1974-01-31$"),
    ("a_date", "argument", "2031-01-01", "a_date = 2031-01-01 is out of range"),
    ("a_datetime", "argument", "noon", "a_datetime = noon is not a date and time like"),
    ("a_path", "argument", " ", "a_path =   is not a path"),
    ("a_path", "toml", "3", "a_path = 3 is not a path but int"),
    ("an_enum", "argument", "wilsn", r"an_enum = wilsn is not one of auto, wilson \(did you mean wilson\?\)"),
    ("a_choice", "argument", "3", "a_choice = 3 is not one of 1, 2, 4"),
    ("a_choice", "toml", "true", "a_choice = True is not a whole number but bool"),
    ("a_list", "toml", "[nan]", r"a_list = \[nan\] holds nan, which is out of range; allowed is \.\.5"),
    ("a_list", "argument", "1,x", "a_list = 1,x holds x, which is not a number"),
    ("a_list", "argument", "1," * 300 + "x,2", r"a_list = 1,.*… holds x, which is not a number"),
    ("a_list", "argument", "6", r"a_list = 6 holds 6, which is out of range; allowed is \.\.5"),
    ("a_list", "toml", "1", r"a_list = 1 is not a list like \[1, 2\] or 1,2 but int"),
    ("a_list", "argument", "[1, 2", r"a_list = \[1, 2 is not a list"),
    ("a_list", "argument", "[" * 100_000, r"a_list = \[{200}… is not a list"),
    ("some", "argument", "a,d", "some = a,d holds d, which is not one of a, b, c"),
    ("some", "toml", "['d']", r"some = \['d'\] holds 'd', which is not one of a, b, c"),
    ("a_dict", "argument", "{1: 2}", r"a_dict = \{1: 2\} is not a mapping"),
    ("a_dict", "argument", "{'a': {1: 2}}", "has a key that is not text; put it in quotes"),
    ("a_dict", "argument", "{[1]: 2}", "is not a mapping like"),
    ("a_dict", "toml", "[1]", r"a_dict = \[1\] is not a mapping"),
    ("a_secret", "argument", "hunter2", "a_secret = … must be a reference, `env:NAME` or `file:PATH`"),
    ("a_secret", "toml", "7", "a_secret = … must be a reference"),
]


@pytest.mark.parametrize(("name", "place", "value", "sentence"), REFUSED, ids=lambda value: str(value)[:30])
def test_value_is_refused_in_a_sentence(name: str, place: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError if place == "argument" else ParameterError, match=sentence) as caught:
        resolved(name, value, place)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("n: dict = {[1]: 2}", "is not a literal"),
        ("n: float = float([1])", "is not a literal"),
        ("n: dict = {'a': {1: 2}}", "has a key that is not text"),
        ("n: Literal['a', 1] = 'a'", "does not list values of one type"),
        ("n: Literal[()] = 'a'", "does not list values of one type"),
        ("n: list[secret] = ['env:A']", "holds secrets; give each a parameter of its own"),
        ("n: 'enum' = 'a'", "`n` is an enum without choices"),
        ("n: list = ['a']  # a | b: of", "needs the type of the items"),
        ("n: dict[str, int] = {'a': 'b'}", "holds 'b', which is not a whole number"),
        ("n: dict[int, str] = {}", r"has keys that are not text; write dict\[str, str\]"),
        ("n: dict[str, list[int]] = {}", r"says more of its items than is checked; give a plain type, as in dict\[str"),
        ("n: list[int | None] = []", "says more of its items than is checked"),
        ("n: 'int[5]' = 5", "nothing stands in brackets behind int"),
        ("n: int = 3  # 5..1: swapped", r"the range 5\.\.1 of `n` holds nothing"),
        ("n: int = 3  # a..b: words", "the limit `a` in its comment is not a whole number"),
        ("n: int = 1  # one | two: words", "the choice `one` in its comment is not a whole number"),
        ("n: float = 7  # 0 .. 5: spaced", r"out of range; allowed is 0\.0\.\.5\.0"),
    ],
)
def test_declaration_that_limits_nothing_or_says_nothing_is_refused(source: str, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        read_parameters(source)


def test_moments_are_compared_by_when_they_are() -> None:
    source = "n: 'datetime' = '1999-01-01T00:00:00+00:00'  # ..2000-01-01T00:00:00+00:00: before the millennium"
    declared = {"one": read_parameters(source)}
    for typed, message in (
        ("1999-12-31T23:30:00-05:00", r"out of range"),
        ("1999-12-31T23:30:00", r"must name a time zone if and only if its limits"),
    ):
        with pytest.raises(UsageError, match=message):
            combine(declared, table={}, arguments=[f"n={typed}"])
    found = combine(declared, table={}, arguments=["n=2000-01-01T04:00:00+05:00"])
    assert found["one"].values == {"n": "2000-01-01T04:00:00+05:00"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("n: list[float] = [float('nan'), -float('inf')]", [math.nan, -math.inf]),
        ("n: dict = {'a': float('inf')}", {"a": math.inf}),
        ("n: float = -float('inf')", -math.inf),
    ],
)
def test_infinities_are_literals_wherever_they_stand(source: str, expected: Any) -> None:
    assert repr(read_parameters(source)[0].default) == repr(expected)


def test_literal_in_a_list_and_with_none() -> None:
    [listed] = read_parameters("n: list[Literal['a', 'b']] = ['a']")
    assert (listed.type, listed.item, listed.choices) == ("list", "str", ("a", "b"))
    [optional] = read_parameters("n: Literal['a', None] = None")
    assert (optional.optional, optional.choices) == (True, ("a",))


def test_all_wrong_values_are_told_at_once_by_the_program_and_nothing_is_made(project: Path) -> None:
    table = "\n[parameters.scope]\nn = 'x'\n[parameters.dta]\nn = 1\n"
    tiny.make_project(project / "p", {"scope": "n"}, toml=tiny.PROJECT + table)
    command = [sys.executable, "-m", "mlopskit", "run", "--to", "scope", "--project", "p"]
    command += ["-p", "scope.nn=1", "-p", "scope.seed=b", "-p", "sed=1", "-p", "seed", "-p", "scpe.n=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    for sentence in (
        "7 parameters are wrong", "scope.n = 'x' is not a whole number but text", "there is no phase dta",
        "unknown parameter scope.nn (did you mean n?)", "scope.seed = b is not a whole number",
        "no phase has a parameter sed (did you mean seed?)", "-p seed is not of the form",
        "there is no phase scpe (did you mean scope?)",
    ):  # fmt: skip
        assert sentence in said
    assert not (project / "p" / "runs").exists()
