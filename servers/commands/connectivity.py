"""`capibara6 doctor --hosts`: every service of every machine as this one reaches it. It changes nothing."""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from servers.commands.messages import message
from servers.local.machines import Machine, local_machines
from servers.local.services import Service, planned_services
from tools.settings import Settings

WAIT_S = 5.0
State = Literal["ok", "degraded", "down", "refused", "silent"]
COLOURS: dict[State, str] = {
    "ok": "green",
    "degraded": "yellow",
    "down": "red",
    "refused": "red",
    "silent": "red",
}


@dataclass(frozen=True)
class Reach:
    """A service seen from here. `state`: what its health says; `refused` is an answer of another kind (a
    wrong name, a wrong key), `silent` none at all. `latency_ms` of that answer, the connection included."""

    machine: Machine
    service: str
    address: str
    state: State
    latency_ms: float | None = None
    version: str = ""
    detail: str = ""


def matrix(settings: Settings) -> list[Reach]:
    """Every service with an address that others call, and on this machine's rag also its stores."""
    # One client for all: to make one takes 20 ms, which no service is to blame for.
    with httpx.Client(timeout=WAIT_S, trust_env=False) as client:
        asked = [
            *_doors(settings, client),
            *(_store(service.name, service.healthy) for service in _own_stores(settings)),
        ]
        return _answers(asked)


def _answers(asked: list[Callable[[], Reach]]) -> list[Reach]:
    with ThreadPoolExecutor(len(asked)) as threads:
        return list(threads.map(lambda ask: ask(), asked))


def print_matrix(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Print it; True when everything can be reached and is not down."""
    found = matrix(settings)
    if as_json:
        console.print_json(json.dumps([asdict(reach) for reach in found]))
    else:
        console.print(_table(found, settings, socket.gethostname()))
    return all(reach.state in ("ok", "degraded") for reach in found)


def _doors(settings: Settings, client: httpx.Client) -> list[Callable[[], Reach]]:
    headers = {"x-api-key": settings.api_key.get_secret_value()} if settings.api_key else {}
    user, _, password = (settings.prefect_auth or "").partition(":")
    sign_in = (user, password) if user else None
    doors: list[tuple[Machine, str, str]] = [
        ("services", "api", f"{settings.api_url}/health"),
        ("services", "speech", f"{settings.speech_url}/health"),
        ("services", "mcp", f"{settings.mcp_url.removesuffix('/mcp')}/health"),
        ("services", "ui", f"{settings.ui_url}/health"),
        ("models", "pool", f"{settings.pool_url}/health"),
        ("rag", "bridge", f"{settings.bridge_url}/health"),
    ]
    asked = [_door(client, (machine, name, url), headers=headers) for machine, name, url in doors]
    prefect = f"{settings.prefect_url}/admin/version"
    return [*asked, _door(client, ("services", "prefect", prefect), sign_in=sign_in)]


def _door(
    client: httpx.Client,
    door: tuple[Machine, str, str],
    *,
    headers: dict[str, str] | None = None,
    sign_in: tuple[str, str] | None = None,
) -> Callable[[], Reach]:
    machine, name, url = door

    def ask() -> Reach:
        address = urlsplit(url).netloc
        begun = time.perf_counter()
        try:
            answer = client.get(url, headers=headers, auth=sign_in)
        except httpx.HTTPError as exc:
            return Reach(machine, name, address, "silent", detail=type(exc).__name__)
        took = round((time.perf_counter() - begun) * 1000, 1)
        body = _json(answer)
        if isinstance(body, str):
            return Reach(machine, name, address, "ok", took, body)
        state = body.get("status")
        if state not in ("ok", "degraded", "down"):
            return Reach(machine, name, address, "refused", took, detail=f"HTTP {answer.status_code}")
        return Reach(machine, name, address, state, took, str(body.get("version", "")))

    return ask


def _json(answer: httpx.Response) -> dict[str, Any] | str:
    """The health of ours is an object, Prefect's version a string; anything else is an empty object."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) or (isinstance(body, str) and answer.is_success) else {}


def _own_stores(settings: Settings) -> list[Service]:
    """Stores are on loopback: only their own machine sees them."""
    if "rag" not in local_machines(settings):
        return []
    return [service for service in planned_services(settings, ("rag",)) if service.name != "bridge"]


def _store(name: str, healthy: Callable[[], bool]) -> Callable[[], Reach]:
    def ask() -> Reach:
        begun = time.perf_counter()
        state: State = "ok" if healthy() else "silent"
        return Reach("rag", name, "", state, round((time.perf_counter() - begun) * 1000, 1))

    return ask


def _table(found: list[Reach], settings: Settings, here: str) -> Table:
    language = settings.language
    view = Table(box=None, pad_edge=False, title=here, title_justify="left")
    for key in ("machine", "service", "address", "state"):
        view.add_column(message(key, language))
    view.add_column("ms", justify="right")
    view.add_column(message("version", language))
    for reach in found:
        state = f"[{COLOURS[reach.state]}]{message(f'reach_{reach.state}', language)}[/]"
        took = "" if reach.latency_ms is None else f"{reach.latency_ms:.1f}"
        more = reach.version or reach.detail
        view.add_row(reach.machine, reach.service, reach.address, state, took, escape(more))
    return view
