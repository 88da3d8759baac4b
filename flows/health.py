"""Flow `health`: services, stores, the machine and one question with a known citation; alerts on a change.

Runs that died in silence are made good on the way (`flows/orchestration/crash_recovery.py`). Alerts are
decided from its own artifacts in Prefect, which are there when everything else is down; the long history
for people is in PostgreSQL (`flows/operations/history.py`).
"""

import asyncio
import json
import time
from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlsplit

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.operations import history, letters
from flows.operations.alerts import Snapshot, transitions
from flows.operations.machine import Check, certificate, disk, orphans
from flows.operations.messages import say
from flows.operations.outbox import Alert, deliver
from flows.operations.retry import SHORT_RETRY
from flows.orchestration.crash_recovery import Recovery, recover
from tools.clients.api import open_api
from tools.clients.bridge import open_bridge
from tools.clients.credentials import Credentials
from tools.clients.http import open_http
from tools.clients.prefect import Prefect, open_prefect
from tools.errors import Capibara6Error, StoreUnavailable
from tools.mcp.probe import probe_all
from tools.schema import Answer
from tools.settings import Language, Settings, load_settings

CANARY_QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
CANARY_SOURCE = "modelos"
RUNS_COMPARED = 50
LATE_MINUTES = 10


@flow(name="health", flow_run_name="health")
async def health(
    services: list[str] | None = None,
    question: str = CANARY_QUESTION,
    expected: str = CANARY_SOURCE,
    certificates: list[str] | None = None,
) -> State[list[Check]]:
    """Comprueba los servicios, almacenes y una pregunta de control. · Check services, stores, a question.

    Args:
        services: which to check (pool, bridge, api, speech, mcp, ui, prefect); by default all.
        question: the canary question; empty leaves it out.
        expected: a part of the document id, source or title that its answer must cite.
        certificates: `host:port` of TLS servers whose certificates must not be about to end.
    """
    settings, log = load_settings(), get_run_logger()
    chosen = {name: url for name, url in addresses(settings).items() if services is None or name in services}
    checks = list(await asyncio.gather(*(_row(name, settings, url) for name, url in chosen.items())))
    if "bridge" in chosen:
        checks += await _stores(settings)
    if question:
        checks.append(await _canary_row(settings, question, expected))
    checks += [*await remote_servers(settings), disk(settings), orphans(settings)]
    checks += [await certificate(address, settings.language) for address in certificates or []]
    async with open_prefect(settings) as prefect:
        checks.append(await _waiting(prefect, settings.language))
        checks.append(_crashed_runs(await recover(prefect), settings.language))
        await deliver(settings, prefect, changes(settings, await _history(prefect), checks))
    for letter, outcome in (await asyncio.to_thread(letters.deliver, settings)).items():
        log.info(f"{letter}: {outcome}")
    await acreate_table_artifact([asdict(check) for check in checks], key="health")
    await _remember(settings, checks)
    failing = [check for check in checks if check.status != "ok"]
    for check in failing:
        log.warning(f"{check.name}: {say(_word(check), settings.language)} · {check.detail}")
    if any(check.status == "down" for check in failing):
        names = ", ".join(check.name for check in failing)
        return Failed(message=say("not_well", settings.language, names=names), data=checks)
    message = say("all_well", settings.language)
    log.info(message)
    return Completed(message=message, data=checks)


@task(task_run_name="check {name}", cache_policy=NO_CACHE, **SHORT_RETRY)
async def check(name: str, settings: Settings, url: str) -> str:
    """Ask one service: `ok` or `degraded`, as it says itself. Raises when it does not answer or is down."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/health"
    async with open_http(
        f"{parts.scheme}://{parts.netloc}", name, auth=Credentials(settings), timeout=10.0
    ) as http:
        response = await http.send("GET", path)
    return _state_of(response.text)


@task(task_run_name="canary", cache_policy=NO_CACHE, **SHORT_RETRY)
async def canary(settings: Settings, question: str) -> Answer:
    """Ask the default agent, through the API, as a user would."""
    async with open_api(settings) as api:
        return await api.ask(question)


def changes(settings: Settings, past: list[Snapshot], checks: list[Check]) -> list[Alert]:
    """One alert a service that went down or came back for good, none for one that flickers; `past` is oldest
    first."""
    now = (time.time(), {check.name: check.status for check in checks})
    limits, alerts = settings.alerts, []
    changed = transitions([*past, now], threshold=limits.threshold, within_s=limits.within_s)
    for name, state in changed.items():
        subject = say(f"turned_{state}", settings.language, name=name)
        detail = next(check.detail for check in checks if check.name == name)
        facts = {"event": "health", "service": name, "state": state}
        alerts.append(Alert(f"capibara6: {subject}", f"{subject}: {detail}", facts))
    return alerts


async def _remember(settings: Settings, checks: list[Check]) -> None:
    """Into the long history; without PostgreSQL this run is not in it, and its own row says so already."""
    try:
        await history.record(settings, checks)
    except StoreUnavailable as exc:
        get_run_logger().warning(f"history: {exc.message}")


def addresses(settings: Settings) -> dict[str, str]:
    """Base URL of each service, where its `/health` is."""
    return {
        "pool": settings.pool_url,
        "bridge": settings.bridge_url,
        "api": settings.api_url,
        "speech": settings.speech_url,
        "mcp": settings.mcp_url.removesuffix("/mcp"),
        "ui": settings.ui_url,
        "prefect": settings.prefect_url,
    }


def judge(answer: Answer, expected: str, language: Language) -> tuple[str, str]:
    """Status (ok, down) and sentence for the canary's answer: ok when it cites `expected`. Pure."""
    cited = [f"{item.document_id} {item.source} {item.title}" for item in answer.citations]
    if any(expected.lower() in item.lower() for item in cited):
        return "ok", say("canary_ok", language, expected=expected)
    found = ", ".join(item.document_id for item in answer.citations) or "—"
    return "down", say("canary_bad", language, expected=expected, found=found)


async def _history(prefect: Prefect) -> list[Snapshot]:
    """Statuses of earlier runs, oldest first, read from their tables."""
    past = await prefect.history("health", limit=RUNS_COMPARED)
    return [
        (
            datetime.fromisoformat(item["created"]).timestamp(),
            {row["name"]: row["status"] for row in json.loads(item["data"])},
        )
        for item in reversed(past)
    ]


async def _waiting(prefect: Prefect, language: Language) -> Check:
    count = await prefect.late(LATE_MINUTES)
    text = say("late", language, count=count, minutes=LATE_MINUTES) if count else say("on_time", language)
    return Check("queue", "degraded" if count else "ok", text)


def _crashed_runs(recovery: Recovery, language: Language) -> Check:
    if not recovery.crashed + recovery.retried:
        return Check("runs", "ok", say("none_died", language))
    counts = {"crashed": len(recovery.crashed), "retried": len(recovery.retried)}
    return Check("runs", "degraded", say("died", language, **counts))


async def _row(name: str, settings: Settings, url: str) -> Check:
    started = time.monotonic()
    try:
        status, detail = await check(name, settings, url), url
    except Capibara6Error as exc:
        status, detail = "down", exc.message
    return Check(name, status, detail, _since(started))


async def _canary_row(settings: Settings, question: str, expected: str) -> Check:
    started = time.monotonic()
    try:
        status, detail = judge(await canary(settings, question), expected, settings.language)
    except Capibara6Error as exc:
        status, detail = "down", exc.message
    return Check("canary", status, detail, _since(started))


async def _stores(settings: Settings) -> list[Check]:
    """One row a store, as the bridge sees it; nothing when the bridge itself does not answer."""
    try:
        async with open_bridge(settings) as bridge:
            stores = await bridge.health()
    except Capibara6Error:
        return []
    rows = {name: value for name, value in stores.items() if isinstance(value, dict) and "status" in value}
    return [
        Check(
            name,
            "ok" if value["status"] == "connected" else "down",
            str(value.get("error") or value.get("host") or value["status"]),
            round(value.get("latency_ms") or 0),
        )
        for name, value in rows.items()
    ]


async def remote_servers(settings: Settings) -> list[Check]:
    """One row an MCP server of others. A run can do without them, so none of them is down."""
    return [
        Check(f"mcp {one.name}", "degraded" if one.error else "ok", one.error, round(one.took_ms))
        for one in await probe_all(settings)
    ]


def _state_of(body: str) -> str:
    return "degraded" if '"status":"degraded"' in body.replace(" ", "") else "ok"


def _word(check: Check) -> str:
    return "degraded" if check.status == "degraded" else "down"


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1_000)
