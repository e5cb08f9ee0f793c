"""Profiles, charts, card and summary say what the tables say, with intervals, and never markup from data."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from mlopskit.data.card import card_note, data_card, escape, open_questions_of
from mlopskit.data.checks import Finding, findings_table
from mlopskit.data.columns import ROW, TARGET, Columns, Target
from mlopskit.data.features import fit_preparation, make_preparation
from mlopskit.data.labels import LabelCheck, find_label_errors
from mlopskit.data.plots import balance_chart, group_chart, missingness_chart, target_over_time
from mlopskit.data.profile import column_profile, group_profile
from mlopskit.data.schema import infer_schema
from mlopskit.data.split import SPLITS, split_summary
from mlopskit.data.summary import quality_note, summarise_data
from mlopskit.display import Chart, Note
from mlopskit.scope import Data, Project

BINARY = Target("binary", "y", ("no", "yes"), "yes")
MANY = Target("multiclass", "y", ("a", "b", "c"))
AMOUNT = Target("regression", "y")


def table(n: int = 120, *, classes: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({ROW: range(n), TARGET: np.arange(n) % classes, "t": 2000 + np.arange(n) // 30})
    return frame.assign(x=rng.normal(size=n) + 3 * frame[TARGET], g=["u", "v", None] * (n // 3))


COLUMNS = Columns(("x",), numeric=("x",), sensitive=("g",), time="t")


def tables(classes: int = 2) -> dict[str, pd.DataFrame]:
    return {name: table(classes=classes) for name in SPLITS}


def test_a_profile_counts_what_is_there() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0, None, 4.0], "c": ["a", "b", "b", None], "y": ["no", "yes"] * 2})
    data = Data(source="a", task="binary", target="y", positive="yes")
    profile = column_profile(frame, infer_schema(frame, data)).set_index("feature")
    assert profile.loc["x", ["missing", "distinct", "median"]].tolist() == [1, 3, 2.0]
    assert profile.loc["c", ["top", "top_share"]].tolist() == ["b", pytest.approx(2 / 3)]


def test_group_rates_are_counted_with_wilsons_interval() -> None:
    groups = group_profile(table(), target=BINARY, columns=COLUMNS).set_index(["slice", "group"])
    assert groups.loc[("overall", "overall"), "value"] == 0.5
    assert groups.loc[("g", "missing"), "n"] == 40
    low, high = groups.loc[("g", "u"), ["low", "high"]]
    assert (low, high) == (
        pytest.approx(0.3520, abs=1e-4),
        pytest.approx(0.6480, abs=1e-4),
    )  # Wilson, 20 of 40, by hand


def test_every_class_and_a_mean_are_profiled_too() -> None:
    many = group_profile(table(classes=3), target=MANY, columns=COLUMNS)
    assert set(many["metric"]) == {"share of a", "share of b", "share of c"}
    mean = group_profile(table(), target=AMOUNT, columns=COLUMNS)
    assert mean.loc[0, ["metric", "value"]].tolist() == ["mean", 0.5]


@pytest.mark.parametrize(("target", "classes"), [(BINARY, 2), (MANY, 3), (AMOUNT, 2)])
def test_charts_hold_for_every_task(target: Target, classes: int) -> None:
    made = tables(classes)
    groups = group_profile(made["train"], target=target, columns=COLUMNS)
    shown = [
        balance_chart(made, target),
        target_over_time(made, target=target, time="t"),
        group_chart(groups, target=target),
        missingness_chart(made["train"].rename(columns={TARGET: "y"}), Columns(("x", "g")), target=target),
    ]
    assert all(isinstance(item, Chart | Note) and str(item) for item in shown)


def test_a_chart_over_time_tells_both_ends() -> None:
    made = tables()
    made["production"] = made["production"].assign(**{TARGET: 1, "t": 2010})
    chart = target_over_time(made, target=BINARY, time="t")
    assert "development 0.5 to 0.5; production 1 to 1" in str(chart)


def test_dates_and_dollar_signs_are_drawn() -> None:
    dates = pd.date_range("2020-01-01", periods=120)
    made = {name: rows.assign(**{"$a$ <b>": dates}) for name, rows in tables().items()}
    chart = target_over_time(made, target=BINARY, time="$a$ <b>")
    assert isinstance(chart, Chart)
    assert "<b>" not in chart.svg


def test_nothing_to_show_is_said() -> None:
    assert "not applicable" in str(target_over_time(tables(), target=BINARY, time=None))
    assert "No value is missing" in str(
        missingness_chart(pd.DataFrame({"y": [1], "x": [1]}), Columns(("x",)), target=BINARY)
    )


def test_planted_label_errors_are_found() -> None:
    train = table(300)
    train["x"] = 6.0 * train[TARGET] + np.random.default_rng(1).normal(size=300)
    wrong = list(range(5, 300, 25))
    train.loc[wrong, TARGET] = 1 - train.loc[wrong, TARGET]
    preparation = fit_preparation(make_preparation(Columns(("x",), numeric=("x",))), train)
    found = find_label_errors(train, preparation, target=BINARY)
    assert set(found.table[ROW]) <= set(wrong)
    assert len(found.table) >= 8  # of the 12 planted: those that the quick model is sure of
    assert found.table["probability_given"].is_monotonic_increasing


def test_labels_that_cannot_be_checked_are_not_called_right() -> None:
    train = table(60)
    preparation = make_preparation(Columns(("x",), numeric=("x",))).fit(train)
    assert find_label_errors(train, preparation, target=AMOUNT).outcome == "not applicable"
    train[TARGET] = [1] + [0] * 59
    rare = find_label_errors(train, preparation, target=BINARY)
    assert rare.outcome == "could not check"
    assert "could not check" in str(rare.sentence)


def card(**more: object) -> str:
    made = tables()
    data = Data(source="a.csv", task="binary", target="y", positive="yes", sensitive=["g"])
    quality = findings_table([Finding("DAT001", "<script>", "issue", "many are *missing*")])
    return data_card(
        project=Project.model_validate({"name": "demo"} | more),
        data=data,
        source={
            "source": "a.csv",
            "query": None,
            "sha256": "0f",
            "rows": 9,
            "columns": 3,
            "origin": None,
            "licence": None,
        },
        columns=COLUMNS,
        target=BINARY,
        split=split_summary(made, target=BINARY, time="t"),
        quality=quality,
        groups=group_profile(made["train"], target=BINARY, columns=COLUMNS),
    )


def test_the_card_shows_what_nobody_answered() -> None:
    questions = open_questions_of(card())
    assert "Which question were the data brought together to answer?" in questions
    assert "Under which licence may the data be used and passed on?" in questions
    answered = open_questions_of(card(question="Who buys?"))
    assert set(questions) - set(answered) == {"Which question were the data brought together to answer?"}
    assert questions[0] in str(card_note(card()))


def test_the_card_holds_no_markup_from_data() -> None:
    text = card(question="<img src=x onerror=alert(1)> [a](javascript:b)")
    assert not re.search(r"<(?!/?details)", text)
    assert "\\[a\\]" in text
    assert escape("a\n# b") == "a \\# b"


def test_the_summary_is_made_of_the_tables() -> None:
    made = tables()
    quality = findings_table(
        [Finding("DAT006", "x", "issue", "alone it scores 1.000"), Finding("DAT017", "s", "could not check", "")]
    )
    summary = summarise_data(
        target=BINARY,
        rows=1000,
        split=split_summary(made, target=BINARY, time="t"),
        quality=quality,
        groups=group_profile(made["train"], target=BINARY, columns=COLUMNS),
        labels=LabelCheck(pd.DataFrame(), 0, "not applicable", "a quantity"),
    )
    assert [fact["value"] for fact in summary["facts"]] == [1000, 360, 120, 0.5]
    assert any(item["tone"] == "bad" and "x: alone it scores" in item["text"] for item in summary["statements"])
    assert [step["phase"] for step in summary["next"]] == ["data", "scope"]
    assert "1 could not check" in str(quality_note(quality))
