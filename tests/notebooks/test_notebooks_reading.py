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
from xml.etree import ElementTree

import pytest

from mlopskit.runner.report.terms import VOCABULARY

pytestmark = [pytest.mark.notebooks]

PHASES = ["scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"]
ROWS = 20
WHOLE = {"overview: new-run"}
"""A form of all parameters: a row left out would be an answer left out."""
PICTURES = {"evaluate: shap", "evaluate: cases", "slices_and_bias: reasons"}
"""Of images: what a model sees has no axes."""
SIZE = re.compile(r"\bn\s=\s\d|\d\s(?:\w+\s)?(?:rows|images)\b|% of [\d,]+ rows")
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
            rows = len(re.findall(r"<tr(?! hidden)", body))
            if rows > ROWS and place not in WHOLE:
                long[place] = rows
        assert "image/png" not in output.get("data", {}), place
    assert long == {}


def down(text: ElementTree.Element) -> float:
    """How far below the top a text stands; lines of a broken one are moved there."""
    moved = re.match(r"translate\(\S+ (\S+)\)", text.get("transform", ""))
    return float(moved[1] if moved else text.get("y", 0))


def charts(read: Any) -> list[tuple[str, list[tuple[float, bool, str]]]]:
    """Where each chart of the phases stands, and its texts: how far down, whether turned to read upwards, and what."""
    return [
        (place, [
            (down(text), "rotate(-90" in text.get("transform", ""), "".join(text.itertext()).strip())
            for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
        ])
        for place, output in outputs(read) if not place.startswith("overview")
        for svg in re.findall(r"<svg\b.*?</svg>", shown(output, "text/html"), re.DOTALL)
        if not ("<image" in svg and place in PICTURES)
    ]  # fmt: skip


def test_both_axes_of_every_chart_are_named(read: Any) -> None:
    """The x axis by the lowest text, that is no row of ticks; the y axis beside it, or "column: group" by its ticks."""
    nameless = []
    for place, texts in charts(read):
        lowest = max(y for y, _, _ in texts)
        below = [words for y, _, words in texts if abs(y - lowest) < 1]
        upward = [words for _, turned, words in texts if turned]
        ticks_say = sum(bool(re.match(r"[\w ]+: \S", words)) for _, _, words in texts) > 2
        if len(below) > 2 or not all(re.search(r"[A-Za-z]{3}", words) for words in below):
            nameless.append(f"{place}: x")
        if not upward and not ticks_say:
            nameless.append(f"{place}: y")
    assert nameless == []


def test_every_chart_says_how_many_rows_are_behind_it(read: Any) -> None:
    sizeless = [place for place, texts in charts(read) if not any(SIZE.search(words) for _, _, words in texts)]
    assert len(charts(read)) > 10
    assert sizeless == []


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
