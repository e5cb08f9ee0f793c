"""The end of a report and what it is set in: lineage as a drawing, formulas as MathML, faces within the page."""

from __future__ import annotations

import base64
import hashlib
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.runner.report import render
from mlopskit.runner.report.evidence import Artefact, Evidence, Phase
from mlopskit.runner.report.formulas import formula
from mlopskit.runner.report.lineage_drawing import Flow, flows, lineage
from mlopskit.runner.report.prose import markdown
from mlopskit.runner.report.provenance import trace
from mlopskit.runner.report.style import stylesheet

FAKE = runpy.run_path(str(Path(__file__).with_name("fake_run.py")))
FONTS = Path(__file__).parents[1] / "templates" / "fonts"
TITLES = {"scope": "Scope", "data": "Data <b>", "model": "Model"}


def phase(name: str, number: int, *reads: Artefact, status: str = "done") -> Phase:
    return Phase(name, number, status, 1.0, {}, reads, (), "", "", "", Path(name))


def three() -> list[Phase]:
    return [
        phase("scope", 1, Artefact("/home/me/secret/mlops.toml", op="source")),
        phase("data", 2, Artefact("scope/data.json", op="read"), Artefact("rows.csv", op="source")),
        phase(
            "model", 3, Artefact("data/train.parquet", op="read"), Artefact("data/target.json", op="read"),
            Artefact("scope/gone.json", op="absent"), Artefact("model/own.json", op="read"), status="failed",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "installed"),
    [
        ({"distributions": ["pandas"]}, 0),
        ({"distributions": 3}, 0),
        ({"distributions": {"pandas": "3"}, "direct": 3}, 1),
    ],
)
def test_an_environment_in_another_form_is_shown_as_far_as_it_goes(
    environment: dict[str, object], installed: int, tmp_path: Path
) -> None:
    assert trace(Evidence(tmp_path, {"run": "r", "environment": environment}, ())).installed == installed


def test_flows_leave_out_what_was_absent_and_what_a_phase_wrote_itself() -> None:
    assert flows(three()) == [
        Flow("mlops.toml", "scope", ("mlops.toml",)),
        Flow("scope", "data", ("scope/data",)),
        Flow("rows.csv", "data", ("rows.csv",)),
        Flow("data", "model", ("data/train", "data/target")),
    ]


def test_lineage_is_drawn_with_counts_marks_and_the_same_in_words() -> None:
    drawn = ET.fromstring(str(lineage(three(), TITLES)))
    assert drawn.get("role") == "img"
    assert drawn[0].text == "Scope read mlops.toml. Data <b> read 1 from Scope; rows.csv. Model read 2 from Data <b>."
    assert [item.findtext("text") for item in drawn.iter("g") if item.get("class") == "meet"] == ["1", "1", "1", "2"]
    assert [item.findtext("text") for item in drawn.iter("g") if item.get("class") == "step broken"] == ["Model"]
    assert "secret" not in ET.tostring(drawn, encoding="unicode")


def test_many_sources_share_a_box() -> None:
    many = [phase("data", 1, *(Artefact(f"{letter}.csv", op="source") for letter in "abcdef"))]
    drawn = ET.fromstring(str(lineage(many, {"data": "Data"})))
    assert [item.findtext("text") for item in drawn.iter("g") if item.get("class") == "step source"] == ["6 sources"]
    assert [item.findtext("text") for item in drawn.iter("g") if item.get("class") == "meet"] == ["6"]


def test_a_run_that_read_nothing_has_no_drawing() -> None:
    assert lineage([phase("scope", 1)], TITLES) == ""


def test_the_report_says_how_to_verify_the_run(tmp_path: Path) -> None:
    text = render(FAKE["fake_run"](tmp_path / "run one")).read_text(encoding="utf-8")
    assert "mlopskit verify &#39;run one&#39;" in text


def test_wilsons_interval_becomes_mathml() -> None:
    made = markdown(r"$$\frac{\hat p \pm z \sqrt{\frac{1}{n}}}{1 + \frac{z^2}{n}}$$")
    assert re.search(r'<math display="block">.*<mfrac>.*<mo>±</mo>.*<msqrt>.*</math>', made)
    assert 'role="group" aria-label="formula"' in made


@pytest.mark.parametrize(
    ("words", "formulas"),
    [
        ("a share $p$ of $n$ rows, $z = 1.96$.", 3),
        ("from $5 to $6 a row; US$7, 8$", 0),
        (r"\$x\$, `$x$` and $HOME/data", 0),
        ("$$\nx^2\n$$", 1),
        ("$ x $", 0),
    ],
)
def test_formulas_are_told_from_prices_and_code(words: str, formulas: int) -> None:
    assert markdown(words).count("<math") == formulas


@given(st.text(alphabet='\\{}<>&"$ab_^frctxeshl:', max_size=40))
def test_no_formula_becomes_anything_but_drawing(source: str) -> None:
    made = ET.fromstring(formula(source))
    drawing = re.compile(r"math|m[a-z]+|code")
    assert all(drawing.fullmatch(item.tag) for item in made.iter())
    assert not {"href", "style", "class"} & {name for item in made.iter() for name in item.attrib}


def test_a_link_or_colour_in_a_formula_is_dropped_and_its_letters_kept() -> None:
    made = formula(r"\href{javascript:alert(1)}{y} \color{red} \text{<script>}")
    assert "javascript" not in made
    assert "<mi>y</mi>" in made
    assert "&lt;script&gt;" in made


def test_the_faces_are_in_the_page_and_small() -> None:
    css = stylesheet("report/report.css")
    faces = [base64.b64decode(data) for data in re.findall(r"url\(data:font/woff2;base64,([^)]+)\)", css)]
    assert [face[:4] for face in faces] == [b"wOF2", b"wOF2"]
    assert {hashlib.sha256(face).digest() for face in faces} == {
        hashlib.sha256(path.read_bytes()).digest() for path in FONTS.glob("*.woff2")
    }
    assert max(map(len, faces)) < 40_000
    assert "url(" not in re.sub(r"url\(data:[^)]+\)", "", css)


def test_the_faces_come_with_their_licence_and_bear_no_reserved_name() -> None:
    assert "Reserved Font Name" in (FONTS / "OFL.txt").read_text(encoding="utf-8")
    assert not re.search(r'font-family: ?"Source', stylesheet("report/report.css"))
