"""Subscriptions: who asks hears when documents or collections that they may read have changed.

A collection's version grows with every write; it is asked for as the subscriber, so nobody hears of what they
can not read. Clients of 2026-07-28 hold a stream open (`subscriptions/listen`), older ones have a session.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.session import ServerSession
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    ResourcesListChanged,
    ResourceUpdated,
)
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from servers.mcp.clients import Clients, explain
from servers.mcp.resources import Address, read_address
from tools.access.identity import Principal, current
from tools.clients.bridge import Bridge
from tools.errors import Capibara6Error
from tools.log import get_logger

Ctx = ServerRequestContext[Clients, Any]
EVERY_S = 2.0
STREAM_S = 600.0
"""How long a stream lasts before its client opens another, and shows its key again."""
STREAMS = 512
URIS = 100
"""How many addresses one client may watch."""
STATE = "capibara6.watched"
log = get_logger("mcp")


class Versions:
    """The collections' versions as each principal sees them, asked for once however many watch."""

    def __init__(self) -> None:
        self._known: dict[Principal | None, tuple[float, dict[str, int]]] = {}
        self._lock = asyncio.Lock()

    async def read(self, bridge: Bridge) -> dict[str, int]:
        """Version by name of collection. Raises what the bridge raises."""
        async with self._lock:
            asked, versions = self._known.get(current(), (0.0, {}))
            now = time.monotonic()
            if asked and now - asked < EVERY_S / 2:
                return versions
            versions = {one["name"]: one["version"] for one in await bridge.collections()}
            self._known = {key: kept for key, kept in self._known.items() if now - kept[0] < 10 * EVERY_S}
            self._known[current()] = (now, versions)
            return versions


class Watch:
    """Tells what has changed since it was last asked. One task asks."""

    def __init__(self, bridge: Bridge, versions: Versions) -> None:
        self.bridge, self.versions = bridge, versions
        self.addresses: dict[str, Address] = {}
        self._seen: dict[str, int] | None = None
        self._hashes: dict[str, str | None] = {}

    async def add(self, uris: Iterable[str]) -> None:
        """Watch these as well, from now on. Raises MCPError for one that is no address of ours."""
        try:
            new = {uri: read_address(uri) for uri in uris}
            if len(self.addresses | new) > URIS:
                raise MCPError(INVALID_PARAMS, f"at most {URIS} resources may be watched")
            self._hashes |= await self._read(new)
            self._seen = self._seen if self._seen is not None else await self.versions.read(self.bridge)
        except Capibara6Error as exc:
            raise MCPError(INVALID_PARAMS, explain(exc)) from exc
        self.addresses |= new

    def remove(self, uri: str) -> None:
        """Watch this no longer."""
        self.addresses.pop(uri, None)
        self._hashes.pop(uri, None)

    async def changes(self) -> tuple[list[str], bool]:
        """The watched addresses that changed, and whether anything did. Raises what the bridge raises."""
        if self._seen is None:
            return [], False
        found = await self.versions.read(self.bridge)
        before, self._seen = self._seen, found
        names = {name for name in before.keys() | found.keys() if before.get(name) != found.get(name)}
        if not names:
            return [], False
        touched = {uri: one for uri, one in self.addresses.items() if one.collection in {None, *names}}
        hashes = await self._read(touched)
        changed = [uri for uri in touched if uri not in hashes or hashes[uri] != self._hashes.get(uri)]
        self._hashes |= hashes
        return changed, True

    async def _read(self, addresses: dict[str, Address]) -> dict[str, str | None]:
        """The content's hash of each document among them; None for one that is not there."""
        held: dict[str, set[str]] = {}
        for one in addresses.values():
            if one.collection is not None and one.document_id is not None:
                held.setdefault(one.collection, set()).add(one.document_id)
        hashes: dict[tuple[str, str], str] = {}
        for name, ids in held.items():
            with suppress(Capibara6Error):  # a collection that is gone, or that is another's, holds nothing
                rows = await self.bridge.documents(collection=name, ids=sorted(ids))
                hashes |= {(name, row["id"]): row["content_hash"] for row in rows}
        return {
            uri: hashes.get((one.collection, one.document_id))
            for uri, one in addresses.items()
            if one.collection is not None and one.document_id is not None
        }


class Subscriptions:
    """Every stream and session that watches."""

    def __init__(self) -> None:
        self.versions, self.watching = Versions(), 0
        self._streams: set[ListenHandler] = set()

    def close(self) -> None:
        """Let every stream end, and say so to its client: the server is about to stop."""
        for handler in list(self._streams):
            handler.close()

    async def listen(self, ctx: Ctx, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """One stream, until its client leaves or `STREAM_S` are over. Raises MCPError."""
        wanted = params.notifications
        watch = Watch(ctx.lifespan_context.bridge, self.versions)
        with self._counted():
            await watch.add(wanted.resource_subscriptions or ())
            bus = InMemorySubscriptionBus()
            handler = ListenHandler(bus)
            telling = asyncio.create_task(_tell(watch, partial(_tell_stream, bus)))
            ending = asyncio.get_running_loop().call_later(STREAM_S, handler.close)
            self._streams.add(handler)
            try:
                return await handler(ctx, params)
            finally:
                self._streams.discard(handler)
                ending.cancel()
                await _ended(telling)

    async def subscribe(self, ctx: Ctx, params: SubscribeRequestParams) -> EmptyResult:
        """An older client watches one more resource for as long as its session lasts. Raises MCPError."""
        connection = _connection(ctx.session)
        watch = connection.state.get(STATE)
        if watch is None:
            connection.exit_stack.enter_context(self._counted())
            watch = connection.state[STATE] = Watch(ctx.lifespan_context.bridge, self.versions)
            telling = asyncio.create_task(_tell(watch, partial(_tell_session, ctx.session)))
            connection.exit_stack.push_async_callback(_ended, telling)
        await watch.add([str(params.uri)])
        return EmptyResult()

    async def unsubscribe(self, ctx: Ctx, params: UnsubscribeRequestParams) -> EmptyResult:
        """The session watches a resource no longer."""
        watch = _connection(ctx.session).state.get(STATE)
        if watch is not None:
            watch.remove(str(params.uri))
        return EmptyResult()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self.watching >= STREAMS:
            raise MCPError(INTERNAL_ERROR, "too many clients watch; try again later")
        self.watching += 1
        try:
            yield
        finally:
            self.watching -= 1


async def _tell(watch: Watch, told: Callable[[Collection[str]], Awaitable[None]]) -> None:
    """Look again and again, and tell what has changed; a store that is away has changed nothing."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            uris, anything = await watch.changes()
        except Capibara6Error as exc:
            log.debug("not_watched", code=exc.code)
            continue
        if anything:
            await told(uris)


async def _tell_session(session: ServerSession, uris: Collection[str]) -> None:
    for uri in uris:
        await session.send_resource_updated(uri)


async def _tell_stream(bus: InMemorySubscriptionBus, uris: Collection[str]) -> None:
    for uri in uris:
        await bus.publish(ResourceUpdated(uri))
    await bus.publish(ResourcesListChanged())


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _connection(session: ServerSession) -> Connection:
    """What outlives a request of a session: the SDK gives its state and its end no public name yet."""
    return session._connection
