"""Host names and origins as settings give them, and which addresses only this machine reaches."""

import ipaddress
import json
import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

LOOPBACK = "127.0.0.1"
SOCKET_PATH_BYTES = 108
_NOT_IN_NAMES = frozenset("/@*?# :")


def is_loopback(host: str) -> bool:
    """True for addresses that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fits_a_socket(path: Path) -> bool:
    """Whether a unix socket may have this path: the kernel takes 107 bytes (`sun_path`, unix(7))."""
    return len(os.fsencode(path)) < SOCKET_PATH_BYTES


def _words(value: Any) -> Any:
    """A list as JSON writes it, or words with commas between them."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return (
        json.loads(text)
        if text.startswith("[")
        else [word for word in map(str.strip, text.split(",")) if word]
    )


def _host_name(name: str) -> str:
    if not name or set(name) & _NOT_IN_NAMES:
        raise ValueError(f"{name!r} is no host name: give example.org, without scheme, port or path")
    return name.lower().rstrip(".")


def _origin(text: str) -> str:
    parts = urlsplit(text)
    bare = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or text.rstrip("/") != bare:
        raise ValueError(f"{text!r} is no origin: give scheme, host and port as https://chat.example.org")
    return bare.lower()


HostNames = Annotated[
    tuple[Annotated[str, AfterValidator(_host_name)], ...], BeforeValidator(_words), NoDecode
]
"""Names of hosts, in small letters; in the environment with commas between them."""
Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_words), NoDecode]
"""Origins of pages (RFC 6454), in small letters; in the environment with commas between them."""
