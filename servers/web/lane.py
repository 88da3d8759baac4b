"""The short way to a route: from the door to its function, past the router and the dependency solver.

It serves what is plainly right: an exact path, a JSON body of the route's model, each query parameter given.
All else goes the usual way, which also says what is wrong; the OpenAPI is FastAPI's.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi import Request
from fastapi.params import Depends, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.datastructures import QueryParams

from servers.web.middleware import BODY
from tools.errors import Capibara6Error

JSON = (b"content-type", b"application/json")


class Lane:
    """Wraps an ASGI app behind the door; `failed` turns an error of ours into the answer it deserves."""

    def __init__(self, app: Any, *, routes: Iterable[Any], failed: Callable[[Capibara6Error], Any]) -> None:
        self.app, self.failed = app, failed
        plain = [Straight(route) for route in routes if isinstance(route, APIRoute) and is_plain(route)]
        self.straight = {(method, one.route.path): one for one in plain for method in one.route.methods or ()}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        straight = self.straight.get((scope.get("method"), scope.get("path")))
        values = straight.read(scope) if straight is not None else None
        if straight is None or values is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = straight.route
        try:
            body = await straight.run(scope, values)
        except Capibara6Error as exc:
            await self.failed(exc)(scope, receive, send)
            return
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": straight.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Straight:
    """One route as its function's signature says it."""

    def __init__(self, route: APIRoute) -> None:
        self.route, self.status = route, route.status_code or 200
        self.call: Callable[..., Awaitable[Any]] = route.endpoint
        self.body: tuple[str, type[BaseModel]] | None = None
        self.query: list[tuple[str, TypeAdapter[Any]]] = []
        self.asked: list[tuple[str, Callable[[Request], Awaitable[Any]]]] = []
        for name, hint in _hints(route.endpoint).items():
            match _kind(hint):
                case Depends(dependency=call) if call is not None:
                    self.asked.append((name, call))
                case Query():
                    self.query.append((name, TypeAdapter(hint)))
                case model:
                    self.body = name, model

    def read(self, scope: Any) -> dict[str, Any] | None:
        """What the caller sent, checked; None when it is not plainly right."""
        values: dict[str, Any] = {}
        try:
            if self.body is not None:
                if JSON not in scope["headers"]:
                    return None
                name, model = self.body
                values[name] = model.model_validate_json(scope[BODY])
            if self.query:
                given = QueryParams(scope["query_string"])
                for name, adapter in self.query:
                    values[name] = adapter.validate_python(given[name])
        except (ValidationError, KeyError):
            return None
        return values

    async def run(self, scope: Any, values: dict[str, Any]) -> bytes:
        request = Request(scope)
        for name, call in self.asked:
            values[name] = await call(request)
        return to_json(await self.call(**values), inf_nan_mode="null")


def is_plain(route: APIRoute) -> bool:
    """Whether the lane can serve it: every parameter a body, a required query, or asked of the request."""
    if "{" in route.path or route.dependencies or not inspect.iscoroutinefunction(route.endpoint):
        return False
    parameters = inspect.signature(route.endpoint).parameters.values()
    if any(parameter.default is not parameter.empty for parameter in parameters):
        return False
    kinds = [_kind(hint) for hint in _hints(route.endpoint).values()]
    bodies = [kind for kind in kinds if isinstance(kind, type)]
    return len(bodies) <= 1 and all(
        (isinstance(kind, type) and issubclass(kind, BaseModel))
        or isinstance(kind, Query)
        or (isinstance(kind, Depends) and _asks_the_request(kind.dependency))
        for kind in kinds
    )


def _asks_the_request(call: Any) -> bool:
    return inspect.iscoroutinefunction(call) and list(get_type_hints(call).values())[:-1] == [Request]


def _hints(function: Any) -> dict[str, Any]:
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    return hints


def _kind(hint: Any) -> Any:
    """The marker of an annotated parameter, or its type."""
    return get_args(hint)[1] if get_origin(hint) is Annotated else hint
