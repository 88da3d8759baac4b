"""The pool's ASGI app, raw because the proxy path counts microseconds.

It owns routing by exact path, the API key, the bounded body, the request id, the error envelope and
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
from servers.web.middleware import allowed, read_body
from tools.errors import Capibara6Error, NotFound, Unauthorized
from tools.log import get_logger
from tools.settings import Settings

Handler = Callable[[HttpExchange], Awaitable[None]]
WATCH_AFTER_S = 0.2
"""A client that leaves is noticed within this time; most requests end before a watcher is worth its cost."""

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
        self.allowed = allowed(settings)
        self.counters = counters
        self.lifespan = lifespan
        self._active: set[HttpExchange] = set()
        self._timer: asyncio.TimerHandle | None = None
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
            if not exchange.client_left or task is None:
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
            self.counters.finished(exchange.route, exchange.status, time.monotonic() - exchange.arrived_at)

    async def _serve(self, exchange: HttpExchange) -> None:
        if not self.allowed(exchange.path, exchange.headers):
            raise Unauthorized("a valid API key is needed", source="pool")
        handler = self.routes.exact.get((exchange.method, exchange.path))
        if handler is not None:
            exchange.route = exchange.path
        else:
            handler = self._by_prefix(exchange)
        if exchange.method == "POST":
            most = self.limits.body_bytes
            body = await read_body(exchange.receive, exchange.headers, most, source="pool")
            if body is None:
                exchange.status = 499
                return
            exchange.body = body
        exchange.enter()
        self._active.add(exchange)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)
        try:
            await handler(exchange)
        finally:
            self._active.discard(exchange)
            exchange.leave()

    def _watch(self) -> None:
        """One timer for all: timers of their own would cost most requests more than they are worth."""
        self._timer = None
        due = time.monotonic() - WATCH_AFTER_S
        for exchange in self._active:
            if exchange.arrived_at <= due:
                exchange.watch()
            if exchange.deadline is not None:
                exchange.deadline.check()
        if self._active:
            self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._watch)

    def _by_prefix(self, exchange: HttpExchange) -> Handler:
        for (method, prefix, suffix), handler in self.routes.prefixed.items():
            path = exchange.path
            if method == exchange.method and path.startswith(prefix) and path.endswith(suffix):
                name = path[len(prefix) : len(path) - len(suffix)]
                if name and "/" not in name:
                    exchange.path_model, exchange.route = name, f"{prefix}{{name}}{suffix}"
                    return handler
        raise NotFound(f"there is no {exchange.method} {exchange.path[:200]}", source="pool")
