"""The FastAPI app that our services share: error envelope, access, health checks, metrics.

It owns no route but `/health…` and `/metrics`. The pool has an app of its own (`servers/pool/http/app.py`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from servers.web.access import Access
from servers.web.door import NO_FORMS, Door, Form
from servers.web.fast_route import FastRoutes
from servers.web.middleware import AccessControl, ServiceMiddleware, service_registry
from tools.errors import BadRequest, Capibara6Error, NotFound
from tools.schema import JsonObject
from tools.settings import Settings

HealthChecks = Callable[[], Awaitable[JsonObject]]


def create_app(
    name: str,
    settings: Settings,
    *,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    checks: HealthChecks,
    description: str = "",
    access: AccessControl | None = None,
    fast_routes: Iterable[BaseRoute] = (),
    forms: Mapping[str, Form] = NO_FORMS,
    inside: Iterable[Callable[[ASGIApp], ASGIApp]] = (),
) -> FastAPI:
    """A FastAPI app behind the middleware of every service.

    `access` stands in for the usual one, which asks the bridge for keys; `fast_routes` are those called so
    often that `fast_route.py` is worth it; `forms` are the paths whose bodies need not be JSON; `inside` are
    middlewares of the service's own, behind the usual one.

    `checks` returns at least `{"status": "ok" | "degraded" | "down"}`; down makes `/health` and
    `/health/ready` a 503.
    """
    access = access or Access(settings, name=name)
    if isinstance(access, Access):
        lifespan = _with_access(access, lifespan)
    app = FastAPI(
        title=f"capibara6 {name}", version=version("capibara6"), description=description, lifespan=lifespan
    )
    registry = service_registry(name)
    _add_health(app, name, checks, registry)
    add_error_handlers(app, name)
    app.state.registry, app.state.access = registry, access
    fast = partial(FastRoutes, routes=fast_routes, on_error=error_response)
    door = Door(settings, name, forms=forms)
    service = partial(ServiceMiddleware, name=name, limits=settings.limits, access=access, registry=registry)
    for wrap in (fast, *inside, partial(service, door=door)):
        app.add_middleware(wrap)
    return app


def _with_access(
    access: Access, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def opened(app: FastAPI) -> AsyncIterator[None]:
        async with access.opened(), lifespan(app):
            yield

    return opened


def _add_health(app: FastAPI, name: str, checks: HealthChecks, registry: CollectorRegistry) -> None:
    @app.get("/health/live", tags=["health"])
    async def live() -> dict[str, str]:
        return {"status": "ok", "service": name}

    @app.get("/health/ready", tags=["health"])
    async def ready(response: Response) -> JsonObject:
        return await health(response)

    @app.get("/health", tags=["health"])
    async def health(response: Response) -> JsonObject:
        state = await checks()
        response.status_code = 503 if state["status"] == "down" else 200
        return {"service": name, "version": app.version, **state}

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def add_error_handlers(app: FastAPI, name: str) -> None:
    """Errors of the routes become envelopes; `name` is the service that failed."""

    @app.exception_handler(Capibara6Error)
    async def ours(_: Request, exc: Capibara6Error) -> JSONResponse:
        return error_response(exc)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, exc: RequestValidationError) -> JSONResponse:
        first = exc.errors()[0]
        param = ".".join(
            str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")
        )
        return error_response(
            BadRequest(first["msg"], param=param or None, source=name, code="invalid_value")
        )

    @app.exception_handler(HTTPException)
    async def http(_: Request, exc: HTTPException) -> JSONResponse:
        kind = NotFound if exc.status_code == 404 else BadRequest
        return error_response(kind(str(exc.detail), source=name), status=exc.status_code, headers=exc.headers)


def error_response(
    exc: Capibara6Error, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error as an answer: the envelope, its status or `status`, `Retry-After` in seconds if it has one."""
    extra = dict(headers or {})
    if exc.retry_after is not None:
        extra["retry-after"] = str(exc.retry_after)
    return JSONResponse(exc.envelope(), status_code=status or exc.status, headers=extra)
