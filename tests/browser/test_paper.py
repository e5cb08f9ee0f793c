"""The report on paper: pages break where a reader would turn them, and nothing is cut in two."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlopskit.runner.report import render

REPORT = runpy.run_path(str(Path(__file__).parent / "test_report.py"))

pytestmark = [
    *REPORT["pytestmark"],
    pytest.mark.skipif(
        shutil.which("pdftotext") is None and not os.environ.get("CI"),
        reason="pdftotext is not installed (poppler-utils)",
    ),
]
browser = REPORT["browser"]
SIZES = {"A4": ("210mm", "297mm"), "A5": ("148mm", "210mm"), "short": ("210mm", "160mm")}
"""The fewer lines a page holds, the more often it breaks, so the more there is to go wrong."""


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.fixture(scope="module", params=SIZES)
def printed(request: pytest.FixtureRequest, browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page itself, and the text of each sheet."""
    folder = tmp_path_factory.mktemp("paper")
    page = REPORT["visit"](browser, render(REPORT["FAKE"]["fake_run"](folder / "run")).as_uri()).page
    width, height = SIZES[request.param]
    page.pdf(path=str(folder / "report.pdf"), width=width, height=height, print_background=True)
    text = subprocess.run(
        ["pdftotext", "-layout", "report.pdf", "-"], cwd=folder, capture_output=True, text=True, check=True
    )
    return page, [sheet for sheet in text.stdout.split("\f") if sheet.strip()]


def test_no_heading_stands_alone_at_the_foot_of_a_page(printed: Any) -> None:
    page, sheets = printed
    headings = [words(text) for text in page.locator("main :is(h1, h2, h3, h4, .eyebrow)").all_text_contents()]
    assert len(sheets) > 8
    for sheet in sheets:
        last = words(sheet.strip().splitlines()[-1])
        assert not any(last and heading.endswith(last) for heading in headings), sheet


def test_a_table_over_two_pages_has_its_head_on_both(printed: Any) -> None:
    page, sheets = printed
    rows = {words(text) for text in page.locator("#artefacts tbody th").all_text_contents()}

    def listed(sheet: str) -> bool:
        lines = [line for line in sheet.splitlines() if re.search(r"\d k?B\b", line)]
        return any(set(line.split()) & rows for line in lines)

    holding = [sheet for sheet in sheets if listed(sheet)]
    assert holding
    assert all("written in" in words(sheet) for sheet in holding)


def test_the_labels_of_a_figure_lie_on_one_page(printed: Any) -> None:
    page, sheets = printed
    figures = page.locator("figure.mlopskit-chart svg").evaluate_all(
        "all => all.map((svg) => [...svg.querySelectorAll('text')].map((text) => text.textContent.trim()))"
    )
    assert figures
    flat = [words(sheet) for sheet in sheets]
    for labels in figures:
        known = [words(label) for label in labels if len(label) > 5 and any(words(label) in sheet for sheet in flat)]
        assert any(all(label in sheet for label in known) for sheet in flat), labels


def test_the_first_sheet_goes_on_with_whom_it_works_worst_for_and_what_to_do(browser: Any, tmp_path: Path) -> None:
    folder = REPORT["FAKE"]["fake_run"](tmp_path / "run")
    told = folder / "monitor" / "summary.json"
    advice = "Ask the owner of the data whether the source or its meaning changed, then add recent rows to the data"
    steps = [{"text": f"{advice}: {number}. {advice}.", "phase": "data"} for number in range(5)]
    told.write_text(json.dumps(json.loads(told.read_text(encoding="utf-8")) | {"next": steps}), encoding="utf-8")
    page = REPORT["visit"](browser, render(folder).as_uri()).page
    page.pdf(path=str(tmp_path / "report.pdf"), format="A4")
    first = subprocess.run(
        ["pdftotext", "-l", "1", "report.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for heading in ("May this model be used?", "For whom it works worst", "What to do next"):
        assert heading in first.stdout


def test_paper_gets_no_controls(printed: Any) -> None:
    _, sheets = printed
    text = words(" ".join(sheets))
    assert "Show all code" not in text
    assert "Skip to the outcome" not in text
    assert "mlopskit verify" in text
