"""The explorers of a report hold what the slices phase wrote, nothing that it withheld, and nothing that can act."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlopskit import explored
from mlopskit.evaluate.slices.found import tabular
from mlopskit.metrics import METRICS
from mlopskit.metrics.estimates import FEWEST
from mlopskit.runner.report import explorers as module
from mlopskit.runner.report import render
from mlopskit.runner.report.cells import blocks
from mlopskit.runner.report.evidence import Phase, load
from mlopskit.runner.report.explorers import Explorer, explorers
from mlopskit.runner.report.scripts import script
from mlopskit.runner.report.terms import VOCABULARY, Terms

FAKE = runpy.run_path(str(Path(__file__).parent / "fake_run.py"))
SLICES = runpy.run_path(str(Path(__file__).parent / "fake_slices.py"))


@pytest.fixture(scope="module")
def laid_down(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = FAKE["fake_run"](tmp_path_factory.mktemp("runs") / "run")
    SLICES["lay_down"](folder)
    return folder


@pytest.fixture
def run(tmp_path: Path, laid_down: Path) -> Path:
    return Path(shutil.copytree(laid_down, tmp_path / "run"))


def found(run: Path) -> dict[str, Explorer]:
    evidence = load(run)
    return {item.kind: item for phase in evidence.phases for item in explorers(evidence, phase, blocks(phase))}


def data_of(run: Path, kind: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(found(run)[kind].data)
    return data


def change(run: Path, name: str, **values: Any) -> None:
    path = run / "slices_and_bias" / f"{name}.parquet"
    pd.read_parquet(path).assign(**values).to_parquet(path)


def test_every_slice_is_there_worst_first_with_its_counts(run: Path) -> None:
    data, table = data_of(run, "slices"), pd.read_parquet(run / "slices_and_bias" / "confirmed.parquet")
    table = table.sort_values("score", ascending=False, kind="stable")
    assert data["names"] == table["slice"].tolist()
    test, validation = data["measures"][:2]
    assert [k / n for k, n in zip(test["k"], test["n"], strict=True)] == pytest.approx(table["error_test"].tolist())
    assert (validation["n"], validation["total"]) == (table["n"].tolist(), SLICES["TOTAL"])
    assert data["columns"] == ["age", "code", "town", "work & pay"]


def test_what_guessing_errs_in_a_slice_is_told_beside_what_the_model_errs(run: Path) -> None:
    assert not any("guess" in measure for measure in data_of(run, "slices")["measures"][:2])
    size = len(pd.read_parquet(run / "slices_and_bias" / "confirmed.parquet"))
    change(run, "confirmed", majority=[number / 200 for number in range(size)])
    change(run, "slices", majority=0.25)
    change(run, "groups", majority=0.75)
    data, tested = data_of(run, "slices"), pd.read_parquet(run / "slices_and_bias" / "confirmed.parquet")
    test, validation, *more = data["measures"]
    assert dict(zip(data["names"], test["guess"], strict=True)) == pytest.approx(
        dict(zip(tested["slice"], tested["majority"], strict=True))
    )
    searched = [place for place in range(len(data["names"])) if place not in data["declared"]]
    assert {validation["guess"][place] for place in searched} == {0.25}
    assert {value for measure in more for value in measure["guess"] if value is not None} == {0.75}
    assert data["guess"] == "majority guess"
    change(run, "confirmed", measure="mean squared error")
    assert data_of(run, "slices")["guess"] == "mean guess"


@pytest.mark.parametrize("guess", [0.0, 1.0])
def test_the_guess_by_threshold_is_one_for_every_group_or_not_told(run: Path, guess: float) -> None:
    assert data_of(run, "thresholds")["guess"] is None
    table = pd.read_parquet(run / "slices_and_bias" / "threshold_rates.parquet")
    change(run, "threshold_rates", majority=guess)
    assert data_of(run, "thresholds")["guess"] == guess
    change(run, "threshold_rates", majority=[0.0, 1.0] * (len(table) // 2) + [0.0] * (len(table) % 2))
    assert data_of(run, "thresholds")["guess"] is None


def renamed(run: Path, **names: str) -> None:
    """Give the first slice found, and the first declared group, the names that are given."""
    for name in ("slices", "confirmed"):
        path = run / "slices_and_bias" / f"{name}.parquet"
        table = pd.read_parquet(path)
        old = {"searched": SLICES["_names"](1)[0], "declared": "town = north"}
        table["slice"] = table["slice"].replace({old[kind]: made for kind, made in names.items()})
        table.to_parquet(path)


PARTS = ["age = 18–22", "taste = rock and roll and x = y", "code = 0"]


def test_a_value_that_holds_the_joining_word_stays_whole_where_the_search_told_its_conditions(run: Path) -> None:
    renamed(run, searched=" and ".join(PARTS), declared="town = north and east = west")
    told = [json.dumps(PARTS), *["[]"] * 59]
    change(run, "slices", conditions=told)
    data = data_of(run, "slices")
    places = [data["names"].index(name) for name in (" and ".join(PARTS), "town = north and east = west")]
    assert data["apart"] == {str(places[0]): PARTS, str(places[1]): ["town = north and east = west"]}
    assert data["columns"] == ["age", "code", "taste", "town", "work & pay"]


@pytest.mark.parametrize("told", [None, 3, "torn", '{"age": 1}', '["age = 99"]'])
def test_without_their_conditions_what_names_no_column_belongs_to_the_value_before_it(run: Path, told: Any) -> None:
    renamed(run, searched="taste = rock and roll and code = 0")
    change(run, "slices", conditions=told)
    data = data_of(run, "slices")
    place = data["names"].index("taste = rock and roll and code = 0")
    assert data["apart"] == {str(place): ["taste = rock and roll", "code = 0"]}


def test_the_search_tells_conditions_apart_that_words_run_together() -> None:
    found = pd.DataFrame({
        "slice": ["taste = rock and roll and x = 1", "x = 1"], "n": [3, 4],
        "columns": [{"taste": "rock and roll", "x": 1}, {"x": 1}],
    })  # fmt: skip
    kept = tabular(found)
    assert [json.loads(text) for text in kept["conditions"]] == [["taste = rock and roll", "x = 1"], ["x = 1"]]
    assert kept.columns.tolist() == ["slice", "n", "conditions"]
    assert tabular(found.head(0))["conditions"].tolist() == []


def test_the_majority_guess_stands_beside_each_criterion_that_has_one(tmp_path: Path) -> None:
    guesses = [0.5, -0.113, 0.0, None]
    judged = [{**row, "majority": guess} for row, guess in zip(FAKE["CRITERIA"], guesses, strict=True)]
    text = render(FAKE["fake_run"](tmp_path / "run", criteria=judged)).read_text(encoding="utf-8")
    (table,) = re.findall(r'<table class="criteria".*?</table>', text, re.DOTALL)
    head = re.findall(r"<th scope=\"col\"[^>]*>(.*?)</th>", table)
    place = head.index("majority guess") - 1  # the criterion itself is a heading
    rows = [re.findall(r"<td.*?</td>", row, re.DOTALL) for row in table.split("<tr>")[2:]]
    shown = [re.sub(r"<[^>]+>", "", cells[place]).strip() for cells in rows]
    assert [len(cells) for cells in rows] == [len(head) - 1] * 4
    assert shown == ["0.500", "-0.113", "0.000", "–"]
    without = render(FAKE["fake_run"](tmp_path / "older")).read_text(encoding="utf-8")
    assert "majority guess" not in re.findall(r'<table class="criteria".*?</table>', without, re.DOTALL)[0]


def test_metrics_of_declared_groups_stand_at_their_slices(run: Path) -> None:
    data = data_of(run, "slices")
    assert {data["names"][place] for place in data["groups"]["at"]} == {f"town = {town}" for town in SLICES["TOWNS"]}
    recall = next(measure for measure in data["measures"] if measure["name"] == "recall")
    assert (recall["all"], recall["down"]) == (0.6, 0)
    assert recall["low"].count(None) == 1


def test_chances_are_given_finely_enough_to_be_rounded_once(run: Path) -> None:
    change(run, "confirmed", adjusted=0.0334792, power=0.844996)
    data = data_of(run, "slices")
    assert {f"{value:.3f}" for value in data["p"]} == {"0.033"}  # and not 0.0335, which is shown as 0.034
    assert {f"{value:.2f}" for value in data["power"]} == {"0.84"}


def test_a_mean_loss_is_given_as_it_is_and_not_as_a_count(run: Path) -> None:
    change(run, "confirmed", measure="mean log loss")
    first = data_of(run, "slices")["measures"][0]
    assert "k" not in first
    assert first["v"][0] == pytest.approx(
        pd.read_parquet(run / "slices_and_bias/confirmed.parquet")["error_test"][0], rel=1e-4
    )


def test_counts_by_threshold_are_those_behind_the_rates(run: Path) -> None:
    (data,) = data_of(run, "thresholds")["columns"]
    table = pd.read_parquet(run / "slices_and_bias" / "threshold_rates.parquet")
    recall = table[(table["metric"] == "recall") & (table["group"] == "overall")]
    assert data["positives"][0] == 308
    assert [k / 308 for k in data["hits"][0]] == pytest.approx(recall["value"].tolist())
    assert data["steps"][data["own"]] == SLICES["OWN"]


def by_another_column(run: Path, *, floor: Any) -> None:
    """Add the rates of a second column, whose groups are the first's under other names, and say what the floor is."""
    path = run / "slices_and_bias" / "threshold_rates.parquet"
    table = pd.read_parquet(path)
    second = table.assign(slice="work & pay", group=table["group"].replace({"north": "full"}))
    pd.concat([table, second], ignore_index=True).to_parquet(path)
    (run / "scope").mkdir(exist_ok=True)
    (run / "scope" / "data.json").write_text(json.dumps({"privacy_floor": floor}), encoding="utf-8")


@pytest.mark.parametrize("floor", [0, 1])
def test_thresholds_are_offered_by_every_column_of_the_table(run: Path, floor: int) -> None:
    (alone,) = data_of(run, "thresholds")["columns"]
    by_another_column(run, floor=floor)
    first, second = data_of(run, "thresholds")["columns"]
    assert first == alone
    assert (second["name"], second["groups"]) == ("work & pay", ["overall", "full", SLICES["HOSTILE"]])
    assert {key: second[key] for key in ("steps", "own", "hits", "alarms", "positives", "negatives")} == {
        key: first[key] for key in ("steps", "own", "hits", "alarms", "positives", "negatives")
    }
    assert "to the groups of town and work & pay;" in found(run)["thresholds"].lead


@pytest.mark.parametrize("floor", [2, 10, None, "none", float("nan")])
def test_one_column_alone_is_offered_unless_there_is_known_to_be_no_floor(run: Path, floor: Any) -> None:
    by_another_column(run, floor=floor)
    (column,) = data_of(run, "thresholds")["columns"]
    assert column["name"] == "town"
    assert "work" not in found(run)["thresholds"].data


def test_a_column_that_lacks_a_rate_is_left_out_and_the_others_stay(run: Path) -> None:
    by_another_column(run, floor=0)
    path = run / "slices_and_bias" / "threshold_rates.parquet"
    table = pd.read_parquet(path)
    of_town = table.index[(table["slice"] == "town") & (table["metric"] == "recall")]
    table.drop(index=of_town[5]).to_parquet(path)
    assert [column["name"] for column in data_of(run, "thresholds")["columns"]] == ["work & pay"]


def test_what_the_privacy_floor_withholds_is_not_in_the_page(run: Path) -> None:
    hidden = "hidden: a count behind it is below the privacy floor of 10"
    table = pd.read_parquet(run / "slices_and_bias" / "confirmed.parquet").astype({"n": "Int64", "n_test": "Int64"})
    small = table["n_test"] < 10
    table.loc[small, ["n", "n_test", "error", "error_test", "error_rest", "p_value", "adjusted", "power", "score"]] = (
        None
    )
    table.loc[small, "status"] = hidden
    table.to_parquet(run / "slices_and_bias" / "confirmed.parquet")
    groups = pd.read_parquet(run / "slices_and_bias" / "groups.parquet").astype({"n": "Int64", "denominator": "Int64"})
    own = groups["n"] < 10
    groups.loc[own, ["n", "denominator", "value", "low", "high"]] = None
    groups.loc[own, "status"] = "hidden"
    groups.to_parquet(run / "slices_and_bias" / "groups.parquet")
    data = data_of(run, "slices")
    place = data["names"].index("town = south")
    assert data["statuses"][data["status"][place]] == hidden
    assert [data["score"][place], data["p"][place], *(m[key][place] for m in data["measures"][:2] for key in "nk")] == [
        None
    ] * 6
    spot = data["groups"]["at"].index(place)
    assert [data["groups"]["n"][spot], *(m["v"][spot] for m in data["measures"][2:])] == [None] * 3
    assert "withholds 1 group, and" in found(run)["thresholds"].lead
    assert "south" not in found(run)["thresholds"].data


def test_names_cannot_leave_their_script_element(run: Path) -> None:
    text = render(run).read_text(encoding="utf-8")
    held = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert len(held) == 2
    assert SLICES["HOSTILE"] not in "".join(held)
    assert f"town = {SLICES['HOSTILE']}" in json.loads(held[1])["names"]
    assert text.count("<script>") == 1


def test_explorers_follow_the_cell_that_wrote_their_table(run: Path) -> None:
    path = run / "slices_and_bias" / "notebook.ipynb"
    path.write_text(path.read_text().replace("metrics", "confirmed"))
    made = found(run)
    assert made["slices"].after.startswith("phase-slices_and_bias-")
    assert made["thresholds"].after == ""


@pytest.mark.parametrize("name", ["confirmed", "threshold_rates"])
@pytest.mark.parametrize("how", ["torn", "other columns", "no rows"])
def test_a_damaged_table_makes_no_explorer_and_keeps_no_report_from_being_made(run: Path, name: str, how: str) -> None:
    path = run / "slices_and_bias" / f"{name}.parquet"
    if how == "torn":
        path.write_bytes(path.read_bytes()[:50])
    else:
        table = pd.read_parquet(path)
        (table.head(0) if how == "no rows" else table[["slice"]]).to_parquet(path)
    assert len(found(run)) == 1
    assert "May this model be used?" in render(run).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["confirmed", "slices", "groups", "threshold_rates"])
def test_no_column_that_is_lost_or_empty_keeps_a_report_from_being_made(run: Path, name: str) -> None:
    path = run / "slices_and_bias" / f"{name}.parquet"
    table = pd.read_parquet(path)
    for column in table.columns:
        for changed in (
            table.drop(columns=column),
            table.assign(**{column: None}),
            table.assign(**{column: float("nan")}),
        ):
            changed.to_parquet(path)
            for item in found(run).values():
                json.loads(item.data)


def test_a_page_without_explorers_carries_no_script_for_them(tmp_path: Path) -> None:
    text = render(FAKE["fake_run"](tmp_path / "run")).read_text(encoding="utf-8")
    assert "explore-slices" not in text
    assert "explore-slices" in script("slices")


def test_a_thousand_slices_weigh_less_than_a_tenth_of_a_megabyte(run: Path) -> None:
    SLICES["lay_down"](run, slices=1000)
    assert len(found(run)["slices"].data.encode()) < 130_000


def test_words_and_bounds_are_those_of_the_phases() -> None:
    assert module.FEWEST == FEWEST
    assert {name for name, metric in METRICS.items() if metric.greater_is_better is False} == explored.LOWER_IS_BETTER
    assert set(explored.RATES) <= set(METRICS)


def cells(*sources: str) -> Phase:
    made = [{"cell_type": "code", "id": f"c{i}", "source": text, "outputs": []} for i, text in enumerate(sources)]
    return Phase("model", 1, "done", 1.0, {}, (), (), "", "", "", Path(), {}, tuple(made))


def test_a_cell_names_what_it_shows_even_when_an_earlier_one_wrote_it() -> None:
    made = blocks(
        cells('a = run.write("scores", f())', 'b = run.read("data/test")\nshow(a)', 'run.write("x", g(a, b))')
    )
    assert [(block.writes, block.reads) for block in made] == [
        (("model/scores",), ()),
        ((), ("data/test", "model/scores")),
        (("model/x",), ("model/scores", "data/test")),
    ]


def test_terms_are_marked_once_a_sentence_escaped_and_explained() -> None:
    terms = Terms(VOCABULARY)
    made = terms.told("Recall <b> and recall: 2 acceptance criteria, `run recall`.")
    assert made.count('class="term"') == 2
    assert "&lt;b&gt;" in made
    assert "<code>run recall</code>" in made
    assert [term for _, term, _ in terms.close()] == ["acceptance criterion", "Recall"]
    assert terms.told("Recall <") == "Recall &lt;"


def test_every_metric_that_the_first_screen_names_is_explained_there(run: Path) -> None:
    text = render(run).read_text(encoding="utf-8")
    first = text[text.index('<section id="outcome"') : text.index('<section id="criteria"')]
    opened = set(re.findall(r'popovertarget="([^"]+)"', first))
    assert opened == set(re.findall(r'popover class="meaning" id="([^"]+)"', first))
    assert {"term-recall", "term-acceptance-criterion", "term-interval", "term-n", "term-drift"} <= opened
    assert first.count('<div class="fact">') == first.count("What is this?</summary>")
