"""What is pictured: pages of one run of the income example, a site of made runs, and the notebooks in JupyterLab.

Everything that another day or machine would show otherwise is kept out: the fonts are the pages' own and the ones that
matplotlib brings along; times, sizes in memory, ids and digests are overwritten in the page before it is taken.
"""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

from mlopskit.runner.cards import render as render_cards
from mlopskit.runner.compare import compare
from mlopskit.runner.compare_html import write_html
from mlopskit.runner.report import render
from mlopskit.runner.site import build

TESTS = Path(__file__).resolve().parents[1]
JUPYTER = runpy.run_path(str(TESTS / "browser" / "test_jupyterlab.py"))
MADE = runpy.run_path(str(TESTS / "site_runs.py"))
OVERVIEW = "0_overview"
PHASES = ["1_scope", "2_data", "3_model", "4_evaluate", "5_slices_and_bias", "6_deploy", "7_monitor"]
PATIENCE = 120_000
"""Milliseconds that anything in a page may take; nothing waits longer than it must."""


@dataclass(frozen=True)
class Scene:
    """One picture: a page, from an element of it on, as wide and high as what is looked through."""

    name: str
    page: str
    at: str = ""
    width: int = 1180
    height: int = 860
    scheme: str = "light"
    medium: str = "screen"


PHONE = {"width": 390, "height": 844}
DARK = {"scheme": "dark"}
SHEET = {"width": 720, "height": 1000, "medium": "print"}

PAGES = [
    Scene("report", "report", height=1000),
    Scene("report-dark", "report", height=1000, **DARK),
    Scene("report-phone", "report", **PHONE),
    Scene("report-phone-dark", "report", **PHONE, **DARK),
    Scene("report-print", "report", **SHEET),
    Scene("report-evaluate", "report", at="phase-evaluate", height=1000),
    Scene("report-evaluate-phone", "report", at="phase-evaluate", **PHONE),
    Scene("report-thresholds", "report", at="explore-thresholds"),
    Scene("report-slices", "report", at="explore-slices"),
    Scene("report-slices-dark", "report", at="explore-slices", **DARK),
    Scene("report-end", "report", at="provenance"),
    Scene("model-card", "model_card"),
    Scene("model-card-dark", "model_card", **DARK),
    Scene("model-card-phone", "model_card", **PHONE),
    Scene("model-card-print", "model_card", **SHEET),
    Scene("data-card", "data_card"),
    Scene("site", "site"),
    Scene("site-dark", "site", **DARK),
    Scene("site-phone", "site", **PHONE),
    Scene("comparison", "comparison"),
    Scene("comparison-phone", "comparison", **PHONE),
    Scene("comparison-print", "comparison", **SHEET),
]
NOTEBOOKS = [
    Scene("notebook-0_overview", OVERVIEW, at="Run it", width=1280, height=1200),
    *(Scene(f"notebook-{name}", name, width=1080, height=1200) for name in PHASES),
    Scene("notebook-4_evaluate-dark", "4_evaluate", at="Metrics, with intervals", width=1080, **DARK),
    Scene("notebook-2_data-phone", "2_data", **PHONE),
]
SCENES = PAGES + NOTEBOOKS
README = [
    Scene("report", "report", width=1280, height=1180),
    Scene("jupyterlab", OVERVIEW, at="What is still open", width=1280, height=900),
]
"""The two pictures in docs/, taken with nothing overwritten."""

FREEZE = r"""
() => {
    const rules = [
        [/\d{8}T\d{6}Z-[0-9a-f]{6}/g, '20260101T000000Z-000000'],
        [/\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?UTC|Z|\+00:00)?/g, '2026-01-01 00:00'],
        [/\b20\d{2}-\d{2}-\d{2}\b/g, '2026-01-01'],
        [/\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b/g, '0123abc'],
        [/\b\d[\d,]*(\.\d+)?( |\u00a0|\u202f)(ms|s|min|minutes?|seconds?|MB|GB|GiB|MiB|cores?)(?!\w)/g, '1 $3'],
        [/\b\d+ ?(s|m|min|h|hours?|minutes?|seconds?|d|days?) ago/g, 'now'],
        [/\b\d[\d,.]* (requests|rows) (per|a) second/g, '1 $1 $2 second'],
    ];
    const still = (text) => rules.reduce((said, [from, to]) => said.replace(from, to), text);
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const said = still(walk.currentNode.data);
        if (said !== walk.currentNode.data) walk.currentNode.data = said;
    }
}
"""
TO_TOP = "(element) => element.scrollIntoView({ block: 'start', behavior: 'instant' })"
FLAGS = [*JUPYTER["FLAGS"], "--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb",
         "--hide-scrollbars"]  # fmt: skip
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<alias binding="same"><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
<alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
<alias binding="same"><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
<match target="font"><edit name="hinting" mode="assign"><bool>false</bool></edit></match>
</fontconfig>"""


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """Start Chromium with no fonts but those of this environment."""
    from playwright.sync_api import sync_playwright

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    (folder / "fonts.conf").write_text(FONTS.format(fonts=fonts, cache=folder / "fonts"), encoding="utf-8")
    given = dict(os.environ) | {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(JUPYTER["CHROMIUM"]), args=FLAGS, env=given)
        yield browser
        browser.close()


def pages(run: Path, folder: Path) -> dict[str, str]:
    """Render every page that is pictured and return the address of each."""
    render(run)
    render_cards(run)
    shelf = folder / "runs"
    values = [0.71, 0.74, 0.76, 0.75, 0.79, 0.83]
    for month, value in enumerate(values, start=1):
        missed = {"criteria": [MADE["criterion"]("not-met")], "status": "criteria-not-met"} if value < 0.75 else {}
        MADE["make_run"](shelf, f"2026{month:02}01T060000Z-00000{month}", value=value, groups=value - 0.1, **missed)
    first, *_, last = sorted(shelf.iterdir())
    made = {
        "report": run / "report.html",
        "model_card": run / "model_card.html",
        "data_card": run / "data_card.html",
        "site": build(shelf, folder / "site").index,
        "comparison": write_html(compare(first, last), folder / "comparison.html"),
    }
    return {name: path.as_uri() for name, path in made.items()}


@contextmanager
def lab(run: Path, home: Path) -> Iterator[Any]:
    """Serve a copy of a project of one run; its notebooks are the executed ones, and trusted."""
    source, project = run.parents[1], home / "income"
    shutil.copytree(source / "notebooks", project / "notebooks", copy_function=shutil.copy)  # as new as the others
    shutil.copy(source / "mlops.toml", project)
    shutil.copytree(run, project / "runs" / run.name)
    (project / "runs" / "latest").write_text(run.name, encoding="utf-8")
    for name in PHASES:
        shutil.copy(run / name.partition("_")[2] / "notebook.ipynb", project / "notebooks" / f"{name}.ipynb")
    environment = JUPYTER["LAB"]["environment"](home)
    signed = [str(project / "notebooks" / f"{name}.ipynb") for name in PHASES]
    command = [sys.executable, "-m", "nbformat.sign", *signed]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    settings = Path(environment["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"adaptive-theme": True}), encoding="utf-8")
    (settings / "notification.jupyterlab-settings").write_text(json.dumps({"fetchNews": "false"}), encoding="utf-8")
    with JUPYTER["LAB"]["serve"](project, home) as served:
        yield served


def run_of(served: Any) -> Path:
    """The run of a served project: a copy, so what is rendered in it changes nothing of the caller's."""
    (manifest,) = (served.project / "runs").glob("*/run.json")
    return Path(manifest).parent


def take(browser: Any, scene: Scene, addresses: dict[str, str], *, frozen: bool = True) -> bytes:
    """Picture a page that lies on disk."""
    page = browser.new_context(reduced_motion="reduce").new_page()
    _turn(page, scene)
    frozen = frozen and scene.page not in {"site", "comparison"}  # their runs are made, and so are their dates
    page.goto(addresses[scene.page])
    if frozen:
        page.evaluate(FREEZE)
    if scene.at:
        page.locator(f"#{scene.at}").evaluate(TO_TOP)
    shot = _settled(page, frozen=frozen)
    page.context.close()
    return shot


def take_notebook(page: Any, scene: Scene, served: Any, *, frozen: bool = True) -> bytes:
    """Picture a notebook in JupyterLab: the overview after *Run All Cells*, a phase as the run left it."""
    _turn(page, scene)
    tall = {"width": scene.width, "height": 6000}  # JupyterLab leaves out cells that are not seen
    if scene.page == OVERVIEW and OVERVIEW not in page.url:
        page.set_viewport_size(tall)
        JUPYTER["run_all"](page, served, f"{OVERVIEW}.ipynb")
    elif scene.page != OVERVIEW:
        page.goto(f"{served.address}/doc/tree/notebooks/{scene.page}.ipynb?reset&token={served.token}")
        page.locator(f"{JUPYTER['PANEL']} .jp-InputArea-prompt", has_text="[1]").first.wait_for()
        if scene.width > PHONE["width"]:  # a hand has no room for the kernel's state
            page.wait_for_function(JUPYTER["IDLE"])
    if scene.at:
        page.set_viewport_size(tall)
        page.locator(JUPYTER["PANEL"]).get_by_role("heading", name=scene.at).wait_for()
        _turn(page, scene)
        page.locator(JUPYTER["PANEL"]).get_by_role("heading", name=scene.at).evaluate(TO_TOP)
    page.mouse.move(0, 0)
    return _settled(page, frozen=frozen)


def _turn(page: Any, scene: Scene) -> None:
    page.set_default_timeout(PATIENCE)
    page.set_viewport_size({"width": scene.width, "height": scene.height})
    page.emulate_media(media=scene.medium, color_scheme=scene.scheme)


def _settled(page: Any, *, frozen: bool) -> bytes:
    """Take the page until two pictures in a row are alike."""
    page.evaluate("document.fonts.ready.then(() => true)")
    before, after = b"", b"-"
    for _ in range(40):
        if before == after:
            break
        if frozen:
            page.evaluate(FREEZE)
        before, after = after, page.screenshot(animations="disabled", caret="hide")
    return after
