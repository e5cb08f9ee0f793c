"""The cards in a real browser: nothing is fetched, nothing complains, nothing is cut off."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner.cards import FORMS, render
from mlopskit.runner.report import render as render_report

sync_api = pytest.importorskip("playwright.sync_api")

HERE = Path(__file__).parent
REPORT = runpy.run_path(str(HERE / "test_report.py"))
RICH = runpy.run_path(str(HERE.parent / "test_runner_cards.py"))

pytestmark = REPORT["pytestmark"]
browser = REPORT["browser"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = RICH["rich_run"](tmp_path_factory.mktemp("runs") / "ok", RICH["HOSTILE"])
    render_report(folder)
    render(folder)
    return render_report(folder).parent


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_fetched_nothing_complains_nothing_is_cut_off(
    browser: Any, run: Path, form: Any, width: int, scheme: str
) -> None:
    url = (run / f"{form.name}.html").as_uri()
    seen = REPORT["visit"](browser, url, viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert [request for request in seen.requests if not request.startswith("data:")] == [url]
    assert seen.complaints == []
    assert "owned" not in seen.page.title()
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ground = seen.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(","))) < 200) == (scheme == "dark")


def test_report_and_cards_lead_to_each_other(browser: Any, run: Path) -> None:
    seen = REPORT["visit"](browser, (run / "report.html").as_uri())
    seen.page.click("text=Model card")
    seen.page.wait_for_url("**/model_card.html")
    seen.page.click("text=Data card")
    seen.page.wait_for_url("**/data_card.html")
    seen.page.click("header >> text=Report")
    seen.page.wait_for_url("**/report.html")


def test_an_answer_leads_to_its_artefact_in_the_report(browser: Any, run: Path) -> None:
    seen = REPORT["visit"](browser, (run / "model_card.html").as_uri())
    seen.page.locator("a.artefact", has_text="evaluate/metrics").first.click()
    seen.page.wait_for_url("**/report.html#*")
    seen.page.locator("#artefact-evaluate-metrics:target").wait_for()


def test_a_long_name_leaves_the_way_to_the_report_in_sight(browser: Any, run: Path) -> None:
    page = REPORT["visit"](browser, (run / "model_card.html").as_uri(), viewport={"width": 390, "height": 844}).page
    page.evaluate("document.querySelector('.who strong').textContent = 'L'.repeat(300)")
    for link in page.locator("header.top a").all():
        box = link.bounding_box()
        assert box["width"] > 20
        assert box["x"] + box["width"] <= 390
