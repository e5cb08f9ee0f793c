"""The figures of a site: each is kept once, with nothing active in it, and goes with the last run that has it."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from mlopskit.display import PALETTE, chart, figure
from mlopskit.runner.site import build
from mlopskit.runner.site.drawings import passive
from mlopskit.runner.site.state import FILE

made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "site_runs.py")))
OLD, NEW = "20260101T000000Z-000001", "20260301T120000Z-000002"
SHARED = made.drawing("The same <i>words</i>.")
ACTIVE = (
    '<script>document.title = "owned"</script>',
    '<path onload="x()" d="M0 0"/>',
    '<a href="javascript:x()"><text>go</text></a>',
    '<a xlink:href="javas&#99;ript:x()" xmlns:xlink="http://www.w3.org/1999/xlink"><text>go</text></a>',
    '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x"/></body></foreignObject>',
    '<image href="http://elsewhere.example/x.png"/>',
    '<set attributeName="href" to="javascript:x()"/>',
    '<x:script xmlns:x="http://www.w3.org/2000/svg">x()</x:script>',
    "<style>@import 'http://elsewhere.example/x.css';</style>",
    '<path style="fill: url(http://elsewhere.example/x)" d="M0 0"/>',
    '<path style="fill: u&#114;l(http://elsewhere.example/x)" d="M0 0"/>',
    r'<path style="fill: u\72l(http://elsewhere.example/x)" d="M0 0"/>',
    '<path ONLOAD\n = "x()" d="M0 0"/>',
)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    for name, words in ((OLD, "First."), (NEW, "Second.")):
        made.make_run(folder, name, report=False, figures={"same": SHARED, "curve": made.drawing(words)})
    return folder


def figures(site: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (site / "figures").glob("*")}


def named(site: Path, run: str) -> dict[str, list[str]]:
    text = (site / "runs" / run / "run.js").read_text(encoding="ascii")
    return dict(json.loads(json.loads(text[len("mlopskitRun(") : -len(");\n")]))["figures"])


def test_figures_are_kept_once_as_they_were_drawn_and_each_run_names_its_own(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    kept = figures(site)
    assert len(kept) == 3
    for run in (OLD, NEW):
        said = named(site, run)
        assert {name: kept[file] for name, (file, _) in said.items()} == {
            name: (runs / run / name).read_text(encoding="utf-8")
            for name in ("evaluate/same.svg", "evaluate/curve.svg")
        }
        assert said["evaluate/same.svg"][1] == "The same <i>words</i>."
    assert named(site, OLD)["evaluate/same.svg"] == named(site, NEW)["evaluate/same.svg"]


@pytest.mark.parametrize("inside", ACTIVE)
def test_a_kept_figure_runs_nothing_and_fetches_nothing(runs: Path, tmp_path: Path, inside: str) -> None:
    made.make_run(runs, "active", report=False, figures={"curve": made.drawing("Drawn.", inside=inside)})
    site = build(runs, tmp_path / "site").index.parent
    ((file, words),) = named(site, "active").values()
    text = figures(site)[file]
    drawn = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert drawn <= {"svg", "title", "path", "text", "image"}
    assert words == "Drawn."
    assert 'fill="#0072b2"' in text.lower()
    assert not re.search(r"script|onload|elsewhere|href", text, re.IGNORECASE)


def test_words_that_look_active_are_drawn_as_words() -> None:
    text = passive(made.drawing("x", inside="<text>&lt;script onload=&quot;x&quot;&gt;</text>").encode())
    (said,) = (element for element in ElementTree.fromstring(text) if element.tag.endswith("text"))
    assert said.text == '<script onload="x">'


def test_every_colour_of_the_house_stays_a_colour_in_an_image() -> None:
    active = "".join(f'<path fill="{colour}" onload="x()" d="M0 0"/>' for colour in PALETTE)
    assert re.findall(r'fill="(#\w+)" d="M0 0"', passive(made.drawing("x", inside=active).encode()).decode()) == list(
        PALETTE
    )


WIDE = '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>x()</script></svg>'


@pytest.mark.parametrize(
    "content",
    [
        b"<svg><!DOCTYPE svg [<!ENTITY a 'b'>]></svg>", b"<svg><script>", b"script", b"words",
        WIDE.encode("utf-16"), WIDE.encode("utf-16-le"), WIDE.encode("utf-16-be"),
    ],
)  # fmt: skip
def test_what_is_no_drawing_is_left_out(content: bytes) -> None:
    assert passive(content) == b""


def test_nothing_is_kept_of_a_document_type() -> None:
    assert passive(b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>") == b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def test_a_figure_of_a_notebook_is_kept_byte_for_byte() -> None:
    drawn, axes = figure()
    axes.plot([0, 1], [1, 0], label="it's on = <a> & é")
    axes.legend()
    content = chart(drawn, alt="It's on = <a>.").svg.encode()
    assert passive(content) is content


def test_a_damaged_and_a_lost_figure_have_no_place(runs: Path, tmp_path: Path) -> None:
    (runs / OLD / "evaluate" / "curve.svg").write_text("<svg/>", encoding="utf-8")
    (runs / NEW / "evaluate" / "same.svg").unlink()
    site = build(runs, tmp_path / "site").index.parent
    assert list(named(site, OLD)) == ["evaluate/same.svg"]
    assert list(named(site, NEW)) == ["evaluate/curve.svg"]


def test_a_figure_that_was_lost_or_cut_is_made_again(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    before = figures(site)
    own = named(site, OLD)["evaluate/curve.svg"][0]
    for spoil in (Path.unlink, lambda path: path.write_text("<svg", encoding="utf-8")):
        spoil(site / "figures" / own)
        assert build(runs, site).built == (OLD,)
        assert figures(site) == before
    assert build(runs, site).built == ()


def test_a_figure_goes_with_the_last_run_that_has_it(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    own, shared = (named(site, OLD)[f"evaluate/{name}.svg"][0] for name in ("curve", "same"))
    shutil.rmtree(runs / OLD)
    build(runs, site)
    assert {own, shared} <= set(figures(site))  # the page of the run stays, and can be compared
    build(runs, site, prune=True)
    assert own not in figures(site)
    assert shared in figures(site)


def rewritten(site: Path, change: Any) -> None:
    said = json.loads((site / FILE).read_text(encoding="utf-8"))
    change(said["runs"][OLD])
    (site / FILE).write_text(json.dumps(said), encoding="utf-8")


def test_nothing_but_a_figure_is_ever_removed_with_one(runs: Path, tmp_path: Path) -> None:
    site = build(runs, tmp_path / "site").index.parent
    rewritten(site, lambda run: run["figures"].update({"../index.html": 1}))
    shutil.rmtree(runs / OLD)
    assert build(runs, site, prune=True).index.is_file()


def test_a_site_from_before_there_were_figures_keeps_the_pages_of_runs_that_are_no_more(
    runs: Path, tmp_path: Path
) -> None:
    site = build(runs, tmp_path / "site").index.parent
    rewritten(site, lambda run: run.pop("figures"))
    shutil.rmtree(runs / OLD)
    assert build(runs, site).gone == (OLD,)
