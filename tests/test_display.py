"""Results show themselves alike everywhere, and nothing from data is shown as anything but text."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit import display
from mlopskit.runner.report.safe import safe_html


def roc(label: str = "model") -> display.Chart:
    made, axes = display.figure()
    axes.plot([0, 0.2, 1], [0, 0.7, 1], color=display.colour(0))
    axes.text(0.4, 0.4, label)
    display.label_axes(axes, x="false positive rate (n = 300)", y="true positive rate", title="ROC")
    return display.chart(made, alt=f"ROC curve of {label}")


def cells(shown: display.Table) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", shown._repr_html_())


def test_same_figure_gives_the_same_bytes() -> None:
    assert roc().svg == roc().svg


def test_chart_is_well_formed_with_text_as_text_and_a_description() -> None:
    root = ET.fromstring(roc("<b> & co").svg)
    words = ["".join(item.itertext()) for item in root.iter() if item.tag.endswith("}text")]
    assert root.attrib["role"] == "img"
    assert root[0].text == "ROC curve of <b> & co"
    assert {"<b> & co", "false positive rate (n = 300)", "ROC"} <= set(words)


def test_chart_follows_the_ink_of_the_page_and_names_no_font_of_its_own() -> None:
    svg = roc().svg
    assert "currentColor" in svg
    assert "#000000" not in svg
    assert "DejaVu" not in svg


def test_a_legend_has_no_box_that_would_stay_white_on_a_dark_page() -> None:
    made, axes = display.figure()
    axes.plot([0, 1], [0, 1], label="one")
    axes.legend()
    assert "#ffffff" not in display.chart(made, alt="").svg


def test_two_charts_share_no_id() -> None:
    first, second = (set(re.findall(r' id="([^"]+)"', roc(label).svg)) for label in ("a", "b"))
    assert first
    assert not first & second


def test_every_reference_in_a_chart_is_answered() -> None:
    svg = roc().svg
    ids = set(re.findall(r' id="([^"]+)"', svg))
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg)) <= ids


def test_chart_comes_back_from_its_file() -> None:
    chart = roc("<b>")
    assert display.Chart.from_svg(chart.svg) == chart


def test_labels_keep_all_their_digits_while_coordinates_are_trimmed() -> None:
    made, axes = display.figure()
    axes.text(0.5, 0.5, "0.84217")
    svg = display.chart(made, alt="1.23456").svg
    assert ">0.84217<" in svg
    assert "<title>1.23456</title>" in svg
    assert not re.search(r' [xy]="\d+\.\d{3}', svg)


def test_a_label_that_would_leave_the_figure_is_broken_into_lines() -> None:
    made, axes = display.figure(width=4)
    words = "value with its interval, on all of the test rows; the mark is what a guess would score there"
    display.label_axes(axes, x=words, y="rate", title="A title that is far too long for such a small figure, is it not")
    display.chart(made, alt="")
    for label in (axes.xaxis.label, axes._left_title):
        box = label.get_window_extent()
        assert "\n" in label.get_text()
        assert box.x0 >= -2
        assert box.x1 <= made.bbox.width + 2


def test_a_small_chart_weighs_little() -> None:
    assert len(roc().svg) < 12_000


@given(st.text(max_size=30), st.text(max_size=30))
def test_table_escapes_headings_and_values(heading: str, value: str) -> None:
    shown = display.table(pd.DataFrame({heading: [value]}), caption=value)._repr_html_()
    bare = re.sub(r"</?(table|caption|thead|tbody|tr|th|td|p)( [^<>]*)?>", "", shown)
    assert "<" not in bare
    assert ">" not in bare


def test_table_says_how_many_rows_it_leaves_out() -> None:
    frame = pd.DataFrame({"n": range(25)})
    assert "and 5 more rows" in display.table(frame)._repr_html_()
    assert len(cells(display.table(frame))) == 20


def test_an_empty_table_says_so() -> None:
    assert "no rows" in display.table(pd.DataFrame({"n": []}))._repr_html_()


def test_whole_numbers_have_no_decimals_and_years_no_commas() -> None:
    frame = pd.DataFrame({"year": [1974, 1994], "age": [58.0, np.nan], "share": [0.5, 1.0], "n": [12, 10_849]})
    assert cells(display.table(frame)) == ["1974", "58", "0.500", "12", "1994", "–", "1.000", "10,849"]


def test_numbers_are_set_right_and_words_left() -> None:
    shown = display.table(pd.DataFrame({"n": [1], "who": ["a"]}))._repr_html_()
    assert re.findall(r'<th scope="col" style="text-align:(\w+)', shown) == ["right", "left"]


def test_columns_of_one_name_are_shown_each() -> None:
    frame = pd.DataFrame([[1, "x"]], columns=["a", "a"])
    assert cells(display.table(frame)) == ["1", "x"]


def test_a_column_without_heading_has_no_empty_header() -> None:
    shown = display.table(pd.DataFrame({"key": ["a"], "answer": ["b"]}), headings={"key": ""})._repr_html_()
    assert "<thead><tr><td></td><th" in shown


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "–"), (float("inf"), "∞"), (float("-inf"), "−∞"), (np.float64("nan"), "–"), (pd.NaT, "–"), (pd.NA, "–"),
        (np.True_, "yes"), (False, "no"), (12345.6, "12,346"), (-0.5, "-0.500"), (np.int64(9_999), "9,999"), ("a", "a"),
    ],
)  # fmt: skip
def test_values_are_written_for_a_reader(value: object, written: str) -> None:
    assert display.format_value(value) == written


def test_note_marks_its_tone_once_in_words_and_escapes() -> None:
    shown = display.note("3 < 4", "", "second", tone="bad")._repr_html_()
    bare = display.without_page_styles(shown)
    assert bare == '<div class="mlopskit-note mlopskit-bad"><p>✗ 3 &lt; 4</p><p>second</p></div>'


@pytest.mark.parametrize("tone", ["plain", "good", "warning", "bad"])
def test_tone_is_seen_in_a_notebook_and_left_to_the_style_sheet_in_the_report(tone: str) -> None:
    shown = display.note("a", "b", tone=tone)._repr_html_()
    assert re.search(r"border-left:4px solid var\(--jp-[\w-]+,#[0-9a-f]{6}\)", shown)
    assert "style" not in safe_html(shown)


def test_every_tone_has_a_colour_of_its_own() -> None:
    tones = [display.note("a", tone=tone)._repr_html_() for tone in ("plain", "good", "warning", "bad")]
    assert len({re.search(r"--jp-[\w-]+", shown)[0] for shown in tones}) == 4  # type: ignore[index]


def test_caption_stands_over_the_left_edge_and_is_left_to_the_style_sheet_in_the_report() -> None:
    shown = display.table(pd.DataFrame({"n": ["a"]}), caption="rows")._repr_html_()
    assert '<caption style="text-align:left' in shown
    assert "<caption>rows</caption>" in safe_html(shown)


def test_colours_go_round() -> None:
    assert display.colour(len(display.PALETTE)) == display.colour(0)


def test_a_p_value_is_never_shown_as_0() -> None:
    frame = pd.DataFrame({"p_value": [0.00001, 0.04, float("nan")], "value": [0.00001, 0.04, 0.5]})
    shown = display.table(frame)._repr_html_()
    assert re.findall(r"<td[^>]*>([^<]*)</td>", shown) == ["&lt; 0.001", "0.000", "0.040", "0.040", "–", "0.500"]
