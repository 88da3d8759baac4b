"""HTTP in, HTTP out. No decision about answers is made here."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from agents.registry import AGENTS
from agents.runtime import AgentRequest, last
from servers.api.http import completion, models
from servers.api.http.dependencies import AtDesk
from servers.api.http.openai_requests import ChatRequest
from servers.web import sse

router = APIRouter()


@router.post("/v1/chat/completions", tags=["openai"])
async def chat(request: Request, order: ChatRequest, desk: AtDesk) -> Response:
    """Ask an agent, or one of the pool's models, through OpenAI's wire."""
    if order.model not in AGENTS:
        body = await request.body()
        return await models.pass_through(desk.clients.pool, "/v1/chat/completions", body, model=order.model)
    messages = order.asked(desk.settings.limits)
    turn = AgentRequest(order.model, messages, instructions=order.instructions, thread_id=order.thread)
    events = desk.turn(turn, order.wishes)
    if not order.stream:
        return JSONResponse(completion.whole(await last(events), model=order.model))
    usage = order.stream_options is not None and order.stream_options.include_usage
    return await sse.respond(completion.chunks(events, model=order.model, usage=usage))


@router.get("/v1/models", tags=["openai"])
async def list_models(desk: AtDesk) -> dict[str, Any]:
    return await models.list_models(desk.clients.pool)


@router.get("/v1/models/{name}", tags=["openai"])
async def find_model(name: str, desk: AtDesk) -> dict[str, Any]:
    return await models.find_model(desk.clients.pool, name)
