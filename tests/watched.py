"""Production with known changes in it: rows whose true P(y|x) is given, served year by year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import Columns, Target
from mlopskit.monitor import Reference, Traffic, make_reference, read_traffic

TARGET = Target("binary", "y", ("no", "yes"), "yes")
COLUMNS = Columns(("x",), numeric=("x",), sensitive=("who",), time="year")


def rows(n: int, *, seed: int, flip: float = 0.0, year: int = 2000) -> pd.DataFrame:
    """Rows whose true P(y|x) is a logistic curve; with `flip` the outcome is the opposite that often."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-2 * x))
    y = (rng.random(n) < p) ^ (rng.random(n) < flip)
    columns = {
        "_row": np.arange(n),
        "_target": y.astype("int64"),
        "x": x,
        "year": year,
        "who": rng.choice(["a", "b"], n),
    }
    return pd.DataFrame({**columns, "score": p, "prediction": (p >= 0.5).astype("int64")})


def stream(parts: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A request log and its labels from one frame a year."""
    whole = pd.concat([part.assign(year=2000 + i) for i, part in enumerate(parts)], ignore_index=True)
    whole["_row"] = np.arange(len(whole))
    log = whole.drop(columns="_target").rename(columns={"year": "time"}).assign(status="ok", arm="challenger")
    return log, whole[["_row", "_target", "year"]]


def watch(parts: list[pd.DataFrame], **options: Any) -> Traffic:
    log, labels = stream(parts)
    return read_traffic(log, labels, target=TARGET, columns=COLUMNS, width=1, **options)


def reference(**options: Any) -> Reference:
    train, validation = rows(2000, seed=100), rows(2000, seed=101)
    return make_reference(train, validation, target=TARGET, columns=COLUMNS, metrics=["accuracy", "roc_auc"], **options)
