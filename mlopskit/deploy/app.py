"""The web application over a `Service`: /predict, /health, /metrics, /model, and /routing for rehearsals.

Whatever a caller sends is answered: 200 with scores and warnings, 401 without the token, 413 when too large, 422 with
every problem by row and field, 503 when no arm could score. Bodies are read by hand, so that NaN, deep nesting and
broken text are problems like any other.
"""

from __future__ import annotations

import hmac
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from mlopskit.deploy.counters import Counters
from mlopskit.deploy.requestlog import as_json
from mlopskit.deploy.serving import Query, Routing, Scored, Service

MAX_BYTES = 32_000_000
_BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}}


class Clock:
    """When the last request came: what the idle limit goes by."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def touch(self) -> None:
        """A request came."""
        self.last = time.monotonic()


def create_app(
    service: Service, *, token: str | None = None, control: str | None = None, clock: Clock | None = None
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    service : Service
        What answers.
    token : str, optional
        Callers of all but /health must send it as ``Authorization: Bearer …``.
    control : str, optional
        Opens /routing to who sends it as ``X-Control``; None leaves /routing out.
    clock : Clock, optional
        Told of every request.
    """
    app = FastAPI(title=str(service.bundle.facts["name"]), version=str(service.bundle.facts["format"]))
    counters, clock = Counters(), clock or Clock()
    counters.share(service.routing.share)

    @app.middleware("http")
    async def guarded(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        clock.touch()
        started = time.perf_counter()
        if token is not None and request.url.path != "/health" and not _shows(request, token):
            response = _json({"detail": "send the token as `Authorization: Bearer …`"}, 401)
            response.headers["WWW-Authenticate"] = "Bearer"
        else:
            response = await proceed(request)
        counters.request(response.status_code, time.perf_counter() - started)
        return response

    @app.post("/predict", openapi_extra=_BODY)
    async def predict(request: Request) -> Response:
        return await _predict(request, service, counters)

    @app.get("/health")
    async def health() -> Response:
        state = "ok" if service.log_failures == 0 else "the request log cannot be written"
        return _json({"status": state, "log_failures": service.log_failures, "peak_memory_mb": peak_memory_mb()}, 200)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(counters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/model")
    async def model() -> Response:
        return _json({**service.bundle.facts, "routing": service.routing.model_dump()}, 200)

    if control is not None:
        _add_control(app, service, counters, control)
    return app


def _add_control(app: FastAPI, service: Service, counters: Counters, control: str) -> None:
    @app.put("/routing", openapi_extra=_BODY)
    async def routing(request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("x-control", "").encode(), control.encode()):
            return _json({"detail": "routing is changed by who started the server"}, 403)
        try:
            service.routing = Routing.model_validate(json.loads(await request.body()))
        except ValueError as error:
            return _json({"detail": str(error)}, 422)
        counters.share(service.routing.share)
        return _json(service.routing.model_dump(), 200)


def _shows(request: Request, token: str) -> bool:
    sent = request.headers.get("authorization", "")
    return hmac.compare_digest(sent.encode("latin-1", "replace"), f"Bearer {token}".encode())


async def _predict(request: Request, service: Service, counters: Counters) -> Response:
    body = await _limited(request)
    if body is None:
        return _json({"detail": f"the request is larger than {MAX_BYTES // 1_000_000} MB; send fewer rows"}, 413)
    query = _parse(body)
    problems = query if isinstance(query, list) else service.refusals(query)
    if problems or isinstance(query, list):
        return _json({"detail": problems[:100], "request_id": service.keep_refusal()}, 422)
    request_id, rows = service.answer(query)
    classes = service.target.is_classification
    counters.rows(rows, classes=classes)
    answers = [_answer(row, service) for row in rows]
    failed = any(row.status == "error" for row in rows)
    return _json({"request_id": request_id, "answers": answers}, 503 if failed else 200)


async def _limited(request: Request) -> bytes | None:
    """Read the body as far as the limit; None when it goes beyond."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _parse(body: bytes) -> Query | list[dict[str, Any]]:
    """Return the query, or what is wrong with its form."""
    try:
        said = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return [{"row": None, "field": None, "problem": f"is not valid JSON: {error}"}]
    if isinstance(said, dict) and "features" in said:
        said = {"rows": [said]}
    try:
        return Query.model_validate(said)
    except ValidationError as error:
        return [
            {"row": None, "field": ".".join(str(part) for part in item["loc"]), "problem": item["msg"]}
            for item in error.errors(include_input=False, include_url=False)
        ]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; send null for what is not known")


def _answer(row: Scored, service: Service) -> dict[str, Any]:
    """What the caller sees; where people decide unaided, the model's suggestion is kept from them."""
    hidden = service.automation in {"human-only", "shadow"}
    score = row.scores[0] if row.scores and len(row.scores) == 1 else row.scores
    label = None
    if service.target.is_classification and row.prediction is not None:
        label = service.target.classes[int(row.prediction)]
    return {
        "row": row.row.row,
        "score": None if hidden else score,
        "prediction": None if hidden else row.prediction,
        "label": None if hidden else label,
        "arm": row.arm,
        "decided_by": row.decided_by,
        "status": row.status,
        "warnings": [{"field": name, "warning": text} for name, text in row.warnings],
    }


def _json(content: Any, code: int) -> Response:
    return Response(as_json(content), status_code=code, media_type="application/json")


def peak_memory_mb() -> float | None:
    """Return this process's peak resident memory in MB; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3 / 1.024)
