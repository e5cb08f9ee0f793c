"""Watching a model in production: software, inputs, outputs, and what came true.

Three kinds of figures by window of time. **Software**: requests, errors, latency. **Input**: drift of each column
against the reference profile, missing and unseen values, breaches of the contract. **Output**: scores, decisions,
performance where labels have arrived and an estimate where they have not. **Data drift** is a change of P(x),
**concept drift** of P(y|x); they lead back to different phases, so the evidence for each is kept apart. A threshold
raises an alert only beyond what chance explains.
"""

from mlopskit.metrics.monitored import monitored_metrics, threshold_problems
from mlopskit.monitor.alerts import (
    observations,
    raise_alerts,
)
from mlopskit.monitor.concept import concept_table
from mlopskit.monitor.ddm import ddm, error_stream
from mlopskit.monitor.divergence import (
    hellinger,
    jensen_shannon,
    jensen_shannon_chance,
    psi,
    psi_chance,
    total_variation,
)
from mlopskit.monitor.drift import drift_table
from mlopskit.monitor.estimate import Calibrator, estimate_binary, expected_confusion
from mlopskit.monitor.feedback import next_markdown, next_steps, summarise
from mlopskit.monitor.floored import Floor
from mlopskit.monitor.groups import group_table
from mlopskit.monitor.inputs import input_table, unusual_inputs
from mlopskit.monitor.performance import window_table
from mlopskit.monitor.plots import decision_chart, drift_heatmap, metric_chart, score_chart
from mlopskit.monitor.profile import FeatureProfile, Profile, profile_feature
from mlopskit.monitor.reference import Reference, make_reference
from mlopskit.monitor.software import software_table
from mlopskit.monitor.thresholds import (
    bound_of,
    check_thresholds,
    drift_bounds,
    threshold_table,
    wanted_metrics,
)
from mlopskit.monitor.traffic import Traffic, read_traffic
from mlopskit.monitor.unlabelled import estimate_table, fit_calibrator
from mlopskit.monitor.verdict import explain
from mlopskit.monitor.views import (
    estimate_note,
    group_labels,
    latest_groups,
    steps_note,
    stream_sentence,
    worst_drift,
)
from mlopskit.monitor.windows import Windows, cut_windows

__all__ = [
    "Calibrator",
    "FeatureProfile",
    "Floor",
    "Profile",
    "Reference",
    "Traffic",
    "Windows",
    "bound_of",
    "check_thresholds",
    "concept_table",
    "cut_windows",
    "ddm",
    "decision_chart",
    "drift_bounds",
    "drift_heatmap",
    "drift_table",
    "error_stream",
    "estimate_binary",
    "estimate_note",
    "estimate_table",
    "expected_confusion",
    "explain",
    "fit_calibrator",
    "group_labels",
    "group_table",
    "hellinger",
    "input_table",
    "jensen_shannon",
    "jensen_shannon_chance",
    "latest_groups",
    "make_reference",
    "metric_chart",
    "monitored_metrics",
    "next_markdown",
    "next_steps",
    "observations",
    "profile_feature",
    "psi",
    "psi_chance",
    "raise_alerts",
    "read_traffic",
    "score_chart",
    "software_table",
    "steps_note",
    "stream_sentence",
    "summarise",
    "threshold_problems",
    "threshold_table",
    "total_variation",
    "unusual_inputs",
    "wanted_metrics",
    "window_table",
    "worst_drift",
]
