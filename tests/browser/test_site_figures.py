"""Two runs of a site side by side in a browser: intervals drawn, figures shown when asked, as images and no more."""

from __future__ import annotations

import runpy
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mlopskit.runner.compare import compare
from mlopskit.runner.site import build

sync_api = pytest.importorskip("playwright.sync_api")

REPORT = runpy.run_path(str(Path(__file__).with_name("test_report.py")))
MADE = runpy.run_path(str(Path(__file__).parents[1] / "site_runs.py"))
HOSTILE, drawing = MADE["HOSTILE"], MADE["drawing"]
BEFORE, AFTER = "20260101T000000Z-000001", "20260301T000000Z-000003"
TITLE, PICTURES = ".drawn > summary", ".pair img"

pytestmark = REPORT["pytestmark"]
browser, visit, until = REPORT["browser"], REPORT["visit"], REPORT["until"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with an equal figure, one that differs, one that is active, and one that only the second has."""
    runs = tmp_path_factory.mktemp("figures") / "runs"
    script = f"<script>document.title = 'owned'</script><text>{'&lt;b&gt;'}</text>"
    body = [f"line_{number} = {number}" for number in range(12)]
    for name, colour, last in ((BEFORE, "#0072b2", "last = 1"), (AFTER, "#d55e00", "last = 2")):
        figures = {"same": drawing("Equal."), "curve": drawing(HOSTILE, colour=colour)}
        figures["active"] = drawing("Active.", inside=script, colour=colour)
        MADE["make_run"](
            runs, name, value=0.86 if name == BEFORE else 0.7, groups=0.7 if name == BEFORE else 0.5,
            body="\n".join([*body, last]), figures=figures | ({} if name == BEFORE else {"new": drawing("New.")}),
        )  # fmt: skip
    return runs


@pytest.fixture(scope="module")
def site(shelf: Path) -> str:
    return build(shelf, shelf.parent / "site").index.as_uri()


@pytest.fixture(scope="module")
def hosted(site: str, shelf: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(shelf.parent / "site")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()


def compared(browser: Any, address: str, **options: Any) -> Any:
    seen = visit(browser, f"{address}#{urlencode({'before': BEFORE, 'after': AFTER})}", **options)
    seen.page.get_by_role("heading", name="Figures", exact=True).wait_for()
    return seen


def drawn(page: Any) -> None:
    """Wait until every figure that was asked for is there; one that is unfolded is told of it a moment later."""
    folds = "folds => folds.every((fold) => !fold.open || fold.childElementCount > 1)"
    loaded = "images => images.length > 0 && images.every((image) => image.complete && image.naturalWidth > 0)"
    until(
        page,
        lambda: page.locator(".drawn").evaluate_all(folds) and page.locator(PICTURES).evaluate_all(loaded),
    )


@pytest.mark.parametrize("from_disk", [True, False])
def test_figures_stand_side_by_side_when_asked_and_nothing_of_them_is_loaded_before(
    browser: Any, site: str, hosted: str, shelf: Path, from_disk: bool
) -> None:
    seen = compared(browser, site if from_disk else hosted)
    page, found = seen.page, compare(shelf / BEFORE, shelf / AFTER)
    names = [text.split()[0] for text in page.locator(TITLE).all_text_contents()]
    assert names == [*(item.name for item in found.figures), "1"]
    assert not any("/figures/" in url for url in seen.requests)
    page.locator(TITLE, has_text="evaluate/curve.svg").press("Enter")
    drawn(page)
    assert page.locator(PICTURES).evaluate_all("images => images.map((image) => image.alt)") == [HOSTILE, HOSTILE]
    tops = page.locator(PICTURES).evaluate_all("images => images.map((image) => image.getBoundingClientRect().top)")
    assert tops[0] == tops[1]
    assert len({url for url in seen.requests if "/figures/" in url}) == 2
    assert "owned" not in page.title()
    assert seen.complaints == []


def test_all_figures_can_be_shown_at_once_and_one_that_a_run_lacks_is_said_to_be_missing(
    browser: Any, site: str
) -> None:
    seen = compared(browser, site)
    page = seen.page
    page.get_by_role("button", name="Show all").click()
    drawn(page)
    assert page.locator(PICTURES).count() == 5
    assert page.locator(".pair > div", has=page.locator(".none")).all_inner_texts() == [
        f"Before, {BEFORE}\n\nnot there"
    ]
    page.get_by_role("button", name="Hide all").click()
    assert not page.locator(PICTURES).first.is_visible()
    assert seen.complaints == []


@pytest.mark.parametrize("left", ["", 'mlopskitRun("{\\"name', 'mlopskitRun("{");\n'])
def test_a_run_whose_details_are_cut_is_not_taken_for_another(browser: Any, site: str, shelf: Path, left: str) -> None:
    details = shelf.parent / "site" / "runs" / AFTER / "run.js"
    whole = details.read_bytes()
    details.write_text(left, encoding="utf-8")
    try:
        page = visit(browser, f"{site}#{urlencode({'before': BEFORE, 'after': AFTER})}").page
        said = page.locator("#compared .none")
        said.wait_for()
        assert said.text_content() == f"What there is to compare of {AFTER} cannot be loaded."
    finally:
        details.write_bytes(whole)
    page.reload()
    page.get_by_role("heading", name="Something got worse").wait_for()  # what failed once is asked for again


def test_who_goes_back_before_a_comparison_is_there_stays_with_the_list(browser: Any, hosted: str) -> None:
    seen = visit(browser, hosted)
    page, waiting = seen.page, []
    title = page.title()
    page.route("**/run.js", lambda route: waiting.append(route))
    page.evaluate("hash => { location.hash = hash; }", urlencode({"before": BEFORE, "after": AFTER}))
    until(page, lambda: len(waiting) == 1)
    page.go_back()
    for place in range(2):  # one after the other
        until(page, lambda place=place: len(waiting) > place)
        waiting[place].continue_()
    until(page, lambda: page.locator("head script").count() == 0)
    assert page.locator("#all").is_visible()
    assert page.locator("#compared").is_hidden()
    assert (page.title(), page.locator("#compared > *").count()) == (title, 0)


def test_equal_figures_are_listed_as_equal(browser: Any, site: str) -> None:
    page = compared(browser, site).page
    equal = page.locator(".drawn", has_text="1 equal in both")
    equal.locator("summary").click()
    assert equal.locator("li").all_inner_texts() == ["evaluate/same.svg"]


def test_a_figure_opened_for_itself_runs_nothing(browser: Any, hosted: str) -> None:
    page = compared(browser, hosted).page
    page.locator(TITLE, has_text="evaluate/active.svg").click()
    drawn(page)
    opened = visit(browser, page.locator(PICTURES).first.evaluate("image => image.src")).page
    assert "owned" not in opened.title()
    assert opened.locator("script").count() == 0
    assert opened.locator("text").text_content() == "<b>"


def test_policy_lets_no_image_in_from_elsewhere(browser: Any, hosted: str) -> None:
    seen = compared(browser, hosted)
    for source in ("http://localhost:9/x.png", "https://localhost:9/x.svg"):
        seen.page.evaluate("source => document.body.append(Object.assign(new Image(), { src: source }))", source)
    until(seen.page, lambda: len(seen.complaints) == 2)
    assert all("Content Security Policy" in complaint for complaint in seen.complaints)


def test_a_figure_that_is_gone_from_the_host_says_so(browser: Any, site: str, shelf: Path) -> None:
    page = compared(browser, site).page
    moved = (shelf.parent / "site" / "figures").rename(shelf.parent / "site" / "elsewhere")
    try:
        page.locator(TITLE, has_text="evaluate/new.svg").click()
        page.locator(".pair .none", has_text="cannot be loaded").wait_for()
    finally:
        moved.rename(shelf.parent / "site" / "figures")


def test_both_intervals_of_a_measure_lie_on_one_axis_where_its_numbers_say(browser: Any, site: str) -> None:
    page = compared(browser, site).page
    row = page.locator(".measured tr", has_text="roc_auc").first.locator(".both")
    ends = row.locator("line").evaluate_all(
        "lines => lines.map((line) => [line.x1, line.x2].map((x) => x.baseVal.value))"
    )
    dots = row.locator("circle").evaluate_all("dots => dots.map((dot) => dot.cx.baseVal.value)")
    low, wide = 0.68, 0.88 - 0.68  # 0.86 ± 0.02 before, 0.70 ± 0.02 after
    placed = [8 + 156 * (value - low) / wide for value in (0.84, 0.88, 0.68, 0.72, 0.86, 0.70)]
    assert [*ends[0], *ends[1], *dots] == pytest.approx(placed, abs=0.01)
    assert row.locator("text").all_text_contents() == ["0.68", "0.88"]


def test_slices_that_got_worse_are_drawn_too(browser: Any, site: str) -> None:
    page = compared(browser, site).page
    part = page.locator("#compared section", has=page.get_by_role("heading", name="Slices that got worse"))
    assert part.locator("tbody tr").count() == part.locator("tbody .both").count() == 1


def test_of_code_only_what_stands_beside_a_change_is_shown(browser: Any, site: str) -> None:
    page = compared(browser, site).page
    lines = page.locator("#compared pre").first.inner_text().splitlines()
    assert [line.strip() for line in lines if line.strip()] == [
        "… 10 equal lines", "line_10 = 10", "line_11 = 11", "-last = 1", "+last = 2",
    ]  # fmt: skip


def test_a_button_leads_to_each_part_and_leaves_the_address_alone(browser: Any, site: str) -> None:
    page = compared(browser, site).page
    address = page.evaluate("location.href")
    page.locator(".jumps button", has_text="Code").press("Enter")
    assert page.evaluate("document.activeElement.textContent") == "Code"
    heading = page.get_by_role("heading", name="Code", exact=True)
    until(page, lambda: heading.bounding_box()["y"] < 700)  # it scrolls smoothly
    assert page.evaluate("location.href") == address


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_figures_and_intervals_are_in_sight_at_any_width(browser: Any, site: str, width: int) -> None:
    page = compared(browser, site, viewport={"width": width, "height": 800}).page
    page.get_by_role("button", name="Show all").click()
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in (".measured .both", ".measured .said", PICTURES):
        rights = page.locator(part).evaluate_all("parts => parts.map((part) => part.getBoundingClientRect().right)")
        assert max(rights) <= width
