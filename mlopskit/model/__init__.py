"""From prepared tables to a model: baselines, candidates, the winner, its threshold, and whether it is worth having.

Names are imported when they are first used, so that a look at the names of candidates does not pay for scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.mitigation import chosen_mitigation, reweigh
    from mlopskit.model.baselines import ColumnBaseline, LinearBaseline, MajorityBaseline, RuleBaseline
    from mlopskit.model.benchmarks import Benchmarks, fit_baselines
    from mlopskit.model.candidates import draw_candidates, import_estimator
    from mlopskit.model.comparison import compare_with_baselines, verdict
    from mlopskit.model.fitting import TrainingData
    from mlopskit.model.headline import Headline, headline_metric
    from mlopskit.model.learning import learning_curve, learning_note
    from mlopskit.model.mitigated import Mitigated, apply_mitigation, show_mitigation, show_reweighting
    from mlopskit.model.plots import plot_candidates, plot_comparison, plot_learning, plot_threshold
    from mlopskit.model.prediction import predict_table
    from mlopskit.model.rules import evaluate_rule
    from mlopskit.model.summary import first_note, show_progress, summarise_model, winner_note
    from mlopskit.model.threshold import Objective, Threshold, choose_threshold, threshold_curve
    from mlopskit.model.tracking import start_tracking, tracking_record
    from mlopskit.model.training import Search, fit_first, search_candidates

_HOMES = {
    "Benchmarks": "benchmarks",
    "ColumnBaseline": "baselines",
    "Headline": "headline",
    "LinearBaseline": "baselines",
    "MajorityBaseline": "baselines",
    "Mitigated": "mitigated",
    "Objective": "threshold",
    "RuleBaseline": "baselines",
    "Search": "training",
    "Threshold": "threshold",
    "TrainingData": "fitting",
    "apply_mitigation": "mitigated",
    "choose_threshold": "threshold",
    "compare_with_baselines": "comparison",
    "draw_candidates": "candidates",
    "evaluate_rule": "rules",
    "first_note": "summary",
    "fit_baselines": "benchmarks",
    "fit_first": "training",
    "headline_metric": "headline",
    "import_estimator": "candidates",
    "learning_curve": "learning",
    "learning_note": "learning",
    "plot_candidates": "plots",
    "plot_comparison": "plots",
    "plot_learning": "plots",
    "plot_threshold": "plots",
    "predict_table": "prediction",
    "search_candidates": "training",
    "show_mitigation": "mitigated",
    "show_progress": "summary",
    "show_reweighting": "mitigated",
    "start_tracking": "tracking",
    "summarise_model": "summary",
    "threshold_curve": "threshold",
    "tracking_record": "tracking",
    "verdict": "comparison",
    "winner_note": "summary",
}

__all__ = [
    "Benchmarks",
    "ColumnBaseline",
    "Headline",
    "LinearBaseline",
    "MajorityBaseline",
    "Mitigated",
    "Objective",
    "RuleBaseline",
    "Search",
    "Threshold",
    "TrainingData",
    "apply_mitigation",
    "choose_threshold",
    "chosen_mitigation",
    "compare_with_baselines",
    "draw_candidates",
    "evaluate_rule",
    "first_note",
    "fit_baselines",
    "fit_first",
    "headline_metric",
    "import_estimator",
    "learning_curve",
    "learning_note",
    "plot_candidates",
    "plot_comparison",
    "plot_learning",
    "plot_threshold",
    "predict_table",
    "reweigh",
    "search_candidates",
    "show_mitigation",
    "show_progress",
    "show_reweighting",
    "start_tracking",
    "summarise_model",
    "threshold_curve",
    "tracking_record",
    "verdict",
    "winner_note",
]


_ELSEWHERE = {"chosen_mitigation": "mlopskit.mitigation", "reweigh": "mlopskit.mitigation"}
"""What this phase calls from a room of its own, which the evaluation shares."""


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.model' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mlopskit.model.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
