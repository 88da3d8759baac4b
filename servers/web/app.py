"""The front door that our FastAPI services share: error envelope, key, health, metrics.

It owns no route but `/health…` and `/metrics`. The pool's proxy path has a door of its own (raw ASGI).
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException

from servers.web.lane import Lane
from servers.web.middleware import Door, Gate, OneKey, allowed
from tools.errors import BadRequest, Capibara6Error, NotFound
from tools.settings import Settings

Checks = Callable[[], Awaitable[dict[str, Any]]]


def create_app(
    name: str,
    settings: Settings,
    *,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    checks: Checks,
    description: str = "",
    gate: Gate | None = None,
    lane: Iterable[Any] = (),
) -> FastAPI:
    """A FastAPI app behind the door; `gate` when more than the platform's key may open it, `lane` the routes
    of its routers that are worth the short way.

    `checks` returns at least `{"status": "ok" | "degraded" | "down"}`; down makes `/health` and
    `/health/ready` a 503.
    """
    app = FastAPI(
        title=f"capibara6 {name}", version=version("capibara6"), description=description, lifespan=lifespan
    )
    registry = CollectorRegistry()
    _add_health(app, name, checks, registry)
    _add_envelope(app, name)
    app.state.registry = registry
    opened_by = gate or OneKey(allowed(settings), name=name)
    app.add_middleware(Lane, routes=lane, failed=answer)
    app.add_middleware(Door, name=name, limits=settings.limits, gate=opened_by, registry=registry)
    return app


def _add_health(app: FastAPI, name: str, checks: Checks, registry: CollectorRegistry) -> None:
    @app.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": name}

    @app.get("/health/ready", tags=["health"])
    async def ready(response: Response) -> dict[str, Any]:
        return await health(response)

    @app.get("/health", tags=["health"])
    async def health(response: Response) -> dict[str, Any]:
        state = await checks()
        response.status_code = 503 if state["status"] == "down" else 200
        return {"service": name, "version": app.version, **state}

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_envelope(app: FastAPI, name: str) -> None:
    @app.exception_handler(Capibara6Error)
    async def ours(_: Request, exc: Capibara6Error) -> JSONResponse:
        return answer(exc)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        first = exc.errors()[0]
        param = ".".join(
            str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")
        )
        return answer(BadRequest(first["msg"], param=param or None, source=name, code="invalid_value"))

    @app.exception_handler(HTTPException)
    async def http(_: Request, exc: HTTPException) -> JSONResponse:
        kind = NotFound if exc.status_code == 404 else BadRequest
        return answer(kind(str(exc.detail), source=name), status=exc.status_code, headers=exc.headers)


def answer(exc: Capibara6Error, *, status: int | None = None, headers: Any = None) -> JSONResponse:
    """An error as this platform says it: envelope, status, `Retry-After` when there is one."""
    extra = dict(headers or {})
    if exc.retry_after is not None:
        extra["retry-after"] = str(exc.retry_after)
    return JSONResponse(exc.envelope(), status_code=status or exc.status, headers=extra)
