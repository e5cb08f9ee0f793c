"""Rows with a planted gap between groups, and pipelines fitted on them, for the tests of mitigation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from mlopskit.data import ROW, TARGET, Columns, Target, make_preparation

COLUMNS = Columns(("x", "job"), numeric=("x",), categorical=("job",), sensitive=("sex",))
"""The sensitive column is no feature."""
BINARY = Target("binary", "y", ("no", "yes"), "yes")
CONSTRAINTS = ["demographic_parity", "equalized_odds", "true_positive_rate_parity", "false_positive_rate_parity"]


def rows(n: int = 800, seed: int = 0, *, missing: float = 0.0) -> pd.DataFrame:
    """A target that depends on x, and an x that is lower for women."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], n)
    x = rng.normal(size=n) - 0.8 * (sex == "f")
    frame = pd.DataFrame({ROW: np.arange(n), "x": x, "job": rng.choice(["a", "b"], n)})
    frame["sex"] = pd.Series(np.where(rng.random(n) < missing, None, sex), dtype="str")
    return frame.assign(**{TARGET: (x + rng.normal(0, 0.7, n) > 0).astype(np.int64)})


def pipeline(frame: pd.DataFrame) -> Pipeline:
    """A logistic regression behind the project's preparation."""
    prepare = make_preparation(COLUMNS).fit(frame)
    estimator: Any = LogisticRegression().fit(prepare.transform(frame), frame[TARGET])
    return Pipeline([("prepare", prepare), ("estimate", estimator)])
