"""Which processes run on this machine: one `Service` each, with command, address and health check.

It starts none (`supervisor.py`); how an embedded store is started says `embedded_stores.py`.
"""

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal, get_args
from urllib.parse import urlsplit

import httpx

from servers.graph.health import alive
from servers.local import embedded_stores
from servers.local.machines import Machine, local_machines, near
from tools.access.addresses import LOOPBACK
from tools.clients.prefect import WORK_POOL
from tools.settings import Settings

Layer = Literal["stores", "models", "knowledge", "answers", "doors"]
"""Who may ask whom: a service asks those of the layers before its own. All start at once; a layer is stopped
as one, when those after it have ended: an answer in progress finds everything that it still needs."""
LAYERS: tuple[Layer, ...] = get_args(Layer)
HEARTBEAT_S = 90.0
"""How old its last word may be: a worker tells of itself every 30 s."""


@dataclass(frozen=True)
class Service:
    """A process to run: `url` is what a person may open or call, `healthy` asks the service itself, `ports`
    are the TCP ports it binds, `layer` says when it is stopped."""

    name: str
    command: tuple[str, ...]
    url: str
    healthy: Callable[[], bool]
    ports: tuple[int, ...] = ()
    stop_signal: str = "TERM"
    environment: dict[str, str] = field(default_factory=dict)
    layer: Layer = "doors"


def planned_services(settings: Settings, machines: Collection[Machine] | None = None) -> list[Service]:
    """The services of `machines`, by default those of this one (`local_machines`), stores first; a store with
    an address of its own is not ours."""
    placed = local_machines(settings) if machines is None else machines
    return [
        *(_stores(settings) if "rag" in placed else []),
        *_servers(settings, placed),
        *(_prefect(settings) if "services" in placed else []),
    ]


def _stores(settings: Settings) -> list[Service]:
    ports, external = settings.ports, settings.stores
    found = []
    if external.postgres_dsn is None:
        url = f"unix:{settings.postgres_socket_dir}"
        check = _with_settings(embedded_stores.postgres_ready, settings)
        found.append(Service("postgres", _serve("postgres"), url, check, stop_signal="INT", layer="stores"))
    if external.redis_url is None:
        found.append(_private_store("redis", ports.redis, embedded_stores.redis_ready, settings))
    if external.milvus_uri is None:
        found.append(_private_store("milvus", ports.milvus, embedded_stores.milvus_ready, settings))
    if external.nebula_address is None:
        host, port = settings.nebula_address
        url = f"nebula://{host}:{port}"
        found.append(
            Service("graph", _serve("graph"), url, lambda: alive((host, port), 2.0), (port,), layer="stores")
        )
    return found


def _private_store(name: str, port: int, ready: Callable[[Settings], bool], settings: Settings) -> Service:
    """A store on its unix socket; on loopback where there can be none."""
    socket = settings.store_socket(name)
    url, ports = (f"unix:{socket}", ()) if socket else (f"{LOOPBACK}:{port}", (port,))
    return Service(name, _serve(name), url, _with_settings(ready, settings), ports, layer="stores")


def _servers(settings: Settings, placed: Collection[Machine]) -> list[Service]:
    ports = settings.ports
    known: list[tuple[str, Machine, Layer, int, str, bool]] = [
        ("pool", "models", "models", ports.pool, settings.pool_url, settings.vllm_url is None),
        ("bridge", "rag", "knowledge", ports.bridge, settings.bridge_url, settings.rag_url is None),
        ("speech", "services", "models", ports.speech, settings.speech_url, True),
        ("api", "services", "answers", ports.api, settings.api_url, True),
        ("mcp", "services", "doors", ports.mcp, settings.mcp_url, True),
        ("ui", "services", "doors", ports.ui, settings.ui_url, True),
    ]
    return [
        Service(
            name, _serve(name), url, _http_check(f"{near(settings, port)}/health/ready"), (port,), layer=layer
        )
        for name, machine, layer, port, url, ours in known
        if ours and machine in placed
    ]


def _prefect(settings: Settings) -> list[Service]:
    if settings.stores.prefect_api_url is not None:
        return []
    port = settings.ports.prefect
    url, own = settings.prefect_url, f"{near(settings, port)}/api"
    command, check = (sys.executable, "-m", "flows"), _http_check(f"{own}/health")
    return [
        Service("prefect", (*command, "server"), _root(url), check, (port,), layer="answers"),
        Service("worker", (*command, "worker"), "", _worker_check(settings, own)),
    ]


def _serve(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "servers", "serve", name)


def _with_settings(check: Callable[[Settings], bool], settings: Settings) -> Callable[[], bool]:
    return lambda: check(settings)


def _http_check(url: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            return _client().get(url).is_success
        except httpx.HTTPError:
            return False

    return check


def _worker_check(settings: Settings, prefect: str) -> Callable[[], bool]:
    """Whether a worker told Prefect lately that it lives: one that hangs has a process and no heartbeat."""
    url = f"{prefect}/work_pools/{WORK_POOL}/workers/filter"

    def check() -> bool:
        user, _, password = str(settings.prefect_auth).partition(":")
        try:
            answer = _client().post(url, json={}, auth=(user, password))
        except httpx.HTTPError:
            return False
        if not answer.is_success:
            return False
        oldest = datetime.now(UTC) - timedelta(seconds=HEARTBEAT_S)
        beats = [worker["last_heartbeat_time"] for worker in answer.json()]
        return any(datetime.fromisoformat(beat) > oldest for beat in beats if beat)

    return check


@cache
def _client() -> httpx.Client:
    """One for all checks of this process: to make one takes 20 ms of CPU, for TLS that none of them uses."""
    return httpx.Client(timeout=2.0, trust_env=False)


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
