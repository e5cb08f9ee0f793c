"""From prepared tables to a model: baselines, candidates, the winner, its threshold, and whether it is worth having."""

from mlopskit.model.baselines import ColumnBaseline, LinearBaseline, MajorityBaseline, RuleBaseline
from mlopskit.model.benchmarks import Benchmarks, fit_baselines
from mlopskit.model.candidates import draw_candidates, import_estimator
from mlopskit.model.comparison import compare_with_baselines, verdict
from mlopskit.model.fitting import TrainingData
from mlopskit.model.headline import Headline, headline_metric
from mlopskit.model.learning import learning_curve, learning_note
from mlopskit.model.plots import plot_candidates, plot_comparison, plot_learning, plot_threshold
from mlopskit.model.prediction import predict_table
from mlopskit.model.rules import evaluate_rule
from mlopskit.model.summary import first_note, show_progress, summarise_model, winner_note
from mlopskit.model.threshold import Objective, Threshold, choose_threshold, threshold_curve
from mlopskit.model.tracking import start_tracking, tracking_record
from mlopskit.model.training import Search, fit_first, search_candidates

__all__ = [
    "Benchmarks",
    "ColumnBaseline",
    "Headline",
    "LinearBaseline",
    "MajorityBaseline",
    "Objective",
    "RuleBaseline",
    "Search",
    "Threshold",
    "TrainingData",
    "choose_threshold",
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
    "search_candidates",
    "show_progress",
    "start_tracking",
    "summarise_model",
    "threshold_curve",
    "tracking_record",
    "verdict",
    "winner_note",
]
