"""Small training data of each task, for the tests of the model phase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.data.features import make_preparation
from mlopskit.model import TrainingData

COLUMNS = Columns(("x", "k"), numeric=("x",), categorical=("k",))
TARGETS = {
    "binary": Target("binary", "y", ("no", "yes"), "yes"),
    "multiclass": Target("multiclass", "y", ("a", "b", "c")),
    "regression": Target("regression", "y", unit="kg"),
}


def rows(task: str, n: int = 600, *, noise: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """The target rises with x, in a wave that a straight line cannot follow, and with noise."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, n)
    frame = pd.DataFrame({ROW: np.arange(n), "x": x, "k": rng.choice(["a", "b"], n)})
    wave = np.sin(2 * x) * 3 + x + noise * rng.normal(size=n)
    if task == "regression":
        return frame.assign(**{TARGET: wave})
    edges = [1.0] if task == "binary" else [-1.0, 1.0]
    return frame.assign(**{TARGET: np.searchsorted(edges, wave)})


def make_data(task: str = "binary", *, n: int = 600, noise: float = 1.0) -> TrainingData:
    """Two thirds to learn from, one third to judge by."""
    frame = rows(task, n, noise=noise)
    train, validation = frame.iloc[: 2 * n // 3], frame.iloc[2 * n // 3 :].reset_index(drop=True)
    return TrainingData(train, validation, TARGETS[task], make_preparation(COLUMNS).fit(train))
