"""Fetches web pages safe from SSRF: nothing that only this machine or its network may reach.

A name is resolved once, judged, and connected to as judged; every redirect is a new address. It knows no
cookies, keys or proxies, asks for plain bytes and stops at the size and the time it was given.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

import httpx

from tools.access.authority import written
from tools.errors import BadRequest, Forbidden, TooLarge, Unavailable, UpstreamFailed, UpstreamSilent
from tools.sections import Fetch

REDIRECTS = 5
AGENT = "capibara6"
"""How it names itself to servers, and what `robots.txt` calls it."""
PORTS = {"http": 80, "https": 443}
WEB = ipaddress.ip_network("2000::/3")
CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16")
)
NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True)
class WebAddress:
    """The parts of a URL: `target` is its path and query; `host` has no brackets."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """Host and port as the `Host` header has them (RFC 9110, 7.2)."""
        return written(self.host, self.port, PORTS[self.scheme])

    @property
    def url(self) -> str:
        """The whole again."""
        return f"{self.scheme}://{self.authority}{self.target}"


@dataclass(frozen=True)
class Order:
    """What is asked for, the page itself by default. Answers of `statuses` are no error: they come back
    without a body. The body of a page is read when `wanted(url, content_type)` says so."""

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    redirects: int = REDIRECTS
    statuses: Collection[int] = ()
    wanted: Callable[[str, str], bool] = lambda url, content_type: True


@dataclass(frozen=True)
class Page:
    """What was fetched; `url` is where it was found in the end, `etag` and `modified` are what its server
    says of this state of it, in HTTP's words."""

    url: str
    content_type: str
    body: bytes
    status: int = 200
    etag: str = ""
    modified: str = ""


PAGE = Order()


async def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises `Unavailable` when it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise Unavailable(f"{host} has no address", source="fetch") from exc
    return list(dict.fromkeys(str(item[4][0]) for item in found))


async def fetch(url: str, *, rules: Fetch, resolve: Resolve = resolve, order: Order = PAGE) -> Page:
    """The page at a URL, followed over redirects.

    Raises `BadRequest` (not a web address), `Forbidden` (it leads inside), `TooLarge`, `UpstreamSilent`
    (`rules.seconds` for all hops together), `Unavailable`, `UpstreamFailed`.
    """
    # trust_env: a proxy would resolve the name again, and differently.
    client = httpx.AsyncClient(trust_env=False, timeout=rules.seconds, follow_redirects=False)
    try:
        async with asyncio.timeout(rules.seconds), client:
            for _ in range(order.redirects + 1):
                address = parse(url)
                ip = choose(await resolve(address.host, address.port), address.host, rules)
                page, location = await _hop(client, address, ip, rules.max_bytes, order)
                if page is not None:
                    return page
                url = urljoin(address.url, location)
    except TimeoutError as exc:
        raise UpstreamSilent(f"{url} took more than {rules.seconds:g} s", source="fetch") from exc
    except httpx.TimeoutException as exc:
        raise UpstreamSilent(f"{url} did not answer in time", source="fetch") from exc
    except httpx.ConnectError as exc:
        raise Unavailable(f"{url} is not reachable", source="fetch") from exc
    except httpx.HTTPError as exc:
        raise UpstreamFailed(f"{url} broke the connection", source="fetch") from exc
    raise UpstreamFailed(f"{url}: more than {order.redirects} redirects", source="fetch")


def parse(url: str) -> WebAddress:
    """The parts of a web address that means the same to every parser. Pure. Raises `BadRequest`."""
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
        raise _not_web("it holds characters that an address may not have")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise _not_web(str(exc)) from exc
    if parts.scheme not in PORTS:
        raise _not_web("only http and https")
    if "@" in parts.netloc:
        raise _not_web("it may not name a user")
    if not host or "%" in host or port == 0:
        raise _not_web("it names no host")
    if all(NUMERIC.fullmatch(label) for label in host.split(".")) and not _is_address(host):
        raise _not_web("an address in numbers is written as four decimals")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebAddress(parts.scheme, host, port or PORTS[parts.scheme], target)


def choose(addresses: Sequence[str], host: str, rules: Fetch) -> str:
    """The address to connect to. Pure. Raises `Forbidden` when one of them leads inside."""
    for text in addresses:
        if not admitted(ipaddress.ip_address(text.partition("%")[0]), rules):
            raise Forbidden(f"{host} leads to an internal address", source="fetch", code="internal_address")
    if not addresses:
        raise Unavailable(f"{host} has no address", source="fetch")
    return addresses[0]


def admitted(address: IpAddress, rules: Fetch) -> bool:
    """Whether it is on the open internet, or in a network that operators have opened. Pure."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in ipaddress.ip_network(network) for network in rules.allow):
        return True
    if address.is_multicast or not address.is_global or any(address in network for network in CLOSED):
        return False
    return address.version == 4 or address in WEB


async def _hop(
    client: httpx.AsyncClient, address: WebAddress, ip: str, most: int, order: Order
) -> tuple[Page | None, str]:
    """One request to the address that was judged: the page, or where it sends us."""
    pinned = f"[{ip}]" if ":" in ip else ip
    own = {"host": address.authority, "accept-encoding": "identity", "user-agent": AGENT}
    request = client.build_request(
        order.method,
        f"{address.scheme}://{pinned}:{address.port}{address.target}",
        headers={**order.headers, **own},
        content=order.content,
        extensions={"sni_hostname": address.host},
    )
    response = await client.send(request, stream=True)
    try:
        if response.has_redirect_location:
            return None, response.headers["location"]
        if not response.is_success and response.status_code not in order.statuses:
            raise UpstreamFailed(f"{address.url} answered {response.status_code}", source="fetch")
        return await _page(response, address.url, most, order), ""
    finally:
        client.cookies.clear()
        await response.aclose()


async def _page(response: httpx.Response, url: str, most: int, order: Order) -> Page:
    said = response.headers
    kind = said.get("content-type", "").partition(";")[0].strip().lower()
    body = b""
    if response.is_success and order.wanted(url, kind):
        if said.get("content-encoding", "identity") != "identity":
            raise UpstreamFailed(f"{url} is packed, which was not asked for", source="fetch")
        body = await _body(response, most, url)
    etag, modified = said.get("etag", ""), said.get("last-modified", "")
    return Page(url, kind, body, response.status_code, etag, modified)


async def _body(response: httpx.Response, most: int, url: str) -> bytes:
    declared = response.headers.get("content-length", "0")
    body = bytearray()
    if not declared.isdigit() or int(declared) <= most:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > most:
                break
        else:
            return bytes(body)
    raise TooLarge(f"{url} has more than {most} bytes", source="fetch")


def _is_address(host: str) -> bool:
    try:
        return str(ipaddress.IPv4Address(host)) == host
    except ValueError:
        return False


def _not_web(why: str) -> BadRequest:
    return BadRequest(f"this is not a web address: {why}", param="url", source="fetch", code="bad_address")
