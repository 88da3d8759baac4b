"""Which processes run on this machine: one `Service` each, with command, address and health check.

It starts none (`supervisor.py`); how an embedded store is started says `embedded_stores.py`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from servers.graph.health import alive
from servers.local import embedded_stores
from tools.settings import Settings, is_loopback


@dataclass(frozen=True)
class Service:
    """A process to run: `url` is what a person may open or call, `healthy` asks the service itself, `ports`
    are the TCP ports it binds."""

    name: str
    command: tuple[str, ...]
    url: str
    healthy: Callable[[], bool]
    ports: tuple[int, ...] = ()
    stop_signal: str = "TERM"
    environment: dict[str, str] = field(default_factory=dict)


def planned_services(settings: Settings) -> list[Service]:
    """The services placed on this machine, stores first; a store with an address of its own is not ours."""
    return [*_stores(settings), *_servers(settings), *_prefect(settings)]


def _stores(settings: Settings) -> list[Service]:
    if not is_loopback(settings.hosts.rag):
        return []
    ports, external = settings.ports, settings.stores
    found = []
    if external.postgres_dsn is None:
        url = f"unix:{settings.postgres_socket_dir}"
        check = _with_settings(embedded_stores.postgres_ready, settings)
        found.append(Service("postgres", _serve("postgres"), url, check, stop_signal="INT"))
    if external.redis_url is None:
        check = _with_settings(embedded_stores.redis_ready, settings)
        found.append(Service("redis", _serve("redis"), settings.redis_url, check, (ports.redis,)))
    if external.milvus_uri is None:
        check = _with_settings(embedded_stores.milvus_ready, settings)
        found.append(Service("milvus", _serve("milvus"), settings.milvus_uri, check, (ports.milvus,)))
    if external.nebula_address is None:
        host, port = settings.nebula_address
        found.append(
            Service(
                "graph", _serve("graph"), f"nebula://{host}:{port}", lambda: alive((host, port), 2.0), (port,)
            )
        )
    return found


def _servers(settings: Settings) -> list[Service]:
    hosts, ports = settings.hosts, settings.ports
    placed = [
        ("pool", hosts.models, ports.pool, settings.pool_url, settings.vllm_url is None),
        ("bridge", hosts.rag, ports.bridge, settings.bridge_url, settings.rag_url is None),
        ("speech", hosts.services, ports.speech, settings.speech_url, True),
        ("api", hosts.services, ports.api, settings.api_url, True),
        ("mcp", hosts.services, ports.mcp, settings.mcp_url, True),
        ("ui", hosts.services, ports.ui, settings.ui_url, True),
    ]
    return [
        Service(name, _serve(name), url, _http_check(f"{_root(url)}/health/ready"), (port,))
        for name, host, port, url, ours in placed
        if ours and is_loopback(host)
    ]


def _prefect(settings: Settings) -> list[Service]:
    if settings.stores.prefect_api_url is not None or not is_loopback(settings.hosts.services):
        return []
    url, port = settings.prefect_url, settings.ports.prefect
    command = (sys.executable, "-m", "flows")
    return [
        Service("prefect", (*command, "server"), _root(url), _http_check(f"{url}/health"), (port,)),
        Service("worker", (*command, "worker"), "", _http_check(f"{url}/health")),
    ]


def _serve(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "servers", "serve", name)


def _with_settings(check: Callable[[Settings], bool], settings: Settings) -> Callable[[], bool]:
    return lambda: check(settings)


def _http_check(url: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            return httpx.get(url, timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    return check


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
