"""Deployment: a bundle that serves itself, held against what was asked, rehearsed before anyone depends on it.

A *bundle* is a folder with the model and all that serving it needs. A *server* of its own process answers requests on
loopback and logs what it may. A *replay* sends it rows as production would. A *rollout* (shadow, canary, blue-green)
says how the new model meets its users, and a *deferral rule* which cases people keep.
"""

from mlopskit.deploy.automation import automation_table, deferred_by_group, deferred_rows
from mlopskit.deploy.bundle import Bundle, write_bundle
from mlopskit.deploy.client import Server
from mlopskit.deploy.deferral import DeferralRule, deferral_curve, tune_deferral
from mlopskit.deploy.floored import hide_warnings, show_requests
from mlopskit.deploy.messages import to_rows
from mlopskit.deploy.replay import Replay, replay, thin
from mlopskit.deploy.requestlog import RequestLog, logged_name, request_table
from mlopskit.deploy.requirements import check_requirements, verdict
from mlopskit.deploy.rollout import Gates, Rollout, rehearse
from mlopskit.deploy.schema import InputSchema
from mlopskit.deploy.summary import deploy_summary, summary_note

__all__ = [
    "Bundle",
    "DeferralRule",
    "Gates",
    "InputSchema",
    "Replay",
    "RequestLog",
    "Rollout",
    "Server",
    "automation_table",
    "check_requirements",
    "deferral_curve",
    "deferred_by_group",
    "deferred_rows",
    "deploy_summary",
    "hide_warnings",
    "logged_name",
    "rehearse",
    "replay",
    "request_table",
    "show_requests",
    "summary_note",
    "thin",
    "to_rows",
    "tune_deferral",
    "verdict",
    "write_bundle",
]
