"""Every page and notebook looks as when it was last looked at: pictured again, and held against the references."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image, ImageDraw

pytest.importorskip("playwright.sync_api")

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
REFERENCES = SCREENSHOTS / "references"
PIXELS = SimpleNamespace(**runpy.run_path(str(SCREENSHOTS / "pixels.py")))
STUDIO = SimpleNamespace(**runpy.run_path(str(SCREENSHOTS / "studio.py")))
SCENES = STUDIO.SCENES
BEYOND = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
    .filter((output) => output.scrollWidth > output.clientWidth + 1).map((output) => output.innerText.slice(0, 60))"""

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("income")]  # where the income example is run anyway


@pytest.fixture(scope="module")
def studio(example: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What pictures are taken with, and the folder where new ones are left."""
    if not STUDIO.JUPYTER.CHROMIUM.exists():
        STUDIO.JUPYTER.MISSING("Chromium")
    folder, new = tmp_path_factory.mktemp("studio"), tmp_path_factory.mktemp("screenshots")
    with STUDIO.studio(example("income")[1], folder) as made:
        yield SimpleNamespace(take=partial(STUDIO.take, made), desk=made.desk, new=new)


def told(scene: Any, shot: bytes, new: Path) -> str:
    """Say what is to be looked at; nothing where the picture is as it was."""
    path, reference = new / f"{scene.name}.png", REFERENCES / f"{scene.name}.png"
    PIXELS.save(shot, path)
    if not reference.exists():
        return f"{scene.name} has no reference yet. Look at {path}; if it is right, run `make screenshots`."
    found = PIXELS.difference(reference, path)
    return found and f"{scene.name}: {found}. Look at {path}; if it is right, run `make screenshots`."


@pytest.mark.parametrize("scene", SCENES.SCENES, ids=lambda scene: scene.name)
def test_a_page_or_notebook_looks_as_it_did(studio: Any, scene: Any) -> None:
    said = told(scene, studio.take(scene), studio.new)
    if said:  # JupyterLab lays out as it pleases: what it shows when it is opened again is what counts
        said = told(scene, studio.take(scene, again=True), studio.new)
    assert not said, said


@pytest.mark.parametrize("name", ["2_data", "5_slices_and_bias", "6_deploy"])  # those with the widest tables
def test_no_table_and_no_figure_of_an_exported_notebook_is_cut_off_on_paper(studio: Any, name: str) -> None:
    studio.take(SCENES.Scene("", name, **SCENES.SHEET))
    assert studio.desk.locator(".mlopskit-table").count() > 5
    assert studio.desk.evaluate(BEYOND) == []


def test_every_notebook_is_seen_light_dark_on_a_phone_and_in_print() -> None:
    names = {path.stem for path in (SCREENSHOTS.parents[1] / "notebooks").glob("*.ipynb")}
    ways = ("", "-dark", "-phone", "-print")
    assert names
    assert {scene.name for scene in SCENES.NOTEBOOKS} == {f"notebook-{name}{way}" for name in names for way in ways}


def test_references_are_those_of_the_scenes_and_small() -> None:
    sizes = {path.stem: path.stat().st_size for path in REFERENCES.glob("*.png")}
    assert sizes.keys() == {scene.name for scene in SCENES.SCENES}
    assert sum(sizes.values()) < 3_000_000
    assert all(path.stat().st_size <= 250_000 for path in (SCREENSHOTS.parents[1] / "docs").glob("*.png"))


def test_a_lost_line_of_text_is_seen_and_a_shade_is_not(tmp_path: Path) -> None:
    before = Image.new("RGB", (600, 400), "#fbfaf7")
    ImageDraw.Draw(before).rectangle((20, 20, 400, 32), fill="#1b1e23")
    shade, lost = before.point(lambda value: min(value + 6, 255)), Image.new("RGB", (600, 400), "#fbfaf7")
    paths = [tmp_path / name for name in ("before.png", "shade.png", "lost.png", "wide.png")]
    for picture, path in zip((before, shade, lost, before.resize((700, 400))), paths, strict=True):
        picture.save(path)
    assert PIXELS.difference(paths[0], paths[0]) == ""
    assert PIXELS.difference(paths[0], paths[1]) == ""
    assert "of its pixels differ" in PIXELS.difference(paths[0], paths[2])
    assert "y 1" in PIXELS.difference(paths[0], paths[2])
    assert PIXELS.difference(paths[0], paths[3]) == "it is 700 by 400 pixels, the reference 600 by 400"
