"""How well the model does on rows it has never seen, how sure that is, for whom, and why.

Test rows are scored once. Every figure stands beside its interval and beside what guessing would have scored; curves
are kept at a bounded number of points; explanations add up to what they explain; criteria are judged by intervals.
"""

from mlopskit.evaluate.bias import (
    disparities,
    disparity_sentences,
    incompatibilities,
)
from mlopskit.evaluate.by_group import (
    GroupedRows,
    disparities_by_column,
    metrics_by_slice,
)
from mlopskit.evaluate.confirm import (
    confirm_slices,
)
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
from mlopskit.evaluate.fairlearn_measures import (
    fairlearn_measures,
    show_fairlearn,
)
from mlopskit.evaluate.found_slices import (
    SliceFeatures,
    show_slices,
    slice_features,
    slice_rows,
    tabular,
    worst_slices,
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
from mlopskit.evaluate.group_calibration import (
    calibration_by_group,
    tally_calibration,
)
from mlopskit.evaluate.group_display import (
    fairness_note,
    incompatibility_note,
    measures_note,
    show_disparities,
    show_groups,
)
from mlopskit.evaluate.group_plots import (
    disparities_chart,
    groups_chart,
    slice_examples,
)
from mlopskit.evaluate.group_table import (
    group_metrics,
    tally_metrics,
)
from mlopskit.evaluate.mitigation import (
    compare_mitigations,
)
from mlopskit.evaluate.mitigation_plots import (
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
from mlopskit.evaluate.shrinkage import (
    shrunken_rates,
)
from mlopskit.evaluate.slice_summary import (
    group_criteria_note,
    judge_by_group,
    summarise_slices,
    worst_note,
)
from mlopskit.evaluate.slices import (
    find_slices,
    in_words,
    least_factor,
    slice_mask,
)
from mlopskit.evaluate.summary import (
    calibration_note,
    criteria_note,
    gains_note,
    metrics_note,
    scored_note,
    summarise_evaluation,
)
from mlopskit.evaluate.tested_slices import (
    confirmed_slices,
    count_uses,
    show_confirmed,
    uses_note,
)

__all__ = [
    "Explanation",
    "GroupedRows",
    "SliceFeatures",
    "Verdict",
    "baseline_gains",
    "baseline_predictions",
    "calibration_by_group",
    "calibration_chart",
    "calibration_error",
    "calibration_note",
    "calibration_table",
    "cases_chart",
    "choose_cases",
    "compare_mitigations",
    "confirm_slices",
    "confirmed_slices",
    "confusion_chart",
    "confusion_table",
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
    "show_fairlearn",
    "show_groups",
    "show_mitigations",
    "show_slices",
    "shrunken_rates",
    "slice_examples",
    "slice_features",
    "slice_mask",
    "slice_rows",
    "summarise_evaluation",
    "summarise_slices",
    "tabular",
    "tally_calibration",
    "tally_metrics",
    "uses_note",
    "verdict_table",
    "worst_note",
    "worst_slices",
]
