"""How pictures are taken: a browser, the pages of one run, and a JupyterLab that serves it.

Everything that another day or machine would show otherwise is kept out: the fonts are the pages' own and the ones that
matplotlib brings along; times, sizes in memory, ids and digests are overwritten in the page before it is taken.
A page is opened once and turned for each of its scenes, as a person would: wide, narrow, dark.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib

from mlopskit.runner.cards import render as render_cards
from mlopskit.runner.compare import compare
from mlopskit.runner.compare_html import write_html
from mlopskit.runner.report import render
from mlopskit.runner.site import build

TESTS = Path(__file__).resolve().parents[1]
JUPYTER = SimpleNamespace(**runpy.run_path(str(TESTS / "browser" / "test_jupyterlab.py")))
MADE = runpy.run_path(str(TESTS / "site_runs.py"))
SCENES = SimpleNamespace(**runpy.run_path(str(TESTS / "screenshots" / "scenes.py")))
PATIENCE = 120_000
"""Milliseconds that anything in a page may take; nothing waits longer than it must."""

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
    const unseen = { acceptNode: (text) => text.parentElement.closest('script, style') || !/\d/.test(text.data)
        ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT, unseen);
    while (walk.nextNode()) {
        const said = still(walk.currentNode.data);
        if (said !== walk.currentNode.data) walk.currentNode.data = said;
    }
}
"""
TO_TOP = "(element) => (element.closest('.jp-Cell') || element).scrollIntoView({ block: 'start', behavior: 'instant' })"
TO_START = "scrollTo({ top: 0, behavior: 'instant' })"
SETTINGS = {
    "apputils-extension/themes": {"adaptive-theme": True},
    "apputils-extension/notification": {"fetchNews": "false"},
    "notebook-extension/tracker": {"windowingMode": "none"},  # else heights of what was not yet seen are guessed
}
FLAGS = [*JUPYTER.FLAGS, "--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb",
         "--hide-scrollbars"]  # fmt: skip
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{cache}</cachedir>
<alias binding="same"><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
<alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
<alias binding="same"><family>sans-serif</family><prefer><family>DejaVu Sans</family></prefer></alias>
<match target="font"><edit name="hinting" mode="assign"><bool>false</bool></edit></match>
</fontconfig>"""


@dataclass
class Studio:
    """What stands ready: a browser, the addresses of the pages, a JupyterLab, and what is open of them."""

    browser: Any
    addresses: dict[str, str]
    lab: Any
    desk: Any
    opened: dict[str, Any] = field(default_factory=dict)


@contextmanager
def studio(run: Path, folder: Path) -> Iterator[Studio]:
    """Set up a studio for a finished run, of which a copy is served and rendered."""
    with chromium(folder) as browser, lab(run, folder) as served:
        (manifest,) = (served.project / "runs").glob("*/run.json")
        yield Studio(browser, pages(manifest.parent, folder), served, browser.new_page())


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """Start Chromium with no fonts but those of this environment."""
    from playwright.sync_api import sync_playwright

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    (folder / "fonts.conf").write_text(FONTS.format(fonts=fonts, cache=folder / "fonts"), encoding="utf-8")
    given = dict(os.environ) | {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(JUPYTER.CHROMIUM), args=FLAGS, env=given)
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
    for name in SCENES.PHASES:
        shutil.copy(run / name.partition("_")[2] / "notebook.ipynb", project / "notebooks" / f"{name}.ipynb")
    environment = JUPYTER.LAB["environment"](home)
    signed = [str(project / "notebooks" / f"{name}.ipynb") for name in SCENES.PHASES]
    command = [sys.executable, "-m", "nbformat.sign", *signed]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    for name, values in SETTINGS.items():
        path = Path(environment["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    with JUPYTER.LAB["serve"](project, home) as served:
        yield served


def take(made: Studio, scene: Any, *, frozen: bool = True, again: bool = False) -> bytes:
    """Picture a scene; `again` opens its page anew."""
    if again or not frozen:
        made.opened.clear()
    if scene.page in made.addresses:
        return _page(made, scene, frozen=frozen)
    return _printed(made, scene, frozen=frozen) if scene.medium == "print" else _notebook(made, scene, frozen=frozen)


def _page(made: Studio, scene: Any, *, frozen: bool) -> bytes:
    """Picture a page that lies on disk."""
    page = made.opened.get(scene.page) or made.browser.new_context(reduced_motion="reduce").new_page()
    _turn(page, scene)
    if scene.page not in made.opened:
        page.goto(made.addresses[scene.page])
        made.opened[scene.page] = page
    frozen = frozen and scene.page not in {"site", "comparison"}  # their runs are made, and so are their dates
    return _settled(page, page.locator(f"#{scene.at}") if scene.at else None, frozen=frozen)


def _notebook(made: Studio, scene: Any, *, frozen: bool) -> bytes:
    """Picture a notebook in JupyterLab: the overview after *Run All Cells*, a phase as the run left it."""
    desk, panel = made.desk, made.desk.locator(JUPYTER.PANEL)
    if made.opened.get("desk") != scene.page:
        _open(made, scene)
        made.opened["desk"] = scene.page
    _turn(desk, scene)
    light = str(scene.scheme == "light").lower()
    desk.wait_for_function(f"document.body.dataset.jpThemeLight === '{light}'")
    if scene.page == SCENES.OVERVIEW:
        files, narrow = desk.locator(".jp-FileBrowser"), scene.width <= SCENES.PHONE["width"]
        if files.is_visible() == narrow:  # on a phone they would leave no room
            desk.locator("body").press("Control+b")
            files.wait_for(state="hidden" if narrow else "visible")
    desk.mouse.move(0, 0)
    return _settled(desk, _heading(panel, scene) or panel.locator(".jp-Cell").first, frozen=frozen)


def _open(made: Studio, scene: Any) -> None:
    """Open a notebook on a desk, where there is room for all that tells that it is ready."""
    desk = made.desk
    _turn(desk, SCENES.Scene("", scene.page, width=1280, height=1200))
    if scene.page == SCENES.OVERVIEW:
        JUPYTER.run_all(desk, made.lab, f"{scene.page}.ipynb")
        return
    desk.goto(f"{made.lab.address}/doc/tree/notebooks/{scene.page}.ipynb?reset&token={made.lab.token}")
    desk.locator(f"{JUPYTER.PANEL} .jp-InputArea-prompt", has_text="[1]").first.wait_for()
    desk.get_by_text("Python 3 (ipykernel) | Idle").wait_for()


def _printed(made: Studio, scene: Any, *, frozen: bool) -> bytes:
    """Picture what *File, Print* sends to the printer: the page that the server exports, not the application around it.

    In the application, its toolbars come and go over the text, and cells are drawn when they are scrolled to.
    """
    desk, within = made.desk, f"{made.lab.address}/"
    if scene.page == SCENES.OVERVIEW:
        _save(made, scene)
    made.opened["desk"] = ""
    _turn(desk, scene)
    desk.route("**", lambda route: route.continue_() if route.request.url.startswith(within) else route.abort())
    desk.goto(f"{within}nbconvert/html/notebooks/{scene.page}.ipynb?download=false&token={made.lab.token}")
    shot = _settled(desk, _heading(desk, scene), frozen=frozen)
    desk.unroute("**")
    return shot


def _heading(within: Any, scene: Any) -> Any:
    """Find the heading that a scene begins with; an exported one ends in the sign of its link."""
    name = re.compile(rf"^{re.escape(scene.at)}\W?$")
    return within.get_by_role("heading", name=name) if scene.at else None


def _save(made: Studio, scene: Any) -> None:
    """Run the overview and save it: what is printed of a notebook is its file."""
    if made.opened.get("desk") != scene.page:
        _open(made, scene)
    made.desk.locator("body").press("Control+s")
    made.desk.wait_for_function("!document.querySelector('.lm-TabBar-tab.jp-mod-dirty')")


def _turn(page: Any, scene: Any) -> None:
    page.set_default_timeout(PATIENCE)
    page.set_viewport_size({"width": scene.width, "height": scene.height})
    page.emulate_media(media=scene.medium, color_scheme=scene.scheme)


def _settled(page: Any, start: Any, *, frozen: bool) -> bytes:
    """Take the page from an element of it on, until two pictures in a row are alike."""
    page.evaluate("document.fonts.ready.then(() => true)")
    before, after = b"", b"-"
    for _ in range(40):
        if before == after:
            break
        if frozen:
            page.evaluate(FREEZE)
        if start is None:
            page.evaluate(TO_START)
        else:
            start.evaluate(TO_TOP)
        before, after = after, page.screenshot(animations="disabled", caret="hide")
    return after
