"""Every notebook keeps the form that makes it readable, runnable and comparable; no kernel is needed to see it."""

from __future__ import annotations

import ast
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mlopskit.params import read_parameters

REPO = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
PHASES = [path for path in NOTEBOOKS if not path.name.startswith("0_")]

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
every_phase = pytest.mark.parametrize("path", PHASES, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def cells(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    return [cell for cell in load(path)["cells"] if kind in (None, cell["cell_type"])]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def lines(cell: dict[str, Any]) -> list[str]:
    return [line for line in source(cell).splitlines() if line.strip()]


def tags(cell: dict[str, Any]) -> list[str]:
    return list(cell["metadata"].get("tags", []))


def test_the_seven_phases_and_the_overview_are_there() -> None:
    names = ["overview", "scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"]
    assert [path.stem for path in NOTEBOOKS] == [f"{number}_{name}" for number, name in enumerate(names)]


@every_notebook
def test_it_is_committed_without_outputs(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells(path, "code"))


@every_notebook
def test_it_opens_with_a_title_and_a_paragraph(path: Path) -> None:
    first = load(path)["cells"][0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# \S.*\n\n\S", source(first))


@every_phase
def test_the_first_code_cell_holds_the_parameters_and_no_other_does(path: Path) -> None:
    code = cells(path, "code")
    assert [("parameters" in tags(cell)) for cell in code] == [True] + [False] * (len(code) - 1)
    assert 1 <= len(lines(code[0])) <= 12
    assert read_parameters(source(code[0])), "a parameters cell that declares nothing"


@every_phase
def test_every_parameter_has_a_type_and_its_help(path: Path) -> None:
    for parameter in read_parameters(source(cells(path, "code")[0])):
        assert parameter.help, parameter.name


@every_notebook
def test_imports_stand_in_one_cell(path: Path) -> None:
    imports = ast.Import | ast.ImportFrom
    importing = [
        cell["id"]
        for cell in cells(path, "code")
        if any(isinstance(node, imports) for node in ast.walk(ast.parse(source(cell))))
    ]
    assert len(importing) == 1


@every_notebook
def test_cells_are_short_and_few_and_explained(path: Path) -> None:
    code, prose = cells(path, "code"), cells(path, "markdown")
    assert len(code) <= 20
    assert len(prose) >= len(code)
    assert {cell["id"]: len(lines(cell)) for cell in code if len(lines(cell)) > 15} == {}
    kinds = [cell["cell_type"] for cell in load(path)["cells"]]
    led = sum(before == "markdown" and after == "code" for before, after in pairwise(kinds))
    assert led >= 0.75 * len(code), "code cells directly follow the text that explains them"


@every_notebook
def test_nothing_is_defined_and_no_magic_is_used(path: Path) -> None:
    for cell in cells(path, "code"):
        assert not re.search(r"^\s*[%!]", source(cell), re.MULTILINE), cell["id"]
        nodes = list(ast.walk(ast.parse(source(cell))))
        assert not [node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)], cell["id"]


@every_notebook
def test_no_path_is_written_out(path: Path) -> None:
    for cell in cells(path, "code"):
        strings = [node.value for node in ast.walk(ast.parse(source(cell))) if isinstance(node, ast.Constant)]
        paths = [text for text in strings if isinstance(text, str) and re.search(r"\.\w{2,7}$|^[/~.]|\\\\", text)]
        assert paths == [], cell["id"]


@every_phase
def test_code_outside_the_parameters_types_in_no_result(path: Path) -> None:
    for cell in cells(path, "code")[1:]:
        numbers = [
            node.value
            for node in ast.walk(ast.parse(source(cell)))
            if isinstance(node, ast.Constant) and type(node.value) is float
        ]
        assert numbers == [], cell["id"]


@every_phase
def test_prose_quotes_no_result_that_a_run_should_compute(path: Path) -> None:
    for cell in cells(path, "markdown"):
        claims = re.findall(r"\b0\.\d{2,}\b|\b\d+(?:\.\d+)? ?%(?! (?:interval|confidence))", source(cell))
        assert [claim for claim in claims if claim.replace(" ", "") not in {"95%", "5%"}] == [], cell["id"]


@every_phase
def test_it_ends_with_its_artefacts_and_what_comes_next(path: Path) -> None:
    headings = [match for cell in cells(path, "markdown") for match in re.findall(r"^## (.+)$", source(cell), re.M)]
    assert headings[-2:] == ["Artifacts", "Next"]
    assert source(cells(path, "code")[-1]).rstrip().endswith("run.finish()")


@every_phase
def test_it_opens_the_run_of_its_own_phase(path: Path) -> None:
    phase = path.stem.partition("_")[2]
    assert sum(f'open_run("{phase}")' in source(cell) for cell in cells(path, "code")) == 1


@every_notebook
def test_cell_ids_are_names_and_the_kernel_is_plain_python(path: Path) -> None:
    ids = [cell["id"] for cell in cells(path)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in ids)
    assert load(path)["metadata"]["kernelspec"]["name"] == "python3"
