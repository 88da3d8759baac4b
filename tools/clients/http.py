"""The HTTP floor under every client: one connection pool, one deadline, foreign errors translated once.

It stands on aiohttp: a request costs its caller 0.2 ms of CPU, where httpx takes 1.1, and an answer of an
agent makes three.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp
import httpx
from yarl import URL

from tools.clients.sse import EventReader
from tools.errors import Capibara6Error, Unavailable, UpstreamFailed, UpstreamSilent, from_envelope

CONNECT_S = 5.0
REST_S = 1.0
"""How long a stream may stay open after its `[DONE]` before its connection is given up."""
IN_A_PATH = "/%:@!$&'()*+,;=-._~?"
"""What stands in a path as it is; an escape is one already."""


class Auth(Protocol):
    """What a client shows at a door."""

    def headers(self) -> Mapping[str, str]:
        """Of a request that is made now. `authorization` stands over the caller's, the others below."""
        ...


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that has been read."""

    status_code: int
    headers: Mapping[str, str]
    """By name in lower case."""
    content: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.content.decode("utf-8", "replace")

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return 200 <= self.status_code < 300

    def json(self) -> Any:
        """The body, parsed. Raises ValueError."""
        return json.loads(self.content)


class Streamed:
    """An answer that is read as it comes."""

    def __init__(self, response: aiohttp.ClientResponse, source: str) -> None:
        self._response, self._source = response, source
        self.status_code, self.headers = response.status, _headers(response)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises what `Http` raises."""
        with _translated(self._source):
            async for piece in self._response.content.iter_any():
                yield piece


class Http:
    """JSON over HTTP to one service. Raises only `tools.errors`; `source` names the service in them.

    Requests take `json` or `content` (bytes), `params` (lists are told item by item), `headers`, and
    `timeout`: the seconds to connect, and those between two pieces of the answer.
    """

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, source: str, *, auth: Auth | None, timeout: float
    ) -> None:
        self.session, self.base_url, self.source = session, base_url.rstrip("/"), source
        self.auth, self.timeout = auth, _deadline(timeout, connect=CONNECT_S)

    async def json(self, method: str, path: str, *, timeout: float | None = None, **request: Any) -> Any:
        """Send one request and return the parsed JSON body."""
        response = await self.send(method, path, timeout=timeout, **request)
        try:
            return response.json()
        except ValueError as exc:
            raise UpstreamFailed(
                f"{self.source} answered something that is not JSON", source=self.source
            ) from exc

    async def send(self, method: str, path: str, *, timeout: float | None = None, **request: Any) -> Response:
        """Send one request; a status of 400 or more becomes the error that the service named."""
        with _translated(self.source):
            async with self._request(method, path, timeout=timeout, **request) as answer:
                response = Response(answer.status, _headers(answer), await answer.read())
        if response.status_code >= 400:
            raise error_of(response, self.source)
        return response

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, timeout: float | None = None, **request: Any
    ) -> AsyncIterator[Streamed]:
        """Open a streaming response; leaving the block closes it, which cancels the work behind it."""
        with _translated(self.source):
            answer = await self._request(method, path, timeout=timeout, **request)
            try:
                if answer.status >= 400:
                    raise error_of(
                        Response(answer.status, _headers(answer), await answer.read()), self.source
                    )
                yield Streamed(answer, self.source)
            finally:
                answer.close()  # what was read to its end has given its connection back before

    async def events(
        self, method: str, path: str, **request: Any
    ) -> AsyncGenerator[tuple[str | None, Any], None]:
        """Server-sent events as `(event, data)`, data parsed, until `[DONE]`. An error event is raised."""
        async with self.stream(method, path, **request) as response:
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "text/event-stream":
                message = f"{self.source} sent something that is no stream of events"
                raise UpstreamFailed(message, source=self.source)
            pieces, reader = response.pieces(), EventReader()
            async for piece in pieces:
                for name, data in reader.feed(piece):
                    if data == "[DONE]":
                        await _read_rest(pieces)
                        return
                    if data:
                        yield name or None, self._event(data)

    def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: float | None,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        if json is not None:
            content = _encoded(json)
            given.setdefault("content-type", "application/json")
        if self.auth is not None:
            shown = self.auth.headers()
            given = {**shown, **given, **{name: shown[name] for name in ("authorization",) if name in shown}}
        return self.session.request(
            method,
            self._url(path, params),
            data=content,
            headers=given,
            timeout=self.timeout if timeout is None else _deadline(timeout, connect=timeout),
            allow_redirects=False,
        )

    def _url(self, path: str, params: Mapping[str, Any] | None) -> URL:
        """As it was written, but for what no address may hold: an id may have dots and slashes."""
        base = self.base_url if path.startswith("/") or not path else ""
        query = f"?{urlencode(params, doseq=True, quote_via=quote)}" if params else ""
        return URL(f"{base}{quote(path, safe=IN_A_PATH)}{query}", encoded=True)

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
    base_url: str,
    source: str,
    *,
    auth: Auth | None = None,
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> AsyncIterator[Http]:
    """An `Http` for one service; connections live as long as the block.

    `auth` tells a service of ours whom the caller acts for (`credentials.py`), `api_key` is for others'."""
    shown = {**({"authorization": f"Bearer {api_key}"} if api_key else {}), **(headers or {})}
    connector = aiohttp.TCPConnector(
        limit=200,
        # Servers close idle connections after 5 s: leaving earlier means never meeting one that is closing.
        keepalive_timeout=2.0,
        # The same authorities whatever the machine has installed.
        ssl=httpx.create_ssl_context(trust_env=False) if base_url.startswith("https:") else True,
    )
    # Neither cookies, nor a proxy set for the internet, which must not sit between two services of ours.
    async with aiohttp.ClientSession(
        connector=connector, headers=shown, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    ) as session:
        yield Http(session, base_url, source, auth=auth, timeout=timeout)


def error_of(response: Response, source: str) -> Capibara6Error:
    """The error in a response of status 400 or more."""
    try:
        body = response.json()
    except ValueError:
        body = None
    wait = response.headers.get("retry-after", "")
    return from_envelope(
        response.status_code, body, source=source, retry_after=int(wait) if wait.isdigit() else None
    )


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _encoded(value: Any) -> bytes:
    """JSON as a body; numbers that JSON has not are a fault of ours."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _deadline(seconds: float, *, connect: float) -> aiohttp.ClientTimeout:
    """`seconds` for a free connection and between two pieces of the answer; no bound for all of it."""
    return aiohttp.ClientTimeout(
        total=None, connect=max(seconds, connect), sock_connect=connect, sock_read=seconds
    )


async def _read_rest(pieces: AsyncIterator[bytes]) -> None:
    """To the end of a response that has said all: only then can its connection be used again."""
    with suppress(TimeoutError, Capibara6Error):
        async with asyncio.timeout(REST_S):
            async for _ in pieces:
                pass


@contextmanager
def _translated(source: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
        raise Unavailable(f"{source} is not reachable", source=source, retry_after=1) from exc
    except aiohttp.ServerTimeoutError as exc:
        raise UpstreamSilent(f"{source} did not answer in time", source=source) from exc
    except aiohttp.ClientError as exc:
        raise UpstreamFailed(f"{source} broke the connection", source=source) from exc
