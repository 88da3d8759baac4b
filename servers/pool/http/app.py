"""The pool's ASGI app, raw because the proxy path counts microseconds.

It owns routing by exact path, the door, access, the bounded body, the request id, the error envelope and
cancellation when the client leaves. What a route does is the business of `handlers.py`.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from servers.pool.counters import Counters
from servers.pool.http.exchange import HttpExchange
from servers.web.access import Access, Rule
from servers.web.api_key import OPEN_PATHS
from servers.web.disconnect import DisconnectWatch
from servers.web.door import Door
from servers.web.middleware import read_body
from tools.errors import Capibara6Error, NotFound
from tools.log import get_logger
from tools.settings import Settings

Handler = Callable[[HttpExchange], Awaitable[None]]

RULES = (
    Rule("POST", "/v1/models/", "operate", "/load"),
    Rule("POST", "/v1/models/", "operate", "/unload"),
    Rule("GET", "/stats", "operate"),
    Rule("GET", "/v1/route/feedback", "operate"),
    Rule("DELETE", "/v1/route/feedback", "operate"),
    Rule("POST", "/v1/route/feedback/", "operate", "refit"),
    Rule("POST", "/v1/route/feedback", "write"),
)
"""What is for those who run the pool."""

log = get_logger("pool.door")


@dataclass(frozen=True)
class Routes:
    """`exact` maps (method, path); `prefixed` maps (method, before, after) around a model's name."""

    exact: dict[tuple[str, str], Handler] = field(default_factory=dict[tuple[str, str], Handler])
    prefixed: dict[tuple[str, str, str], Handler] = field(default_factory=dict[tuple[str, str, str], Handler])

    def __or__(self, other: "Routes") -> "Routes":
        return Routes({**self.exact, **other.exact}, {**self.prefixed, **other.prefixed})


class PoolApp:
    """The ASGI app. `routes` is set by its lifespan, before requests come."""

    routes: Routes

    def __init__(
        self,
        settings: Settings,
        *,
        counters: Counters,
        lifespan: Callable[[Any, Any, Any], Awaitable[None]],
    ) -> None:
        self.limits = settings.limits
        self.door = Door(settings, "pool")
        self.access = Access(settings, name="pool", rules=RULES)
        self.counters = counters
        counters.usage = self.access.usage
        self.lifespan = lifespan
        self._watch = DisconnectWatch()
        self._numbers = itertools.count()
        self._run = os.urandom(8).hex().encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        exchange = HttpExchange(scope, receive, send, b"%b%x" % (self._run, next(self._numbers)))
        try:
            await self._serve(exchange)
        except Capibara6Error as exc:
            await exchange.send_error(exc)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not exchange.left or task is None:
                raise
            task.uncancel()
            exchange.status = exchange.status or 499
        except Exception as exc:
            log.error("unexpected", path=exchange.path, request_id=exchange.request_id.decode(), exc_info=exc)
            if exchange.status and not exchange.streaming:
                # Half an answer was sent: only a broken connection tells the client so.
                raise
            await exchange.send_error(Capibara6Error("internal error; see the service's log", source="pool"))
        finally:
            seconds = time.monotonic() - exchange.arrived_at
            self.counters.finished(exchange.route, exchange.status, seconds)
            if exchange.path not in OPEN_PATHS:
                self._audit(exchange, seconds)

    async def _serve(self, exchange: HttpExchange) -> None:
        if exchange.enter(self.door):
            await exchange.send_preflight()
            return
        if self.access.is_open(exchange.path):
            await self._answer(exchange, self.limits.body_bytes)
            return
        identity = self.access.identity
        caller = identity.known(exchange.headers, exchange.raw)
        if caller is None:
            caller = await identity.find(exchange.headers, exchange.raw)
        exchange.principal = caller.principal
        most = self.limits.body_bytes
        try:
            inside = self.access.entered(caller, exchange.method, exchange.path)
        finally:  # a request that is refused is also told when to come back
            if caller.limits is not None:
                exchange.extra = self.access.headers(caller)
                most = min(most, caller.limits.body_bytes or most)
        with inside:
            await self._answer(exchange, most)

    async def _answer(self, exchange: HttpExchange, most: int) -> None:
        handler = self.routes.exact.get((exchange.method, exchange.path))
        if handler is not None:
            exchange.route = exchange.path
        else:
            handler = self._by_prefix(exchange)
        if exchange.method == "POST":
            body = await read_body(exchange.receive, exchange.headers, most, source="pool")
            if body is None:
                exchange.status = 499
                return
            exchange.body = body
        self._watch.add(exchange)
        try:
            await handler(exchange)
        finally:
            self._watch.remove(exchange)
            exchange.deadline = None

    def _audit(self, exchange: HttpExchange, seconds: float) -> None:
        self.access.audit.write(
            request_id=exchange.request_id.decode(),
            principal=exchange.principal,
            method=exchange.method,
            route=exchange.route,
            status=exchange.status,
            seconds=seconds,
            **exchange.noted,
        )

    def _by_prefix(self, exchange: HttpExchange) -> Handler:
        for (method, prefix, suffix), handler in self.routes.prefixed.items():
            path = exchange.path
            if method == exchange.method and path.startswith(prefix) and path.endswith(suffix):
                name = path[len(prefix) : len(path) - len(suffix)]
                if name and "/" not in name:
                    exchange.path_model, exchange.route = name, f"{prefix}{{name}}{suffix}"
                    return handler
        raise NotFound(f"there is no {exchange.method} {exchange.path[:200]}", source="pool")
