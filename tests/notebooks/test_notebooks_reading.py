"""Every executed notebook reads well from top to bottom, and so does the first screen of its report."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner.report.terms import VOCABULARY

pytestmark = [pytest.mark.notebooks]

PHASES = ["scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"]
ROWS = 20
WHOLE = {"overview: new-run", "slices_and_bias: groups", "slices_and_bias: disparities", "slices_and_bias: fairlearn"}
"""A form of all parameters, and every declared group: a row left out would be an answer left out; artefacts alike."""
SAYS_LITTLE = re.compile(r"<[^<>]* object at 0x|<[\w.]+ at 0x|^\s*[\[(]?[-+\d.,e\s]+[\])]?\s*$|^\s*(?:None|nan)?\s*$")
HEADING = re.compile(r"^(##+) (.+?)$\n*(.*?)(?=^##+ |\Z)", re.MULTILINE | re.DOTALL)


def one_worker(example: str) -> Any:
    """Keep the tests of one example in one process, so that it is run once."""
    return pytest.param(example, marks=pytest.mark.xdist_group(example))


@pytest.fixture(scope="module", params=[one_worker("income"), one_worker("mortgage"), one_worker("digits")])
def read(request: pytest.FixtureRequest, example: Any) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    """The folder of a run, and the cells of each notebook as the run left them; the overview as one executes it."""
    project, run = example(request.param)
    out = project / "overview.ipynb"
    papermill = [sys.executable, "-m", "papermill", "notebooks/0_overview.ipynb", str(out), "--no-progress-bar"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("MLOPSKIT", "PYTEST"))}
    done = subprocess.run(papermill, cwd=project, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    paths = {"overview": out} | {name: run / name / "notebook.ipynb" for name in PHASES}
    return run, {name: json.loads(path.read_text(encoding="utf-8"))["cells"] for name, path in paths.items()}


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def outputs(read: Any) -> list[tuple[str, dict[str, Any]]]:
    """Where each output stands, and the output."""
    return [
        (f"{name}: {cell['id']}", output)
        for name, cells in read[1].items() for cell in cells for output in cell.get("outputs", [])
    ]  # fmt: skip


def shown(output: dict[str, Any], kind: str) -> str:
    return "".join(output.get("data", {}).get(kind, ""))


def test_every_cell_that_shows_something_follows_words(read: Any) -> None:
    wordless = [
        f"{name}: {cell['id']}"
        for name, cells in read[1].items()
        for before, cell in zip([{}, *cells], cells, strict=False)
        if cell.get("outputs") and before.get("cell_type") != "markdown"
    ]
    assert wordless == []


def test_every_heading_is_followed_by_one_to_three_sentences(read: Any) -> None:
    """Of the seven phases and the overview; a sentence ends in a full stop, a question or an exclamation mark."""
    odd = {}
    for name, cells in read[1].items():
        for cell in [each for each in cells if each["cell_type"] == "markdown"]:
            for _, title, text in HEADING.findall(source(cell)):
                ends = re.findall(r"[.?!][*”)`]*(?=\s|$)", re.sub(r"`[^`]*`", "code", text.strip()))
                if not 1 <= len(ends) <= 3 and title != "Next":
                    odd[f"{name}: {title}"] = len(ends)
    assert odd == {}


def test_every_code_cell_but_parameters_and_imports_shows_something(read: Any) -> None:
    silent = [
        f"{name}: {cell['id']}"
        for name, cells in read[1].items() for cell in cells
        if cell["cell_type"] == "code" and not cell["outputs"] and cell["id"] not in {"parameters", "imports"}
        and cell["metadata"].get("tags") != ["injected-parameters"]
    ]  # fmt: skip
    assert silent == []


def test_no_output_is_a_warning_a_bare_number_or_the_name_of_an_object(read: Any) -> None:
    for place, output in outputs(read):
        assert output["output_type"] in {"display_data", "execute_result"}, (place, str(output)[:300])
        said = shown(output, "text/plain")
        rich = shown(output, "text/html") or shown(output, "image/svg+xml") or shown(output, "text/markdown")
        assert rich or not SAYS_LITTLE.search(said), (place, said)
        assert " object at 0x" not in rich, place
        assert said.strip(), place


def test_every_figure_has_words_and_no_table_more_than_twenty_rows(read: Any) -> None:
    long = {}
    for place, output in outputs(read):
        drawn = shown(output, "text/html") + shown(output, "image/svg+xml")
        for svg in re.findall(r"<svg\b.*?>.*?</svg>", drawn, re.DOTALL):
            words = re.search(r"""aria-label=["'][^"']{8,}|<title[^>]*>[^<]{8,}|aria-hidden=["']true""", svg)
            assert words, (place, svg[:200])
        for body in re.findall(r"<tbody.*?</tbody>", drawn, re.DOTALL):
            if (rows := body.count("<tr")) > ROWS and place not in WHOLE and not place.endswith(": artifacts"):
                long[place] = rows
        assert "image/png" not in output.get("data", {}), place
    assert long == {}


def test_no_term_of_the_first_screen_goes_without_its_explanation(read: Any) -> None:
    page = (read[0] / "report.html").read_text(encoding="utf-8")
    screen = re.search(r'<section id="outcome".*?</section>', page, re.DOTALL)
    assert screen
    plain = re.sub(r"<div popover.*?</div>|<(code|a|svg|details)\b.*?</\1>", " ", screen[0], flags=re.DOTALL)
    left = html.unescape(re.sub(r"<[^>]+>", "", plain)).lower()
    explained = set(re.findall(r'popovertarget="term-([^"]+)"', screen[0]))
    bare = []
    for term in sorted(set(VOCABULARY) - {"n"}, key=len, reverse=True):
        left, found = re.subn(rf"(?<!\w){re.escape(term)}s?(?!\w)", " ", left)
        if found and term.replace(" ", "-") not in explained:
            bare.append(term)
    assert bare == []
    assert {target for target in explained if f'id="term-{target}"' not in page} == set()
