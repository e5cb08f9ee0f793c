"""A finished run to look into, made by hand in a second: what explorers are tested on without running a pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mlopskit.data import ROW, TARGET, Columns, Target, infer_schema, make_preparation
from mlopskit.evaluate import GroupedRows, confirmed_slices, slice_features, tabular, worst_slices
from mlopskit.model import predict_table
from mlopskit.monitor import drift_bounds, drift_table, make_reference, observations, raise_alerts, read_traffic
from mlopskit.runs import FinishedRun, Run
from mlopskit.scope import Scope
from mlopskit.tally import Grouping

NAME = "20260101T000000Z-abcdef"
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
TOML = """
[project]
name = "explored"

[data]
source = "rows.csv"
task = "binary"
target = "bought"
positive = "yes"

[deployment]
logging = ["age"]

[monitoring]
window = 100
notify = ["whoever is on duty"]

[[monitoring.threshold]]
metric = "drift"
at_most = 0.2
"""


def make(project: Path, *, n: int = 1200, toml: str = TOML) -> Path:
    """Lay a project with one run of all phases that ended; return the run's folder."""
    project.mkdir(parents=True, exist_ok=True)
    (project / "mlops.toml").write_text(toml, encoding="utf-8")
    folder = project / "runs" / NAME
    target = Target("binary", "bought", ("no", "yes"), "yes")
    columns = Columns(features=("age", "town"), numeric=("age",), categorical=("town",), slices=("town", "age"))
    parts = {name: _rows(n, seed) for seed, name in enumerate(("train", "validation", "test"))}
    answers = {name: _answers(part) for name, part in parts.items()}
    preparation = make_preparation(columns).fit(parts["train"])
    scope = Run(project, folder, "scope")
    scope.freeze(Scope.load(project / "mlops.toml"))
    scope.finish()
    parts["production"] = _rows(300, 3).assign(age=lambda rows: rows["age"].clip(lower=40))  # where age has drifted
    schema = infer_schema(parts["train"].drop(columns=[ROW, TARGET]), Scope.load(project / "mlops.toml").data)
    _phase(project, folder, "data", preparation=preparation, schema=schema, target=target, columns=columns, **parts)
    threshold = {"threshold": 0.4, "objective": "balanced_accuracy", "value": 0.7}
    estimator = LogisticRegression().fit(preparation.transform(parts["train"]), parts["train"][TARGET])
    model = Pipeline([("prepare", preparation), ("estimate", estimator)])
    _phase(project, folder, "model", model=model, threshold=threshold, predictions_validation=answers["validation"])
    _phase(project, folder, "evaluate", predictions=answers["test"], metrics=pd.DataFrame({"metric": ["recall"]}))
    grouping = Grouping.fit(parts["validation"], ["town", "age"])
    data = GroupedRows(target, columns, grouping, parts["validation"], parts["test"], answers["validation"],
                       answers["test"], (), "balanced_accuracy")  # fmt: skip
    features = slice_features(data, preparation)
    found = worst_slices(data, features)
    _phase(project, folder, "slices_and_bias", slices=tabular(found), confirmed=confirmed_slices(data, features, found))
    _production(project, folder, predict_table(model, parts["production"], target=target, threshold=0.4))
    (folder / "run.json").write_text(json.dumps({"run": NAME, "status": "passed"}), encoding="utf-8")
    (project / "runs" / "latest").write_text(f"{NAME}\n", encoding="utf-8")
    return folder


def _production(project: Path, folder: Path, answers: pd.DataFrame) -> None:
    """Log what production asked, as far as it may be logged, and watch it."""
    run = FinishedRun(project, folder)
    production, target = run.read("data/production"), Target.from_dict(run.read("data/target"))
    logged = answers.drop(columns=TARGET).assign(arm="challenger", decided_by="model", status="ok")
    logged = logged.assign(age=production["age"])
    _phase(project, folder, "deploy", requests=logged)
    columns = Columns.from_dict(run.read("data/columns"))
    reference = make_reference(
        run.read("data/train"), run.read("model/predictions_validation"), target=target, columns=columns,
        metrics=["accuracy"], replicates=100,
    )  # fmt: skip
    traffic = read_traffic(logged, production, target=target, columns=columns, width=100)
    bounds = drift_bounds(run.scope.monitoring)
    drift = drift_table(
        reference.profile, traffic.frame, traffic.windows, reference=reference.values, thresholds=bounds
    )  # fmt: skip
    alerts = raise_alerts(observations(drift=drift), run.scope.monitoring)
    _phase(project, folder, "monitor", reference=reference.profile.to_dict(), drift=drift, alerts=alerts)


def _rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ada & co", HOSTILE, "south"], n)
    age = rng.integers(18, 80, n)
    chance = 1 / (1 + np.exp(-(age - 50) / 8))
    frame = pd.DataFrame({ROW: np.arange(n) + seed * n, "age": age, "town": town})
    flipped = (town == HOSTILE) & (age > 60) & (rng.random(n) < 0.7)  # where the model does badly
    return frame.assign(**{TARGET: ((rng.random(n) < chance) ^ flipped).astype(np.int64)})


def _answers(rows: pd.DataFrame) -> pd.DataFrame:
    score = 1 / (1 + np.exp(-(rows["age"] - 50) / 8 + rows[ROW] % 7 / 10))
    return rows[[ROW, TARGET]].assign(prediction=(score >= 0.4).astype(np.int64), score=score)


def _phase(project: Path, folder: Path, name: str, **values: object) -> None:
    run = Run(project, folder, name)
    for key, value in values.items():
        run.write(key, value.to_dict() if isinstance(value, Target | Columns) else value)
    run.finish()
