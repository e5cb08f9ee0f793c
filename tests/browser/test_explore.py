"""Explorers in a real JupyterLab: driven by the keyboard, named for screen readers, a picture where no kernel is."""

from __future__ import annotations

import json
import re
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path(__file__)
JUPYTER = SimpleNamespace(**runpy.run_path(str(HERE.with_name("test_jupyterlab.py"))))
EXPLORED = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "explored.py")))
TINY = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "tiny.py")))
NOTEBOOK = "explore.ipynb"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("explore")]  # one server for all


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A project with one finished run and a notebook that explores it."""
    if not JUPYTER.CHROMIUM.exists():
        JUPYTER.MISSING("Chromium")
    home = tmp_path_factory.mktemp("lab")
    project = home / "explored"
    EXPLORED.make(project)
    (project / "notebooks").mkdir()
    cells = [
        TINY.code("from mlopskit import explore, load_run\n\nrun = load_run()", name="open"),
        TINY.code("explore.thresholds(run, column='town')", name="thresholds"),
        TINY.code("slices = explore.slices(run)\nslices", name="slices"),
    ]
    (project / "notebooks" / NOTEBOOK).write_text(json.dumps(TINY.notebook(cells)), encoding="utf-8")
    with JUPYTER.LAB["serve"](project, home) as served:
        yield served


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    """The notebook after *Run All Cells*, and what the console said meanwhile."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(JUPYTER.CHROMIUM), args=JUPYTER.FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 4000})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        panel = JUPYTER.run_all(page, lab, NOTEBOOK)
        panel.get_by_text("slices and declared groups fit").wait_for()
        yield SimpleNamespace(page=page, panel=panel, said=said)
        browser.close()


def test_arrow_keys_move_the_threshold_and_table_and_chart_follow(opened: Any) -> None:
    page, panel = opened.page, opened.panel
    status = panel.locator("p[role=status]").first
    row = panel.locator("tr", has_text="overall").first
    before, figures = status.inner_text(), row.inner_text()
    assert "(the model’s own)" in before
    panel.locator("[role=slider]").first.focus()
    start = time.perf_counter()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('p[role=status]').innerText !== old", arg=before)
    assert time.perf_counter() - start < 5
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    panel.locator("p[role=status]", has_text="Threshold 0.45").wait_for()
    marked = panel.locator("svg[role=img] title", has_text="marked at 0.45").first
    marked.wait_for(state="attached")
    assert row.inner_text() != figures
    assert opened.said == []


def test_columns_rates_and_slices_are_chosen_by_their_labels(opened: Any) -> None:
    panel = opened.panel
    panel.get_by_label("Rate drawn").select_option(label="precision")
    panel.locator("p[role=status]", has_text="precision is").wait_for()
    panel.get_by_label("Threshold", exact=True).fill("0.85")
    panel.get_by_label("Threshold", exact=True).press("Enter")
    panel.locator("p[role=status]", has_text="Threshold 0.85").wait_for()
    panel.get_by_label("Threshold", exact=True).press("ArrowUp")
    panel.locator("p[role=status]", has_text="Threshold 0.855").wait_for()
    chosen = panel.get_by_text(re.compile("^Chosen: "))
    first = chosen.inner_text()
    panel.get_by_label("Slice", exact=True).focus()
    for key in ("Space", "ArrowDown", "Enter"):  # arrow keys alone go to JupyterLab, which selects another cell
        opened.page.keyboard.press(key)
    opened.page.wait_for_function(
        "(old) => [...document.querySelectorAll('strong')].some("
        "(e) => e.innerText.startsWith('Chosen: ') && e.innerText !== old)",
        arg=first,
    )
    panel.get_by_label("Search").fill("south")
    panel.locator("p[role=status]", has_text=re.compile(r"^\d+ of \d+ slices")).wait_for()
    assert opened.page.title() != "owned"
    assert opened.said == []


def test_rows_are_shown_when_asked_for(opened: Any) -> None:
    opened.panel.get_by_role("button", name="Show up to 20 of its rows").press("Enter")
    opened.panel.get_by_text(re.compile(r"validation rows, the first \d+")).wait_for()
    assert opened.said == []
