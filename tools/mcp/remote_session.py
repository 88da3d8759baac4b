"""One long-lived session with an MCP server of others: opened when it is first needed, opened again when it
broke, given up for a while when it can not be opened. One task holds it, and its program if it has one."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx2
from mcp import Client
from mcp.client.auth import OAuthFlowError
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED, CallToolResult, Tool, ToolListChangedNotification

from tools.errors import (
    BadRequest,
    Capibara6Error,
    Unavailable,
    UpstreamFailed,
    UpstreamSilent,
)
from tools.log import get_logger
from tools.mcp.options import McpServer
from tools.mcp.transports import STATUS, open_transport

OPEN_S = 20.0
"""How long a program may take until it answers: `npx` may load it first."""
FAILURES, REST_S = 3, 30.0
"""After so many failures to open it in a row a server is left alone for so long."""
MODERN = "2026-07-28"
MOST_TOOLS, MOST_PAGES = 500, 50
TERMINATED = "Session terminated"
BROKEN = (BaseExceptionGroup, MCPError, OSError, httpx2.HTTPError, OAuthFlowError, Capibara6Error)
"""How a session ends that nobody closed."""
log = get_logger("mcp")


class RemoteSession:
    """The session with `server`, whoever asks. `version` grows when the server says that its tools changed,
    and when it is opened again."""

    def __init__(self, name: str, server: McpServer, commands: tuple[str, ...]) -> None:
        self.name, self.server, self.commands = name, server, commands
        self.version = 0
        self._opening = asyncio.Lock()
        self._client: Client | None = None
        self._holder: asyncio.Task[None] | None = None
        self._failures, self._rest_until = 0, 0.0

    async def tools(self) -> list[Tool]:
        """All pages of its tools, at most `MOST_TOOLS`. Raises `tools.errors`."""
        found: list[Tool] = []
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            page = await self._asked(lambda client, at=cursor: client.list_tools(cursor=at))
            found += page.tools
            cursor = page.next_cursor
            if cursor is None or len(found) >= MOST_TOOLS:
                break
        return found[:MOST_TOOLS]

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """One call; a tool that failed says so in the result. Raises `tools.errors`."""
        return await self._asked(lambda client: client.call_tool(tool, arguments))

    async def about(self) -> dict[str, str]:
        """What the server says that it is: `name`, `version`, `protocol`. Raises `tools.errors`."""
        client = await self._open()
        info = client.server_info
        told = {"name": info.name, "version": info.version} if info else {}
        return {**told, "protocol": client.protocol_version}

    async def close(self) -> None:
        """End the session, and the program behind it."""
        holder, self._holder, self._client = self._holder, None, None
        if holder is not None:
            holder.cancel()
            await asyncio.wait([holder])

    async def _asked(self, ask: Any) -> Any:
        """What a request gives. One that a session refused because it is over is made again in a new one:
        the server has not seen it."""
        for last in (False, True):
            client = await self._open()
            try:
                with _translated(self.name):
                    async with asyncio.timeout(self.server.timeout_s):
                        return await ask(client)
            except SessionOver:
                await self.close()
                if last:
                    raise
        raise AssertionError("the second time returns or raises")

    async def _open(self) -> Client:
        """The open session. Raises Unavailable, Forbidden, UpstreamFailed."""
        if self._client is not None:
            return self._client
        async with self._opening:
            if self._client is not None:
                return self._client
            if (rest := self._rest_until - time.monotonic()) > 0:
                why = f"the MCP server {self.name} could not be reached lately"
                raise Unavailable(why, source="mcp", retry_after=max(1, round(rest)))
            ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
            ready.add_done_callback(asyncio.Future.exception)  # also where nobody waits for it any more
            self._holder = asyncio.create_task(self._hold(ready), name=f"mcp:{self.name}")
            try:
                async with asyncio.timeout(OPEN_S):
                    client = await asyncio.shield(ready)
            except TimeoutError as exc:
                await self._failed()
                raise UpstreamSilent(f"the MCP server {self.name} did not answer", source="mcp") from exc
            except Capibara6Error:
                await self._failed()
                raise
            except BaseException:
                await self.close()
                raise
            self._client, self._failures, self.version = client, 0, self.version + 1
            return client

    async def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._rest_until = time.monotonic() + REST_S
        await self.close()

    async def _hold(self, ready: asyncio.Future[Client]) -> None:
        """Hold the session open until it breaks or is closed; only this task enters and leaves it."""
        try:
            async with (
                open_transport(self.server, self.commands) as streams,
                Client(_opened(streams), message_handler=self._heard, read_timeout_seconds=None) as client,
            ):
                ready.set_result(client)
                await self._listen(client)
        except asyncio.CancelledError:
            raise
        except BROKEN as exc:
            cause = translated(exc, self.name)
            log.warning("mcp_session_broke", server=self.name, code=cause.code)
            if not ready.done():
                ready.set_exception(cause)
        finally:
            self._client = None
            if not ready.done():
                ready.set_exception(SessionOver(f"{self.name} was closed", source="mcp", retry_after=1))

    async def _listen(self, client: Client) -> None:
        """Hear of changed tools for as long as the session lasts."""
        capability = client.server_capabilities.tools
        if client.protocol_version >= MODERN and capability is not None and capability.list_changed:
            with suppress(MCPError):
                async with client.listen(tools_list_changed=True) as events:
                    async for _ in events:
                        self._changed()
        await asyncio.Event().wait()

    async def _heard(self, message: object) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed()

    def _changed(self) -> None:
        self.version += 1
        log.info("mcp_tools_changed", server=self.name)


class SessionOver(Unavailable):
    """The server has forgotten the session, or its program has ended."""

    code = "mcp_session_over"


@asynccontextmanager
async def _opened(streams: Any) -> AsyncIterator[Any]:
    """Streams that are open, as `Client` takes them."""
    yield streams


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as exc:
        raise UpstreamSilent(f"the MCP server {name} did not answer in time", source="mcp") from exc
    except (MCPError, OSError, httpx2.HTTPError) as exc:
        raise translated(exc, name) from exc


def translated(exc: BaseException, name: str) -> Capibara6Error:
    """One of ours for what the SDK raised; of a group, its first cause. Pure."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    if isinstance(exc, Capibara6Error):
        return exc
    if not isinstance(exc, MCPError):
        return Unavailable(f"the MCP server {name} is not there: {exc}", source="mcp", retry_after=5)
    status = exc.error.data.get(STATUS) if isinstance(exc.error.data, dict) else None
    if exc.error.code == CONNECTION_CLOSED or exc.error.message == TERMINATED:
        return SessionOver(f"the session with the MCP server {name} is over", source="mcp", retry_after=1)
    if status in (401, 403):
        return UpstreamFailed(f"the MCP server {name} refuses our key", source="mcp", code="mcp_refused")
    if status is not None and status >= 500:
        return Unavailable(f"{name}: {exc.error.message}", source="mcp", retry_after=5)
    return BadRequest(f"{name}: {exc.error.message}", source="mcp", code="mcp_error")
