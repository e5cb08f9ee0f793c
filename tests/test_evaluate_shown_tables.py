"""What tables of slices and bias show first, what they merge into one cell, and that no method goes unnamed."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from mlopskit.evaluate import disparities_chart, groups_chart, show_confirmed, show_disparities, show_groups

NAN = float("nan")


def groups(count: int) -> pd.DataFrame:
    """All rows together and `count` groups, whose recall falls from one to the next, whose accuracy rises."""
    lines = [("overall", "overall", 0.5, 0.5)] + [
        ("town", f"t{place}", 0.9 - 0.01 * place, 0.1 + 0.01 * place) for place in range(count)
    ]
    return pd.DataFrame(
        {
            "slice": name, "group": group, "n": 100, "metric": metric, "value": value, "low": value - 0.05,
            "high": value + 0.05, "majority": 0.3, "denominator": 100, "method": "Wilson", "status": "estimated",
            "shrunken": value,
        }
        for name, group, recall, accuracy in lines for metric, value in (("recall", recall), ("accuracy", accuracy))
    )  # fmt: skip


def gap(group: str, metric: str, difference: float, p: float, **other: object) -> dict[str, object]:
    return {
        "slice": group, "metric": metric, "measure": "some parity", "groups": "2 of 2", "smallest": "a", "largest": "b",
        "difference": difference, "difference_low": difference - 0.1, "difference_high": difference + 0.1, "ratio": 0.5,
        "ratio_low": 0.4, "ratio_high": 0.6, "chance_mean": 0.02, "chance_high": 0.05, "p_value": p,
        "majority": 0.0, "method": "Newcombe", "status": "estimated", "meaning": "", **other,
    }  # fmt: skip


def what_was_tested(**columns: object) -> pd.DataFrame:
    made = {
        "slice": ["x = 1", "x = 2", "x = 3"], "origin": "searched", "error": 0.5, "n_test": 50, "error_test": 0.4,
        "error_rest": 0.2, "p_value": [0.2, 0.001, 0.01], "adjusted": [0.2, 0.003, 0.015], "majority": 0.3,
        "power": 0.9, "confirmed": [False, True, True], "status": "confirmed", "method": "Fisher, one-sided",
    }  # fmt: skip
    return pd.DataFrame(made | columns)


def visible(shown: object) -> list[list[str]]:
    page = re.sub(r"<tr hidden>.*?</tr>", "", shown._repr_html_())  # type: ignore[attr-defined]
    lines = re.findall(r"<tr>(.*?)</tr>", page.partition("<tbody>")[2])
    return [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in lines]


def test_all_rows_come_first_and_then_the_groups_that_the_first_metric_is_worst_for() -> None:
    rows = visible(show_groups(groups(30)))
    assert [line[1] for line in rows] == ["overall", *(f"t{place}" for place in range(29, 10, -1))]


def test_groups_beyond_twenty_lines_are_in_the_page_for_the_report() -> None:
    page = show_groups(groups(30))._repr_html_()
    assert page.count("<tr hidden>") == 11
    assert "and 11 more rows in the artefact groups" in page


def test_a_figure_and_its_interval_are_never_parted_within_the_interval() -> None:
    assert visible(show_groups(groups(1)))[1][3].split(" ") == ["0.900", "(0.850\xa0to\xa00.950)"]


def test_the_gap_that_chance_makes_least_often_comes_first_and_of_equals_the_largest() -> None:
    table = pd.DataFrame(
        [
            gap("town", "recall", 0.5, 0.9),
            gap("town", "accuracy", NAN, NAN, status="cannot-be-estimated", method="fewer than two groups"),
            gap("town", "precision", 0.1, 0.001),
            gap("age", "equalized_odds", 0.3, 0.001),
        ]
    )
    rows = visible(show_disparities(table))
    assert [line[0] for line in rows] == ["age: equalized odds", "town: precision", "town: recall", "town: accuracy"]
    assert rows[0][4].replace("\xa0", " ") == "0.300 (0.200 to 0.400)"
    assert [line[-1] for line in rows] == ["estimated"] * 3 + ["cannot be estimated: fewer than two groups"]


def test_every_method_behind_the_gaps_is_named_once_above_them() -> None:
    methods = ["Newcombe", "simultaneous over 3 groups, Beta draws", "simultaneous over 5 groups, Beta draws"]
    table = pd.DataFrame([gap("town", "recall", 0.2, 0.5, method=method) for method in methods])
    assert show_disparities(table).caption.endswith("Newcombe; simultaneous over the groups, Beta draws.")
    assert "method" not in show_disparities(table).frame


def test_columns_that_say_nothing_are_left_out() -> None:
    table = pd.DataFrame([gap("town", "mae", 0.2, 0.5, majority=NAN)])
    assert {"majority", "status"} & set(show_disparities(table).frame) == set()


def test_confirmed_slices_come_first_and_one_method_is_said_once() -> None:
    shown = show_confirmed(what_was_tested())
    assert [line[0] for line in visible(shown)] == ["x = 2", "x = 3", "x = 1"]
    assert "Every test: Fisher, one-sided." in shown.caption
    assert "method" not in shown.frame
    assert "method" in show_confirmed(what_was_tested(method=["Welch", "Fisher, one-sided", "Welch"])).frame


def names_in(chart: object) -> list[str]:
    """Groups named in a chart, from the top."""
    found = re.findall(r'y="([\d.]+)">(town: .*?) \(', chart.svg)  # type: ignore[attr-defined]
    return [name for _, name in sorted(found, key=lambda label: float(label[0]))]


def test_one_figure_has_every_group_and_the_worst_at_the_top() -> None:
    table = groups(45)
    chart = groups_chart(table, metric="recall")
    assert names_in(chart) == [f"town: t{place}" for place in range(44, -1, -1)]
    assert "more in the artefact groups" not in chart.svg
    assert "15 more in the artefact groups" in groups_chart(table, metric="recall", most=30).svg


def test_a_group_without_a_value_keeps_its_place_below_the_others() -> None:
    table = groups(3)
    none = (table["group"] == "t2") & (table["metric"] == "recall")
    table.loc[none, ["value", "low", "high"]] = NAN
    table.loc[none, "status"] = "cannot-be-estimated"
    assert names_in(groups_chart(table, metric="recall")) == ["town: t1", "town: t0", "town: t2"]
    assert "2 of 3 groups" in groups_chart(table, metric="recall").alt


def test_a_chart_of_gaps_says_how_many_rows_are_behind_them() -> None:
    chart = disparities_chart(pd.DataFrame([gap("town", "equalized_odds", 0.2, 0.5)]), n=1_234)
    words = re.findall(r"<text[^>]*>(.*?)</text>", chart.svg)
    assert "largest difference between groups, 95 % interval, n = 1,234 test rows" in words
    assert "town: equalized odds" in words
    assert np.array(["|" not in text for text in words]).all()
