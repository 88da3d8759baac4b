"""Warming: what the next hour wants, into free places first, never at the cost of a model in use."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from flows.operations.demand import Demand, HourlyDemand, forecast, from_rows, record
from flows.warm import plan, warm
from tests.serving import serving
from tools.clients.prefect import open_prefect
from tools.settings import Settings

MONDAY = datetime(2026, 11, 23, 9, 50, tzinfo=UTC)


def _row(state: str = "cold", **changes: Any) -> dict[str, Any]:
    row = {"state": state, "reason": None, "in_flight": 0, "queued": 0, "pinned": False, "requests": 0}
    return {**row, "last_used_s": None, **changes}


def _stats(total: int = 3, **models: dict[str, Any]) -> dict[str, Any]:
    used = sum(row["state"] == "ready" for row in models.values())
    return {"slots": {"total": total, "used": used}, "models": models}


def test_usage_counts_what_was_asked_since_the_last_time() -> None:
    demand = record(Demand(), {"a": 100}, MONDAY)
    assert demand.hours == {}, "what was asked before we looked belongs to no hour"
    demand = record(demand, {"a": 110, "b": 3}, MONDAY)
    assert {key: seen.average for key, seen in demand.hours.items()} == {(0, 9, "a"): 10.0}
    demand = record(demand, {"a": 4, "b": 5}, MONDAY + timedelta(hours=1))
    assert demand.hours[0, 10, "a"].average == 4.0, "a pool that started again counts from zero"


def test_usage_remembers_weeks_and_forgets_slowly() -> None:
    demand = Demand({(0, 9, "a"): HourlyDemand("2026-11-16", 10.0)}, {"a": 0})
    later = record(demand, {"a": 0}, MONDAY)
    assert later.hours[0, 9, "a"].average == pytest.approx(7.0)
    assert forecast(demand, MONDAY, at_least=1) == ["a"]
    assert forecast(demand, MONDAY + timedelta(hours=1), at_least=1) == []
    assert from_rows(demand.to_rows()) == demand
    assert from_rows(later.to_rows()) == later


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.floats(0, 100))
def test_looking_often_counts_what_looking_once_counts(asked: list[int], before: float) -> None:
    demand = Demand({(0, 9, "a"): HourlyDemand("2026-11-16", before)}, {"a": 0})
    often, total = demand, 0
    for number, more in enumerate(asked):
        total += more
        often = record(often, {"a": total}, MONDAY + timedelta(minutes=number))
        often = record(often, {"a": total}, MONDAY + timedelta(minutes=number))
    once = record(demand, {"a": total}, MONDAY)
    assert {key: seen.average for key, seen in often.hours.items()} == pytest.approx(
        {key: seen.average for key, seen in once.hours.items()}
    )


def test_free_places_are_taken_and_nobody_is_sent_away_for_them() -> None:
    stats = _stats(a=_row(), b=_row("ready", last_used_s=5_000.0), c=_row())
    assert [(move.model, move.victim, move.why) for move in plan(["a", "c"], stats)] == [
        ("a", None, ""),
        ("c", None, ""),
    ]


def test_only_a_model_that_nobody_used_for_a_while_makes_room() -> None:
    old = _row("ready", last_used_s=5_000.0)
    busy = _row("ready", last_used_s=5_000.0, in_flight=1)
    fresh = _row("ready", last_used_s=10.0)
    [move] = plan(["a"], _stats(a=_row(), old=old, busy=busy, fresh=fresh))
    assert move.victim == "old"
    [move] = plan(["a"], _stats(total=2, a=_row(), busy=busy, fresh=fresh))
    assert move.victim is None
    assert move.why


def test_a_model_without_weights_is_left_with_its_reason() -> None:
    moves = plan(["a", "ghost"], _stats(a=_row("missing", reason="no weights")))
    assert [move.why for move in moves] == ["no weights", "unknown model"]


MODELS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(
        _row,
        st.sampled_from(["cold", "ready", "missing", "starting"]),
        in_flight=st.integers(0, 1),
        queued=st.integers(0, 1),
        pinned=st.booleans(),
        last_used_s=st.none() | st.floats(0, 10_000),
    ),
)


@given(MODELS, st.lists(st.sampled_from("abcdef"), unique=True))
def test_the_limits_hold_for_every_pool(models: dict[str, dict[str, Any]], wanted: list[str]) -> None:
    holding = [name for name, row in models.items() if row["state"] in ("ready", "starting")]
    stats = {"slots": {"total": max(3, len(holding)), "used": len(holding)}, "models": models}
    moves = plan(wanted, stats)
    victims = [move.victim for move in moves if move.victim]
    loads = [move.model for move in moves if not move.why and move.model not in holding]
    assert len(holding) + len(loads) - len(victims) <= stats["slots"]["total"]
    assert len(set(victims)) == len(victims)
    for name in victims:
        row = models[name]
        assert row["state"] == "ready"
        assert not (row["in_flight"] or row["queued"] or row["pinned"] or name in wanted)
        assert row["last_used_s"] is None or row["last_used_s"] >= 900


@dataclass
class Peers:
    """A pool, a speech server and a bridge in one small app; the pool loads on the first question."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    spoken: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/stats")
        async def stats() -> dict[str, Any]:
            return _stats(total=3, **self.rows)

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> StreamingResponse:
            body = await request.json()
            row = self.rows[body["model"]]
            loads = row.get("loads", 0) + (row["state"] != "ready")
            row.update(state="ready", requests=row["requests"] + 1, loads=loads)
            chunk = {"choices": [{"delta": {"content": "Hola"}, "finish_reason": "length"}]}
            return StreamingResponse(
                iter([f"data: {json.dumps(chunk)}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream"
            )

        @app.get("/voices")
        async def voices() -> dict[str, Any]:
            return {"voices": [{"id": "es", "language": "es"}, {"id": "en", "language": "en"}]}

        @app.post("/tts")
        async def speak(request: Request) -> dict[str, Any]:
            self.spoken.append((await request.json())["text"])
            return {"audio": "", "sample_rate": 22_050, "duration_s": 0.1, "voice": "es"}

        @app.get("/api/v1/milvus/collections")
        async def collections() -> dict[str, Any]:
            return {"collections": [{"name": "capibara6"}]}

        @app.post("/api/v1/rag/hybrid-search")
        async def search() -> dict[str, Any]:
            return {"results": []}

        return app


@pytest.fixture
def peers(prefect: Settings) -> Iterator[Peers]:
    peers, ports = Peers(), prefect.ports
    with (
        serving(peers.app(), ports.pool),
        serving(peers.app(), ports.speech),
        serving(peers.app(), ports.bridge),
    ):
        yield peers


async def test_the_flow_warms_models_voices_and_collections(run, peers: Peers) -> None:
    peers.rows.update(a=_row(), b=_row("missing", reason="no weights"))
    state = await run(warm, models=["a", "b"])
    rows = await state.aresult()
    assert state.message == "4 de 5 listos"
    assert [(row.kind, row.name, row.note) for row in rows] == [
        ("model", "a", ""),
        ("model", "b", "no weights"),
        ("voice", "es", ""),
        ("voice", "en", ""),
        ("collection", "capibara6", ""),
    ]
    assert peers.spoken == ["Hola", "Hola", "Hello", "Hello"]
    assert peers.rows["a"]["state"] == "ready"


async def test_warming_again_loads_nothing_and_its_own_questions_count_for_nobody(
    run, peers: Peers, prefect: Settings
) -> None:
    peers.rows.update(a=_row())

    async def demand() -> Demand:
        async with open_prefect(prefect) as client:
            [latest] = await client.history("usage", limit=1)
        return from_rows(json.loads(latest["data"]))

    await run(warm, voices=False, collections=False)
    peers.rows["a"]["requests"] += 7
    await run(warm, models=["a"], voices=False, collections=False)
    first, loads = await demand(), peers.rows["a"]["loads"]
    again = await run(warm, models=["a"], voices=False, collections=False)
    assert [(row.name, row.note) for row in await again.aresult()] == [("a", "")]
    assert peers.rows["a"]["loads"] == loads == 1
    assert sum(seen.asked for seen in first.hours.values()) == 7
    assert (await demand()).hours == first.hours


async def test_services_that_are_away_are_named_and_the_run_goes_on(run, prefect: Settings) -> None:
    with serving(Peers().app(), prefect.ports.pool):
        state = await run(warm)
    assert state.is_completed()
    assert [row.note for row in await state.aresult()] == [
        "speech is not reachable",
        "bridge is not reachable",
    ]
