"""Running from the overview in a real JupyterLab: press the button, watch phases end, restart the kernel meanwhile."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

HERE = Path(__file__)
JUPYTER = SimpleNamespace(**runpy.run_path(str(HERE.with_name("test_jupyterlab.py"))))
TINY = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "tiny.py")))
RUNNING = SimpleNamespace(**runpy.run_path(str(HERE.parents[1] / "test_explore_running.py")))
NOTEBOOK = "0_overview.ipynb"
GATE = "import time\nfrom pathlib import Path\nwhile not Path('{}').exists():\n    time.sleep(0.1)"

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("overview")]  # one server for all


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A project of two phases, of which the second waits for a file, and the overview as it is delivered."""
    if not JUPYTER.CHROMIUM.exists():
        JUPYTER.MISSING("Chromium")
    home = tmp_path_factory.mktemp("lab")
    project, gate = home / "tiny", home / "gate"
    RUNNING.lay(project, one=RUNNING.WORK, two=GATE.format(gate))
    shutil.copy(HERE.parents[2] / "notebooks" / NOTEBOOK, project / "notebooks" / NOTEBOOK)
    with JUPYTER.LAB["serve"](project, home) as served:
        try:
            yield SimpleNamespace(project=project, address=served.address, token=served.token, gate=gate)
        finally:
            gate.touch()


@pytest.fixture(scope="module")
def page(lab: Any) -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(JUPYTER.CHROMIUM), args=JUPYTER.FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 5000})
        page.set_default_timeout(JUPYTER.PATIENCE)
        yield page
        browser.close()


def state(panel: Any, phase: str, status: str) -> Any:
    row = panel.locator("tr").filter(has=panel.page.locator("td", has_text=re.compile(f"^{phase}$")))
    return row.locator(f"[data-state='{status}']").first


def restart_and_run_all(page: Any) -> None:
    old = f"document.querySelectorAll('{JUPYTER.PANEL} .jp-OutputArea-child')"
    assert page.evaluate(f"{old}.forEach((output) => {{ output.dataset.old = ''; }}) || {old}.length") > 0
    page.locator(".lm-MenuBar-itemLabel", has_text="Kernel").click()
    page.locator(".lm-Menu-itemLabel").get_by_text("Restart Kernel and Run All Cells", exact=False).click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.wait_for_function("!document.querySelector('[data-old]')")  # and not what may be over before one looks
    page.wait_for_function(JUPYTER.ALL_RUN)
    page.wait_for_function(JUPYTER.IDLE)


def test_a_run_is_started_followed_found_again_by_a_restarted_kernel_and_told_to_its_end(page: Any, lab: Any) -> None:
    panel = JUPYTER.run_all(page, lab, NOTEBOOK)
    assert panel.locator(JUPYTER.FAULTS).count() == 0
    assert not list((lab.project / "runs").glob("*/run.json"))
    panel.get_by_label("n", exact=True).fill("4")
    panel.get_by_label("n", exact=True).press("Tab")
    panel.get_by_text("-p one.n=4").wait_for()
    panel.get_by_role("button", name="New run with these parameters").press("Enter")
    state(panel, "two", "running").wait_for()
    state(panel, "one", "done").wait_for()
    panel.get_by_text("cell 3 of 4, Work").first.wait_for()
    restart_and_run_all(page)
    state(panel, "two", "running").wait_for()
    panel.get_by_text(re.compile("1 of 2 phases ended; now two")).first.wait_for()
    lab.gate.touch()
    state(panel, "two", "done").wait_for()
    link = panel.get_by_role("link", name=re.compile("Open the report of"))
    link.wait_for()
    (manifest,) = (lab.project / "runs").glob("*/run.json")
    assert json.loads(manifest.read_text())["parameters"]["one"]["n"] == 4
    assert f"runs/{manifest.parent.name}/report.html" in link.get_attribute("href")


def test_a_run_is_stopped_with_the_keyboard(page: Any, lab: Any) -> None:
    lab.gate.unlink(missing_ok=True)
    panel = JUPYTER.run_all(page, lab, NOTEBOOK)
    panel.get_by_label("Fresh: execute also what did not change").press("Space")
    panel.get_by_text("mlopskit run --fresh").first.wait_for()
    panel.get_by_role("button", name="Run", exact=True).press("Enter")
    state(panel, "two", "running").wait_for()
    panel.get_by_role("button", name="Stop").press("Enter")
    panel.get_by_text("was stopped before its end").first.wait_for()
