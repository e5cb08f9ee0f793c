"""One row by hand: answers as the model gives them, refusals as a server does, and nobody's row in a picture."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline

from mlopskit import explore, load_run
from mlopskit.data import ROW, TARGET, Columns, Target, make_preparation
from mlopskit.deploy import InputSchema
from mlopskit.deploy.schema import Field
from mlopskit.errors import DataError
from mlopskit.explore.row_model import RowModel, _rounded
from mlopskit.explore.row_sources import PRODUCTION, TEST, RowSource, row_sources
from mlopskit.explore.row_values import number_of, plain, written
from mlopskit.explore.row_widget import RowExplorer

EXPLORED = runpy.run_path(str(Path(__file__).with_name("explored.py")))
HOSTILE = EXPLORED["HOSTILE"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = tmp_path_factory.mktemp("rows")
    EXPLORED["make"](project)
    return load_run(project=project)


@pytest.fixture(scope="module")
def asked(run: Any) -> RowModel:
    return RowModel.read(run)


@pytest.fixture
def shown(run: Any) -> RowExplorer:
    return explore.what_if(run)


def model_of(task: str, estimator: Any) -> RowModel:
    """A model on one number and one flag, fitted on a line that is easily worked out."""
    columns = Columns(features=("x", "on"), numeric=("x",), categorical=("on",))
    train = pd.DataFrame({ROW: range(60), "x": np.arange(60.0), "on": ["yes", "no"] * 30})
    classes = {"multiclass": ("a", "b", "c"), "regression": ()}[task]
    truth = np.arange(60) // 20 if task == "multiclass" else 2.0 * np.arange(60)
    preparation = make_preparation(columns, min_share=0).fit(train)
    fitted = estimator.fit(preparation.transform(train), truth)
    fields = (
        Field("x", "numeric", "float64", True, low=0, high=59),
        Field("on", "categorical", "str", True, nullable=False, categories=("no", "yes")),
    )
    target = Target(task, "y", classes, unit="kg" if task == "regression" else None)
    model = Pipeline([("prepare", preparation), ("estimate", fitted)])
    return RowModel(model, target, columns, InputSchema(fields), None, train)


def test_the_answer_is_that_of_the_model(run: Any, asked: RowModel) -> None:
    test = run["data"].test.head(5)
    rows = [{"age": plain(age), "town": town} for age, town in zip(test["age"], test["town"], strict=True)]
    scores = run.read("model/model").predict_proba(test)[:, 1]
    answers = asked.ask(rows)
    assert [each.measure for each in answers] == pytest.approx(scores.tolist())
    assert [each.distance for each in answers] == pytest.approx((scores - 0.4).tolist())
    assert [each.prediction for each in answers] == ["yes" if score >= 0.4 else "no" for score in scores]


def test_the_typical_row_is_the_middle_of_the_training_rows(run: Any, asked: RowModel) -> None:
    train = run["data"].train
    assert asked.typical["age"] in {int(np.floor(train["age"].median())), int(np.ceil(train["age"].median()))}
    assert asked.typical["town"] == train["town"].value_counts().idxmax()


def test_reach_holds_what_asking_value_by_value_gives(asked: RowModel) -> None:
    row = {"age": 50, "town": "south"}
    reach = asked.reach(row).set_index("feature")
    by_hand = {town: asked.ask([{**row, "town": town}])[0].measure for town in ("Ada & co", HOSTILE, "south")}
    assert reach.loc["town", "lowest"] == pytest.approx(min(by_hand.values()))
    assert reach.loc["town", "highest"] == pytest.approx(max(by_hand.values()))
    turning = float(reach.loc["age", "turns_at"])
    now, then = asked.ask([row, {**row, "age": turning}])
    assert now.prediction != then.prediction == reach.loc["age", "then"]
    nearer = [each for each in asked.tried["age"] if abs(each - 50) < abs(turning - 50)]
    assert {each.prediction for each in asked.ask([{**row, "age": age} for age in nearer])} == {now.prediction}


def test_of_several_classes_the_next_is_told_and_of_a_quantity_its_unit() -> None:
    classes = model_of("multiclass", LogisticRegression(max_iter=500))
    answer = classes.ask([{"x": 19.0, "on": "yes"}])[0]
    assert {answer.prediction, answer.next} == {"a", "b"}
    assert 0 < answer.distance < 0.5
    assert classes.reach({"x": 5.0, "on": "no"}).loc[0, ["feature", "then"]].tolist() == ["x", "b"]
    line = model_of("regression", LinearRegression())
    explorer = RowExplorer(line)
    explorer.change({"x": 30.0})
    assert "Predicted y: 60.000 kg." in explorer.words()
    reach = explorer.reach.set_index("feature")
    assert reach.loc["x", ["lowest", "highest"]].tolist() == pytest.approx([0, 118], abs=1e-6)
    assert reach.loc["x", "turns_at"] == ""


def test_where_no_one_threshold_decides_no_distance_is_told(asked: RowModel) -> None:
    explorer = RowExplorer(replace(asked, threshold=None))
    assert "; no one threshold decides." in explorer.words()
    assert np.isnan(explorer.answer.distance)
    assert "threshold 0" not in explorer._figures.value


def test_contributions_add_up_from_the_average_row_to_this_one(asked: RowModel) -> None:
    row = {"age": 70, "town": "south"}
    table, words = asked.contributions(row)
    score = asked.ask([row])[0].measure
    base = float(words.split("an average row has ")[1].split(",")[0])
    assert base + table["contribution"].sum() == pytest.approx(np.log(score / (1 - score)), abs=1e-3)
    assert set(table["feature"]) == {"age", "town"}


def test_what_a_server_refuses_is_refused_and_nothing_is_changed(shown: RowExplorer) -> None:
    before = shown.row
    with pytest.raises(DataError, match="age needs a number, got text"):
        shown.change({"age": "old", "town": "south"})
    with pytest.raises(DataError, match=r"'agee' is no input of this model \(did you mean age\?\)"):
        shown.change({"agee": 3})
    shown._inputs["age"].value = "old"
    assert "age needs a number" in shown._notes.value
    assert shown._inputs["age"].value == "old"
    assert shown.row == before


def test_values_unlike_the_training_rows_are_said_to_be(shown: RowExplorer) -> None:
    assert shown.warnings == []
    shown._inputs["age"].value = "120"
    assert shown.row["age"] == 120
    assert "age = 120: outside the training range 18 to 79" in shown._notes.value
    shown.change({"town": "<b>nowhere</b>"})
    assert "&lt;b&gt;nowhere&lt;/b&gt;: a category that training never saw" in shown._notes.value
    assert shown._inputs["town"].value == "<b>nowhere</b>"
    shown.reset()
    assert shown._notes.value == ""


def test_a_turned_decision_is_told_with_what_changed(shown: RowExplorer) -> None:
    shown.change({"age": 79})
    before = shown.answer
    shown.change({"age": 18})
    assert shown.answer.prediction != before.prediction
    assert "Before age changed it was yes" in shown._words.value
    assert "the decision is turned" in shown._words.value


def test_rows_are_counted_in_the_order_chosen(run: Any, shown: RowExplorer) -> None:
    shown.source = TEST
    predictions, test = run["evaluate"].predictions, run["data"].test
    assert shown.row == {"age": int(test["age"].iloc[0]), "town": test["town"].iloc[0]}
    shown.order = "wrong"
    wrong = predictions[predictions["prediction"] != predictions[TARGET]]
    worst = (wrong["score"] - 0.4).abs().idxmax()
    assert shown.row == {"age": int(test.loc[worst, "age"]), "town": test.loc[worst, "town"]}
    shown.place = len(wrong) + 1
    assert "There is no row" in shown._notes.value


def test_of_production_rows_only_what_was_logged_is_known(run: Any, asked: RowModel, shown: RowExplorer) -> None:
    assert run.scope.deployment.logging == ["age"]
    logged = row_sources(run, asked)[PRODUCTION]
    assert list(logged.inputs.columns) == ["age"]
    shown.source = PRODUCTION
    assert shown.row["town"] == asked.typical["town"]
    assert "Not logged, so a typical value stands in: town" in shown._notes.value
    assert list(shown._order.options) == [("as in the table", "table"), ("nearest to another answer first", "near")]


def test_no_row_of_anyone_is_shown_with_a_privacy_floor_or_in_batch(
    run: Any, asked: RowModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setenv("MLOPSKIT_RUN", str(run.folder))
        assert row_sources(run, asked) == {}
    EXPLORED["make"](tmp_path, toml=EXPLORED["TOML"].replace("[data]", "[data]\nprivacy_floor = 10"))
    private = explore.what_if(load_run(project=tmp_path))
    with pytest.raises(DataError, match="There are no 'test rows' to look at; there are a typical row"):
        private.source = TEST
    assert "Prediction:" in private.words()
    assert all(value == float(f"{value:.2g}") for value in private.asked.tried["age"])
    assert [field.high for field in private.asked.fields if field.name == "age"] == [79]
    rare = replace(private.asked, floor=10**6)
    assert rare.tried == {"age": [], "town": []}
    assert rare.typical == {"age": None, "town": None}
    shown = RowExplorer(rare)
    assert shown._inputs["town"].placeholder == "missing"  # nothing to choose from: a field to type in
    assert "or the project&#x27;s privacy floor withholds theirs" in shown._figures.value


def test_a_picture_holds_no_one_and_nothing_in_it_is_code(shown: RowExplorer) -> None:
    shown.change({"town": HOSTILE})
    made_up = shown._repr_mimebundle_()
    assert "&lt;img" in made_up["text/html"]
    assert "<img" not in made_up["text/html"]
    shown.source = TEST
    shown._inputs["age"].value = "31"
    bundle = shown._repr_mimebundle_()
    assert "A row of test rows is shown by a running notebook only" in bundle["text/html"]
    assert "31" not in bundle["text/plain"]
    assert "<table" not in bundle["text/html"]


def test_shap_is_asked_for_and_goes_when_the_row_changes(shown: RowExplorer) -> None:
    shown._explain.click()
    assert "an average row has" in shown._shap.value
    shown.change({"age": 30})
    assert shown._shap.value == ""


def test_with_a_privacy_floor_ends_of_ranges_are_rounded_and_rare_categories_not_offered(asked: RowModel) -> None:
    train = asked.train.assign(age=asked.train["age"] + 1000, when=pd.Timestamp("2020-05-17 13:00"))
    train.loc[train.index[0], ["age", "town"]] = 4321, "one house"
    schema = InputSchema(
        (
            Field("age", "numeric", "int64", True, low=1018, high=4321),
            Field("town", "categorical", "str", True, categories=("Ada & co", HOSTILE, "one house", "south")),
            Field("when", "datetime", "datetime64[ns]", True),
        )
    )
    private = replace(asked, train=train, floor=10, schema=_rounded(schema))
    assert private.schema.warnings({"age": 9000})[0] == ("age", "outside the training range 1000 to 4300")
    assert private.offered(private.fields[1]).categories == ("Ada & co", HOSTILE, "south")
    assert replace(private, floor=0).offered(private.fields[1]).categories == schema.fields[1].categories
    assert private.typical["when"] == "2020-01-01T00:00:00"


def test_rows_are_not_sorted_by_what_is_no_order(run: Any, asked: RowModel, shown: RowExplorer) -> None:
    with pytest.raises(DataError, match=r"Rows cannot be sorted by 'nearr' \(did you mean near\?\)"):
        shown.order = "nearr"
    logged = row_sources(run, asked)[PRODUCTION]
    with pytest.raises(DataError, match=r"cannot be sorted by 'wrong'.*table, near can"):
        logged.row(1, order="wrong", threshold=0.4)
    assert {each.orders[-1] for each in row_sources(run, replace(asked, threshold=None)).values()} == {"table"}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(" 1,234.5 ", 1234.5), ("1234", 1234.0), ("0,5", "0,5"), ("1,23", "1,23"), ("nan", "nan"), ("-inf", "-inf")],
)
def test_a_comma_parts_thousands_and_is_no_decimal_point(typed: str, meant: object) -> None:
    assert number_of(typed) == meant


def test_a_number_is_written_so_that_it_can_be_typed_again() -> None:
    for value in (123456.78, 1e-7, 0.1, float(np.float32(0.1))):
        assert number_of(written(value)) == pytest.approx(value, rel=1e-9)


def test_an_image_is_told_of_and_not_spelt_out() -> None:
    assert (written([0.0] * 64), written(None), written(True), written(3.0), written(0.25)) == (
        "64 numbers", "missing", "yes", "3", "0.25",
    )  # fmt: skip
    rows = RowSource("rows", pd.DataFrame({"image": [np.zeros(4)]}), pd.DataFrame({"prediction": [1]}))
    assert rows.row(1) == {"image": [0.0] * 4}
