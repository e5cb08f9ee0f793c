"""Rows, drift and runs in a real JupyterLab: chosen and changed by keyboard, named, quiet, with a picture besides."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path(__file__)
JUPYTER = SimpleNamespace(**runpy.run_path(str(HERE.with_name("test_jupyterlab.py"))))
EXPLORED = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "explored.py")))
TINY = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "tiny.py")))
NOTEBOOK = "by_hand.ipynb"
EARLIER = "20251231T000000Z-aaaaaa"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("explore")]  # one server for all


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A project with two finished runs and a notebook that explores them."""
    if not JUPYTER.CHROMIUM.exists():
        JUPYTER.MISSING("Chromium")
    home = tmp_path_factory.mktemp("lab")
    project = home / "explored"
    folder = EXPLORED.make(project)
    (folder / "report.html").write_text("<p>a report</p>", encoding="utf-8")
    for name, value in ((EARLIER, 0.7), (EXPLORED.NAME, 0.8)):
        place = project / "runs" / name
        place.mkdir(exist_ok=True)
        headline = {"label": "ROC AUC", "value": value, "low": value - 0.05, "high": value + 0.05, "phase": "evaluate"}
        said = {"run": name, "status": "passed", "started": "2026-01-01T00:00:00Z", "headline": headline}
        (place / "run.json").write_text(json.dumps(said), encoding="utf-8")
    (project / "notebooks").mkdir()
    cells = [
        TINY.code("from mlopskit import explore, load_run\n\nrun = load_run()", name="open"),
        TINY.code("explore.what_if(run)", name="rows"),
        TINY.code("explore.drift(run)", name="drift"),
        TINY.code("explore.runs()", name="runs"),
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
        page = browser.new_page(viewport={"width": 1280, "height": 5000})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        panel = JUPYTER.run_all(page, lab, NOTEBOOK)
        panel.get_by_text("Open the report of").wait_for()
        yield SimpleNamespace(page=page, panel=panel, said=said)
        browser.close()


def status(panel: Any, text: str | re.Pattern[str]) -> Any:
    return panel.locator("p[role=status]", has_text=text).first


def test_a_value_typed_is_answered_and_one_that_is_unlike_training_is_said_to_be(opened: Any) -> None:
    panel = opened.panel
    age = panel.get_by_label("age", exact=True)
    age.fill("79")
    age.press("Enter")
    status(panel, "Before age changed it was").wait_for()
    age.fill("120")
    age.press("Tab")
    panel.get_by_text("age = 120: outside the training range 18 to 79").first.wait_for()
    age.fill("old")
    age.press("Enter")
    panel.get_by_text("age needs a number, got text").first.wait_for()
    panel.get_by_role("button", name="As it was").press("Enter")
    status(panel, "Nothing is changed yet").wait_for()
    assert opened.said == []


def test_rows_of_the_test_table_are_chosen_and_explained_by_keyboard(opened: Any) -> None:
    page, panel = opened.page, opened.panel
    panel.get_by_label("Begin with").select_option(label="test rows")
    panel.get_by_label("Sorted", exact=True).select_option(label="surest and wrong first")
    panel.get_by_label("Row", exact=True).fill("2")
    panel.get_by_label("Row", exact=True).press("Enter")
    panel.get_by_role("button", name="Explain this row by SHAP").focus()
    page.keyboard.press("Enter")
    status(panel, "an average row has").wait_for()
    assert page.title() != "owned"
    assert opened.said == []


def test_columns_and_windows_of_drift_are_chosen_by_their_labels(opened: Any) -> None:
    panel = opened.panel
    panel.get_by_label("Column", exact=True).select_option(label="age")
    status(panel, re.compile("^age in rows")).wait_for()
    window = panel.get_by_label("Window", exact=True)
    window.select_option(label="rows 201–300")
    status(panel, "age in rows 201–300: PSI").wait_for()
    window.focus()
    for key in ("Space", "ArrowUp", "Enter"):  # arrow keys alone go to JupyterLab, which selects another cell
        opened.page.keyboard.press(key)
    status(panel, "age in rows 101–200: PSI").wait_for()
    panel.locator("svg[role=img] title", has_text="PSI of age in each window").first.wait_for(state="attached")
    assert opened.said == []


def test_runs_are_searched_charted_opened_and_compared(opened: Any) -> None:
    panel = opened.panel
    panel.locator("svg[role=img] title", has_text="ROC AUC of each run, oldest first").wait_for(state="attached")
    link = panel.get_by_role("link", name=f"Open the report of {EXPLORED.NAME}").first
    assert link.get_attribute("href") is not None
    for arrow, name in (("ArrowDown", EARLIER), ("ArrowUp", EXPLORED.NAME)):
        panel.get_by_label("Run", exact=True).focus()
        for key in ("Space", arrow, "Enter"):
            opened.page.keyboard.press(key)
        status(panel, re.compile(f"^{name}: passed")).wait_for()
    panel.get_by_role("button", name="Compare the two").press("Enter")
    status(panel, re.compile(f"From {EARLIER} to {EXPLORED.NAME}|could not be compared")).wait_for()
    panel.get_by_label("Search", exact=True).fill("aaaaaa")
    status(panel, re.compile(f"^{EARLIER}: passed")).wait_for()
    assert opened.said == []


def test_every_control_has_a_name(opened: Any) -> None:
    nameless = opened.page.evaluate(
        """() => [...document.querySelectorAll('.jp-OutputArea input, .jp-OutputArea select, .jp-OutputArea textarea')]
        .filter((e) => e.offsetParent && !(e.labels && e.labels.length && e.labels[0].innerText.trim())
                       && !e.getAttribute('aria-label') && !e.getAttribute('placeholder'))
        .map((e) => e.outerHTML)"""
    )
    assert nameless == []
