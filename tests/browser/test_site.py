"""The site of many runs in a real browser: found by keyboard, compared by the rules of the command, nothing fetched."""

from __future__ import annotations

import os
import re
import runpy
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner import marks
from mlopskit.runner.compare import Comparison, compare
from mlopskit.runner.site import build

sync_api = pytest.importorskip("playwright.sync_api")

REPORT = runpy.run_path(str(Path(__file__).with_name("test_report.py")))
MADE = runpy.run_path(str(Path(__file__).parents[1] / "site_runs.py"))
HOSTILE = MADE["HOSTILE"]
OLD, MIDDLE, NEW, ODD = "20260101T000000Z-000001", "20260201T000000Z-000002", "20260301T000000Z-000003", '<b>&"#%41 é'
VERDICTS = {"noise": "inside the noise", "unknown": "cannot be told"}

pytestmark = REPORT["pytestmark"]
browser, visit, until = REPORT["browser"], REPORT["visit"], REPORT["until"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs: a good one, one inside its noise but for a slice, one worse in everything, one of hostile names."""
    runs = tmp_path_factory.mktemp("shelf") / "runs"
    MADE["make_run"](runs, OLD, value=0.86)
    MADE["make_run"](runs, MIDDLE, value=0.861, groups=0.6, parameters={"evaluate": {"seed": 1, "method": "auto"}})
    criteria = [MADE["criterion"]("not-met"), MADE["criterion"]("met", name=HOSTILE)]
    MADE["make_run"](
        runs, NEW, value=0.7, groups=0.5, criteria=criteria, status="criteria-not-met", rows=5, body="a = 1\nb = 2",
        parameters={"evaluate": {"seed": 0, "method": HOSTILE}, "p": {"__proto__": 1}},
        environment={"python": "3.12.1", "distributions": {"numpy": "2.5.0"}},
    )  # fmt: skip
    MADE["make_run"](runs, ODD, question=HOSTILE, project=HOSTILE, report=False)
    marks.tag(runs / OLD, ["for-review", "v2"])
    return runs


@pytest.fixture(scope="module")
def site(shelf: Path) -> str:
    return build(shelf, shelf.parent / "site").index.as_uri()


def shown(page: Any) -> list[str]:
    return page.locator(".runs tbody tr:not([hidden])").evaluate_all("rows => rows.map((row) => row.dataset.n)")


def address(page: Any) -> str:
    """Return what the page wrote into its address: the browser tells others of it a moment later."""
    return str(page.evaluate("location.href"))


def rows_of(page: Any, title: str) -> list[list[str]]:
    """Return the table below a heading, cell by cell."""
    rows = page.locator("#compared section", has=page.get_by_role("heading", name=title, exact=True)).locator(
        "tbody tr"
    )
    return rows.evaluate_all("rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))")


def compared(browser: Any, site: str, before: str, after: str) -> Any:
    seen = visit(browser, site)
    seen.page.get_by_label(f"Compare {before}", exact=True).check()
    seen.page.get_by_label(f"Compare {after}", exact=True).check()
    seen.page.get_by_role("button", name="Compare", exact=True).click()
    seen.page.get_by_role("heading", name="Two runs compared").wait_for()
    return seen


def test_search_by_keyboard_narrows_the_list_and_the_address_keeps_it(browser: Any, site: str) -> None:
    seen = visit(browser, site)
    page = seen.page
    page.keyboard.press("Tab")  # the skip link comes first
    page.keyboard.press("Enter")
    page.locator("#q:focus").wait_for()
    page.keyboard.type("REVIEW who")
    assert shown(page) == [OLD]
    assert page.inner_text("#count") == "1 of 4 runs"
    assert page.locator(".over-time g.out").count() == 2
    assert shown(visit(browser, address(page)).page) == [OLD]
    page.keyboard.press("Control+A")
    page.keyboard.type("nothing like it")
    assert page.locator("#nothing").is_visible()
    assert (seen.requests, seen.complaints) == ([site], [])


def test_status_tag_and_date_filter_together_and_clear_shows_all(browser: Any, site: str) -> None:
    page = visit(browser, site).page
    page.select_option("#status", "passed")
    assert set(shown(page)) == {OLD, MIDDLE, ODD}
    page.fill("#from", "2026-01-15")
    page.fill("#until", "2026-02-01")
    assert shown(page) == [MIDDLE]
    page.select_option("#tag", "v2")
    assert shown(page) == []
    assert shown(visit(browser, address(page)).page) == []
    page.get_by_role("button", name="Clear").click()
    page.locator("#count", has_text=re.compile("^4 runs$")).wait_for()
    assert len(shown(page)) == 4
    assert address(page).partition("#")[2] == ""


def test_a_heading_sorts_by_keyboard_and_the_address_keeps_it(browser: Any, site: str) -> None:
    page = visit(browser, site).page
    page.locator("th[data-by=headline] button").focus()
    page.keyboard.press("Enter")
    figures = page.locator(".runs tbody tr").evaluate_all("rows => rows.map((row) => Number(row.dataset.v))")
    assert figures == sorted(figures, reverse=True)
    page.keyboard.press("Enter")
    assert page.get_attribute("th[data-by=headline]", "aria-sort") == "ascending"
    assert shown(page)[0] == NEW
    assert shown(visit(browser, address(page)).page)[0] == NEW


def test_two_runs_are_compared_by_keyboard_alone(browser: Any, site: str) -> None:
    seen = visit(browser, site)
    page = seen.page
    for name in (NEW, OLD):  # whichever is picked first, the older is before
        page.get_by_label(f"Compare {name}", exact=True).focus()
        page.keyboard.press("Space")
    for _ in range(40):  # fewer than there are stops on the page
        if page.evaluate("document.activeElement.className") == "go":
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Two runs compared").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "Two runs compared"
    assert page.locator(".sides > div").all_inner_texts()[0].split()[:2] == ["Before", OLD]
    folder = site.rpartition("/")[0]
    assert seen.requests == [site, f"{folder}/runs/{OLD}/run.js", f"{folder}/runs/{NEW}/run.js"]
    assert seen.complaints == []


def said_by_command(found: Comparison) -> list[list[str]]:
    every = [*([found.headline] if found.headline else []), *found.metrics]
    return [[item.metric, VERDICTS.get(item.verdict, item.verdict)] for item in every]


@pytest.mark.parametrize(("before", "after"), [(OLD, MIDDLE), (OLD, NEW), (NEW, OLD), (OLD, OLD)])
def test_the_page_says_what_the_command_says(browser: Any, site: str, shelf: Path, before: str, after: str) -> None:
    from urllib.parse import urlencode

    seen = visit(browser, f"{site}#{urlencode({'before': before, 'after': after})}")
    page, found = seen.page, compare(shelf / before, shelf / after)
    page.get_by_role("heading", name="Two runs compared").wait_for()
    rows = rows_of(page, "Metrics")
    assert [[row[0], row[-1]] for row in rows] == said_by_command(found)
    differences = [item.difference for item in (found.headline, *found.metrics) if item]
    assert [float(row[4][:7]) for row in rows] == pytest.approx(differences, abs=5e-5)
    assert [row[2] for row in rows_of(page, "Slices that got worse")] == [item.metric for item in found.worse_slices]
    for title, changes in (("Parameters", found.parameters), ("Environment", found.environment),
                           ("Distributions", found.distributions), ("Source of the data", found.source)):  # fmt: skip
        assert {row[0] for row in rows_of(page, title)} == {item.name for item in changes}, title
    assert [row[0] for row in rows_of(page, "Data")] == [item.artefact for item in found.data]
    if found.artefacts and not found.worsened:
        assert page.locator("#compared .verdict h2").inner_text().lower() == found.unworsened
    verdict = page.locator("#compared .verdict li").all_inner_texts()
    assert [text for text in verdict if "inside the noise" not in text] == list(found.worsened)
    assert seen.complaints == []


def test_a_comparison_shows_lines_rows_columns_and_what_is_inside_the_noise(browser: Any, site: str) -> None:
    page = compared(browser, site, OLD, NEW).page
    assert "+b = 2" in page.locator("#compared pre").first.inner_text()
    assert rows_of(page, "Data")[-1][3:] == ["3", "5", "+b "]
    assert page.locator("#compared h2").first.inner_text() == "Something got worse"
    page.get_by_role("button", name="Swap").click()
    page.locator(".sides > div", has_text=f"Before{NEW}").wait_for()
    assert "metric" not in page.locator(".verdict").inner_text()
    page.get_by_role("button", name="All runs").click()
    page.locator("table.runs").wait_for()
    quiet = compared(browser, site, OLD, MIDDLE).page
    assert "3 of 3 measures differ inside the noise" in quiet.locator(".verdict").inner_text()


def test_back_leads_to_the_list_as_it_was_filtered(browser: Any, site: str) -> None:
    page = visit(browser, f"{site}#status=passed").page
    page.get_by_label(f"Compare {OLD}", exact=True).check()
    page.get_by_label(f"Compare {MIDDLE}", exact=True).check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_role("heading", name="Two runs compared").wait_for()
    page.go_back()
    page.locator("table.runs").wait_for()
    assert set(shown(page)) == {OLD, MIDDLE, ODD}
    assert page.get_by_label(f"Compare {OLD}", exact=True).is_checked()


def test_hostile_names_are_compared_as_words(browser: Any, site: str) -> None:
    seen = compared(browser, site, NEW, ODD)
    text = seen.page.inner_text("#compared")
    assert HOSTILE in text
    assert "p.__proto__" in text
    assert "owned" not in seen.page.title()
    assert seen.complaints == []


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A site of runs with a name that is no text, a damaged manifest, large figures and long words."""
    runs = tmp_path_factory.mktemp("odd") / "runs"
    for name, value in ((OLD, 1.2e12), (NEW, 2.2e13)):
        MADE["make_run"](runs, name, value=value, label="l" * 90, project="p" * 90, report=False)
    (MADE["make_run"](runs, MIDDLE, report=False) / "run.json").write_text("{", encoding="utf-8")
    (MADE["make_run"](runs, "new", report=False)).rename(runs / os.fsdecode(b"caf\xe9"))
    return build(runs, runs.parent / "site").index.as_uri()


def test_a_run_whose_name_is_no_text_is_compared(browser: Any, odd: str) -> None:
    seen = compared(browser, odd, OLD, "caf?")
    assert "caf?" in seen.page.locator(".sides").inner_text()
    assert seen.complaints == []


def test_what_a_damaged_manifest_does_not_say_is_no_change(browser: Any, odd: str) -> None:
    page = compared(browser, odd, OLD, MIDDLE).page
    titles = page.locator("#compared h2").all_inner_texts()
    assert "Metrics" in titles
    assert not {"Parameters", "Environment", "Distributions"} & set(titles)


def test_large_figures_are_written_by_their_power_of_ten(browser: Any, odd: str) -> None:
    page = compared(browser, odd, OLD, NEW).page
    assert [text[:9] for text in rows_of(page, "Metrics")[0][1:3]] == ["1.200e+12", "2.200e+13"]
    ends = page.locator(".measured .both").first.locator("text")
    left, right = ends.evaluate_all(
        "texts => texts.map((text) => text.getBoundingClientRect()).map((box) => [box.left, box.right])"
    )
    assert left[1] < right[0]


@pytest.mark.parametrize("width", [390, 1280])
def test_long_words_and_the_figures_of_an_axis_stay_in_sight(browser: Any, odd: str, width: int) -> None:
    for url in (odd, f"{odd.rpartition('/')[0]}/runs/{NEW}/index.html"):
        page = visit(browser, url, viewport={"width": width, "height": 800}).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cut = """texts => texts.filter((text) =>
            text.getBoundingClientRect().left < text.ownerSVGElement.getBoundingClientRect().left).length"""
        assert page.locator(".over-time text").evaluate_all(cut) == 0
        wide = "parts => parts.map((part) => part.scrollWidth - part.clientWidth)"
        assert max(page.locator(".runs").locator("xpath=..").evaluate_all(wide), default=0) <= 0


def test_an_address_of_a_run_that_is_not_there_says_so(browser: Any, site: str) -> None:
    page = visit(browser, f"{site}#before=gone&after={OLD}").page
    assert "There is no run gone" in page.locator("#compared .none").inner_text()


def test_it_works_the_same_from_a_web_host(browser: Any, site: str, shelf: Path) -> None:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shelf.parent / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        seen = compared(browser, f"http://127.0.0.1:{server.server_port}/", OLD, NEW)
        seen.page.locator(".sides a").first.click()
        seen.page.wait_for_url(f"**/runs/{OLD}/index.html")
        seen.page.get_by_role("link", name="Report").click()
        seen.page.wait_for_url("**/report.html")
        assert seen.page.locator("h1").count() == 1
    finally:
        server.shutdown()
        server.server_close()
    assert all(url.startswith("http://127.0.0.1:") for url in seen.requests)
    assert seen.complaints == []


def test_a_site_of_one_run_speaks_of_one(browser: Any, tmp_path: Path) -> None:
    MADE["make_run"](tmp_path / "runs", OLD, criteria=[])
    seen = visit(browser, build(tmp_path / "runs", tmp_path / "site").index.as_uri())
    page = seen.page
    assert page.inner_text("#count") == "1 run"
    page.get_by_label(f"Compare {OLD}", exact=True).check()
    assert page.get_by_role("button", name="Compare", exact=True).is_disabled()
    page.fill("#q", "nothing like it")
    assert page.inner_text("#count") == "0 of 1 run"
    assert seen.complaints == []


def test_a_site_without_runs_says_how_to_begin_and_complains_of_nothing(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    address = build(tmp_path / "runs", tmp_path / "site").index.as_uri()
    seen = visit(browser, f"{address}#before=a&after=b")
    assert "No runs yet" in seen.page.inner_text("main")
    seen.page.get_by_role("button", name="Theme: automatic").press("Enter")
    assert seen.complaints == []


def test_without_script_there_is_a_plain_table_whose_links_work(browser: Any, site: str) -> None:
    page = visit(browser, site, java_script_enabled=False).page
    assert page.locator(".runs tbody tr").count() == 4
    assert not page.locator(".filter").is_visible()
    page.get_by_role("link", name=OLD, exact=True).click()
    page.get_by_role("link", name="Report").click()
    page.wait_for_url(f"**/runs/{OLD}/report.html")


def test_policy_stops_a_script_that_got_in_all_the_same(browser: Any, site: str) -> None:
    seen = visit(browser, site)
    seen.page.evaluate(
        "const s = document.createElement('script'); s.text = 'document.title = 2'; document.body.append(s)"
    )
    until(seen.page, lambda: any("Content Security Policy" in complaint for complaint in seen.complaints))
    assert seen.page.title() != "2"


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2560])
def test_no_page_scrolls_sideways(browser: Any, site: str, width: int) -> None:
    folder = site.rpartition("/")[0]
    for url in (site, f"{site}#before={OLD}&after={NEW}", f"{folder}/runs/{NEW}/index.html"):
        page = visit(browser, url, viewport={"width": width, "height": 800}).page
        if "#before" in url:
            page.get_by_role("heading", name="Two runs compared").wait_for()
        page.locator("h1:visible").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_the_narrowest_phone_no_drawing_of_a_comparison_lies_over_words(browser: Any, site: str) -> None:
    page = visit(browser, f"{site}#before={OLD}&after={NEW}", viewport={"width": 320, "height": 800}).page
    page.get_by_role("heading", name="Two runs compared").wait_for()
    cells = page.locator(".measured td.drawing:has(svg)")
    assert cells.count() > 2
    right = "(cell) => cell.getBoundingClientRect().right"
    for cell in cells.all():
        assert cell.locator("svg").evaluate(right) <= cell.evaluate(right)


def test_theme_button_changes_the_ground(browser: Any, site: str) -> None:
    page = visit(browser, site, color_scheme="light").page
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate(ground) != light


def test_paper_gets_all_runs_and_no_controls_nor_links_to_tap(browser: Any, tmp_path: Path) -> None:
    for month in (1, 2):
        MADE["make_run"](tmp_path / "runs", f"2026{month:02}01T060000Z-00000{month}", value=0.8)
    site = build(tmp_path / "runs", tmp_path / "site").index.as_uri()
    page = visit(browser, site, viewport={"width": 720, "height": 1000}).page  # a sheet, at the resolution of a screen
    page.emulate_media(media="print")
    assert not page.locator(".filter").is_visible()
    assert page.locator(".runs tbody tr").last.is_visible()
    assert not page.get_by_role("columnheader", name="Report").is_visible()
    assert page.locator(".runs").evaluate("table => table.getBoundingClientRect().right") <= 720
