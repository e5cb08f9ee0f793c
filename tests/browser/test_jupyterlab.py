"""What a person sees in JupyterLab: a real server on loopback, a real browser, *Run All Cells* from the menu."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LAB = runpy.run_path(str(Path(__file__).with_name("lab.py")))
WAITING = runpy.run_path(str(Path(__file__).with_name("waiting.py")))
PATIENCE, until = 1000 * WAITING["PATIENCE"], WAITING["until"]
MISSING = runpy.run_path(str(Path(__file__).parents[1] / "conftest.py"))["missing"]
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
IDLE = f"document.querySelector('{PANEL} .jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
READY = ".jp-CodeCell .jp-InputPrompt"
ALL_RUN = f"""
    (() => {{
        const prompts = [...document.querySelectorAll('{PANEL} {READY}')];
        return prompts.length > 0 && prompts.every((prompt) => /\\d/.test(prompt.innerText));
    }})()
"""
NONE_RUN = f"""
    [...document.querySelectorAll('{PANEL} {READY}')].every((prompt) => !/\\d/.test(prompt.innerText))
"""
FAULTS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("jupyterlab")]  # one server for all


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A project in which only scope was run, opened with `mlopskit lab`; nothing of the user's settings is touched."""
    if not CHROMIUM.exists():
        MISSING("Chromium")
    home = tmp_path_factory.mktemp("lab")
    project = home / "income"
    for command in (["new", str(project)], ["run", "--only", "scope", "--project", str(project)]):
        mlopskit = [sys.executable, "-m", "mlopskit", *command]
        done = subprocess.run(mlopskit, capture_output=True, text=True, env=LAB["environment"](home), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    with LAB["serve"](project, home) as served:
        yield served


@pytest.fixture(scope="module")
def page(lab: Any) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        # tall, so that no cell is left out of the page by JupyterLab's windowing
        page = browser.new_page(viewport={"width": 1280, "height": 6000})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def choose(page: Any, menu: str, item: str) -> None:
    """Choose an item of a menu."""
    page.locator(".lm-MenuBar-itemLabel", has_text=menu).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


def run_all(page: Any, lab: Any, notebook: str) -> Any:
    """Open a notebook, choose *Run, Run All Cells*, and return its panel when every cell has run.

    What it showed before is cleared first: it would pass for what it shows now.
    """
    page.goto(f"{lab.address}/lab/tree/notebooks/{notebook}?reset&token={lab.token}")
    page.locator(f"{PANEL} {READY}").first.wait_for()
    page.wait_for_function(IDLE)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    choose(page, "Edit", "Clear Outputs of All Cells")
    page.wait_for_function(NONE_RUN)
    choose(page, "Run", "Run All Cells")
    page.wait_for_function(ALL_RUN)
    page.wait_for_function(IDLE)
    return page.locator(PANEL)


def test_overview_shows_the_map_the_runs_and_the_tone_of_a_note(page: Any, lab: Any) -> None:
    panel = run_all(page, lab, "0_overview.ipynb")
    panel.locator("svg[role=img] text", has_text="monitor").wait_for()
    assert panel.locator("svg[role=img]").bounding_box()["height"] > 200
    (run,) = (lab.project / "runs").glob("*/run.json")
    panel.locator("td", has_text=run.parent.name).first.wait_for()
    edge = panel.locator(".mlopskit-good").first.evaluate("(note) => getComputedStyle(note).borderLeft")
    assert edge.startswith("4px solid rgb(")
    assert panel.locator(FAULTS).count() == 0


def test_jupyterlab_has_no_news_and_does_not_ask_whether_it_may(page: Any, lab: Any) -> None:
    page.goto(f"{lab.address}/lab?token={lab.token}")
    config = json.loads(page.locator("#jupyter-config-data").text_content())
    assert "@jupyterlab/apputils-extension:announcements" in config["disabledExtensions"]


def test_a_phase_run_by_hand_shows_itself_and_ends_as_in_a_run(page: Any, lab: Any) -> None:
    panel = run_all(page, lab, "1_scope.ipynb")
    panel.locator("table.mlopskit-table").first.wait_for()  # what a cell gave is shown a moment after it has run
    assert panel.locator(FAULTS).count() == 0
    by_hand = ended(lab.project / "runs" / "scratch" / "scope")
    (run,) = (lab.project / "runs").glob("*/run.json")
    assert by_hand
    assert by_hand == ended(run.parent / "scope")


def ended(folder: Path) -> dict[str, str]:
    """What a finished phase wrote, by name; empty when it did not finish."""
    entries = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    if not any(entry["op"] == "finish" for entry in entries):
        return {}
    written = [entry for entry in entries if entry["op"] == "write" and not entry["volatile"]]
    return {entry["name"]: entry["digest"] for entry in written}
