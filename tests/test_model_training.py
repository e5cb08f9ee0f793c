"""Candidates are drawn, fitted and ranked; threads change nothing, and no fit looks at validation targets."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlopskit import artefacts
from mlopskit.data import TARGET
from mlopskit.errors import MetricError, ModelError
from mlopskit.model import (
    draw_candidates,
    fit_first,
    headline_metric,
    learning_curve,
    learning_note,
    plot_candidates,
    plot_learning,
    predict_table,
    search_candidates,
    winner_note,
)
from mlopskit.scope import Model

examples = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("model_rows.py"))))
TASKS = ["binary", "multiclass", "regression"]
KINDS = ["linear", "forest", "boosting"]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    """A project folder with a module of its own."""
    (tmp_path / "own_models.py").write_text(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "from sklearn.svm import LinearSVC\n"
        "class Stump(DecisionTreeClassifier):\n"
        "    search_space = {'max_depth': [1, 2, 3], 'ccp_alpha': (0.001, 0.1)}\n"
        "class Broken(Stump):\n"
        "    def fit(self, X, y):\n        raise RuntimeError('no luck')\n"
    )
    yield tmp_path
    sys.path[:] = [place for place in sys.path if place != str(tmp_path)]
    sys.modules.pop("own_models", None)


def test_a_first_model_is_better_than_guessing() -> None:
    data = examples.make_data("binary")
    assert fit_first(data, headline_metric("roc_auc", data.target)).value > 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_different_within_budget_and_the_same_each_time(kind: str, tmp_path: Path) -> None:
    options = {"budget": 5, "target": examples.TARGETS["binary"], "project": tmp_path}
    first, again, other = (draw_candidates(kind, seed=seed, **options) for seed in (1, 1, 2))
    settings = [json.dumps(item.settings) for item in first]
    assert len(set(settings)) == 5
    assert settings == [json.dumps(item.settings) for item in again]
    assert settings[0] == json.dumps(other[0].settings), "the default comes first whatever the seed"
    assert settings != [json.dumps(item.settings) for item in other]


@pytest.mark.parametrize("task", TASKS)
def test_a_search_finds_the_wave_that_a_line_cannot_follow(task: str, tmp_path: Path) -> None:
    data = examples.make_data(task)
    headline = headline_metric(None, data.target)
    search = search_candidates(data, headline, candidates=KINDS, budget=2, project=tmp_path)
    table = search.table()
    assert search.winner.candidate.name in {"forest", "boosting"}
    assert table["candidate"].value_counts().to_dict() == dict.fromkeys(KINDS, 2)
    sign = 1 if headline.metric.greater_is_better else -1
    assert (sign * table["value"]).is_monotonic_decreasing
    assert search.times()["configurations"].tolist() == [2, 2, 2]
    assert "6 configurations" in plot_candidates(search).alt


@pytest.mark.parametrize("task", TASKS)
def test_the_ranked_value_is_that_of_the_finished_model(task: str, tmp_path: Path) -> None:
    data = examples.make_data(task)
    headline = headline_metric(None, data.target)
    search = search_candidates(data, headline, candidates=["boosting"], budget=1, project=tmp_path)
    table = predict_table(search.model, data.validation, target=data.target, threshold=search.winner.threshold)
    scores = search.validation_scores[1]
    found = headline.metric.function(table[TARGET].to_numpy(), table["prediction"].to_numpy(), scores)
    assert search.winner.value == pytest.approx(found, abs=1e-12)


def test_threads_change_no_result(tmp_path: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric(None, data.target)
    for jobs in (1, 2):
        search = search_candidates(data, headline, candidates=KINDS, budget=2, project=tmp_path, n_jobs=jobs)
        for item in search.fitted:
            artefacts.write(item.estimator, tmp_path / str(jobs) / f"{item.candidate.name}{item.value}.skops")
    one, two = (sorted((tmp_path / str(jobs)).iterdir()) for jobs in (1, 2))
    assert [path.name for path in one] == [path.name for path in two]
    assert [artefacts.digest(path) for path in one] == [artefacts.digest(path) for path in two]


def test_fitting_never_sees_validation_targets(tmp_path: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target)
    flipped = replace(data, validation=data.validation.assign(**{TARGET: 1 - data.validation[TARGET]}))
    for index, version in enumerate((data, flipped)):
        search = search_candidates(version, headline, candidates=["boosting"], budget=1, project=tmp_path)
        artefacts.write(search.winner.estimator, tmp_path / f"{index}.skops")
    assert artefacts.digest(tmp_path / "0.skops") == artefacts.digest(tmp_path / "1.skops")


def test_a_line_is_reported_for_each_kind(tmp_path: Path) -> None:
    data, lines = examples.make_data("binary"), []
    headline = headline_metric("roc_auc", data.target)
    search_candidates(data, headline, candidates=["linear", "forest"], budget=2, project=tmp_path, report=lines.append)
    assert [line.split(":")[0] for line in lines] == ["linear", "forest"]
    assert all("best of 2 configurations" in line for line in lines)


def test_max_iter_reaches_boosting(tmp_path: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target)
    search = search_candidates(data, headline, candidates=["boosting"], budget=1, project=tmp_path, max_iter=3)
    assert search.winner.estimator.n_iter_ == 3
    assert search.winner.note == "stopped at its limit of 3 iterations"


def test_a_class_of_the_projects_own_takes_part(own: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target)
    name = "own_models:Stump"
    search = search_candidates(
        data,
        headline,
        candidates=["linear", name],
        budget=3,
        project=own,
    )
    assert search.winner.candidate.name == name
    assert (search.table()["candidate"] == name).sum() == 3
    artefacts.write(search.model, own / "m.skops")
    with pytest.raises(artefacts.UntrustedModelError, match=r"own_models.Stump"):
        artefacts.read(own / "m.skops")
    loaded = artefacts.load_model(own / "m.skops", also_trust=Model(candidates=[name]).own_types)
    assert np.array_equal(loaded.predict(data.validation), search.model.predict(data.validation))


def test_a_candidate_that_fails_is_last_and_says_why(own: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target)
    names = ["own_models:Broken", "linear"]
    search = search_candidates(data, headline, candidates=names, budget=1, project=own)
    assert search.table()["note"].tolist()[-1] == "failed: RuntimeError: no luck"
    predictions = predict_table(search.model, data.validation, target=data.target, threshold=0.5)
    note = winner_note(search, predictions, headline)
    assert (note.tone, "no luck" in note.text) == ("warning", True)


def test_no_candidate_at_all_is_an_error(own: Path) -> None:
    data = examples.make_data("binary")
    headline = headline_metric("roc_auc", data.target)
    with pytest.raises(
        ModelError, match=r"No candidate could be fitted: own_models:Broken failed: RuntimeError: no luck\."
    ):
        search_candidates(data, headline, candidates=["own_models:Broken"], budget=1, project=own)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("boostin", r"Unknown candidate 'boostin' \(did you mean boosting\?\); there are linear, forest, boosting"),
        ("own_model:Stump", r"ModuleNotFoundError: No module named 'own_model' \(did you mean own_models\?\)"),
        ("own_models:Stum", r"no class 'Stum' \(did you mean Stump\?\); there are Broken, DecisionTreeClassifier"),
        ("own_models:LinearSVC", "has no predict_proba"),
        ("json:JSONDecoder", "has no fit, predict; a candidate is"),
        (":", "cannot be imported"),
    ],
)
def test_a_wrong_candidate_says_what_exists(own: Path, name: str, why: str) -> None:
    with pytest.raises(ModelError, match=why):
        draw_candidates(name, budget=1, target=examples.TARGETS["binary"], project=own, seed=0)


def test_the_headline_left_out_is_an_open_question() -> None:
    headline = headline_metric(None, examples.TARGETS["binary"])
    assert (headline.metric.name, headline.chosen, headline.note.tone) == ("roc_auc", False, "warning")
    assert "Open question" in headline.note.text
    assert headline_metric("f1", examples.TARGETS["binary"]).question == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("roc_auk", r"did you mean roc_auc\?"),
        ("mae", "Unknown metric 'mae'"),
        ("selection_rate", "neither more nor less"),
    ],
)
def test_a_headline_that_cannot_rank_is_refused(name: str, why: str) -> None:
    with pytest.raises(MetricError, match=why):
        headline_metric(name, examples.TARGETS["binary"])


@pytest.mark.parametrize("task", TASKS)
def test_a_learning_curve_has_three_sizes_and_ends_at_the_winner(task: str, tmp_path: Path) -> None:
    data = examples.make_data(task)
    headline = headline_metric(None, data.target, replicates=100)
    search = search_candidates(data, headline, candidates=["forest"], budget=1, project=tmp_path)
    curve = learning_curve(search.winner, data, headline)
    seen = curve[curve["split"] == "validation"]
    assert seen["rows"].tolist() == [100, 200, 400]
    assert seen["value"].iloc[-1] == pytest.approx(search.winner.value)
    assert seen["gain"].iloc[-1] == pytest.approx(seen["value"].iloc[-1] - seen["value"].iloc[-2])
    assert "validation rows" in plot_learning(curve, headline.metric).alt
    assert "doubling" in learning_note(curve, headline.metric).text


def test_learning_by_heart_is_noticed(tmp_path: Path) -> None:
    data = examples.make_data("binary", noise=30.0)
    headline = headline_metric(None, data.target)
    search = search_candidates(data, headline, candidates=["forest"], budget=1, project=tmp_path)
    note = learning_note(learning_curve(search.winner, data, headline), headline.metric)
    assert "only for the rows that it saw" in note.text
