"""Explorers in a real JupyterLab: driven by keyboard, named for screen readers, quiet, a picture where no kernel is."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import pytest

HERE = Path(__file__)
JUPYTER = SimpleNamespace(**runpy.run_path(str(HERE.with_name("test_jupyterlab.py"))))
EXPLORED = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "explored.py")))
TINY = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "tiny.py")))
NOTEBOOK = "explore.ipynb"
EARLIER = "20251231T000000Z-aaaaaa"
CELLS = {
    "open": "from mlopskit import explore, load_run\n\nrun = load_run()",
    "thresholds": "explore.thresholds(run, column='town')",
    "slices": "explore.slices(run)",
    "rows": "explore.what_if(run)",
    "drift": "explore.drift(run)",
    "runs": "explore.runs()",
}
ACTIVE = """() => {
    const at = document.activeElement;
    return at.getAttribute('role') || (at.labels && at.labels[0] && at.labels[0].innerText) || at.tagName;
}"""

FOLLOWS = """(share) => {
    const slid = document.querySelector('.mlopskit-slider input').valueAsNumber;
    const told = Number(document.querySelector('p[role=status]').innerText.match(/^Threshold ([\\d.]+)/)[1]);
    return Math.abs(slid - share) < 0.02 && Math.abs(told - slid) < 0.002;  // the nearest edge of the score bins
}"""

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
    cells = [TINY.code(source, name=name) for name, source in CELLS.items()]
    (project / "notebooks" / NOTEBOOK).write_text(json.dumps(TINY.notebook(cells)), encoding="utf-8")
    with JUPYTER.LAB["serve"](project, home) as served:
        yield served


@pytest.fixture(scope="module")
def opened(lab: Any) -> Iterator[Any]:
    """The notebook after *Run All Cells*, each explorer by its name, and what the console said meanwhile."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(JUPYTER.CHROMIUM), args=JUPYTER.FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 9000})
        page.set_default_timeout(JUPYTER.PATIENCE)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        panel = JUPYTER.run_all(page, lab, NOTEBOOK)
        cells = panel.locator(".jp-CodeCell")
        shown = {name: cells.nth(place).locator(".mlopskit-explorer") for place, name in enumerate(CELLS)}
        shown["runs"].get_by_text("Open the report of").wait_for()
        yield SimpleNamespace(page=page, said=said, **shown)
        browser.close()


def status(shown: Any, text: str | re.Pattern[str]) -> Any:
    return shown.locator("p[role=status]", has_text=text).first


def press(page: Any, control: Any, *keys: str) -> None:
    control.focus()
    for key in keys:
        page.keyboard.press(key)


def pictures_in(path: Path) -> int:
    """How many outputs of a notebook file are the picture of an explorer; none in a file that is being written."""
    try:
        notebook = json.loads(path.read_text())
    except ValueError:
        return 0
    outputs = [output for cell in notebook["cells"] for output in cell["outputs"]]
    return sum('class="mlopskit-static"' in "".join(each.get("data", {}).get("text/html", "")) for each in outputs)


def save(page: Any, path: Path) -> None:
    """Save by the button until the file holds all pictures: keys pressed in a field of a widget never get out of it."""
    for _ in range(JUPYTER.PATIENCE // 500):
        if pictures_in(path) == 5:
            return
        button = page.locator(f"{JUPYTER.PANEL} [data-command='docmanager:save']").first
        button.dispatch_event("click")  # also where the toolbar finds no room and folds it away
        page.wait_for_timeout(500)
    raise AssertionError(f"not saved; JupyterLab says {page.locator('.jp-Dialog').all_inner_texts()}")


def test_arrow_keys_move_the_threshold_and_table_and_chart_follow(opened: Any) -> None:
    page, shown = opened.page, opened.thresholds
    row = shown.locator("tr", has_text="overall").first
    before, figures = status(shown, "Threshold").inner_text(), row.inner_text()
    assert "(the model’s own)" in before
    shown.get_by_role("slider", name="Slide threshold").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('p[role=status]').innerText !== old", arg=before)
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    status(shown, "Threshold 0.45").wait_for()
    shown.locator("svg[role=img] title", has_text="marked at 0.45").first.wait_for(state="attached")
    JUPYTER.until(page, lambda: row.inner_text() != figures)
    assert opened.said == []


def test_the_slider_answers_while_it_is_dragged_and_says_its_value(opened: Any) -> None:
    page, shown = opened.page, opened.thresholds
    slider = shown.get_by_role("slider", name="Slide threshold")
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.45, y)
    page.mouse.down()
    for share in (0.5, 0.75):
        page.mouse.move(box["x"] + box["width"] * share, y)
        page.wait_for_function(FOLLOWS, arg=share)
    page.mouse.up()
    told = "(slider) => [Number(slider.getAttribute('aria-valuetext')), slider.valueAsNumber]"
    said, slid = slider.evaluate(told)
    assert said == slid == pytest.approx(0.75, abs=0.02)
    shown.get_by_label("Threshold", exact=True).fill("0.25")
    shown.get_by_label("Threshold", exact=True).press("Enter")
    page.wait_for_function("(slider) => slider.value === '0.25'", arg=slider.element_handle())
    assert opened.said == []


def test_keys_pressed_in_a_closed_menu_stay_in_it_and_shortcuts_do_not(opened: Any) -> None:
    page, menu = opened.page, opened.thresholds.get_by_label("Rate drawn")
    cells = page.locator(".jp-Cell")
    chosen = "[...document.querySelectorAll('.jp-Cell')].findIndex((cell) => cell.classList.contains('jp-mod-active'))"
    menu.select_option(label="selection rate")
    menu.focus()
    before = page.evaluate(chosen), cells.count()
    press(page, menu, "ArrowDown", "a", "ArrowUp")
    status(opened.thresholds, "precision is").wait_for()
    assert (page.evaluate(chosen), cells.count()) == before
    assert page.evaluate(ACTIVE) == "Rate drawn"
    for state in ("hidden", "visible"):
        press(page, menu, "Control+b")
        page.locator(".jp-FileBrowser").wait_for(state=state)
    assert opened.said == []


def test_rates_and_thresholds_are_chosen_by_their_labels(opened: Any) -> None:
    shown = opened.thresholds
    shown.get_by_label("Rate drawn").select_option(label="precision")
    status(shown, "precision is").wait_for()
    number = shown.get_by_label("Threshold", exact=True)
    number.fill("0.85")
    number.press("Enter")
    status(shown, "Threshold 0.85").wait_for()
    number.press("ArrowUp")
    status(shown, "Threshold 0.855").wait_for()
    assert opened.said == []


def test_slices_are_chosen_searched_and_their_rows_shown_when_asked_for(opened: Any) -> None:
    page, shown = opened.page, opened.slices
    chosen = shown.get_by_text(re.compile("^Chosen: "))
    first = chosen.inner_text()
    press(page, shown.get_by_label("Slice", exact=True), "Space", "ArrowDown", "Enter")
    shown.locator("strong", has_text=re.compile("^Chosen: ")).filter(has_not_text=first).wait_for()
    shown.get_by_label("Search").fill("south")
    status(shown, re.compile(r"^\d+ of \d+ slices")).wait_for()
    shown.get_by_role("button", name="Show up to 20 of its rows").press("Enter")
    shown.get_by_text(re.compile(r"validation rows, the first \d+")).wait_for()
    assert page.title() != "owned"
    assert opened.said == []


def test_a_value_typed_is_answered_and_one_that_is_unlike_training_is_said_to_be(opened: Any) -> None:
    shown = opened.rows
    age = shown.get_by_label("age", exact=True)
    age.fill("79")
    age.press("Enter")
    status(shown, "Before age changed it was").wait_for()
    age.fill("120")
    age.press("Tab")
    shown.get_by_text("age = 120: outside the training range 18 to 79").first.wait_for()
    age.fill("old")
    age.press("Enter")
    shown.get_by_text("age needs a number, got text").first.wait_for()
    shown.get_by_role("button", name="As it was").press("Enter")
    status(shown, "Nothing is changed yet").wait_for()
    assert opened.said == []


def test_rows_of_the_test_table_are_chosen_and_explained_by_keyboard(opened: Any) -> None:
    page, shown = opened.page, opened.rows
    shown.get_by_label("Begin with").select_option(label="test rows")
    shown.get_by_label("Sorted", exact=True).select_option(label="surest and wrong first")
    shown.get_by_label("Row", exact=True).fill("2")
    shown.get_by_label("Row", exact=True).press("Enter")
    shown.get_by_role("button", name="Explain this row by SHAP").focus()
    page.keyboard.press("Enter")
    status(shown, "an average row has").wait_for()
    assert page.title() != "owned"
    assert opened.said == []


def test_columns_and_windows_of_drift_are_chosen_by_their_labels(opened: Any) -> None:
    shown = opened.drift
    shown.get_by_label("Column", exact=True).select_option(label="age")
    status(shown, re.compile("^age in rows")).wait_for()
    window = shown.get_by_label("Window", exact=True)
    window.select_option(label="rows 201–300")
    status(shown, "age in rows 201–300: PSI").wait_for()
    press(opened.page, window, "Space", "ArrowUp", "Enter")
    status(shown, "age in rows 101–200: PSI").wait_for()
    shown.locator("svg[role=img] title", has_text="PSI of age in each window").first.wait_for(state="attached")
    assert opened.said == []


def test_runs_are_searched_charted_opened_and_compared(opened: Any) -> None:
    shown = opened.runs
    shown.locator("svg[role=img] title", has_text="ROC AUC of each run, oldest first").wait_for(state="attached")
    link = shown.get_by_role("link", name=f"Open the report of {EXPLORED.NAME}").first
    assert link.get_attribute("href") is not None
    for arrow, name in (("ArrowDown", EARLIER), ("ArrowUp", EXPLORED.NAME)):
        press(opened.page, shown.get_by_label("Run", exact=True), "Space", arrow, "Enter")
        status(shown, re.compile(f"^{name}: passed")).wait_for()
    shown.get_by_role("button", name="Compare the two").press("Enter")
    status(shown, re.compile(f"From {EARLIER} to {EXPLORED.NAME}|could not be compared")).wait_for()
    shown.get_by_label("Search", exact=True).fill("aaaaaa")
    status(shown, re.compile(f"^{EARLIER}: passed")).wait_for()
    assert opened.said == []


def test_every_control_has_a_name(opened: Any) -> None:
    nameless = opened.page.evaluate(
        """() => [...document.querySelectorAll('.jp-OutputArea input, .jp-OutputArea select, .jp-OutputArea textarea')]
        .filter((e) => e.offsetParent && !(e.labels && e.labels.length && e.labels[0].innerText.trim())
                       && !e.getAttribute('aria-label') && !e.getAttribute('placeholder'))
        .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_tab_goes_through_the_controls_in_their_order_and_on_to_the_next_explorer(opened: Any) -> None:
    opened.thresholds.get_by_label("Column", exact=True).focus()
    reached = []
    for _ in range(8):
        reached.append(opened.page.evaluate(ACTIVE))
        opened.page.keyboard.press("Tab")
    assert reached == ["Column", "Rate drawn", "Threshold", "Slide threshold", "FIGURE", "region", "Search", "Column"]


def test_axe_finds_nothing_in_the_explorers(opened: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(opened.page, context={"include": [[".mlopskit-explorer"]]}).response["violations"]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []


def test_on_a_phone_what_is_wide_scrolls_by_itself(opened: Any) -> None:
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 9000})
    page.locator("body").press("Control+b")  # the file browser goes
    page.wait_for_function("document.querySelector('.mlopskit-explorer').clientWidth > 200")
    wide = """() => [...document.querySelectorAll('.mlopskit-explorer, .mlopskit-explorer .widget-box')]
        .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText.slice(0, 60))"""
    JUPYTER.until(page, lambda: page.evaluate(wide) == [])  # JupyterLab lays out anew a moment later
    figure = opened.thresholds.locator("figure svg").bounding_box()
    page.locator("body").press("Control+b")
    page.set_viewport_size({"width": 1280, "height": 9000})
    assert figure["width"] >= 600  # letters of 10 pixels and not of 5


def test_without_a_kernel_each_shows_its_picture_and_no_complaint(opened: Any, lab: Any) -> None:
    page = opened.page
    pictures, complaints = page.locator(".mlopskit-static"), page.get_by_text("Error displaying widget")
    assert [pictures.nth(place).is_visible() for place in range(pictures.count())] == [False] * 5
    save(page, lab.project / "notebooks" / NOTEBOOK)
    for kernel in json.load(urlopen(f"{lab.address}/api/kernels?token={lab.token}")):
        urlopen(Request(f"{lab.address}/api/kernels/{kernel['id']}?token={lab.token}", method="DELETE"))
    page.goto(f"{lab.address}/lab/tree/notebooks/{NOTEBOOK}?reset&token={lab.token}")
    complaints.nth(4).wait_for(state="attached")
    for place in range(5):
        pictures.nth(place).wait_for()
    assert pictures.count() == 5
    assert not complaints.first.is_visible()
