"""The API key of a request: which keys its headers carry, and whether one of them is the platform's.

The one check for every service. Keys of the bridge's tenants are looked up in `servers/bridge/access`.
"""

import hmac
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.types import Scope

from tools.errors import Unauthorized
from tools.settings import Settings

Headers = dict[bytes, bytes]
OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready"})
"""Open without a key, spelt exactly: a path trick can only lose that exemption."""


def keys_in(headers: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """Every key that a request carries, in `Authorization: Bearer` and `x-api-key`; empty ones left out."""
    found: set[bytes] = set()
    for name, value in headers:
        if name == b"x-api-key":
            found.add(value.strip())
        elif name == b"authorization":
            found.add(bearer_token(value))
    found.discard(b"")
    return found


def bearer_token(authorization: bytes) -> bytes:
    """The token of `Bearer …` (RFC 6750); empty for another scheme."""
    scheme, _, token = authorization.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def is_key(given: bytes, key: bytes | None) -> bool:
    """Whether `given` is the key, in a time that does not tell how much of it is right."""
    return key is not None and hmac.compare_digest(given, key)


def platform_key(settings: Settings) -> bytes | None:
    """The platform's own key; None on loopback without one."""
    return settings.api_key.get_secret_value().encode() if settings.api_key else None


class ApiKeyCheck:
    """Access with the platform's key alone; without a key everybody on loopback enters."""

    def __init__(self, settings: Settings, *, name: str) -> None:
        self.key = platform_key(settings)
        self.name = name

    def check(self, path: str, headers: Headers) -> None:
        """Raises `Unauthorized`, by nothing but the request's exact path and its headers."""
        if self.key is None or path in OPEN_PATHS:
            return
        # Two look-ups, not `keys_in`: the pool counts microseconds.
        if is_key(bearer_token(headers.get(b"authorization", b"")), self.key):
            return
        if not is_key(headers.get(b"x-api-key", b""), self.key):
            raise Unauthorized("a valid API key is needed", source=self.name)

    @asynccontextmanager
    async def admit(self, scope: Scope, headers: Headers) -> AsyncIterator[None]:
        """An `AccessControl` (`servers/web/middleware.py`)."""
        self.check(scope["path"], headers)
        yield

    def done(self, scope: Scope, status: int, seconds: float) -> None:
        """Nothing to write down: the metrics say enough."""
