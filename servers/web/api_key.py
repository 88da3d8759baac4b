"""The API key of a request: which keys its headers carry, and whether one of them is the platform's.

Whom a key stands for is found in `identity.py`.
"""

import hmac
from collections.abc import Iterable

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
