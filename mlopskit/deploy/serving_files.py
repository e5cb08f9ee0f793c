"""The files around a bundle, filled from the project: requirements, Dockerfile, Prometheus rules, Grafana dashboard.

Names come from the project file and so from anyone: they enter YAML and JSON as quoted strings and comments as one
line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlopskit.scope import Monitoring, Threshold
from mlopskit.share import share

_SERVED = {
    "latency_p50_ms": (
        "histogram_quantile(0.50, sum by (le) (rate(mlopskit_request_seconds_bucket[5m]))) * 1000",
        "ms",
    ),
    "latency_p95_ms": (
        "histogram_quantile(0.95, sum by (le) (rate(mlopskit_request_seconds_bucket[5m]))) * 1000",
        "ms",
    ),
    "latency_p99_ms": (
        "histogram_quantile(0.99, sum by (le) (rate(mlopskit_request_seconds_bucket[5m]))) * 1000",
        "ms",
    ),
    "error_rate": (
        "sum(rate(mlopskit_failures_total[5m])) / clamp_min(sum(rate(mlopskit_rows_total[5m])), 1)",
        "percentunit",
    ),
    "requests_per_second": ("sum(rate(mlopskit_requests_total[5m]))", "reqps"),
    "selection_rate": (
        'sum(rate(mlopskit_predictions_total{label="1"}[1h]))'
        " / clamp_min(sum(rate(mlopskit_predictions_total[1h])), 1)",
        "percentunit",
    ),
    "deferred_share": (
        'sum(rate(mlopskit_decisions_total{by="person"}[1h])) / clamp_min(sum(rate(mlopskit_decisions_total[1h])), 1)',
        "percentunit",
    ),
    "warning_share": (
        "sum(rate(mlopskit_warnings_total[1h])) / clamp_min(sum(rate(mlopskit_rows_total[1h])), 1)",
        "percentunit",
    ),
}
"""What the server's own counters can tell, as PromQL, by the names that thresholds use."""

_PANELS = ("requests_per_second", "latency_p95_ms", "error_rate", "selection_rate", "deferred_share", "warning_share")


def serving_files(facts: Mapping[str, Any], monitoring: Monitoring) -> dict[str, str]:
    """Return file name → text of what lies beside the model in a bundle.

    Parameters
    ----------
    facts : mapping
        ``bundle.json`` as far as it is known.
    monitoring : Monitoring
        Thresholds and who is told.
    """
    pins = facts["versions"]["packages"]
    return {
        "requirements.txt": "".join(f"{name}=={version}\n" for name, version in pins.items()),
        "Dockerfile": _fill("Dockerfile.j2", _docker_values(facts)),
        "prometheus.yml": _fill("prometheus.yml.j2", _rule_values(facts, monitoring)),
        "dashboard.json": _fill("dashboard.json.j2", _dashboard_values(facts, monitoring)),
    }


def _fill(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701  # JSON, YAML and Dockerfile: `tojson` and `comment` do the escaping
        loader=FileSystemLoader(share("templates/serving")), undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["comment"] = _one_line
    environment.filters["tojson"] = json.dumps
    return environment.get_template(template).render(values)


def _one_line(value: Any) -> str:
    """A value for a comment: it cannot end the line, nor continue it."""
    return re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", str(value)).replace("\\", "/").strip()


def _docker_values(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": facts["name"],
        "image": _slug(facts["name"]),
        "mlopskit": facts["versions"]["mlopskit"],
        "python": ".".join(facts["versions"]["python"].split(".")[:2]),
        "memory_mb": int(facts.get("max_memory_mb") or 1024),
        "cores": f"{float(facts.get('cores') or 1):g}",
    }


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def _rule_values(facts: Mapping[str, Any], monitoring: Monitoring) -> dict[str, Any]:
    rules, elsewhere = [], []
    for threshold in monitoring.threshold:
        bounds = list(_bounds(threshold))
        if threshold.metric in _SERVED:
            rules += [_rule(threshold.metric, sign, bound) for sign, bound in bounds]
        else:
            elsewhere += [f"{threshold.metric} {_words(sign)} {bound:g}" for sign, bound in bounds]
    return {"title": facts["name"], "notify": ", ".join(monitoring.notify), "rules": rules, "elsewhere": elsewhere}


def _bounds(threshold: Threshold) -> Iterator[tuple[str, float]]:
    if threshold.at_most is not None:
        yield ">", float(threshold.at_most)
    if threshold.at_least is not None:
        yield "<", float(threshold.at_least)


def _words(sign: str) -> str:
    return "at most" if sign == ">" else "at least"


def _rule(metric: str, sign: str, bound: float) -> dict[str, str]:
    side = "Above" if sign == ">" else "Below"
    return {
        "alert": "".join(part.capitalize() for part in metric.split("_")) + side,
        "expr": f"{_SERVED[metric][0]} {sign} {bound:g}",
        "summary": f"{metric} should be {_words(sign)} {bound:g}",
    }


def _dashboard_values(facts: Mapping[str, Any], monitoring: Monitoring) -> dict[str, Any]:
    bounds = {item.metric: item for item in monitoring.threshold if item.metric in _SERVED}
    names = [*_PANELS, *sorted(name for name in bounds if name not in _PANELS)]
    panels: list[dict[str, Any]] = [
        {
            "title": name.replace("_", " "),
            "expr": _SERVED[name][0],
            "unit": _SERVED[name][1],
            "legend": name,
            "steps": _steps(bounds.get(name)),
        }
        for name in names
    ]
    return {"title": facts["name"], "uid": _slug(facts["name"])[:40], "panels": panels}


def _steps(threshold: Threshold | None) -> list[dict[str, Any]]:
    if threshold is None:
        return [{"color": "green", "value": None}]
    low, high = threshold.at_least, threshold.at_most
    steps: list[dict[str, Any]] = [{"color": "green" if low is None else "red", "value": None}]
    steps += [{"color": "green", "value": low}] if low is not None else []
    return steps + ([{"color": "red", "value": high}] if high is not None else [])
