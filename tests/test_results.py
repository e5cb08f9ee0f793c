"""Tables of results: DataFrames in every respect, shown escaped and short, with their worst rows on request."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlopskit import artefacts, confirm_slices, disparities, find_slices, group_metrics
from mlopskit.errors import DataError
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED, measure
from mlopskit.results import Results

RNG = np.random.default_rng(0)
ROWS = pd.DataFrame({"sex": RNG.choice(list("fm"), 400), "town": RNG.choice(["a", "<b>"], 400)})
WRONG = ((ROWS["sex"] == "f") & (ROWS["town"] == "<b>") & (RNG.random(400) < 0.7)) | (RNG.random(400) < 0.1)
TRUTH, GUESS = [0, 1] * 20, [0, 1] * 10 + [0] * 20
SEX = pd.DataFrame({"sex": ["f"] * 20 + ["m"] * 20})


def test_public_results_are_data_frames_that_show_themselves() -> None:
    groups = group_metrics(TRUTH, GUESS, SEX, metrics=["recall", "accuracy"])
    found = find_slices(ROWS, WRONG, min_support=10)
    results = [
        groups, disparities(groups), found, confirm_slices(found, ROWS, WRONG), measure(TRUTH, GUESS, task="binary"),
    ]  # fmt: skip
    for result in results:
        assert isinstance(result, Results)
        assert isinstance(result, pd.DataFrame)
        assert 'class="mlopskit-table"' in result._repr_html_()


def test_filters_sorts_and_copies_stay_results_and_sums_stay_series() -> None:
    table = Results({"score": [0.1, 0.7], "n": [3, 4]})
    kept = [table[table["n"] > 3], table.sort_values("n"), table.copy(), table.head(1), table[["score"]],
            table.assign(m=1), pd.concat([table, table]), table.merge(table, on="n")]  # fmt: skip
    assert {type(each) for each in kept} == {Results}
    assert type(table["score"]) is pd.Series
    assert type(table.sum()) is pd.Series


def test_a_pickle_keeps_the_type_and_a_parquet_file_the_values(tmp_path: Path) -> None:
    table = group_metrics(TRUTH, GUESS, SEX, metrics=["recall"])
    again = pickle.loads(pickle.dumps(table))
    assert type(again) is Results
    pd.testing.assert_frame_equal(again, table)
    path = artefacts.write(table, tmp_path / "groups.parquet")
    read = artefacts.read(tmp_path / "groups.parquet")
    assert path is not False
    assert type(read) is pd.DataFrame
    pd.testing.assert_frame_equal(Results(read), Results(pd.DataFrame(table)), check_dtype=False)
    assert Results(read).worst(1)["group"].tolist() == ["m"]


@pytest.mark.parametrize(
    ("table", "options", "expected"),
    [
        ({"score": [0.1, np.nan, 0.7]}, {}, [2, 0]),
        ({"metric": ["recall"] * 3, "group": list("abc"), "value": [0.5, 0.2, np.nan]}, {}, [1, 0]),
        (
            {
                "metric": ["f1"] * 3,
                "group": ["overall", "a", "b"],
                "value": [0.1, 0.2, 0.3],
                "status": [ESTIMATED, NOT_ESTIMATED, ESTIMATED],
            },
            {},
            [2],
        ),
        ({"metric": ["mae"] * 2, "group": list("ab"), "value": [0.5, 0.7]}, {}, [1, 0]),
        ({"metric": ["recall", "mae"], "group": list("aa"), "value": [0.5, 0.7]}, {"metric": "mae"}, [1]),
        ({"statistic": ["psi", "ks", "psi"], "value": [0.1, 0.9, 0.3]}, {}, [2, 0]),
        ({"outcome": ["passed", "issue", "not applicable", "could not check"]}, {}, [1, 3, 2, 0]),
        ({"baseline": ["a", "b"], "metric": ["f1", "f1"], "gain": [0.2, -0.1]}, {}, [1, 0]),
        ({"metric": ["f1", "recall"], "difference": [0.1, 0.3]}, {}, [1, 0]),
    ],
)
def test_what_is_worst_follows_from_the_columns(
    table: dict[str, list[object]], options: dict[str, str], expected: list[int]
) -> None:
    assert Results(table).worst(9, **options).index.tolist() == expected


def test_a_table_without_an_order_and_an_unknown_metric_are_refused() -> None:
    with pytest.raises(DataError, match=r"sort it by a column of yours.*: a"):
        Results({"a": [1]}).worst()
    with pytest.raises(DataError, match=r"no metric 'recal' here \(did you mean recall\?\)"):
        Results({"metric": ["recall"], "group": ["a"], "value": [1.0]}).worst(metric="recal")
    with pytest.raises(DataError, match="no metrics to choose"):
        Results({"score": [1.0]}).worst(metric="recall")


def test_it_is_shown_short_escaped_and_says_how_many_are_left() -> None:
    table = Results({"slice": ["<script>alert(1)</script>"] * 25, "value": [0.123456] * 25})
    shown = table._repr_html_()
    assert shown.count("<tr>") == 21
    assert "<script>" not in shown
    assert "0.123<" in shown
    assert "and 5 more rows not shown" in shown
    assert "in the artefact" in Results({"group": ["in the artefact"]})._repr_html_(), "data are shown as they are"
    assert repr(table).splitlines()[-1] == "… and 5 more rows"
    assert "0.123456" not in repr(table)


def test_an_index_that_says_something_is_shown_and_levels_of_columns_are_left_to_pandas() -> None:
    table = Results({"group": list("aab"), "value": [1.0, 2.0, 3.0]})
    assert "group" in table.groupby("group").mean()._repr_html_()
    assert "count" in repr(table.describe())
    wide = table.pivot_table(index="group", columns="group", values=["value"])
    assert wide.columns.nlevels == 2
    assert "<table" in wide._repr_html_()
    assert "value" in repr(wide)
    assert "no rows" in table.head(0)._repr_html_()


def test_a_slice_gives_its_rows() -> None:
    found = find_slices(ROWS, WRONG, min_support=10)
    worst = found.worst(1)
    assert worst["slice"].tolist() == [{"sex": "f", "town": "<b>"}]
    inside = worst.rows_of(1, ROWS)
    assert set(inside["sex"]) == {"f"}
    assert len(inside) == worst["n"].iloc[0]
    assert "sex = f and town = &lt;b&gt;" in found._repr_html_()
    with pytest.raises(DataError, match="There is no slice 0"):
        found.rows_of(0, ROWS)
    with pytest.raises(DataError, match="must be the same rows"):
        found.rows_of(1, ROWS, features=ROWS.head(3))
    with pytest.raises(DataError, match="in words only"):
        found.assign(slice="sex = f").rows_of(1, ROWS)
