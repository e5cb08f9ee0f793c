"""The reference: what production is held against, put together from training and validation.

Inputs are profiled on the training rows, since that is what the model has learnt from. Outputs and metrics come from
validation rows, because a model's scores on its own training rows are too good to compare anything with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlopskit.data import TARGET, Columns, Target
from mlopskit.monitor.estimate import Calibrator
from mlopskit.monitor.performance import mean_interval, reference_metrics, share_interval
from mlopskit.monitor.profile import Profile, profile_feature
from mlopskit.monitor.traffic import outputs_of, reference_inputs
from mlopskit.monitor.unlabelled import fit_calibrator


@dataclass(frozen=True)
class Reference:
    """The reference profile and the rows that it was made from.

    Attributes
    ----------
    profile : Profile
        Counts and figures; what is kept.
    values : dict of str to Series
        Reference values of each profiled column, for tests that need them.
    validation : DataFrame
        Prediction table of the validation rows.
    calibrator : Calibrator
        Turns the model's scores into calibrated probabilities.
    """

    profile: Profile
    values: dict[str, pd.Series[Any]]
    validation: pd.DataFrame
    calibrator: Calibrator


def make_reference(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    *,
    target: Target,
    columns: Columns,
    metrics: Sequence[str],
    bins: int = 10,
    replicates: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> Reference:
    """Profile training rows and validation predictions.

    Parameters
    ----------
    train : DataFrame
        Training rows (split table).
    validation : DataFrame
        Predictions of the model on validation rows (`_target`, prediction, score columns).
    metrics : sequence of str
        Measured on `validation`, to compare windows with.
    bins : int
        At most so many bins between quantiles of a numeric column.
    """
    inputs, outputs = reference_inputs(train, columns=columns), outputs_of(validation, target=target)
    values = {str(name): inputs[name] for name in inputs.columns} | {
        str(name): outputs[name] for name in outputs.columns
    }
    features = tuple(
        profile_feature(series, name=name, role="output" if name in outputs.columns else "input", bins=bins)
        for name, series in values.items()
    )
    options: dict[str, Any] = {"replicates": replicates, "confidence": confidence, "seed": seed}
    measured = reference_metrics(validation, target=target, metrics=metrics, **options)
    profile = Profile(
        features=features,
        n=len(train),
        target=_target_record(validation, target),
        metrics=(*measured, *_rates(validation, target, confidence)),
        methods={
            "inputs": f"training rows, numeric columns in at most {bins} bins between their quantiles",
            "outputs": "predictions on validation rows",
            "metrics": "on validation rows, which chose the model and its threshold, so slightly flattering",
        },
    )
    return Reference(profile, values, validation, fit_calibrator(validation, target=target))


def _target_record(validation: pd.DataFrame, target: Target) -> dict[str, Any]:
    truth = validation[TARGET]
    if target.task == "multiclass":
        counts = truth.value_counts().reindex(target.labels, fill_value=0)
        return {"n": len(truth), "counts": {target.classes[label]: int(counts[label]) for label in target.labels}}
    return {"n": len(truth), "value": float(truth.mean())}


def _rates(validation: pd.DataFrame, target: Target, confidence: float) -> tuple[dict[str, Any], ...]:
    """Reference of the figures that are no metric of the model: selection and target rate, means."""
    n, truth, decided = len(validation), validation[TARGET], pd.to_numeric(validation["prediction"])
    if target.task == "binary":
        pairs = {"selection_rate": share_interval(int((decided == 1).sum()), n, confidence),
                 "target_rate": share_interval(int(truth.sum()), n, confidence)}  # fmt: skip
    elif target.task == "regression":
        pairs = {"prediction_mean": mean_interval(decided.to_numpy(dtype=float), confidence),
                 "target_mean": mean_interval(truth.to_numpy(dtype=float), confidence)}  # fmt: skip
    else:
        return ()
    return tuple({"metric": name, **figures, "n": n} for name, figures in pairs.items())
