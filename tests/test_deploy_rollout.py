"""Rollouts, requirements and summary on a real server."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.deploy import (
    Gates,
    Server,
    check_requirements,
    deploy_summary,
    rehearse,
    replay,
    tune_deferral,
    write_bundle,
)
from mlopskit.deploy.compared import Pairs
from mlopskit.deploy.requirements import OUTCOMES, verdict
from mlopskit.deploy.scoring import in_share
from mlopskit.deploy.serving import Query, Routing, Service
from mlopskit.errors import DeployError
from mlopskit.scope import Deployment

SERVED = runpy.run_path(str(Path(__file__).parent / "served.py"))
GATES = Gates("roc_auc", max_failures=0.02, max_latency_ms=5000)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return SERVED["make_run"](tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def server(run: Any) -> Iterator[Server]:
    target = SERVED["TARGETS"]["binary"]
    rule = tune_deferral(run.read("model/predictions_validation"), target=target, max_deferred=0.4)
    with Server(write_bundle(run, deferral=rule)) as started:
        yield started.ready()


def test_a_shadow_answers_nobody_and_is_compared_on_every_row(server: Server, run: Any) -> None:
    rows = run.read("data/production")
    rollout = rehearse(server, rows, strategy="shadow", gates=GATES, by=["sex"])
    assert rollout.steps["challenger_rows"].tolist() == [0]
    assert rollout.promoted is None
    assert rollout.groups["n"].sum() == len(rows)
    assert "Nobody saw the challenger" in rollout.steps["decision"][0]


def test_a_canary_notices_a_fault_rolls_back_and_then_grows(server: Server, run: Any) -> None:
    rollout = rehearse(server, run.read("data/production"), strategy="canary", gates=GATES)
    steps = rollout.steps.set_index("step")
    assert steps.loc["rehearsed fault", "gate_errors"] == "failed"
    assert steps.loc["rehearsed fault", "failures"] == steps.loc["rehearsed fault", "challenger_rows"] > 0
    assert steps.loc["rollback", "challenger_rows"] == 0
    assert steps["lost"].sum() == 0
    assert rollout.steps["share"].tolist() == [0.25, 0, 0.05, 0.25, 0.5, 1]
    assert rollout.promoted is True


def test_a_canary_stops_when_the_challenger_is_clearly_worse(tmp_path: Path) -> None:
    run = SERVED["make_run"](tmp_path, spoilt=True)
    rows = run.read("data/production")
    with Server(write_bundle(run)) as server:
        canary = rehearse(server, rows, strategy="canary", gates=GATES, shares=[0.5, 1.0])
        switch = rehearse(server, rows, strategy="blue-green", gates=GATES)
    assert canary.promoted is False
    assert canary.steps["decision"].iloc[-1] == "Roll back: metric failed."
    assert len(canary.steps) == 3
    assert switch.steps["decision"].iloc[-1].startswith("Do not switch: none lost")


def test_blue_green_switches_back_and_forth_without_losing_a_request(server: Server, run: Any) -> None:
    rollout = rehearse(server, run.read("data/production"), strategy="blue-green", gates=GATES)
    steps = rollout.steps.set_index("step")
    assert steps["lost"].tolist() == [0, 0, 0, 0]
    assert steps.loc["switch to green", "challenger_rows"] > 0
    assert steps.loc[["blue serves", "switch back"], "challenger_rows"].tolist() == [0, 0]
    assert steps.loc["verdict", "decision"].startswith("Switch: none lost")


@pytest.mark.parametrize("strategy", ["canary", "blue-green"])
def test_a_rehearsal_can_be_repeated(server: Server, run: Any, strategy: str) -> None:
    rows = run.read("data/production").head(120)
    first, second = (rehearse(server, rows, strategy=strategy, gates=GATES, by=["sex"]) for _ in range(2))
    assert first.steps.equals(second.steps)
    assert first.groups.equals(second.groups)


def test_without_an_answer_shadow_is_rehearsed_and_an_unknown_strategy_refused(server: Server, run: Any) -> None:
    rows = run.read("data/production").head(40)
    assert rehearse(server, rows, strategy=None, gates=GATES).strategy == "shadow"
    assert rehearse(server, rows.head(0), strategy="canary", gates=GATES).steps["step"].tolist() == ["not applicable"]
    with pytest.raises(DeployError, match="Unknown strategy 'big-bang'; there are shadow, canary, blue-green"):
        rehearse(server, rows, strategy="big-bang", gates=GATES)


def test_requirements_tell_met_from_not_met_not_asked_and_could_not_check(server: Server, run: Any) -> None:
    replayed = replay(server, run.read("data/production"), single=10)
    asked = Deployment(mode="real-time", max_memory_mb=1, max_latency_ms=10_000, logging=["age", "sex"], security="x")
    table = check_requirements(asked, server=server, replay=replayed).set_index("question")["outcome"]
    assert table["1 real time or batch"] == "met"
    assert table["2 cloud, edge or on premise"] == "not asked"
    assert table["3 compute: memory (MB)"] == "not met"
    assert table["4 latency (ms, 95th percentile)"] == "met"
    assert table["5 logging"] == "met"
    assert table["6 security"] == "could not check"
    assert set(table) <= set(OUTCOMES)


def test_a_logged_column_that_is_not_allowed_is_found(server: Server, run: Any) -> None:
    replayed = replay(server, run.read("data/production").head(20), single=5)
    table = check_requirements(Deployment(logging=["age"]), server=server, replay=replayed)
    line = table.set_index("question").loc["5 logging"]
    assert line["outcome"] == "not met"
    assert "not allowed: sex" in line["measured"]
    assert verdict(table).tone == "bad"


def test_the_summary_depends_on_no_clock_and_counts_what_people_get(server: Server, run: Any) -> None:
    rows = run.read("data/production")
    rollout = rehearse(server, rows, strategy="canary", gates=GATES)
    made = [
        deploy_summary(server.bundle, replay(server, rows, single=n).requests, rollout, production=rows)
        for n in (5, 20)
    ]
    assert made[0] == made[1]
    shares = {fact["label"]: fact["value"] for fact in made[0]["facts"]}
    assert shares["rows that the server failed on"] == 0
    assert 0 < shares["cases left to people"] < 1


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_are_served_and_rolled_out_too(task: str, tmp_path: Path) -> None:
    run = SERVED["make_run"](tmp_path, task)
    target, rows = SERVED["TARGETS"][task], run.read("data/production")
    rule = tune_deferral(run.read("model/predictions_validation"), target=target, max_deferred=0.4)
    with Server(write_bundle(run, deferral=rule)) as server:
        gates = Gates.from_scope(run.scope, target)
        rollout = rehearse(server, rows, strategy="canary", gates=gates, by=["sex"])
        requests = replay(server, rows, single=5).requests
    expected = SERVED["predictions"](run.read("model/model"), rows, target, None)
    assert requests["prediction"].to_numpy() == pytest.approx(expected["prediction"].to_numpy())
    assert gates.metric == SERVED["METRICS"][task]
    assert rollout.steps["lost"].sum() == 0
    assert ("score_2" in requests) == (task == "multiclass")


@given(st.integers(0, 10**9), st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
def test_a_growing_share_keeps_its_rows(row: int, first: float, second: float, seed: int) -> None:
    small, large = sorted((first, second))
    assert in_share(row, share=large, seed=seed) or not in_share(row, share=small, seed=seed)


def test_a_share_is_about_as_large_as_asked() -> None:
    assert sum(in_share(row, share=0.25, seed=3) for row in range(10_000)) == pytest.approx(2500, abs=150)


def test_asking_both_models_at_once_answers_as_asking_each(server: Server) -> None:
    service, query = _mirroring(server, fault="none")
    _, together = service.answer(query)
    service.routing = Routing(share=0.5, mirror=False)
    _, apart = service.answer(query)
    assert {row.arm for row in together} == {"champion", "challenger"}
    assert [(row.arm, row.prediction, row.decided_by) for row in together] == [
        (row.arm, row.prediction, row.decided_by) for row in apart
    ]


def test_a_silent_model_that_fails_costs_no_caller_the_answer(server: Server) -> None:
    service, query = _mirroring(server, fault="error")
    _, rows = service.answer(query)
    assert {(row.arm, row.status) for row in rows} == {("champion", "ok"), ("champion", "fallback")}
    assert all(row.prediction is not None for row in rows)


def _mirroring(server: Server, *, fault: str) -> tuple[Service, Query]:
    service = Service(server.bundle)
    service.routing = Routing(share=0.5, mirror=True, fault=fault)
    features = {"age": 40, "sex": "f", SERVED["TOWN"]: "Köln", "member": True}
    rows = [{"row": i, "features": {**features, "age": 20 + 2 * i}} for i in range(20)]
    return service, Query.model_validate({"rows": rows})


def test_ten_rows_of_the_same_person_make_no_gate_surer() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 300), {arm: rng.random(300) for arm in ("champion", "challenger")}

    def width(times: int, group: str | None) -> float:
        rows = pd.DataFrame({ROW: np.arange(300 * times), TARGET: np.repeat(truth, times)})
        rows["person"] = np.repeat(np.arange(300), times)
        records = [
            {"row": row, "arm": arm, "prediction": 1.0, "scores": [float(value)]}
            for arm, scores in score.items()
            for row, value in enumerate(np.repeat(scores, times))
        ]
        target = Target("binary", "y", ("no", "yes"), "yes")
        bundle = SimpleNamespace(target=target, columns=Columns((), group=group))
        server = SimpleNamespace(bundle=bundle, mark=lambda: 0, records=lambda after: records)
        found = Pairs(server, rows, "roc_auc", 0.95).difference()
        return found["high"] - found["low"]

    assert width(10, None) < 0.5 * width(1, None)
    assert width(10, "person") == pytest.approx(width(1, None), rel=0.25)
