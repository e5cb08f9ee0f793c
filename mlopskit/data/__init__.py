"""From a source to tables that a model can learn from, each step checked and recorded.

`read_source` brings the rows and their provenance, `infer_schema` the contract that they keep, `make_target` and
`split_rows` the tables to learn from, `make_preparation` the transformer that the model carries into serving; the
checks of `quality` and `leakage` say what to believe of all that. `preflight` looks before a run, within half a second.

Names are imported when they are first used, so that a look before a run does not pay for pandas and scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.data.card import card_note, data_card
    from mlopskit.data.checks import Finding, findings_table
    from mlopskit.data.columns import ROW, TARGET, Columns, Target, units_of
    from mlopskit.data.features import describe_preparation, fit_preparation, make_preparation, source_columns
    from mlopskit.data.infer import infer_scope
    from mlopskit.data.labels import LabelCheck, find_label_errors
    from mlopskit.data.leakage import leakage_findings
    from mlopskit.data.overview import kept_columns, show_labels, show_parts, show_rows, show_schema
    from mlopskit.data.plots import balance_chart, group_chart, missingness_chart, target_over_time
    from mlopskit.data.precheck import Problem, preflight
    from mlopskit.data.profile import column_profile, group_profile
    from mlopskit.data.quality import balance_finding, production_findings, source_findings
    from mlopskit.data.schema import columns_from_schema, infer_schema, validate, validator
    from mlopskit.data.sources import Source, read_source, retrieval
    from mlopskit.data.split import production_mask, split_rows, split_summary, split_tables
    from mlopskit.data.summary import quality_note, summarise_data
    from mlopskit.data.target import make_target, target_findings
    from mlopskit.data.view import feature_view

_HOMES = {
    "Columns": "columns",
    "Finding": "checks",
    "LabelCheck": "labels",
    "Problem": "precheck",
    "ROW": "columns",
    "Source": "sources",
    "TARGET": "columns",
    "Target": "columns",
    "balance_chart": "plots",
    "balance_finding": "quality",
    "card_note": "card",
    "column_profile": "profile",
    "columns_from_schema": "schema",
    "data_card": "card",
    "describe_preparation": "features",
    "feature_view": "view",
    "find_label_errors": "labels",
    "findings_table": "checks",
    "fit_preparation": "features",
    "group_chart": "plots",
    "group_profile": "profile",
    "infer_schema": "schema",
    "infer_scope": "infer",
    "kept_columns": "overview",
    "leakage_findings": "leakage",
    "make_preparation": "features",
    "make_target": "target",
    "missingness_chart": "plots",
    "preflight": "precheck",
    "production_findings": "quality",
    "production_mask": "split",
    "quality_note": "summary",
    "read_source": "sources",
    "retrieval": "sources",
    "show_labels": "overview",
    "show_parts": "overview",
    "show_rows": "overview",
    "show_schema": "overview",
    "source_columns": "features",
    "source_findings": "quality",
    "split_rows": "split",
    "split_summary": "split",
    "split_tables": "split",
    "summarise_data": "summary",
    "target_findings": "target",
    "target_over_time": "plots",
    "units_of": "columns",
    "validate": "schema",
    "validator": "schema",
}

__all__ = [  # noqa: RUF022 - sorted as Python sorts
    "Columns",
    "Finding",
    "LabelCheck",
    "Problem",
    "ROW",
    "Source",
    "TARGET",
    "Target",
    "balance_chart",
    "balance_finding",
    "card_note",
    "column_profile",
    "columns_from_schema",
    "data_card",
    "describe_preparation",
    "feature_view",
    "find_label_errors",
    "findings_table",
    "fit_preparation",
    "group_chart",
    "group_profile",
    "infer_schema",
    "infer_scope",
    "kept_columns",
    "leakage_findings",
    "make_preparation",
    "make_target",
    "missingness_chart",
    "preflight",
    "production_findings",
    "production_mask",
    "quality_note",
    "read_source",
    "retrieval",
    "show_labels",
    "show_parts",
    "show_rows",
    "show_schema",
    "source_columns",
    "source_findings",
    "split_rows",
    "split_summary",
    "split_tables",
    "summarise_data",
    "target_findings",
    "target_over_time",
    "units_of",
    "validate",
    "validator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.data' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mlopskit.data.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
