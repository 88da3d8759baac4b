"""Wires the graph server: settings → storage, engine, users, sessions → a listening socket."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nebula3.graph import GraphService

from servers.graph.engine.execution import QueryLimits
from servers.graph.engine.executor import Engine
from servers.graph.language.parser import Parser
from servers.graph.server.graph_service import GraphServiceHandler
from servers.graph.server.listener import Listener
from servers.graph.server.sessions import Sessions
from servers.graph.server.users import Users
from servers.graph.storage.catalog import Catalog
from tools.access.addresses import LOOPBACK
from tools.access.secret_values import concealer, secret_values
from tools.log import configure, get_logger
from tools.settings import Settings

log = get_logger("graph")


@contextmanager
def open_listener(settings: Settings, *, port: int | None = None) -> Iterator[Listener]:
    """A listener on loopback over the data in `settings.home/graph`; call its `serve()`."""
    folder, limits = settings.home.absolute() / "graph", settings.graph
    users = Users(folder / "users.json", settings)
    catalog = Catalog(folder)
    query_limits = QueryLimits(limits.deadline_s, limits.max_rows, limits.max_query_bytes, limits.max_steps)
    engine = Engine(catalog, Parser(folder / "grammar.tables"), query_limits)
    sessions = Sessions(max_sessions=limits.max_sessions, idle_s=limits.session_idle_s)
    address = (LOOPBACK, settings.ports.nebula if port is None else port)
    handler = GraphServiceHandler(engine, users, sessions, address=address)
    listener = Listener(
        GraphService.Processor(handler),
        *address,
        max_connections=limits.max_connections,
        frame_bytes=limits.max_statement_bytes,
        drain_s=settings.limits.drain_s,
    )
    try:
        yield listener
    finally:
        listener.stop()
        catalog.close()


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure("graph", level=settings.log_level, conceal=concealer(secret_values(settings)))
    # Many short requests in many threads: a long turn of one would be waited for by all.
    sys.setswitchinterval(0.002)
    with open_listener(settings) as listener:

        def stop(_number: int, _frame: FrameType | None) -> None:
            threading.Thread(target=listener.stop, daemon=True).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        log.info("serving", address=listener.address)
        listener.serve()
    log.info("stopped")
