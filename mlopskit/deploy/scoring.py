"""Scoring: what the server computes for rows, and which of two models answers a row.

Two arms stand ready: the *challenger*, the bundle's model, and the *champion* that it is to replace. Which one
answers follows from a hash of the row's id and a seed, so a row keeps its arm while the share grows and a rehearsal
can be repeated.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlopskit.data.columns import Target
from mlopskit.deploy.rows import Given, QuickModel

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class Arm:
    """A model that can answer.

    Attributes
    ----------
    name : str
        ``champion`` or ``challenger``.
    estimator : estimator
        Takes the split table's columns.
    target : Target
        Task and classes.
    threshold : float, optional
        P(positive) from which on the answer is positive (binary).
    quick : QuickModel, optional
        The same estimator for rows that are in no table.
    """

    name: str
    estimator: Any
    target: Target
    threshold: float | None = None
    quick: QuickModel | None = None

    def answer(self, given: Given) -> tuple[np.ndarray | None, np.ndarray]:
        """Score rows.

        Returns
        -------
        scores : ndarray (n,), (n, K) or None
            P(positive) when binary, one probability a class when multiclass, None for regression.
        predictions : ndarray (n,)
            Class indices, or the predicted quantity.
        """
        if not self.target.is_classification:
            return None, np.asarray(self._asked(given, "predict"), dtype=float)
        scores = self._scores(given)
        if self.target.task == "multiclass":
            return scores, scores.argmax(axis=1)
        positive = scores[:, 1]
        decided = self._asked(given, "predict") if self.threshold is None else positive >= self.threshold
        return positive, np.asarray(decided).astype(int)

    def _asked(self, given: Given, method: str) -> Any:
        if self.quick is not None:
            return self.quick.ask(given.values, method)
        return getattr(self.estimator, method)(given.table())

    def _scores(self, given: Given) -> np.ndarray:
        """One column a class; a class that the model never saw gets 0."""
        raw = np.asarray(self._asked(given, "predict_proba"), dtype=float)
        seen = np.asarray(getattr(self.estimator, "classes_", range(raw.shape[1]))).astype(int)
        scores = np.zeros((len(raw), len(self.target.classes)))
        scores[:, seen] = raw
        return scores


def in_share(row: Any, *, share: float, seed: int) -> bool:
    """Tell whether a row belongs to the challenger's share; a growing share keeps the rows that it has.

    Examples
    --------
    >>> in_share(7, share=1.0, seed=0), in_share(7, share=0.0, seed=0)
    (True, False)
    """
    digest = hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share


def single_threaded(estimator: Any) -> Any:
    """Turn off an estimator's own parallelism: for few rows, starting threads costs more than the answer."""
    settings = {key: 1 for key in estimator.get_params() if key == "n_jobs" or key.endswith("__n_jobs")}
    return estimator.set_params(**settings) if settings else estimator
