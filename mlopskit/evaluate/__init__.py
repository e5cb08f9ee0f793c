"""How well the model does on rows it has never seen, how sure that is, for whom, and why.

Test rows are scored once. Every figure stands beside its interval and beside what guessing would have scored; curves
are kept at a bounded number of points; explanations add up to what they explain; criteria are judged by intervals.
"""

from mlopskit.evaluate.criteria import (
    Verdict,
    judge,
    judge_groups,
    judge_overall,
    verdict_table,
)
from mlopskit.evaluate.curves import (
    calibration_error,
    calibration_table,
    confusion_table,
    precision_recall_curve,
    residual_table,
    roc_curve,
)
from mlopskit.evaluate.explain import (
    Explanation,
    choose_cases,
    explain,
    shap_global,
    shap_rows,
)
from mlopskit.evaluate.gains import (
    baseline_gains,
    baseline_predictions,
    gain_metrics,
    majority_guess,
    metric_table,
    published_figures,
    read_baselines,
)
from mlopskit.evaluate.groups.bias import (
    disparities,
    disparity_sentences,
    incompatibilities,
)
from mlopskit.evaluate.groups.by_group import (
    GroupedRows,
    disparities_by_column,
    metrics_by_slice,
)
from mlopskit.evaluate.groups.calibration import (
    calibration_by_group,
    tally_calibration,
)
from mlopskit.evaluate.groups.calibration_plots import (
    calibration_by_column,
    group_calibration_chart,
    show_group_calibration,
)
from mlopskit.evaluate.groups.fairlearn_measures import (
    fairlearn_measures,
    show_fairlearn,
)
from mlopskit.evaluate.groups.pair_plots import (
    pairs_heatmap,
)
from mlopskit.evaluate.groups.plots import (
    disparities_chart,
    groups_chart,
    slice_examples,
)
from mlopskit.evaluate.groups.shown import (
    fairness_note,
    incompatibility_note,
    measures_note,
    show_disparities,
    show_groups,
)
from mlopskit.evaluate.groups.shrinkage import (
    shrunken_rates,
)
from mlopskit.evaluate.groups.table import (
    group_metrics,
    tally_metrics,
)
from mlopskit.evaluate.groups.thresholds import (
    threshold_rates,
    threshold_rates_chart,
)
from mlopskit.evaluate.mitigation.compare import (
    compare_mitigations,
)
from mlopskit.evaluate.mitigation.plots import (
    mitigation_note,
    mitigations_chart,
    show_mitigations,
)
from mlopskit.evaluate.plots import (
    calibration_chart,
    confusion_chart,
    gains_chart,
    metrics_chart,
    precision_recall_chart,
    residual_chart,
    roc_chart,
)
from mlopskit.evaluate.shap_plots import (
    cases_chart,
    explanation_note,
    shap_chart,
)
from mlopskit.evaluate.slices.confirm import (
    confirm_slices,
)
from mlopskit.evaluate.slices.find import (
    find_slices,
    in_words,
    least_factor,
    slice_mask,
)
from mlopskit.evaluate.slices.found import (
    SliceFeatures,
    show_slices,
    slice_features,
    slice_rows,
    tabular,
    worst_slices,
)
from mlopskit.evaluate.slices.reasons import (
    slice_reasons,
)
from mlopskit.evaluate.slices.reasons_words import (
    show_evidence,
    show_slice_reasons,
)
from mlopskit.evaluate.slices.summary import (
    group_criteria_note,
    judge_by_group,
    summarise_slices,
    worst_note,
)
from mlopskit.evaluate.slices.tested import (
    confirmed_better,
    confirmed_slices,
    count_evaluation,
    count_uses,
    show_confirmed,
    uses_note,
)
from mlopskit.evaluate.summary import (
    calibration_note,
    criteria_note,
    gains_note,
    metrics_note,
    scored_note,
    summarise_evaluation,
)

__all__ = [
    "Explanation",
    "GroupedRows",
    "SliceFeatures",
    "Verdict",
    "baseline_gains",
    "baseline_predictions",
    "calibration_by_column",
    "calibration_by_group",
    "calibration_chart",
    "calibration_error",
    "calibration_note",
    "calibration_table",
    "cases_chart",
    "choose_cases",
    "compare_mitigations",
    "confirm_slices",
    "confirmed_better",
    "confirmed_slices",
    "confusion_chart",
    "confusion_table",
    "count_evaluation",
    "count_uses",
    "criteria_note",
    "disparities",
    "disparities_by_column",
    "disparities_chart",
    "disparity_sentences",
    "explain",
    "explanation_note",
    "fairlearn_measures",
    "fairness_note",
    "find_slices",
    "gain_metrics",
    "gains_chart",
    "gains_note",
    "group_calibration_chart",
    "group_criteria_note",
    "group_metrics",
    "groups_chart",
    "in_words",
    "incompatibilities",
    "incompatibility_note",
    "judge",
    "judge_by_group",
    "judge_groups",
    "judge_overall",
    "least_factor",
    "majority_guess",
    "measures_note",
    "metric_table",
    "metrics_by_slice",
    "metrics_chart",
    "metrics_note",
    "mitigation_note",
    "mitigations_chart",
    "pairs_heatmap",
    "precision_recall_chart",
    "precision_recall_curve",
    "published_figures",
    "read_baselines",
    "residual_chart",
    "residual_table",
    "roc_chart",
    "roc_curve",
    "scored_note",
    "shap_chart",
    "shap_global",
    "shap_rows",
    "show_confirmed",
    "show_disparities",
    "show_evidence",
    "show_fairlearn",
    "show_group_calibration",
    "show_groups",
    "show_mitigations",
    "show_slice_reasons",
    "show_slices",
    "shrunken_rates",
    "slice_examples",
    "slice_features",
    "slice_mask",
    "slice_reasons",
    "slice_rows",
    "summarise_evaluation",
    "summarise_slices",
    "tabular",
    "tally_calibration",
    "tally_metrics",
    "threshold_rates",
    "threshold_rates_chart",
    "uses_note",
    "verdict_table",
    "worst_note",
    "worst_slices",
]
