"""axe-core finds nothing in any of our pages: light and dark, on a desk and in a hand; and every figure has words."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner.cards import render as render_cards
from mlopskit.runner.compare import compare
from mlopskit.runner.compare_html import write_html
from mlopskit.runner.report import render
from mlopskit.runner.site import build

axe = pytest.importorskip("axe_playwright_python.sync_playwright")  # it brings axe-core with it

HERE = Path(__file__).parent
REPORT = runpy.run_path(str(HERE / "test_report.py"))
RICH = runpy.run_path(str(HERE.parent / "test_runner_cards.py"))

pytestmark = REPORT["pytestmark"]
browser = REPORT["browser"]

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGES = ["report", "failed", "model_card", "data_card", "comparison", "site", "site_run"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    runs = tmp_path_factory.mktemp("axe") / "runs"
    good = RICH["rich_run"](runs / "20260304T050607Z-aaaaaa", RICH["HOSTILE"])
    bad = REPORT["FAKE"]["fake_run"](runs / "20260305T050607Z-bbbbbb", failed="model")
    made = {"report": render(good), "failed": render(bad)}
    render_cards(good)
    made |= {"model_card": good / "model_card.html", "data_card": good / "data_card.html"}
    made["comparison"] = write_html(compare(good, bad), runs.parent / "comparison.html")
    made["site"] = build(runs, runs.parent / "site").index
    made["site_run"] = made["site"].parent / "runs" / good.name / "index.html"
    return {name: path.as_uri() for name, path in made.items()}


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser: Any, pages: dict[str, str], name: str, width: int, scheme: str) -> None:
    viewport = {"width": width, "height": 844}
    page = REPORT["visit"](browser, pages[name], viewport=viewport, color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    options = {"runOnly": TAGS, "resultTypes": ["violations"]}
    found = axe.Axe().run(page, options=options).response["violations"]
    assert [(item["id"], [node["html"][:200] for node in item["nodes"][:3]]) for item in found] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_has_words(browser: Any, pages: dict[str, str], name: str) -> None:
    page = REPORT["visit"](browser, pages[name]).page
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    wordless = page.evaluate(
        """() => [...document.querySelectorAll('svg, img, canvas')]
            .filter((drawn) => !drawn.closest('[aria-hidden="true"]'))
            .filter((drawn) => {
                const title = drawn.querySelector(':scope > title')?.textContent;
                const words = drawn.getAttribute('aria-label') || drawn.getAttribute('alt') || title || '';
                return words.trim().length < 8 || (drawn.matches('svg') && drawn.getAttribute('role') !== 'img');
            })
            .map((drawn) => drawn.outerHTML.slice(0, 200))"""
    )
    assert wordless == []
