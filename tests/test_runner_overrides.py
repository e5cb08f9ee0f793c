"""Overrides: what is refused before any kernel starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from mlopskit.errors import ParameterError, UsageError
from mlopskit.params import read_parameters
from mlopskit.runner.overrides import combine, declarations, resolve
from tests.tiny import make_project, phase_notebook

VALUE = "hunter2@hunter2"
NAMES = ["1_a", "1_a", "2_b", "2_b"]
DECLARED = {
    "one": read_parameters("token: 'secret' = 'env:MLOPSKIT_TEST_TOKEN'"),
    "b": read_parameters("url: str = ''\nurls: list = []\nmore: dict = {}\nn: int = 1"),
}


def resolved(table: Mapping[str, Any], arguments: Sequence[str] = (), executed: Sequence[str] = ("one", "b")) -> None:
    resolve(DECLARED, table=table, arguments=arguments, executed=executed, project=Path())


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPSKIT_TEST_TOKEN", VALUE)


def test_all_problems_of_all_notebooks_are_told_in_one_list(tmp_path: Path) -> None:
    wrong = [phase_notebook("1", phase=name, parameters="n: int = 'x'\nm: nope = 1") for name in ("a", "b")]
    phases = make_project(tmp_path, {**dict(zip("ab", wrong, strict=True)), "c": "1"})
    with pytest.raises(ParameterError) as told:
        declarations(tmp_path, phases, arguments=["c.n=x"])
    head, *problems = str(told.value).splitlines()
    assert head == "5 parameters are wrong:"
    assert [problem.split(": ")[0] for problem in problems[:4]] == [f"  - {name}.ipynb" for name in NAMES]
    assert problems[4:] == ["  - c.n = x is not a whole number"]


@pytest.mark.parametrize("executed", [("one", "b"), ("one",), ("b",)])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", VALUE),
        ("url", f"postgresql://me:{VALUE}@host/db"),
        ("url", "postgresql://me:hunter2%40hunter2@host/db"),
        ("urls", ["x", [VALUE]]),
        ("more", {"a": [{"b": VALUE}]}),
        ("more", {VALUE: 1}),
    ],
)
def test_the_value_of_a_secret_in_another_parameter_is_refused(name: str, value: Any, executed: Sequence[str]) -> None:
    with pytest.raises(
        ParameterError, match=rf"^b\.{name} holds the value of the secret one\.token.*reference"
    ) as caught:
        resolved({"b": {name: value}}, executed=executed)
    assert "hunter2" not in str(caught.value)
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize("argument", [f"b.url={VALUE}", f"url={VALUE}"])
def test_the_value_of_a_secret_on_the_command_line_is_wrong_usage(argument: str) -> None:
    with pytest.raises(UsageError, match=r"^b\.url holds the value of the secret one\.token") as caught:
        resolved({}, [argument])
    assert "hunter2" not in str(caught.value)


def test_a_default_that_holds_the_value_of_a_secret_is_refused() -> None:
    declared = {**DECLARED, "c": read_parameters(f"url: str = {VALUE!r}")}
    with pytest.raises(ParameterError, match=r"^c\.url holds the value of the secret one\.token"):
        resolve(declared, table={}, arguments=[], executed={"one"}, project=Path())


def test_the_value_of_a_secret_is_refused_with_all_other_problems_and_shown_in_none() -> None:
    with pytest.raises(ParameterError, match=r"(?s)3 parameters are wrong.*b\.n = .*b\.url holds.*b\.m") as caught:
        resolved({"b": {"url": VALUE, "n": VALUE}}, [f"b.m={VALUE}"])
    assert "hunter2" not in str(caught.value)


def test_parameters_without_the_value_of_a_secret_are_taken() -> None:
    resolved({"b": {"url": "env:MLOPSKIT_TEST_TOKEN", "urls": ["hunter2"], "more": {"a": None, "b": 1.5}}})


def test_a_value_for_a_phase_that_is_not_executed_is_refused_however_phases_were_chosen() -> None:
    with pytest.raises(UsageError, match="choose phases so that b is executed") as caught:
        combine(DECLARED, table={}, arguments=["b.n=2"], executed={"one"})
    assert "--only" not in str(caught.value)
