"""Predictions as tables, and the winner against each baseline."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlopskit.data import ROW, TARGET
from mlopskit.model import (
    choose_threshold,
    compare_with_baselines,
    fit_baselines,
    fit_first,
    headline_metric,
    plot_comparison,
    predict_table,
    search_candidates,
    summarise_model,
    verdict,
)
from mlopskit.scope import Baseline

examples = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("model_rows.py"))))
SPLITS = ("train", "validation")
SIMPLE = [Baseline(kind="majority"), Baseline(kind="linear")]


def compare(
    task: str, scope: list[Baseline], tmp_path: Path, *, noise: float = 1.0, kinds: tuple[str, ...] = ("boosting",)
):
    data = examples.make_data(task, noise=noise)
    headline = headline_metric(None, data.target, replicates=200)
    search = search_candidates(data, headline, candidates=kinds, budget=1, project=tmp_path)
    benchmarks = fit_baselines(scope, data, headline, first=fit_first(data, headline))
    threshold = choose_threshold(*search.validation_scores)
    predictions = predict_table(search.model, data.validation, target=data.target, threshold=threshold.threshold)
    table = compare_with_baselines(predictions, data, benchmarks, headline)
    return SimpleNamespace(**locals())


@pytest.mark.parametrize(
    ("task", "scores"),
    [("binary", ["score"]), ("multiclass", ["score_0", "score_1", "score_2"]), ("regression", [])],
)
def test_a_prediction_table_has_the_columns_of_its_task(task: str, scores: list[str], tmp_path: Path) -> None:
    made = compare(task, [], tmp_path)
    assert list(made.predictions.columns) == [ROW, TARGET, "prediction", *scores]
    assert made.predictions[ROW].tolist() == made.data.validation[ROW].tolist()
    if task == "multiclass":
        assert np.allclose(made.predictions[scores].sum(axis=1), 1)
        assert (made.predictions[scores].to_numpy().argmax(axis=1) == made.predictions["prediction"]).all()


def test_rows_without_a_target_can_be_predicted(tmp_path: Path) -> None:
    made = compare("binary", [], tmp_path)
    table = predict_table(made.search.model, made.data.validation[["k", "x"]], target=made.data.target, threshold=0.5)
    assert list(table.columns) == ["prediction", "score"]
    assert (table["prediction"] == (table["score"] >= 0.5)).all()


def test_a_class_that_was_never_seen_gets_no_chance(tmp_path: Path) -> None:
    data = examples.make_data("multiclass")
    partial = type(data)(data.train[data.train[TARGET] != 1], data.validation, data.target, data.preparation)
    model = partial.pipeline(fit_first(partial, headline_metric("accuracy", data.target)).estimator)
    table = predict_table(model, data.validation, target=data.target, threshold=None)
    assert (table["score_1"] == 0).all()
    assert set(table["prediction"]) <= {0, 2}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_wave_beats_a_line_and_a_guess(task: str, tmp_path: Path) -> None:
    made = compare(task, SIMPLE, tmp_path)
    main = made.table[made.table["metric"] == made.headline.metric.name].set_index("baseline")
    assert main["verdict"].to_dict() == {"majority": "better", "linear": "better"}
    assert main.loc["linear", "value"] == pytest.approx(main.loc["linear", "winner"] - main.loc["linear", "beaten"])
    sentences = verdict(made.table, made.headline.metric, winner="boosting")
    assert (sentences.tone, sentences.text.splitlines()[-1]) == ("good", "Recommended: boosting.")
    assert "linear" in plot_comparison(made.table, made.headline).alt


def test_pure_noise_recommends_the_majority(tmp_path: Path) -> None:
    made = compare("binary", SIMPLE, tmp_path, noise=1e6)
    sentences = verdict(made.table, made.headline.metric, winner="boosting")
    assert "inside the noise" in sentences.text
    assert sentences.text.splitlines()[-1].startswith("Recommended: the majority baseline.")
    assert sentences.tone == "warning"


def test_a_figure_out_of_reach_is_worse(tmp_path: Path) -> None:
    scope = [Baseline(kind="literature", metric="accuracy", value=0.999, source="a paper")]
    made = compare("binary", scope, tmp_path)
    row = made.table.iloc[0]
    assert (row["verdict"], row["metric"]) == ("worse", "accuracy")
    sentences = verdict(made.table, made.headline.metric, winner="boosting")
    assert "Recommended: boosting, but the figure of literature is not reached" in sentences.text


def test_a_better_colleague_is_recommended(tmp_path: Path) -> None:
    data = examples.make_data("binary", noise=30.0)
    known = {
        name: getattr(data, name).assign(boss=getattr(data, name)[TARGET].map({0: "no", 1: "yes"})) for name in SPLITS
    }
    data = replace(data, **known)
    headline = headline_metric("accuracy", data.target, replicates=200)
    first = fit_first(data, headline)
    benchmarks = fit_baselines([Baseline(kind="human", column="boss")], data, headline, first=first)
    predictions = predict_table(data.pipeline(first.estimator), data.validation, target=data.target, threshold=None)
    table = compare_with_baselines(predictions, data, benchmarks, headline)
    sentences = verdict(table, headline.metric, winner="linear")
    assert (sentences.tone, "not to use this model as it is; human does better" in sentences.text) == ("bad", True)


def test_a_baseline_that_cannot_be_compared_is_said_so(tmp_path: Path) -> None:
    made = compare("regression", [Baseline(kind="rule", rule="x > 0")], tmp_path)
    assert made.table["verdict"].tolist() == ["could not compare"]
    assert "could not compare" in verdict(made.table, made.headline.metric, winner="boosting").text
    assert plot_comparison(made.table, made.headline).tone == "warning"


def test_no_baseline_is_an_open_matter(tmp_path: Path) -> None:
    made = compare("binary", [], tmp_path)
    assert verdict(made.table, made.headline.metric, winner="boosting").tone == "warning"


def test_the_linear_candidate_is_not_told_to_be_replaced_by_itself(tmp_path: Path) -> None:
    made = compare("binary", [Baseline(kind="linear")], tmp_path, kinds=("linear",))
    lines = verdict(made.table, made.headline.metric, winner="linear").text.splitlines()
    assert (lines[0].split(":")[0], lines[-1]) == (
        "linear and the linear baseline are equal on these rows",
        "Recommended: linear.",
    )


def test_a_summary_says_figure_interval_baseline_and_next(tmp_path: Path) -> None:
    made = compare("binary", SIMPLE, tmp_path)
    judged = verdict(made.table, made.headline.metric, winner="boosting")
    found = summarise_model(
        made.search, made.predictions, made.table, made.headline, threshold=made.threshold, verdict=judged
    )
    figure, model, cut = found["facts"]
    assert figure["low"] < figure["value"] < figure["high"]
    assert figure["baseline_label"] == "linear"
    assert (model["value"], cut["value"]) == ("boosting", made.threshold.threshold)
    assert all(
        set(fact) >= {"label", "value", "low", "high", "n", "baseline", "explain", "artefact"}
        for fact in found["facts"]
    )
    assert [item["tone"] for item in found["statements"]] == ["good", "warning"], "the headline was an open question"
    assert found["next"] == [{"text": "Name the metric that the decision needs in [model] metric.", "phase": "scope"}]


@pytest.mark.parametrize(
    "baselines", [[], [Baseline(kind="literature", metric="roc_auc", value=0.7, source="a paper")]]
)
def test_a_summary_without_a_baseline_of_its_own_has_none(baselines: list[Baseline], tmp_path: Path) -> None:
    made = compare("binary", baselines, tmp_path)
    judged = verdict(made.table, made.headline.metric, winner="boosting")
    found = summarise_model(
        made.search, made.predictions, made.table, made.headline, threshold=made.threshold, verdict=judged
    )
    assert found["facts"][0].get("baseline") == (0.7 if baselines else None)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_ten_rows_of_the_same_person_make_no_difference_surer(task: str, tmp_path: Path) -> None:
    made = compare(task, SIMPLE, tmp_path)
    repeated = made.data.validation.loc[np.repeat(np.arange(len(made.data.validation)), 10)].reset_index(drop=True)
    repeated = repeated.assign(person=repeated[ROW], **{ROW: np.arange(len(repeated))})
    alone = replace(made.data, validation=repeated)
    threshold = made.threshold.threshold
    predictions = predict_table(made.search.model, repeated, target=made.data.target, threshold=threshold)
    width = {
        name: (table["high"] - table["low"]).to_numpy()
        for name, table in {
            "once": made.table,
            "alone": compare_with_baselines(predictions, alone, made.benchmarks, made.headline),
            "persons": compare_with_baselines(
                predictions, replace(alone, group="person"), made.benchmarks, made.headline
            ),
        }.items()
    }
    assert (width["alone"] < 0.5 * width["once"]).all(), "as if there were ten times as many persons"
    assert width["persons"] == pytest.approx(width["once"], rel=0.35)


def test_an_interval_that_counts_rows_says_so_where_persons_have_several(tmp_path: Path) -> None:
    figure = Baseline(kind="literature", value=0.6, metric="roc_auc", source="somebody")
    made = compare("binary", SIMPLE, tmp_path)
    validation = made.data.validation.assign(person=np.arange(len(made.data.validation)) // 2)
    data = replace(made.data, validation=validation, group="person")
    benchmarks = fit_baselines([*SIMPLE, figure], data, made.headline, first=fit_first(data, made.headline))
    fitted = benchmarks.table[benchmarks.table["artefact"] != ""]
    assert len(fitted) == 2
    assert fitted["method"].str.endswith("as if rows were independent").all()
    table = compare_with_baselines(made.predictions, data, benchmarks, made.headline)
    (method,) = table.loc[table["kind"] == "literature", "method"]
    assert "as if rows were independent" in method
    assert len(made.benchmarks.table) == 2
    assert not made.benchmarks.table["method"].str.contains("independent").any()
