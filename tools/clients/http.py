"""The HTTP floor under every client: one connection pool, one deadline, foreign errors translated once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

from tools.errors import Capibara6Error, Unavailable, UpstreamFailed, UpstreamSilent, from_envelope

REST_S = 1.0
"""How long a stream may stay open after its `[DONE]` before its connection is given up."""


class Http:
    """JSON over HTTP to one service. Raises only `tools.errors`; `source` names the service in them."""

    def __init__(self, client: httpx.AsyncClient, source: str) -> None:
        self.client = client
        self.source = source

    async def json(self, method: str, path: str, *, timeout: float | None = None, **request: Any) -> Any:
        """Send one request and return the parsed JSON body."""
        response = await self.send(method, path, timeout=timeout, **request)
        try:
            return response.json()
        except ValueError as exc:
            raise UpstreamFailed(
                f"{self.source} answered something that is not JSON", source=self.source
            ) from exc

    async def send(
        self, method: str, path: str, *, timeout: float | None = None, **request: Any
    ) -> httpx.Response:
        """Send one request; a status of 400 or more becomes the error that the service named."""
        if timeout is not None:
            request["timeout"] = timeout
        with _translated(self.source):
            response = await self.client.request(method, path, **request)
        if response.status_code >= 400:
            raise error_of(response, self.source)
        return response

    @asynccontextmanager
    async def stream(self, method: str, path: str, **request: Any) -> AsyncIterator[httpx.Response]:
        """Open a streaming response; leaving the block closes it, which cancels the work behind it."""
        with _translated(self.source):
            async with self.client.stream(method, path, **request) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise error_of(response, self.source)
                yield response

    async def events(self, method: str, path: str, **request: Any) -> AsyncIterator[tuple[str | None, Any]]:
        """Server-sent events as `(event, data)`, data parsed, until `[DONE]`. An error event is raised."""
        async with (
            self.stream(method, path, **request) as response,
            aclosing(EventSource(response).aiter_sse()) as events,
        ):
            async for sse in events:
                if sse.data == "[DONE]":
                    await _read_rest(events)
                    return
                if sse.data:
                    yield sse.event or None, self._event(sse.data)

    def _event(self, text: str) -> Any:
        try:
            data = json.loads(text)
        except ValueError as exc:
            raise UpstreamFailed(f"{self.source} sent an event that is not JSON", source=self.source) from exc
        if isinstance(data, dict) and isinstance(data.get("error"), dict):
            raise from_envelope(502, data, source=self.source)
        return data


@asynccontextmanager
async def open_http(
    base_url: str, source: str, *, api_key: str | None = None, timeout: float = 30.0
) -> AsyncIterator[Http]:
    """An `Http` for one service; connections live as long as the block."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    # Servers close idle connections after 5 s: leaving earlier means never meeting one that is closing.
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=2.0)
    # trust_env: a proxy set for the internet must not sit between two services of ours.
    async with httpx.AsyncClient(
        base_url=base_url,
        headers=headers,
        timeout=httpx.Timeout(timeout, connect=5.0),
        limits=limits,
        trust_env=False,
    ) as client:
        yield Http(client, source)


def error_of(response: httpx.Response, source: str) -> Capibara6Error:
    """The error in a response of status 400 or more whose body has been read."""
    try:
        body = response.json()
    except ValueError:
        body = None
    wait = response.headers.get("retry-after", "")
    return from_envelope(
        response.status_code, body, source=source, retry_after=int(wait) if wait.isdigit() else None
    )


async def _read_rest(events: AsyncIterator[object]) -> None:
    """To the end of a response that has said all: only then can its connection be used again."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(REST_S):
            async for _ in events:
                pass


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
        raise Unavailable(f"{source} is not reachable", source=source, retry_after=1) from exc
    except httpx.TimeoutException as exc:
        raise UpstreamSilent(f"{source} did not answer in time", source=source) from exc
    except SSEError as exc:
        raise UpstreamFailed(f"{source} sent something that is no stream of events", source=source) from exc
    except httpx.HTTPError as exc:
        raise UpstreamFailed(f"{source} broke the connection", source=source) from exc
