"""Which of the three machines of the settings this one is, and how its own services are reached from here.

`hosts` says how machines reach each other, `host` what this one binds: the two may differ.
"""

import socket
from typing import Literal

import psutil

from tools.access.addresses import LOOPBACK, is_loopback
from tools.errors import BadRequest
from tools.settings import Settings

Machine = Literal["services", "models", "rag"]
"""What a machine is there for, as `hosts` names them; one may be all three."""
MACHINES: tuple[Machine, ...] = ("services", "models", "rag")
Role = Literal["services", "models", "rag", "all"]
EVERY_ADDRESS = ("0.0.0.0", "::", "")


def machines_of(role: Role | None) -> tuple[Machine, ...] | None:
    """The machines that `--role` means; None leaves it to `local_machines`."""
    if role is None:
        return None
    return MACHINES if role == "all" else (role,)


def local_machines(settings: Settings) -> tuple[Machine, ...]:
    """Those whose host is loopback, an address of this machine's, or a name that leads to one."""
    own = own_addresses()
    hosts = settings.hosts.model_dump()
    return tuple(name for name in MACHINES if is_loopback(hosts[name]) or addresses_of(hosts[name]) & own)


def own_addresses() -> frozenset[str]:
    """Every IP address of this machine's interfaces."""
    found = (address for card in psutil.net_if_addrs().values() for address in card)
    kinds = (socket.AF_INET, socket.AF_INET6)
    return frozenset(each.address.partition("%")[0] for each in found if each.family in kinds)


def addresses_of(host: str) -> frozenset[str]:
    """The IP addresses of a host; none where its name is not known here."""
    try:
        return frozenset(str(found[4][0]) for found in socket.getaddrinfo(host, None))
    except OSError:
        return frozenset()


def near(settings: Settings, port: int) -> str:
    """How a service of this machine is reached from this machine itself: by the address that it binds."""
    host = LOOPBACK if settings.host in EVERY_ADDRESS else settings.host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_reachable(settings: Settings, machines: tuple[Machine, ...]) -> None:
    """Raises BadRequest where `hosts` names this machine by an address that `host` does not bind: the others,
    and its own services, would call there in vain."""
    if not is_loopback(settings.host):
        return
    for machine in machines:
        advertised = getattr(settings.hosts, machine)
        if not is_loopback(advertised):
            raise BadRequest(
                f"hosts.{machine} = {advertised}, host = {settings.host}",
                code="bound_too_narrowly",
                param="host",
            )
