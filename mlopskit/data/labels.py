"""Labels that look wrong: confident learning on out-of-fold probabilities.

A row whose given label gets little probability from a model that has not seen it, while another class gets much, is
either a hard case or a wrong label. Both deserve a look before a better model is blamed or praised. The model here is a
quick linear one; the list is a place to begin reading, not a verdict.

References
----------
Northcutt, C., Jiang, L. and Chuang, I. (2021). Confident learning: estimating uncertainty in dataset labels. Journal of
Artificial Intelligence Research 70, 1373-1411. Computed by cleanlab.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data.checks import percent
from mlopskit.data.columns import ROW, TARGET, Target

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

COLUMNS = [ROW, "given", "suggested", "probability_given", "probability_suggested"]


@dataclass(frozen=True)
class LabelCheck:
    """Suspected label errors and how many there may be.

    Attributes
    ----------
    table : DataFrame
        `ROW`, given, suggested, probability_given, probability_suggested; the least likely given label first.
    n : int
        Rows that were looked at.
    outcome : str
        ``passed`` when looked at, else ``not applicable`` or ``could not check``.
    reason : str
        Why not, when not.
    floor : int
        Privacy floor: of fewer rows it is not told how many there are.
    """

    table: pd.DataFrame
    n: int
    outcome: str
    reason: str = ""
    floor: int = 0

    @property
    def share(self) -> float:
        """Suspected errors over rows looked at; NaN when none was."""
        return len(self.table) / self.n if self.n else float("nan")

    @property
    def sentence(self) -> display.Note:
        """The result in words."""
        if self.outcome != "passed":
            return display.note(f"Label errors: {self.outcome}: {self.reason}.")
        if self._few:
            said = f"{self.portion} of {self.n:,} labels looked at look doubtful: the project has a privacy floor."
            return display.note(said[0].upper() + said[1:])
        said = f"{len(self.table):,} of {self.n:,} labels looked at ({percent(len(self.table), self.n)}) look doubtful."
        return display.note(said, tone="warning" if self.share > 0.1 else "plain")

    @property
    def portion(self) -> str:
        """How much looks doubtful, as the beginning of "… of 1,200 labels"; in words where few rows do, or do not.

        Examples
        --------
        >>> LabelCheck(pd.DataFrame(index=range(3)), 1200, "passed", floor=8).portion
        'fewer than 8'
        """
        if not self._few:
            return percent(len(self.table), self.n)
        return f"fewer than {self.floor}" if len(self.table) < self.floor else f"all but fewer than {self.floor}"

    @property
    def _few(self) -> bool:
        return any(0 < part < self.floor for part in (len(self.table), self.n - len(self.table)))


def find_label_errors(
    train: pd.DataFrame,
    preparation: ColumnTransformer,
    *,
    target: Target,
    max_rows: int = 4000,
    folds: int = 3,
    seed: int = 0,
    floor: int = 0,
) -> LabelCheck:
    """Look for labels that a model which has not seen them finds very unlikely.

    Parameters
    ----------
    train : DataFrame
        Training rows.
    preparation : ColumnTransformer
        Fitted; it knows nothing of the target, so it need not be fitted anew on each fold.
    target : Target
        What is predicted; a quantity has no labels to be wrong in this sense.
    max_rows : int
        A random sample of so many rows is looked at.
    folds : int
        Of the cross-validation.
    seed : int
        Of sample and folds.
    floor : int
        Privacy floor, for what is said.

    Returns
    -------
    LabelCheck
        With outcome ``not applicable`` for regression, ``could not check`` when a class has fewer rows than folds.
    """
    empty = pd.DataFrame(columns=COLUMNS)
    if not target.is_classification:
        return LabelCheck(empty, 0, "not applicable", "the target is a quantity, not a label")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(train))[:max_rows])
    rows = train.iloc[chosen].reset_index(drop=True)
    counts = np.bincount(rows[TARGET], minlength=len(target.classes))
    if counts.min() < folds:
        rare = target.classes[int(counts.argmin())]
        few = f"fewer than {floor}" if 0 < counts.min() < floor else str(counts.min())
        return LabelCheck(empty, 0, "could not check", f"class {rare} has {few} of the sampled rows")
    probabilities = _out_of_fold(preparation.transform(rows), rows[TARGET].to_numpy(), folds=folds, seed=seed)
    return LabelCheck(_suspects(rows, probabilities, target), len(rows), "passed", floor=floor)


def _out_of_fold(features: Any, given: Any, *, folds: int, seed: int) -> Any:
    """Probabilities of each row from a model fitted without it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    model = LogisticRegression(max_iter=100, C=0.3, tol=1e-3)
    cuts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # rough probabilities will do here
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cross_val_predict(model, features, given, cv=cuts, method="predict_proba", n_jobs=1)


def _suspects(rows: pd.DataFrame, probabilities: Any, target: Target) -> pd.DataFrame:
    with warnings.catch_warnings():  # its progress bar asks for widgets as it is imported; no bar is shown
        warnings.simplefilter("ignore")
        from cleanlab.filter import find_label_issues

    given = rows[TARGET].to_numpy()
    places = find_label_issues(
        given, probabilities, return_indices_ranked_by="self_confidence", filter_by="prune_by_noise_rate", n_jobs=1
    )
    suggested = probabilities[places].argmax(axis=1)
    classes = np.array(target.classes, dtype=object)
    table = {
        ROW: rows[ROW].to_numpy()[places],
        "given": classes[given[places]],
        "suggested": classes[suggested],
        "probability_given": probabilities[places, given[places]],
        "probability_suggested": probabilities[places, suggested],
    }
    return pd.DataFrame(table, columns=COLUMNS).sort_values(["probability_given", ROW], ignore_index=True)
