"""The four workflows: contacts, conversations, consensus over all models, availability."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from flows.health import health
from flows.workflows.conversation_logger import Message, conversation_logger, transcript
from flows.workflows.lead_processing import lead_id, lead_processing
from flows.workflows.model_consensus import ModelAnswer, model_consensus, score_agreement
from flows.workflows.system_health_monitor import measure, read, system_health_monitor
from tests.flows.alert_receivers import receiver
from tests.flows.fake_bridge import FakeBridge
from tests.serving import serving
from tools.errors import BadRequest
from tools.settings import Settings


@dataclass
class Models:
    """A pool whose models say what they are told to; an answer of None is an error."""

    answers: dict[str, str | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models() -> dict[str, Any]:
            extractive = {"id": "extractive", "available": True}
            return {"data": [extractive, *({"id": name, "available": True} for name in self.answers)]}

        @app.post("/v1/chat/completions", response_model=None)
        async def chat(request: Request) -> StreamingResponse | JSONResponse:
            body = await request.json()
            self.asked.append(body["messages"][0]["content"])
            model = next(iter(self.answers)) if body["model"] == "auto" else body["model"]
            text = self.answers[model]
            if text is None:
                return JSONResponse(BadRequest("sick").envelope(), 400)
            chunk = {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]}
            return StreamingResponse(
                iter([f"data: {json.dumps(chunk)}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream"
            )

        return app


@pytest.fixture
def pool(prefect: Settings) -> Iterator[Models]:
    models = Models()
    with serving(models.app(), prefect.ports.pool):
        yield models


LEAD = {"email": "Ana@Example.org", "name": "Ana", "message": "Quiero una demostración en Bilbao."}


async def test_a_contact_is_kept_once_and_rated_by_a_model(run, bridge: FakeBridge, pool: Models) -> None:
    pool.answers["phi4_fast"] = "Alta."
    state = await run(lead_processing, **LEAD)
    assert (await state.aresult()).urgency == "alta"
    written = kept_of(bridge)["updated_at"]
    pool.answers["phi4_fast"] = "baja"
    assert (await run(lead_processing, **LEAD)).message == "ya estaba guardado"
    assert kept_of(bridge)["metadata"] == {"email": "ana@example.org", "urgency": "alta"}
    assert kept_of(bridge)["updated_at"] == written
    # A run that another test has started may also be asking.
    assert len([text for text in pool.asked if LEAD["message"] in text]) == 1


async def test_a_contact_is_kept_when_no_model_can_rate_it(run, bridge: FakeBridge) -> None:
    state = await run(lead_processing, **LEAD)
    assert state.is_completed()
    assert (await state.aresult()).urgency == ""
    assert kept_of(bridge)["metadata"]["urgency"] == ""


async def test_a_contact_who_agreed_gets_one_letter_in_their_language(
    run, bridge: FakeBridge, prefect: Settings
) -> None:
    wish = {"email": "eva@example.org", "message": "I would like to see a demonstration of it."}
    box = prefect.home / "mail"
    before = set(box.glob("*.eml"))
    assert (await run(lead_processing, **wish, collection="of_eva")).is_completed()
    assert set(box.glob("*.eml")) == before, "nobody who did not agree is written to"
    for _ in range(2):
        assert (await run(lead_processing, **wish, collection="of_eva", consent=True)).is_completed()
    [letter] = set(box.glob("*.eml")) - before
    assert b"We have received your message" in letter.read_bytes()


def kept_of(bridge: FakeBridge) -> dict[str, Any]:
    return bridge.collections["leads"][lead_id(LEAD["email"], LEAD["message"])]


def test_a_contact_is_known_by_address_and_message() -> None:
    assert lead_id("A@b.c ", " hola") == lead_id("a@B.c", "hola ")
    assert lead_id("a@b.c", "hola") != lead_id("a@b.c", "adiós")


async def test_an_address_that_is_none_is_refused(run, bridge: FakeBridge) -> None:
    for address in ("nobody", "a@b.c,d", "a,b@c.org", "a;b@c.org", '"a"@c.org'):
        assert (await run(lead_processing, email=address, collection="of_nobody")).is_failed()
    assert "of_nobody" not in bridge.collections


async def test_a_conversation_is_kept_without_its_secrets(run, bridge: FakeBridge) -> None:
    messages = [
        {"role": "system", "content": "internal"},
        {"role": "user", "content": "Mi api_key: abc123 no funciona"},
        {"role": "assistant", "content": "Compruébala."},
    ]
    request = {"thread_id": "t1", "messages": messages, "metadata": {"token": "x", "channel": "web"}}
    first = await run(conversation_logger, **request)
    again = await run(conversation_logger, **request)
    assert (first.message, again.message) == (
        "conversación t1 guardada",
        "la conversación t1 no ha cambiado",
    )
    [kept] = bridge.collections["conversations"].values()
    assert kept["text"] == "## Usuario\n\nMi api_key: *** no funciona\n\n## Asistente\n\nCompruébala."
    assert kept["metadata"] == {"token": "***", "channel": "web"}


def test_a_transcript_names_the_speakers_in_the_language() -> None:
    assert transcript([Message(role="user", content="Hi")], "en") == "## User\n\nHi"


async def test_the_answer_with_most_agreement_wins_and_the_sick_are_named(
    run, bridge: FakeBridge, pool: Models
) -> None:
    pool.answers.update(a="tres modelos", b="cuatro", c="son tres", d=None)
    state = await run(model_consensus, question="¿Cuántos?")
    best = await state.aresult()
    assert best.model in ("a", "c")
    assert best.agreement == 0.5
    assert state.message.endswith("respondieron 3 de 4")
    again = await run(model_consensus, question="¿Cuántos?")
    assert await again.aresult() == best


async def test_without_a_model_that_generates_there_is_no_consensus(run, pool: Models) -> None:
    state = await run(model_consensus, question="¿Cuántos?")
    assert state.is_failed()
    assert "no hay ningún modelo" in state.message


def test_an_answer_alone_agrees_with_itself() -> None:
    assert score_agreement([ModelAnswer("a", "x")], [[1.0]])[0].agreement == 1.0


def _table(age_h: float, **statuses: str) -> dict[str, Any]:
    rows = [{"name": name, "status": status, "ms": 10} for name, status in statuses.items()]
    created = (datetime.now(UTC) - timedelta(hours=age_h)).isoformat()
    return {"created": created, "data": json.dumps(rows)}


def test_availability_counts_recent_checks_and_degraded_answers() -> None:
    tables = [_table(1, pool="ok", api="down"), _table(2, pool="degraded"), _table(50, pool="down")]
    rows = measure(read(tables, since=datetime.now(UTC) - timedelta(hours=24)))
    assert [(row.name, row.checks, row.percent) for row in rows] == [("api", 1, 0.0), ("pool", 2, 100.0)]


async def test_the_monitor_reads_what_health_left(run) -> None:
    state = await run(system_health_monitor, at_least=10_000)
    assert state.message == "disponibilidad prometida en 24 h"


async def test_a_broken_promise_is_told_once(
    no_retry_delay: None, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(health, services=["speech"], question="")  # nobody serves it
    with receiver() as (url, got):
        monkeypatch.setenv("CAPIBARA6_ALERTS", json.dumps({"webhook": url}))
        states = [await run(system_health_monitor, at_least=1) for _ in range(2)]
    assert all("speech 0 %" in state.message for state in states)
    assert [json.loads(body)["event"] for body, _ in got] == ["availability"]
