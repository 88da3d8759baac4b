"""Operations: whether every service is well, and the runs of flows with the means to stop and repeat them."""

import asyncio
import time
from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from tools.access.identity import Scope
from tools.clients.http import Http
from tools.clients.prefect import FINAL, open_prefect
from tools.errors import Capibara6Error
from tools.schema import JsonObject, Language
from tools.settings import Settings
from ui.access.identity import Visit
from ui.clients import Clients
from ui.tabs.tab import button, empty, state, table
from ui.tabs.words import say
from ui.turns.wish import Wish

HEALTH_S: Final = 2.0
RUNS: Final = 25
RUN_KINDS: Final = {"COMPLETED": "good", "RUNNING": "busy", "PENDING": "busy", "SCHEDULED": "off"}
KINDS: Final = {"ok": "good", "degraded": "busy"}


class Operations:
    """For those who run the platform: Prefect itself knows no people."""

    name = "operations"
    scope: Scope = "operate"
    live = True

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    async def act(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Stop a run, or have it run again."""
        path = f"/flow_runs/{quote(wish.id, safe='')}/set_state"
        match wish.act:
            case "cancel_run":
                async with open_prefect(self.settings) as prefect:
                    await prefect.cancel(wish.id)
                return say("cancelled_run", language)
            case "retry_run":
                again = {"type": "SCHEDULED", "name": "AwaitingRetry"}
                async with open_prefect(self.settings) as prefect:
                    await prefect.call("POST", path, json={"state": again, "force": True})
                return say("retried_run", language)
        return ""

    async def draw(self, clients: Clients, visit: Visit, wish: Wish, language: Language) -> str:
        """Services first, then the newest runs."""
        with visit.acting():
            doors = {
                "api": clients.api.http, "pool": clients.pool.http, "bridge": clients.bridge.http,
                "speech": clients.speech.http,
            }  # fmt: skip
            services, runs = await asyncio.gather(
                asyncio.gather(*(_health(name, http) for name, http in doors.items())), self._runs()
            )
        listed = _runs_html(runs, language) if runs is not None else empty(say("no_prefect", language))
        return (
            f"<h2>{escape(say('services', language))}</h2>{_services_html(services, language)}"
            f"<h2>{escape(say('runs', language))}</h2>{listed}"
        )

    async def _runs(self) -> list[JsonObject] | None:
        """The newest runs as Prefect has them; None where it does not answer."""
        request = {"sort": "EXPECTED_START_TIME_DESC", "limit": RUNS}
        request |= {"flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}}
        try:
            async with open_prefect(self.settings) as prefect:
                return await prefect.http.json("POST", "/flow_runs/filter", json=request, timeout=10.0)
        except Capibara6Error:
            return None


async def _health(name: str, http: Http) -> JsonObject:
    """`{name, status, version, ms, detail}` of a service."""
    began = time.monotonic()
    try:
        said = await http.json("GET", "/health", timeout=HEALTH_S)
    except Capibara6Error as exc:
        return {"name": name, "status": "down" if exc.status < 504 else "silent", "detail": exc.message}
    ms = (time.monotonic() - began) * 1000
    detail = "; ".join(str(one) for one in said.get("problems", []))
    return {**said, "name": name, "ms": ms, "detail": detail}


def _services_html(services: Sequence[JsonObject], language: Language) -> str:
    rows = [
        (
            f"<b>{escape(one['name'])}</b>",
            state(KINDS.get(one["status"], "bad"), say(one["status"], language)),
            escape(str(one.get("version", ""))),
            f"{one['ms']:.0f} ms" if "ms" in one else "—",
            f"<small>{escape(one['detail'])}</small>",
        )
        for one in services
    ]
    heads = [say(key, language) for key in ("service", "state", "version", "latency", "detail")]
    return table(heads, rows, label=say("services", language))


def _runs_html(runs: Sequence[JsonObject], language: Language) -> str:
    if not runs:
        return empty(say("no_runs", language))
    rows = [_run(run, language) for run in runs]
    heads = [say(key, language) for key in ("run", "state", "started", "seconds", "detail")]
    return table([*heads, ""], rows, label=say("runs", language))


def _run(run: JsonObject, language: Language) -> list[str]:
    now = run.get("state") or {}
    kind = now.get("type") or "PENDING"
    act = "retry_run" if kind in FINAL else "cancel_run"
    started = str(run.get("start_time") or "")[:16].replace("T", " ")
    return [
        f"<b>{escape(run['name'])}</b><br><small>{escape(', '.join(run.get('tags') or []))}</small>",
        state(RUN_KINDS.get(kind, "bad"), str(now.get("name") or kind)),
        escape(started),
        f"{run.get('total_run_time') or 0:.1f} s",
        f"<small>{escape(str(now.get('message') or '')[:300])}</small>",
        button(act, language, named=run["name"], sure=act == "cancel_run", id=run["id"]),
    ]
