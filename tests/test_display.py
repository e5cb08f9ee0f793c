"""Results show themselves alike everywhere, and nothing from data is shown as anything but text."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlopskit import display
from mlopskit.lettering import name_lines
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


def test_a_label_below_wide_tick_labels_takes_the_room_to_its_left_before_it_is_broken() -> None:
    made, axes = display.figure()
    axes.set_yticks([0, 1], ["a group with a name that is as long as they come"] * 2)
    title = "Dashed: the value of all rows together; hollow: too few"
    display.label_axes(axes, x="share of the rows that are called positive, 95 % interval", title=title)
    display.chart(made, alt="")
    for label in (axes.xaxis.label, axes._left_title):
        box = label.get_window_extent()
        assert "\n" not in label.get_text()
        assert (box.x0 >= -2, box.x1 <= made.bbox.width + 2) == (True, True)


def test_a_number_and_its_percent_sign_stay_on_one_line() -> None:
    made, axes = display.figure(width=2)
    display.label_axes(axes, x=" ".join(["5 %"] * 30))
    display.chart(made, alt="")
    lines = axes.xaxis.label.get_text().splitlines()
    assert len(lines) > 2
    assert not [line for line in lines if line.startswith("%") or line.endswith("5")]


@settings(max_examples=25)  # each draws a chart
@given(st.lists(st.floats(0, 1), min_size=2, max_size=4))
def test_names_of_lines_stand_beside_their_ends_and_do_not_meet(ends: list[float]) -> None:
    made, axes = display.figure()
    axes.set_ylim(0, 1)
    name_lines(axes, {f"line {place}": (1.0, end, "red") for place, end in enumerate(ends)})
    display.chart(made, alt="")
    names = sorted(axes.texts, key=lambda text: text.get_window_extent().y0)
    boxes = [text.get_window_extent() for text in names]
    assert all(low.y1 <= high.y0 + 1.5 for low, high in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= axes.bbox.x1


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


def test_rows_beyond_the_limit_wait_for_the_report_and_the_notebook_says_where_they_are() -> None:
    frame = pd.DataFrame({"n": range(25)})
    notebook = display.table(frame, held=60, where="in `n`")._repr_html_()
    report = display.without_page_styles(notebook)
    assert (notebook.count("<tr><td"), notebook.count("<tr hidden><td")) == (20, 5)
    assert "and 5 more rows in `n`" in notebook
    assert (report.count("<tr><td"), "hidden" in report, "more rows" in report) == (25, False, False)


def test_a_report_says_of_rows_that_it_does_not_hold_where_they_are() -> None:
    notebook = display.table(pd.DataFrame({"n": range(300)}), held=60)._repr_html_()
    report = display.without_page_styles(notebook)
    seen = re.sub(r"<(\w+)[^>]* hidden>.*?</\1>", "", notebook)
    assert re.findall(r"and (\d+) more", seen) == ["280"]
    assert (report.count("<tr><td"), re.findall(r"and (\d+) more", report)) == (60, ["240"])


def test_one_row_more_is_said_in_the_singular() -> None:
    assert "and 1 more row in" in display.table(pd.DataFrame({"n": range(21)}))._repr_html_()


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


def wide(columns: int, text: str) -> str:
    return display.table(pd.DataFrame([[text] * columns], columns=list(range(columns))))._repr_html_()


def test_a_table_that_fits_a_sheet_is_printed_as_it_is_and_a_wider_one_smaller() -> None:
    assert "<style>" not in wide(6, "10 letters")
    ems = [int(re.search(r"--em:(\d+)", wide(columns, "unbreakable"))[1]) for columns in (10, 20)]  # type: ignore[index]
    assert ems[1] == pytest.approx(2 * ems[0], abs=1)
    assert ems[0] == pytest.approx(10 * (11 * 0.62 + 1), abs=1)  # eleven letters of 0.62 em and a space on both sides
    assert wide(10, "unbreakable").startswith("<style>@media print{")


def test_only_where_a_line_breaks_can_a_column_be_narrower() -> None:
    assert "--em" not in wide(6, "paired bootstrap")
    assert "--em" in wide(6, "paired\u00a0bootstrap")
    assert "--em" not in wide(6, "人口普查收入調查資料說明")


def test_rows_that_a_notebook_does_not_show_make_its_table_no_wider() -> None:
    frame = pd.DataFrame({str(place): ["a", "unbreakable"] for place in range(10)})
    assert "--em" in display.table(frame, rows=2)._repr_html_()
    assert "--em" not in display.table(frame, rows=1, held=2)._repr_html_()


def test_a_column_of_sentences_has_room_for_some_words_a_line() -> None:
    frame = pd.DataFrame({"who": ["a"], "why": ["It holds in every group, and in all of them together."]})
    headings = re.findall(r"<th[^>]*style=\"([^\"]*)\"", display.table(frame)._repr_html_())
    assert ["min-width" in style for style in headings] == [False, True]


def test_the_report_has_its_own_rules_for_little_room() -> None:
    shown = wide(10, "It holds in every group, and in all of them together.")
    assert {"--em", "min-width", "<style>"} <= set(re.findall(r"--em|min-width|<style>", shown))
    assert "style" not in safe_html(shown)
    drawn = roc()
    assert display.without_page_styles(drawn._repr_html_()).count(drawn.svg) == 1


def test_a_drawing_in_a_notebook_is_not_shrunk_until_its_letters_cannot_be_read() -> None:
    shown = roc()._repr_html_()
    least, most = (float(re.search(rf"{side}-width:([\d.]+)px", shown)[1]) for side in ("min", "max"))  # type: ignore[index]
    assert least == pytest.approx(most * 2 / 3, abs=1)
    assert "overflow-x:auto" in shown


def test_colours_go_round() -> None:
    assert display.colour(len(display.PALETTE)) == display.colour(0)


def test_a_p_value_is_never_shown_as_0() -> None:
    frame = pd.DataFrame({"p_value": [0.00001, 0.04, float("nan")], "value": [0.00001, 0.04, 0.5]})
    shown = display.table(frame)._repr_html_()
    assert re.findall(r"<td[^>]*>([^<]*)</td>", shown) == ["&lt; 0.001", "0.000", "0.040", "0.040", "–", "0.500"]
