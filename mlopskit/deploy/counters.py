"""The server's own counters, in a registry of their own, as Prometheus scrapes them."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mlopskit.deploy.serving import Scored

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Counters:
    """Requests by status code, rows by arm, failures, warnings by field, decisions, predictions, time.

    Examples
    --------
    >>> counters = Counters()
    >>> counters.request(200, 0.01)
    >>> 'mlopskit_requests_total{code="200"} 1.0' in counters.text().decode()
    True
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self._requests = Counter("mlopskit_requests", "Requests answered, by status code", ["code"], registry=here)
        self._seconds = Histogram("mlopskit_request_seconds", "Time in the server", buckets=_SECONDS, registry=here)
        self._rows = Counter("mlopskit_rows", "Rows scored, by arm", ["arm"], registry=here)
        self._failures = Counter("mlopskit_failures", "Rows whose arm failed, by arm", ["arm"], registry=here)
        self._warnings = Counter(
            "mlopskit_warnings", "Values unlike the training data, by field", ["field"], registry=here
        )
        self._decisions = Counter("mlopskit_decisions", "Rows by who decides", ["by"], registry=here)
        self._predictions = Counter("mlopskit_predictions", "Predicted classes, by index", ["label"], registry=here)
        self._share = Gauge("mlopskit_challenger_share", "Share of rows that the challenger answers", registry=here)

    def request(self, code: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(str(code)).inc()
        self._seconds.observe(seconds)

    def rows(self, rows: Sequence[Scored], *, classes: bool) -> None:
        """Count the rows of an answer."""
        for row in rows:
            self._rows.labels(row.arm).inc()
            if row.failed_arm:
                self._failures.labels(row.failed_arm).inc()
            for name, _ in row.warnings:
                self._warnings.labels(name).inc()
            if row.decided_by:
                self._decisions.labels(row.decided_by).inc()
            if classes and row.prediction is not None:
                self._predictions.labels(str(int(row.prediction))).inc()

    def share(self, share: float) -> None:
        """Note the share of the challenger."""
        self._share.set(share)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
