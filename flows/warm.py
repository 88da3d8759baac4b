"""Flow `warm`: what the next hour will want is loaded and tried before anybody waits for it.

It evicts no model that is busy or was used a short while ago; the pool's limits hold for it too.
"""

import json
import time
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.operations.demand import Demand, forecast, from_rows, record
from flows.operations.messages import say
from flows.operations.retry import SHORT_RETRY
from tools.clients.bridge import open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.prefect import open_prefect
from tools.clients.speech import open_speech
from tools.errors import Capibara6Error
from tools.schema import JsonObject, SearchRequest, SpeechRequest
from tools.settings import Settings, load_settings

ZONE = ZoneInfo("Europe/Madrid")
RECENT_S = 900.0
GREETINGS = {"es": "Hola", "en": "Hello"}


@dataclass(frozen=True)
class Warmed:
    """One row: what was warmed, how long its first and its second use took, or why it was left."""

    kind: str
    name: str
    cold_ms: float | None = None
    warm_ms: float | None = None
    note: str = ""


@dataclass(frozen=True)
class LoadPlan:
    """Load `model`, after evicting `victim` when there is no free slot; or leave it, and `why`."""

    model: str
    victim: str | None = None
    why: str = ""


@flow(name="warm", flow_run_name="warm")
async def warm(
    models: list[str] | None = None,
    at_least: Annotated[float, Field(ge=0)] = 1.0,
    voices: bool = True,
    collections: bool = True,
) -> State[list[Warmed]]:
    """Carga lo que la próxima hora suele pedir. · Load what the next hour usually asks for.

    Args:
        models: load these and not what the history says.
        at_least: requests in that hour of the week from which a model is worth loading.
        voices: say a word with every voice.
        collections: search every collection once.
    """
    settings, log = load_settings(), get_run_logger()
    now = datetime.now(ZONE)
    async with open_pool(settings) as pool, open_prefect(settings) as prefect:
        stats = await pool.stats()
        past = await prefect.history("usage", limit=1)
        demand = from_rows(json.loads(past[0]["data"])) if past else Demand()
        demand = record(demand, _totals(stats), now)
        wanted = models or forecast(demand, now + timedelta(hours=1), at_least=at_least)
        rows = [await _warm_model(pool, planned) for planned in plan(wanted, stats)]
        demand = replace(demand, counters=_totals(await pool.stats()))  # its own questions are nobody's wish
        await acreate_table_artifact(demand.to_rows(), key="usage")
    rows += await _voices(settings) if voices else []
    rows += await _collections(settings) if collections else []
    for row in rows:
        log.info(f"{row.kind} {row.name}: {_outcome(row)}")
    await acreate_table_artifact([asdict(row) for row in rows], key="warm")
    done = sum(row.warm_ms is not None for row in rows)
    return Completed(message=say("warmed", settings.language, count=done, total=len(rows)), data=rows)


def plan(wanted: Sequence[str], stats: JsonObject, *, recent_s: float = RECENT_S) -> list[LoadPlan]:
    """Which model is loaded, and which is evicted for it; `stats` is the pool's `/stats`. Pure.

    A victim holds a slot, is not wanted itself, has no work, is not pinned and was not used for `recent_s`.
    """
    loaded = {name: row for name, row in stats["models"].items() if _has_slot(row)}
    free = stats["slots"]["total"] - stats["slots"]["used"]
    victims = sorted(
        (name for name, row in loaded.items() if name not in wanted and _idle(row, recent_s)),
        key=lambda name: -(loaded[name]["last_used_s"] or 1e9),
    )
    plans = []
    for model in wanted:
        row = stats["models"].get(model)
        if row is None or row["state"] == "missing":
            plans.append(LoadPlan(model, why=(row or {}).get("reason") or "unknown model"))
        elif model in loaded or row["state"] == "remote":
            plans.append(LoadPlan(model))
        elif free > 0:
            free -= 1
            plans.append(LoadPlan(model))
        elif victims:
            plans.append(LoadPlan(model, victim=victims.pop(0)))
        else:
            plans.append(LoadPlan(model, why="every slot is busy or was used recently"))
    return plans


@task(task_run_name="load {model}", cache_policy=NO_CACHE, **SHORT_RETRY)
async def load(pool: Pool, model: str, victim: str | None) -> tuple[float, float]:
    """Load and generate one token, twice; milliseconds to the first token, cold (load included) and warm."""
    if victim is not None:
        await pool.unload(victim)
    started = time.monotonic()
    await _one_token(pool, model)
    cold = time.monotonic() - started
    started = time.monotonic()
    await _one_token(pool, model)
    return round(cold * 1_000, 1), round((time.monotonic() - started) * 1_000, 1)


async def _warm_model(pool: Pool, planned: LoadPlan) -> Warmed:
    if planned.why:
        return Warmed("model", planned.model, note=planned.why)
    try:
        cold_ms, warm_ms = await load(pool, planned.model, planned.victim)
    except Capibara6Error as exc:
        return Warmed("model", planned.model, note=exc.message)
    return Warmed(
        "model",
        planned.model,
        cold_ms,
        warm_ms,
        f"took the place of {planned.victim}" if planned.victim else "",
    )


async def _one_token(pool: Pool, model: str) -> None:
    messages = [{"role": "user", "content": "Hola"}]
    async for _ in pool.chat(messages, model=model, max_tokens=1):
        pass


async def _voices(settings: Settings) -> list[Warmed]:
    try:
        async with open_speech(settings) as speech:
            rows = []
            for voice in await speech.voices():
                if not voice.get("available", True):
                    continue
                request = SpeechRequest(
                    text=GREETINGS.get(voice["language"], "Hola"),
                    language=voice["language"],
                    voice_id=voice["id"],
                )
                cold_ms, warm_ms = [await _timed(speech.speak(request)) for _ in range(2)]
                rows.append(Warmed("voice", voice["id"], cold_ms, warm_ms))
            return rows
    except Capibara6Error as exc:
        return [Warmed("voice", "*", note=exc.message)]


async def _collections(settings: Settings) -> list[Warmed]:
    rows = []
    try:
        async with open_bridge(settings) as bridge:
            for item in (await bridge.http.json("GET", "/api/v1/milvus/collections"))["collections"]:
                request = SearchRequest(query="hola", top_k=1, collection=item["name"])
                cold_ms, warm_ms = [await _timed(bridge.search(request)) for _ in range(2)]
                rows.append(Warmed("collection", item["name"], cold_ms, warm_ms))
    except Capibara6Error as exc:
        rows.append(Warmed("collection", "*", note=exc.message))
    return rows


async def _timed(work: Awaitable[object]) -> float:
    """Milliseconds until it is done."""
    started = time.monotonic()
    await work
    return round((time.monotonic() - started) * 1_000, 1)


def _totals(stats: JsonObject) -> dict[str, int]:
    return {name: row["requests"] for name, row in stats["models"].items()}


def _has_slot(row: JsonObject) -> bool:
    return row["state"] in ("ready", "draining", "starting", "waking")


def _idle(row: JsonObject, recent_s: float) -> bool:
    unused = row["last_used_s"] is None or row["last_used_s"] >= recent_s
    return row["state"] == "ready" and unused and not (row["in_flight"] or row["queued"] or row["pinned"])


def _outcome(row: Warmed) -> str:
    if row.cold_ms is None or row.warm_ms is None:
        return row.note
    return f"{row.cold_ms:.0f} → {row.warm_ms:.0f} ms {row.note}".rstrip()
