"""Wires the pool: settings → catalogue, engines, door → one ASGI app."""

import gc
import time
from typing import Any

from servers.pool.http.app import Exchange, PoolApp
from servers.pool.http.handlers import Routes
from servers.pool.pool import open_pool
from servers.web.serve import listen
from tools.log import configure, get_logger
from tools.settings import Settings

COLLECT = (20_000, 20, 50)

log = get_logger("pool")


def build_app(settings: Settings) -> PoolApp:
    """The pool's ASGI app. Its lifespan reads the catalogue and ends all engines on the way out."""
    routes = Routes()

    async def lifespan(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            async with open_pool(settings) as routes.pool:
                log.info("ready", models=list(routes.pool.catalog.ids))
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except (OSError, ValueError) as exc:
            await send({"type": "lifespan.startup.failed", "message": str(exc)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    def finished(exchange: Exchange, path: str) -> None:
        if routes.pool is not None:
            seconds = time.monotonic() - exchange.arrived
            routes.pool.meter.finished(path, exchange.status, seconds)

    return PoolApp(settings, routes=routes, finished=finished, lifespan=lifespan)


def run(settings: Settings) -> None:
    """Serve until SIGTERM; blocking."""
    configure("pool", level=settings.log_level)
    app = build_app(settings)
    # What is loaded now stays: looking through it again and again would cost a fifth of every request.
    gc.freeze()
    gc.set_threshold(*COLLECT)
    listen(app, settings=settings, port=settings.ports.pool)
