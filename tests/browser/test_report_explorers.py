"""The explorers of a report in a real browser: right answers, by mouse, keyboard and without a network."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlopskit.display import format_value
from mlopskit.explore.slice_table import chosen, joined
from mlopskit.explored import RATES
from mlopskit.intervals import wilson
from mlopskit.runner.report import render

sync_api = pytest.importorskip("playwright.sync_api")

TESTS = Path(__file__).parents[1]
CHROMIUM = Path("/usr/bin/chromium")
REPORT = runpy.run_path(str(Path(__file__).parent / "test_report.py"))
FAKE = runpy.run_path(str(TESTS / "fake_run.py"))
SLICES = runpy.run_path(str(TESTS / "fake_slices.py"))
visit, STAYS = REPORT["visit"], REPORT["STAYS"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists() and not os.environ.get("CI"), reason="Chromium is not installed at /usr/bin/chromium"
    ),
]
SLICE, LIMIT = "#explore-slices", "#explore-thresholds"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=REPORT["FLAGS"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = FAKE["fake_run"](tmp_path_factory.mktemp("runs") / "run")
    SLICES["lay_down"](folder, slices=1000)
    manifest = json.loads((folder / "run.json").read_text())
    manifest["phases"][-1]["writes"] += [{"name": f"monitor/part_{number}.json"} for number in range(20)]
    (folder / "run.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="module")
def url(run: Path) -> str:
    return str(render(run).as_uri())


@pytest.fixture(scope="module")
def table(run: Path) -> pd.DataFrame:
    home = run / "slices_and_bias"
    return joined(pd.read_parquet(home / "slices.parquet"), pd.read_parquet(home / "confirmed.parquet"))


def field(page: Any, label: str, within: str = SLICE) -> Any:
    return page.locator(f"{within} label:has(> span:text-is('{label}')) > :is(input, select)")


def names(page: Any) -> list[str]:
    shown: list[str] = page.locator(f"{SLICE} .pick").all_text_contents()
    return shown


def cells(page: Any, row: int, within: str = SLICE) -> list[str]:
    """The figures of a row; what stands small below each is left out."""
    said: list[str] = page.evaluate(
        "([within, row]) => [...document.querySelectorAll(within + ' tbody tr')[row].cells].map((cell) => {"
        " const copy = cell.cloneNode(true); copy.querySelectorAll('.reason').forEach((part) => part.remove());"
        " return copy.textContent.trim(); })",
        [within, row],
    )
    return said


def test_slices_are_filtered_and_sorted_as_a_kernel_would(browser: Any, url: str, table: pd.DataFrame) -> None:
    page = visit(browser, url).page
    assert names(page) == table["slice"].head(20).tolist()
    field(page, "Search").fill("AGE part")
    field(page, "Column").select_option("work & pay")
    field(page, "confirmed only").check()
    wanted = chosen(table, text="age part", column="work & pay", confirmed=True)
    assert names(page) == wanted["slice"].head(20).tolist()
    assert page.text_content(f"{SLICE} .fits").startswith(
        f"{len(wanted)} of 1003 slices and declared groups fit; {len(wanted)} of"
    )
    page.locator(f"{SLICE} th .sort", has_text="error rate").click()
    by_error = wanted.sort_values("error_test", ascending=False, kind="stable")
    assert names(page) == by_error["slice"].head(20).tolist()


def test_rows_at_least_and_every_heading_sort(browser: Any, url: str, table: pd.DataFrame) -> None:
    page = visit(browser, url).page
    field(page, "Rows at least").fill("3900")
    large = table[table["n_test"] >= 3900]
    assert set(names(page)) == set(large["slice"].head(20)) if len(large) > 20 else set(large["slice"])
    for heading in page.locator(f"{SLICE} thead .sort").all():
        heading.click()
        assert heading.locator("xpath=..").get_attribute("aria-sort") in {"ascending", "descending"}
    assert page.locator(f"{SLICE} [aria-sort]").count() == 1


def test_intervals_are_those_of_the_package(browser: Any, url: str, table: pd.DataFrame) -> None:
    page = visit(browser, url).page
    for row in range(5):
        own = table.iloc[row]
        n, wrong = int(own["n_test"]), round(own["n_test"] * own["error_test"])
        low, high = wilson(np.array([wrong]), np.array([n]))
        assert cells(page, row)[2] == format_value(own["error_test"])
        between = page.locator(f"{SLICE} tbody tr").nth(row).locator("td:nth-child(3) .reason").text_content()
        assert between.replace("\u2060", "") == f"{format_value(float(low[0]))}–{format_value(float(high[0]))}"


def test_a_chosen_slice_is_told_in_words_with_what_it_is_part_of(browser: Any, url: str, table: pd.DataFrame) -> None:
    page = visit(browser, url).page
    page.locator(f"{SLICE} .pick").nth(3).click()
    own = table.iloc[3]
    told = page.text_content(f"{SLICE} .detail")
    assert own["slice"] in told
    assert f"Error rate {format_value(own['error_test'])} (" in told
    assert "all other rows: 0.210" in told
    assert page.locator(f"{SLICE} [aria-pressed=true]").all_text_contents() == [own["slice"]]
    assert page.get_attribute(f"{SLICE} .detail", "aria-live") == "polite"


def test_metrics_of_declared_groups_can_be_chosen(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    field(page, "Figure").select_option("recall on test rows")
    assert all(name.startswith("town = ") for name in names(page)[:3])
    assert page.text_content(f"{SLICE} thead").count("recall") == 1
    figures = [float(cells(page, row)[2]) for row in range(3)]
    assert figures == sorted(figures)
    assert "too few" in page.text_content(f"{SLICE} tbody")


def test_hostile_names_stay_words_and_nothing_is_fetched(browser: Any, url: str) -> None:
    seen = visit(browser, url)
    field(seen.page, "Search").fill("title='owned'")
    assert names(seen.page) == [f"town = {SLICES['HOSTILE']}"]
    seen.page.locator(f"{SLICE} .pick").click()
    assert SLICES["HOSTILE"] in seen.page.text_content(f"{SLICE} .detail")
    seen.page.locator(f"{LIMIT} input[type=range]").press("ArrowRight")
    assert SLICES["HOSTILE"] in seen.page.text_content(f"{LIMIT} tbody")
    assert "owned" not in seen.page.title()
    assert [item for item in seen.requests if not item.startswith("data:")] == [url]
    assert seen.complaints == []


def test_thresholds_give_the_counts_of_the_phase_at_every_step(browser: Any, url: str, run: Path) -> None:
    page = visit(browser, url).page
    rates = pd.read_parquet(run / "slices_and_bias" / "threshold_rates.parquet").set_index(
        ["group", "metric", "threshold"]
    )
    grid = sorted({step for _, _, step in rates.index})
    slider = page.locator(f"{LIMIT} input[type=range]")
    for place in (0, 17, 30, len(grid) - 1):
        slider.fill(str(place))
        at = {metric: rates.loc[("overall", metric, grid[place])] for metric in ("recall", "false_positive_rate")}
        (hits, positives), (alarms, negatives) = (
            (round(r["value"] * r["denominator"]), int(r["denominator"])) for r in at.values()
        )
        total = positives + negatives
        parts = {
            "selection_rate": (hits + alarms, total),
            "recall": (hits, positives),
            "false_positive_rate": (alarms, negatives),
            "precision": (hits, hits + alarms),
            "accuracy": (hits + negatives - alarms, total),
        }
        wanted = [format_value(parts[name][0] / parts[name][1]) if parts[name][1] >= 10 else "–" for name in RATES]
        assert cells(page, 0, LIMIT)[1:] == wanted
        assert page.text_content(f"{LIMIT} .amount") == f"{grid[place]:.4f}"


def test_the_models_own_threshold_is_marked_compared_and_found_again(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    assert "Threshold 0.4800 (the model’s own): recall is" in page.text_content(f"{LIMIT} .fits")
    slider = page.locator(f"{LIMIT} input[type=range]")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert "Against the model’s own threshold of 0.4800," in page.text_content(f"{LIMIT} .against")
    assert " fewer of 1,508 rows are called positive: " in page.text_content(f"{LIMIT} .against")
    assert slider.get_attribute("aria-valuetext") == page.text_content(f"{LIMIT} .amount")
    page.locator(f"{LIMIT} button", has_text="The model’s own").press("Enter")
    assert slider.get_attribute("aria-valuetext") == "0.4800 (the model’s own)"


def test_a_value_that_holds_the_joining_word_is_one_condition(browser: Any, tmp_path: Path) -> None:
    folder: Path = FAKE["fake_run"](tmp_path / "run")
    SLICES["lay_down"](folder, slices=3)
    old = SLICES["_names"](3)
    new = ["taste = rock and roll and town = x", "taste = rock", "taste = rock and roll"]
    for name in ("slices", "confirmed"):
        path = folder / "slices_and_bias" / f"{name}.parquet"
        rows = pd.read_parquet(path)
        rows["slice"] = rows["slice"].replace(dict(zip(old, new, strict=True)))
        if name == "slices":
            rows["conditions"] = [json.dumps([new[0]]), json.dumps([new[1]]), json.dumps([new[2]])]
        rows.to_parquet(path)
    page = visit(browser, str(render(folder).as_uri())).page
    options = field(page, "Column").locator("option").all_text_contents()
    assert options == ["any", "taste", "town"]
    field(page, "Column").select_option("town")
    assert not set(names(page)) & set(new)
    field(page, "Column").select_option("taste")
    assert sorted(names(page)) == sorted(new)
    page.locator(f"{SLICE} .pick", has_text=new[0]).click()
    assert "Part of" not in page.text_content(f"{SLICE} .detail")


def test_the_majority_guess_is_told_of_a_slice_and_of_a_threshold(browser: Any, tmp_path: Path) -> None:
    folder: Path = FAKE["fake_run"](tmp_path / "run")
    SLICES["lay_down"](folder, slices=3)
    for name, guess in (("slices", 0.125), ("confirmed", 0.25), ("threshold_rates", 1.0)):
        path = folder / "slices_and_bias" / f"{name}.parquet"
        pd.read_parquet(path).assign(majority=guess).to_parquet(path)
    page = visit(browser, str(render(folder).as_uri())).page
    assert f"; majority guess: {format_value(0.25)}." in page.text_content(f"{SLICE} .detail")
    assert f"guess {format_value(0.25)}" in page.locator(f"{SLICE} tbody tr").first.text_content()
    field(page, "Figure").select_option("1")
    assert f"guess {format_value(0.125)}" in page.locator(f"{SLICE} tbody").text_content()
    told = "One answer for everybody, the majority guess, has a recall of 1 in every group, whatever the threshold."
    assert told in page.text_content(f"{LIMIT} .fits")
    field(page, "Rate drawn", LIMIT).select_option("accuracy")
    assert "majority guess" not in page.text_content(f"{LIMIT} .fits")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report whose rates by threshold are there for two columns, of other groups and thresholds."""
    folder: Path = FAKE["fake_run"](tmp_path_factory.mktemp("two") / "run")
    SLICES["lay_down"](folder)
    path = folder / "slices_and_bias" / "threshold_rates.parquet"
    other = SLICES["_rates"](np.random.default_rng(7), steps=31).assign(slice="work & <b>pay</b>")
    other["group"] = other["group"].replace({"north": "full", SLICES["HOSTILE"]: "none"})
    pd.concat([pd.read_parquet(path), other], ignore_index=True).to_parquet(path)
    (folder / "scope" / "data.json").write_text('{"privacy_floor": 0}', encoding="utf-8")
    return str(render(folder).as_uri())


def groups_shown(page: Any) -> list[str]:
    heads: list[str] = page.locator(f"{LIMIT} tbody th").evaluate_all(
        "cells => cells.map((cell) => cell.childNodes[1].textContent.trim())"
    )
    return heads


def test_the_groups_of_any_declared_column_are_shown_at_the_same_threshold(browser: Any, two: str) -> None:
    seen = visit(browser, two)
    page = seen.page
    columns = field(page, "Groups of", LIMIT)
    assert columns.locator("option").all_text_contents() == ["town", "work & <b>pay</b>"]
    overall = cells(page, 0, LIMIT)
    columns.select_option(label="work & <b>pay</b>")
    assert groups_shown(page) == ["overall", "full", "none"]
    assert page.text_content(f"{LIMIT} thead th") == "work & <b>pay</b>"
    assert page.text_content(f"{LIMIT} .amount") == "0.4800"  # the model's own stays the model's own
    assert cells(page, 0, LIMIT) != overall
    slider = page.locator(f"{LIMIT} input[type=range]")
    assert slider.get_attribute("max") == "31"
    slider.fill("20")
    at = float(page.text_content(f"{LIMIT} .amount"))
    columns.select_option(label="town")
    assert groups_shown(page) == ["overall", "north", SLICES["HOSTILE"]]
    assert abs(float(page.text_content(f"{LIMIT} .amount")) - at) < 0.01  # the nearest of 60 steps
    assert (seen.requests, seen.complaints) == ([two], [])


def test_a_column_is_chosen_by_keyboard_and_by_a_click_in_its_drawing(browser: Any, two: str) -> None:
    page = visit(browser, two).page
    page.locator(f"{LIMIT} input[type=range]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].textContent").startswith("Groups of")
    page.keyboard.press("ArrowDown")
    assert groups_shown(page) == ["overall", "full", "none"]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.labels[0].textContent").startswith("Rate drawn")
    drawing = page.locator(f"{LIMIT} svg[role=img]")
    assert "full" in drawing.text_content()
    drawing.click(position={"x": 300, "y": 100})
    assert page.text_content(f"{LIMIT} .amount") != "0.4800"
    page.locator(f"{LIMIT} button", has_text="The model’s own").click()
    assert page.text_content(f"{LIMIT} .amount") == "0.4800"


def test_one_column_alone_is_not_asked_for(browser: Any, url: str) -> None:
    assert field(visit(browser, url).page, "Groups of", LIMIT).count() == 0


def test_a_group_of_too_few_is_not_compared(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    few = page.locator(f"{LIMIT} tbody tr").nth(2)
    assert "too few: 8 rows" in few.text_content()
    assert " to " not in page.text_content(f"{LIMIT} .fits").partition("overall")[2]


def test_everything_is_reached_and_worked_by_keyboard(browser: Any, url: str) -> None:
    page = visit(browser, url, viewport={"width": 1280, "height": 900}).page
    field(page, "Search").focus()
    page.keyboard.type("age = 18")
    page.keyboard.press("Tab")
    reached = []
    for _ in range(16):
        reached.append(page.evaluate("document.activeElement.className || document.activeElement.tagName"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.keyboard.press("Tab")
    assert {"SELECT", "INPUT", "sort", "pick"} <= set(reached)
    page.locator(f"{SLICE} .pick").nth(1).focus()
    page.keyboard.press("Enter")
    assert page.locator(f"{SLICE} .pick").nth(1).get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_explorers_fit_a_phone(browser: Any, url: str, width: int) -> None:
    page = visit(browser, url, viewport={"width": width, "height": 800}).page
    page.locator(f"{SLICE} button", has_text="Show all").click()
    assert page.locator(f"{SLICE} tbody tr").count() == 1003
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(f"{SLICE} .scroll", has=page.locator("table.stacked"))
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")  # names of slices are read without scrolling
    buttons = f"[...document.querySelectorAll('{SLICE} button, {LIMIT} button, .term')]"
    seen = f"{buttons}.filter((button) => button.checkVisibility())"
    heights = page.evaluate(f"{seen}.map((button) => button.getBoundingClientRect().height)")
    assert min(heights) >= 24


def test_without_scripts_the_sentence_and_the_tables_stay(browser: Any, url: str) -> None:
    page = visit(browser, url, java_script_enabled=False).page
    assert "slices and declared groups fit" in page.locator(SLICE).inner_text()
    assert "Choosing needs a script" in page.locator(LIMIT).inner_text()
    assert page.locator(f"{SLICE} table").count() == 0


def test_paper_shows_the_state_and_no_controls(browser: Any, url: str) -> None:
    page = visit(browser, url, color_scheme="dark").page
    field(page, "Search").fill("town")
    page.emulate_media(media="print")
    assert page.locator(f"{SLICE} .choices").is_hidden()
    assert page.locator(f"{SLICE} tbody tr").count() == 3
    assert page.locator(f"{LIMIT} svg[role=img]").is_visible()


def test_fitting_slices_are_copied_as_csv(browser: Any, url: str) -> None:
    page = visit(browser, url, permissions=["clipboard-read", "clipboard-write"]).page
    field(page, "Search").fill("age = 18")
    page.evaluate(STAYS)
    page.locator(f"{SLICE} .copy", has_text="Copy as CSV").click()
    page.locator(f"{SLICE} .copy", has_text="Copied").wait_for()
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    fitting = int(page.text_content(f"{SLICE} .fits").split()[0])
    assert len(lines) == fitting + 1 > 21
    assert lines[0].startswith('"slice","rows","share of rows","figure"')


OLD_COPY = """() => {
    Object.defineProperty(navigator, 'clipboard', { value: undefined });  // as on a plain http page
    document.execCommand = () => { window.copied = document.activeElement.value; return true; };
}"""


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("=1+1", "'=1+1"), ("@SUM(1)", "'@SUM(1)"), ("+cmd|'/C x'!A1", "'+cmd|'/C x'!A1"), ("-2+cmd|x", "'-2+cmd|x"),
        ("a = b", "a = b"), ("-0.5", "-0.5"), ("+0.25 (-0.1 to 0.6)", "+0.25 (-0.1 to 0.6)"), ("–", "–"),
    ],
)  # fmt: skip
def test_what_is_copied_holds_no_formula_and_numbers_stay_numbers(browser: Any, url: str, text: str, kept: str) -> None:
    seen = visit(browser, url).page
    seen.evaluate(OLD_COPY)
    seen.evaluate("text => { const b = page.copyButton(() => [[text]]); document.body.append(b); b.click(); }", text)
    assert seen.evaluate("window.copied") == f'"{kept}"'


def test_focus_stays_on_the_button_that_copied_where_there_is_no_clipboard(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    page.evaluate(OLD_COPY)
    page.locator(f"{SLICE} .copy", has_text="Copy as CSV").press("Enter")
    assert page.evaluate("window.copied").startswith('"slice","rows"')
    assert page.evaluate("document.activeElement.className") == "copy"


@pytest.mark.parametrize("fragment", ["%E0%A4%A", "nowhere", "%"])
def test_an_address_that_names_nothing_keeps_the_page_from_nothing(browser: Any, url: str, fragment: str) -> None:
    seen = visit(browser, f"{url}#{fragment}")
    seen.page.locator("html[data-opened]").wait_for()
    assert seen.complaints == []


def test_long_tables_show_20_rows_and_are_searched(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    rows = page.locator("#artefacts tbody tr")
    assert rows.count() > 20
    assert page.locator("#artefacts tbody tr:visible").count() == 20
    page.locator("#artefacts button", has_text="Show all").click()
    assert page.locator("#artefacts tbody tr:visible").count() == rows.count()
    page.locator("#artefacts input[type=search]").fill("evaluate METRICS")
    assert page.locator("#artefacts tbody tr:visible").all_text_contents()[0].startswith("evaluate/metrics.parquet")
    assert page.text_content("#said") == f"1 of {rows.count()} rows fit."


def test_figures_with_their_interval_in_brackets_sort_as_numbers(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    page.evaluate(
        "document.querySelectorAll('#criteria tbody tr').forEach((row, place) => {"
        " row.cells[2].textContent = ['10.5 (9 to 11)', '9.1 (8 to 10)', '−2 (−3 to −1)', '–'][place]; })"
    )
    page.click("#criteria th:nth-child(3) .sort")
    sorted_cells = page.locator("#criteria tbody td:nth-child(3)").all_text_contents()
    assert sorted_cells == ["−2 (−3 to −1)", "9.1 (8 to 10)", "10.5 (9 to 11)", "–"]


def test_a_link_to_a_row_that_is_not_shown_shows_it(browser: Any, url: str) -> None:
    page = visit(browser, url).page
    last = page.locator("#artefacts tbody tr").last
    assert last.is_hidden()
    page.evaluate("(id) => { location.hash = id; }", last.get_attribute("id"))
    last.wait_for()


def test_a_term_is_explained_by_a_tap_and_by_keyboard(browser: Any, url: str) -> None:
    page = visit(browser, url, viewport={"width": 390, "height": 800}).page
    term = page.locator("#outcome .term", has_text="acceptance criteria").first
    meaning = page.locator("#term-acceptance-criterion")
    term.click()
    assert meaning.is_visible()
    page.keyboard.press("Escape")
    assert meaning.is_hidden()
    term.press("Enter")
    assert meaning.is_visible()
