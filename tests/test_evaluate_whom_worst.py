"""fairlearn's figures by hand, and the sentence on for whom the model works worst."""

from __future__ import annotations

import warnings

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.evaluate import (
    GroupedRows,
    disparities_by_column,
    fairlearn_measures,
    judge_by_group,
    metrics_by_slice,
    show_fairlearn,
    summarise_slices,
    worst_note,
)
from mlopskit.scope import Criterion
from mlopskit.tally import Grouping

# group → true positives, false negatives, false positives, true negatives
COUNTS = {"f": (20, 30, 10, 90), "m": (45, 5, 60, 40), None: (2, 0, 1, 1)}
NOTHING = pd.DataFrame(columns=["slice", "confirmed"])
TARGETS = {
    "binary": Target("binary", "y", ("no", "yes"), "yes"),
    "multiclass": Target("multiclass", "y", ("a", "b", "c")),
    "regression": Target("regression", "y"),
}


def rows_of(counts, target=TARGETS["binary"], criteria=()):
    kinds = [(1, 1), (1, 0), (0, 1), (0, 0)]
    lines = [(g, *kinds[k]) for g, sizes in counts.items() for k, n in enumerate(sizes) for _ in range(n)]
    table = pd.DataFrame(lines, columns=["sex <b>", TARGET, "prediction"])
    table["sex <b>"] = table["sex <b>"].astype("str")
    table.insert(0, ROW, np.arange(len(table)))
    table["score"] = table["prediction"] * 0.5 + 0.25
    found = table[[ROW, TARGET, "prediction", *(["score"] if target.task == "binary" else [])]]
    columns = Columns(("sex <b>",), (), ("sex <b>",), sensitive=("sex <b>",))
    rows = table[[ROW, "sex <b>", TARGET]]
    grouping = Grouping.fit(rows, ["sex <b>"])
    headline = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae"}[target.task]
    return GroupedRows(target, columns, grouping, rows, rows, found, found, tuple(criteria), headline)


def summary_of(data, tested=NOTHING):
    groups = metrics_by_slice(data, replicates=200)
    gaps = disparities_by_column(data, groups, replicates=200)
    verdicts = judge_by_group(data, replicates=200)
    note = worst_note(data, groups, gaps, tested, verdicts)
    return summarise_slices(data, groups, gaps, tested, verdicts), note, groups, gaps


def test_a_group_is_condemned_only_by_the_interval_that_looking_at_all_groups_widens():
    """Of 20 positive rows 8 are found: Wilson's 95 % interval ends at 0.613, that of 1 − 0.05 / 4 at 0.664."""
    counts = {"a": (8, 12, 10, 90), "b": (90, 10, 10, 90), "c": (90, 10, 10, 90), "d": (90, 10, 10, 90)}
    ends = [stats.binomtest(8, 20).proportion_ci(level, method="wilson").high for level in (0.95, 1 - 0.05 / 4)]
    assert ends == pytest.approx([0.613, 0.664], abs=0.002)
    statuses = {}
    for bound in (0.2, 0.63, 0.7):
        criterion = Criterion(metric="recall", at_least=bound, every_slice_of="sex <b>")
        verdict = judge_by_group(rows_of(counts, criteria=[criterion]), replicates=100).iloc[0]
        statuses[bound] = verdict["status"]
        assert (verdict["group"], verdict["value"]) == ("a", 0.4)
    assert statuses == {0.2: "met", 0.63: "undecided", 0.7: "not-met"}


def test_a_gap_criterion_is_met_only_if_every_group_can_be_estimated():
    criterion = Criterion.model_validate({"metric": "recall", "at_most": 0.5, "between": "sex <b>"})
    same = {"f": (90, 10, 10, 90), "m": (90, 10, 10, 90)}
    assert judge_by_group(rows_of(same, criteria=[criterion])).loc[0, "status"] == "met"
    tiny = judge_by_group(rows_of({**same, "x": (3, 0, 1, 1)}, criteria=[criterion])).iloc[0]
    assert (tiny["status"], "2 of 3 groups have enough rows" in tiny["reason"]) == ("undecided", True)
    apart = {"f": (95, 5, 10, 90), "m": (5, 95, 10, 90)}
    assert judge_by_group(rows_of(apart, criteria=[criterion])).loc[0, "status"] == "not-met"


def test_fairlearns_figures_are_those_of_its_own_functions():
    data = rows_of({"f": (7, 3, 0, 5), "m": (0, 0, 4, 9), "x": (2, 5, 1, 1)})
    _, _, _, gaps = summary_of(data)
    found = fairlearn_measures(data, gaps).set_index("measure")["value"]
    rows, groups = data.predictions, data.groups["sex <b>"].astype("str")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in found.items():
            function = getattr(fairlearn.metrics, str(name))
            assert value == pytest.approx(
                function(rows[TARGET], rows["prediction"], sensitive_features=groups), nan_ok=True
            )


def test_fairlearns_figures_are_those_worked_by_hand_and_take_the_missing_group_however_small():
    data = rows_of(COUNTS)
    _, _, _, gaps = summary_of(data)
    found = fairlearn_measures(data, gaps).set_index("measure")
    # selection: f 30/150, m 105/150, missing 3/4; recall: 20/50, 45/50, 2/2; false positive rate: 10/100, 60/100, 1/2
    expected = {
        "demographic_parity_difference": 3 / 4 - 30 / 150,
        "demographic_parity_ratio": (30 / 150) / (3 / 4),
        "equalized_odds_difference": 1 - 20 / 50,
        "equalized_odds_ratio": (10 / 100) / (60 / 100),
        "equal_opportunity_difference": 1 - 20 / 50,
        "equal_opportunity_ratio": 20 / 50,
    }
    assert found["value"].to_dict() == pytest.approx(expected)
    assert found.loc["demographic_parity_difference", "own"] == pytest.approx(105 / 150 - 30 / 150)
    assert found.loc["equal_opportunity_difference", "own"] == pytest.approx(45 / 50 - 20 / 50)
    assert set(found["groups"]) == {3}
    assert set(found["left_out"]) == {1}
    shown = show_fairlearn(found.reset_index(), data)
    assert "all 3 groups, 1 too small for ours included" in shown._repr_html_()
    assert "<b>" not in shown._repr_html_().replace("&lt;b&gt;", "")


def test_a_single_group_has_no_disparity_and_a_group_without_positive_rows_makes_no_noise():
    alone, lame = rows_of({"f": COUNTS["f"]}), rows_of({"f": COUNTS["f"], "m": (0, 0, 10, 30)})
    assert set(fairlearn_measures(alone, summary_of(alone)[3])["status"]) == {"not defined"}
    found = fairlearn_measures(lame, summary_of(lame)[3]).set_index("measure")["value"]
    assert found["equal_opportunity_difference"] == pytest.approx(20 / 50)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_fairlearns_figures_are_not_applicable_beyond_two_classes(task):
    data = rows_of(COUNTS, TARGETS[task])
    table = fairlearn_measures(data, summary_of(data)[3])
    assert table.empty
    assert "Not applicable" in show_fairlearn(table, data).text


def test_a_group_that_fails_a_criterion_is_named_with_the_same_figures_in_fact_and_sentence():
    asked = Criterion(metric="recall", at_least=0.6, every_slice_of="sex <b>")
    summary, note, groups, _ = summary_of(rows_of(COUNTS, criteria=[asked]))
    first, fact = summary["statements"][0], summary["facts"][0]
    row = groups[(groups["metric"] == "recall") & (groups["group"] == "f")].to_dict("records")[0]
    assert first["tone"] == "bad"
    assert first["text"] == (
        f"sex <b>: recall is 0.400 ({row['low']:.3f} to {row['high']:.3f}) for f and 0.900 for m; "
        "at least 0.600 is asked."
    )
    assert [fact[key] for key in ("label", "value", "low", "high", "baseline", "baseline_label")] == [
        "Recall for sex <b> = f", 0.4, row["low"], row["high"], 0.9, "m",
    ]  # fmt: skip
    assert note.text.startswith(first["text"])


def test_without_a_criterion_the_gap_beyond_chance_counts_and_accuracy_never_does():
    """Recall is 0.8, the false positive rate 0.2 and so accuracy 0.8 in both groups: only base rates differ."""
    same = rows_of({"f": (16, 4, 36, 144), "m": (144, 36, 4, 16)})
    assert summary_of(rows_of(COUNTS))[0]["statements"][0]["text"].startswith("sex <b>: ")
    rare = summary_of(same)[0]["statements"][0]
    assert rare["text"].startswith("sex <b>: selection rate is 0.260 for f and 0.740 for m, a gap of 0.480 (")
    skewed = {"f": (80, 20, 4, 196), "m": (80, 20, 4, 16)}
    text = " ".join(item["text"] for item in summary_of(rows_of(skewed))[0]["statements"])
    assert "accuracy" not in text


def test_equal_groups_have_no_fact_and_no_warning():
    summary, note, _, _ = summary_of(rows_of({"f": (40, 10, 20, 80), "m": (40, 10, 20, 80)}))
    assert summary["facts"] == []
    assert "none differs in recall or false positive rate or selection rate by more than chance" in note.text
    assert {item["tone"] for item in summary["statements"]} <= {"plain", "good"}


@pytest.mark.parametrize(("task", "said"), [("multiclass", "accuracy is"), ("regression", "mean absolute error is")])
def test_several_classes_are_compared_by_accuracy_and_numbers_by_their_error(task, said):
    data = rows_of({"f": (40, 10, 20, 80), "m": (20, 30, 50, 50)}, TARGETS[task])
    first = summary_of(data)[0]["statements"][0]
    assert f"sex <b>: {said}" in first["text"]
    assert " for m and " in first["text"]  # the worse one first


def test_failed_gaps_say_what_they_are_and_at_most_three_sentences_warn():
    criteria = [
        Criterion.model_validate(
            {"metric": "selection_rate", "at_most": 0.2, "between": "sex <b>", "as": "difference"}
        ),
        Criterion.model_validate({"metric": "recall", "at_least": 0.9, "between": "sex <b>", "as": "ratio"}),
        Criterion(metric="recall", at_least=0.6, every_slice_of="sex <b>"),
        Criterion(metric="precision", at_least=0.9, every_slice_of="sex <b>"),
    ]
    tested = pd.DataFrame({"slice": ["age = 1"], "confirmed": [True], "error_test": [0.5], "error_rest": [0.2],
                           "n_test": [68]})  # fmt: skip
    summary, note, _, _ = summary_of(rows_of(COUNTS, criteria=criteria), tested)
    assert sum(item["tone"] in ("bad", "warning") for item in summary["statements"]) <= 3
    assert "Worst confirmed slice: age = 1: 50% of its 68 test rows get a wrong answer, 20% elsewhere" in note.text
    assert "the difference of selection rate between groups, f to m, is 0.500 (" in note.text
    assert "the ratio of recall between groups, f to m, is 0.444 (" in note.text


def test_looking_at_many_groups_widens_a_drawn_interval_as_far_as_the_exact_one():
    """F1 = 2 b / (1 + b), and under Jeffreys' prior b = TP / (TP + errors) has a beta distribution: no draws needed."""
    groups, share = 20, stats.beta(30 + 0.5, 12 + 10 + 1)
    inside, end, outside = (2 * b / (1 + b) for b in share.ppf([0.998, 1 - 0.025 / groups, 0.9995]))
    assert inside < end < outside
    criteria = [Criterion(metric="f1", at_least=bound, every_slice_of="sex <b>") for bound in (inside, outside)]
    rows = rows_of({f"g{i:02}": (30, 12, 10, 48) for i in range(groups)}, criteria=criteria)
    assert list(judge_by_group(rows)["status"]) == ["undecided", "not-met"]
