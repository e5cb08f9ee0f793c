"""Small runs up to the evaluation, fitted in a second: what the deployment is tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.runs import Run
from mlopskit.scope import Scope

TOWN = "town <script>.{x}"
PROJECT = """
[project]
name = "demo <b>"

[data]
source = "rows.csv"
task = "{task}"
target = "bought"
{positive}
time = "day"
sensitive = ["sex"]

[model]
metric = "{metric}"

[deployment]
mode = "real-time"
max_latency_ms = 5000
max_memory_mb = 4000
logging = ["age", "sex"]
security = "loopback only"
strategy = "{strategy}"
automation = "{automation}"
max_deferred = 0.4

[[monitoring.threshold]]
metric = "error_rate"
at_most = 0.02

[[monitoring.threshold]]
metric = "drift"
at_most = 0.2
"""
TARGETS = {
    "binary": Target("binary", "bought", ("no", "yes"), "yes"),
    "multiclass": Target("multiclass", "bought", ("a", "b", "c")),
    "regression": Target("regression", "bought"),
}
METRICS = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "mae"}


def rows(task: str, *, n: int = 900, seed: int = 0) -> pd.DataFrame:
    """Rows whose target depends on age and, for images, on where the light is."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n).astype(float)
    table = pd.DataFrame({ROW: np.arange(n), "day": np.sort(rng.integers(0, 50, n)), "age": age})
    table["sex"] = pd.Series(rng.choice(["f", "m"], n), dtype="str")
    table[TOWN] = pd.Series(rng.choice(["Köln", "a'b", "<i>"], n), dtype="str")
    table["member"] = rng.random(n) < 0.5
    table.loc[rng.random(n) < 0.05, "age"] = np.nan
    signal = (age - 18) / 62 + 0.25 * rng.normal(size=n)
    kinds = {"binary": signal > 0.5, "multiclass": np.digitize(signal, [0.33, 0.66]), "regression": signal}
    table[TARGET] = np.asarray(kinds[task]).astype("float64" if task == "regression" else "int64")
    return table


def model(task: str, *, simple: bool) -> Pipeline:
    """A pipeline that picks its columns by name."""
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer()), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["sex", TOWN, "member"])
    )
    tree = (DecisionTreeRegressor if task == "regression" else DecisionTreeClassifier)(max_depth=2, random_state=0)
    linear = LinearRegression() if task == "regression" else LogisticRegression(max_iter=500)
    return Pipeline([("prepare", prepare), ("estimate", tree if simple else linear)])


def schema(table: pd.DataFrame) -> pd.DataFrame:
    """The contract as the data phase writes it."""
    kinds = {"age": "numeric", "day": "numeric", "sex": "categorical", TOWN: "categorical", "member": "boolean"}
    return pd.DataFrame(
        [
            {
                "feature": name, "role": "time" if name == "day" else "feature", "kind": kind,
                "dtype": str(table[name].dtype), "nullable": bool(table[name].isna().any()),
                "low": float(table[name].min()) if kind == "numeric" else np.nan,
                "high": float(table[name].max()) if kind == "numeric" else np.nan,
                "categories": sorted(table[name].unique()) if kind == "categorical" else [],
            }
            for name, kind in kinds.items()
        ]
    )  # fmt: skip


def make_run(
    folder: Path,
    task: str = "binary",
    *,
    strategy: str = "canary",
    automation: str = "partial",
    champion: bool = True,
    spoilt: bool = False,
) -> Run:
    """Write scope, data, model and evaluate as those phases would, and open the deploy phase."""
    where = folder / "runs" / "20260102T030405-abcdef"
    positive = 'positive = "yes"' if task == "binary" else ""
    text = PROJECT.format(task=task, positive=positive, metric=METRICS[task], strategy=strategy, automation=automation)
    scope = Run(folder, where, "scope")
    scope.freeze(Scope.parse(text))
    scope.finish()
    table, target = rows(task), TARGETS[task]
    parts = dict(
        zip(("train", "validation", "test", "production"), np.array_split(np.arange(len(table)), 4), strict=True)
    )
    splits = {name: table.iloc[index].reset_index(drop=True) for name, index in parts.items()}
    columns = Columns(("age", "sex", TOWN, "member"), ("age",), ("sex", TOWN, "member"), sensitive=("sex",), time="day")
    _phase(
        folder,
        where,
        "data",
        {**splits, "columns": columns.to_dict(), "target": target.to_dict(), "schema": schema(splits["train"])},
    )
    train = splits["train"]
    truth = train[TARGET].sample(frac=1, random_state=0).to_numpy() if spoilt else train[TARGET]
    fitted = {
        "model": model(task, simple=False).fit(train, truth),
        "champion": model(task, simple=True).fit(train, train[TARGET]),
    }
    baselines = pd.DataFrame(
        [
            {
                "name": "linear",
                "kind": "linear",
                "metric": METRICS[task],
                "value": 0.8,
                "artefact": "baseline_linear" if champion else None,
            },
            {"name": "majority", "kind": "majority", "metric": METRICS[task], "value": 0.5, "artefact": None},
        ]
    )
    threshold = 0.4 if task == "binary" else None
    written = {
        "model": fitted["model"],
        "threshold": {"threshold": threshold, "objective": "", "value": 0.0},
        "baselines": baselines,
    }
    written |= {"baseline_linear": fitted["champion"]} if champion else {}
    written["predictions_validation"] = predictions(fitted["model"], splits["validation"], target, threshold)
    _phase(folder, where, "model", written)
    criteria = pd.DataFrame([{"name": "roc_auc at least 0.8", "status": "met"}])
    tested = predictions(fitted["model"], splits["test"], target, threshold)
    _phase(folder, where, "evaluate", {"predictions": tested, "criteria": criteria})
    return Run(folder, where, "deploy")


def predictions(model: Pipeline, table: pd.DataFrame, target: Target, threshold: float | None) -> pd.DataFrame:
    """A prediction table, worked out beside the package."""
    made = table[[ROW, TARGET]].copy()
    if target.task == "regression":
        return made.assign(prediction=model.predict(table))
    scores = model.predict_proba(table)
    if target.task == "binary":
        return made.assign(prediction=(scores[:, 1] >= threshold).astype("int64"), score=scores[:, 1])
    return made.assign(prediction=scores.argmax(axis=1), **{f"score_{k}": scores[:, k] for k in range(3)})


def _phase(folder: Path, where: Path, name: str, written: dict[str, Any]) -> None:
    run = Run(folder, where, name)
    for stem, value in written.items():
        run.write(stem, value)
    run.finish()
