"""Authorities and origins as requests name them (RFC 3986, 3.2; RFC 6454), brought into one spelling."""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

AUTHORITY = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{0,5}))?", re.IGNORECASE | re.ASCII)
ORIGIN = re.compile(r"(https?)://([^/?#@\\]+)", re.IGNORECASE | re.ASCII)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Authority:
    """A host in small letters, without a dot at its end, IP addresses in their usual form; port None when it
    was not said."""

    name: str
    port: int | None
    is_loopback: bool


@dataclass(frozen=True)
class Origin:
    """Where a page is from."""

    scheme: str
    name: str
    port: int

    def is_at(self, host: Authority) -> bool:
        """Whether the page is from the service called `host`; in front of it a proxy may speak TLS."""
        return self.name == host.name and self.port == (host.port or DEFAULT_PORTS[self.scheme])


def written(host: str, port: int, default: int) -> str:
    """Host and port as addresses and the `Host` header have them (RFC 9110, 7.2): IPv6 in brackets, the
    scheme's `default` port left out."""
    name = f"[{host}]" if ":" in host else host
    return name if port == default else f"{name}:{port}"


@lru_cache(maxsize=1_024)
def read_authority(text: str) -> Authority | None:
    """The authority that a Host header, or a host's bare name or address, holds; None for anything else."""
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"  # an address of IPv6 as settings write it; no browser sends that
    found = AUTHORITY.fullmatch(text)
    if found is None:
        return None
    v6, name, port = found.groups()
    try:
        address = ipaddress.ip_address(v6 or name)
    except ValueError:
        if v6:
            return None
        name = name.lower().removesuffix(".")
        return Authority(name, int(port) if port else None, name == "localhost") if name else None
    mapped = getattr(address, "ipv4_mapped", None)
    return Authority(
        str(address), int(port) if port else None, address.is_loopback or bool(mapped and mapped.is_loopback)
    )


@lru_cache(maxsize=1_024)
def read_origin(text: str) -> Origin | None:
    """The origin that an Origin header holds; None for `null` and whatever is neither http nor https."""
    found = ORIGIN.fullmatch(text)
    authority = read_authority(found[2]) if found else None
    if found is None or authority is None:
        return None
    scheme = found[1].lower()
    return Origin(scheme, authority.name, authority.port or DEFAULT_PORTS[scheme])
