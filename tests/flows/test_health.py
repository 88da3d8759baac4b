"""The health flow: what answers, what does not, and whether the canary's answer cites what it must."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse

from flows.health import CANARY_SOURCE, addresses, health, judge, remote_servers
from tests.flows.fake_bridge import FakeBridge
from tests.serving import serving
from tools.mcp.options import McpServer
from tools.schema import Answer
from tools.settings import Settings

CITATION = {
    "n": 1,
    "title": "Modelos",
    "source": "s",
    "document_id": "knowledge/es/modelos.md",
    "text": "tres",
}


def _answer(*citations: dict[str, Any]) -> dict[str, Any]:
    return {"answer": "Tres [1].", "citations": citations, "model": "extractive", "agent": "capibara6"}


def build_service(status: int, answer: dict[str, Any]) -> FastAPI:
    app = FastAPI()

    @app.get("/health")
    async def state() -> JSONResponse:
        return JSONResponse({"status": "degraded" if status == 200 else "down"}, status)

    @app.post("/v1/chat/completions")
    async def chat() -> StreamingResponse:
        event = {"choices": [], "capibara6": {"event": "done", "answer": answer}}
        return StreamingResponse(
            iter([f"data: {json.dumps(event)}\n\n", "data: [DONE]\n\n"]), media_type="text/event-stream"
        )

    return app


@pytest.fixture
def api(prefect: Settings) -> Iterator[None]:
    with serving(build_service(200, _answer(CITATION)), prefect.ports.api):
        yield


@pytest.fixture
def sick(prefect: Settings) -> Iterator[None]:
    with serving(build_service(503, _answer()), prefect.ports.speech):
        yield


async def test_all_is_well_when_everything_answers_and_the_canary_cites(
    run, bridge: FakeBridge, api: None
) -> None:
    state = await run(health, services=["bridge", "prefect", "api"])
    rows = {check.name: check.status for check in await state.aresult()}
    assert state.is_completed()
    assert rows.pop("disk") in ("ok", "degraded"), "which is this machine's affair"
    assert rows == {
        "bridge": "ok",
        "prefect": "ok",
        "api": "degraded",
        "postgres": "ok",
        "canary": "ok",
        "orphans": "ok",
        "queue": "ok",
        "runs": "ok",
    }


async def test_a_service_that_is_down_fails_the_run_by_name(no_retry_delay: None, run, sick: None) -> None:
    state = await run(health, services=["speech"], question="")
    assert state.is_failed()
    assert state.message == "fallan: speech"


def test_the_canary_must_cite_what_is_expected() -> None:
    assert judge(Answer(**_answer(CITATION)), CANARY_SOURCE, "es")[0] == "ok"
    assert judge(Answer(**_answer(CITATION)), "otra cosa", "es") == (
        "down",
        "la respuesta no cita «otra cosa», sino knowledge/es/modelos.md",
    )
    assert judge(Answer(**_answer()), CANARY_SOURCE, "en")[1].endswith("—")


async def test_an_mcp_server_of_others_that_is_gone_is_a_row_and_no_failure(settings: Settings) -> None:
    gone = {"gone": McpServer(url="http://127.0.0.1:9/mcp")}
    agents = settings.agents.model_copy(update={"mcp": gone})
    (row,) = await remote_servers(settings.model_copy(update={"agents": agents}))
    assert (row.name, row.status) == ("mcp gone", "degraded")
    assert "not reachable" in row.detail


def test_every_service_has_an_address(settings: Settings) -> None:
    known = addresses(settings)
    assert sorted(known) == ["api", "bridge", "mcp", "pool", "prefect", "speech", "ui"]
    assert known["mcp"] == f"http://127.0.0.1:{settings.ports.mcp}"
