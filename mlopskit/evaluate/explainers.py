"""How an estimator is explained: exact trees, exact linear terms, or sampled subsets of features.

Work is bounded by counting steps, not by the clock, so that the same rows are explained on every machine.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlopskit.data import Target

TREES = {
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
    "DecisionTreeClassifier", "DecisionTreeRegressor", "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor", "GradientBoostingRegressor",
}  # fmt: skip
TREE_STEPS = 6e8
"""Leaves × squared depth × rows that exact tree explanations may take: about a second."""
CALLS = 100_000
"""Predictions that sampled explanations may take."""
REFERENCES = 10
"""Training rows that absent features are filled in from, where explanations are sampled."""


@dataclass(frozen=True)
class Explainer:
    """An estimator with the way to explain it; `affordable` is how many rows that may take."""

    estimator: Any
    kind: str
    average: Any
    target: Target
    seed: int
    affordable: int

    @property
    def method(self) -> str:
        """The way in words."""
        return {"tree": "exact, trees", "linear": "exact, linear terms"}.get(self.kind, "sampled subsets of features")

    @property
    def unit(self) -> str:
        """Unit of the output; empty for regression, where it is the target's."""
        if not self.target.is_classification:
            return ""
        boosted = type(self.estimator).__name__ == "HistGradientBoostingClassifier"
        return "log-odds" if self.kind == "linear" or boosted else "probability"

    def explain(self, X: Any) -> tuple[Any, Any]:
        """Contributions (rows, columns, outputs) and base (outputs,)."""
        shap = _import_shap()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.kind == "tree":
                made = shap.TreeExplainer(self.estimator)
                values, base = made.shap_values(X), made.expected_value
            elif self.kind == "linear":
                masker = shap.maskers.Independent(self.average, max_samples=len(self.average))
                made = shap.LinearExplainer(self.estimator, masker)
                values, base = made.shap_values(X), made.expected_value
            else:
                values, base = self._sampled(shap, X)
        return self._shaped(np.asarray(values, dtype=float), np.atleast_1d(np.asarray(base, dtype=float)))

    def _sampled(self, shap: Any, X: Any) -> tuple[Any, Any]:
        """Kernel SHAP; it draws from NumPy's global state, which is put back as it was.

        Permutation explanations would do as well, but compile for 7 s in every new kernel.
        """
        state = np.random.get_state()
        np.random.seed(self.seed % 2**32)
        try:
            made = shap.KernelExplainer(self._predict, self.average[:REFERENCES])
            values = made.shap_values(X, nsamples=_subsets(X.shape[1]), l1_reg=0, silent=True)
        finally:
            np.random.set_state(state)
        return values, made.expected_value

    def _predict(self, X: Any) -> Any:
        return np.asarray(
            self.estimator.predict_proba(X) if self.target.is_classification else self.estimator.predict(X)
        )

    def _shaped(self, values: Any, base: Any) -> tuple[Any, Any]:
        values = values[:, :, None] if values.ndim == 2 else values
        if self.target.task == "binary" and values.shape[2] == 2:
            return values[:, :, 1:], base[1:]
        return (values, base) if self.target.task == "binary" else self._by_class(values, base)

    def _by_class(self, values: Any, base: Any) -> tuple[Any, Any]:
        """Put outputs at their class index: a class without training rows has none of its own and gets 0."""
        size = len(self.target.classes)
        if not self.target.is_classification or values.shape[2] == size:
            return values, base
        whole, whole_base = np.zeros((*values.shape[:2], size)), np.zeros(size)
        seen = np.asarray(self.estimator.classes_, dtype=np.int64)
        whole[:, :, seen], whole_base[seen] = values, base
        return whole, whole_base


def _import_shap() -> Any:
    """Importing shap touches deprecated parts of matplotlib; that is no concern of whoever evaluates a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap
    return shap


def choose_explainer(estimator: Any, average: Any, target: Target, seed: int) -> Explainer:
    """Pick the way that fits the estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted on prepared rows.
    average : ndarray of shape (m, columns)
        Prepared training rows that stand for an average row.
    target : Target
        What is predicted.
    seed : int
        Of sampled subsets.
    """
    if type(estimator).__name__ in TREES and type(estimator).__module__.startswith("sklearn."):
        return Explainer(estimator, "tree", average, target, seed, max(30, int(TREE_STEPS // _tree_steps(estimator))))
    linear = type(estimator).__module__.startswith("sklearn.linear_model") and hasattr(estimator, "coef_")
    if linear and (not target.is_classification or hasattr(estimator, "predict_proba")):
        return Explainer(estimator, "linear", average, target, seed, 100_000)
    calls = REFERENCES * _subsets(average.shape[1])
    return Explainer(estimator, "sampled", average, target, seed, max(10, CALLS // calls))


def _subsets(columns: int) -> int:
    """Subsets of features that are tried for a row."""
    return 2 * columns + 256


def _tree_steps(estimator: Any) -> float:
    """Work of one row: leaves × squared depth over all trees, as in the paper on TreeSHAP."""
    steps = 0.0
    for tree in np.ravel(getattr(estimator, "estimators_", [estimator])):
        if hasattr(tree, "get_n_leaves"):
            steps += tree.get_n_leaves() * tree.get_depth() ** 2
    for round_ in getattr(estimator, "_predictors", []):
        steps += sum(part.get_n_leaf_nodes() * part.get_max_depth() ** 2 for part in round_)
    return max(steps, 1.0)
