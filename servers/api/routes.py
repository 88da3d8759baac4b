"""HTTP in, HTTP out. No decision about answers is made here."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from agents.registry import AGENTS
from agents.runtime import run, stream
from servers import sse
from servers.api import completion, models
from servers.api.desk import Desk
from servers.api.wire import ChatRequest

router = APIRouter()


def desk_of(request: Request) -> Desk:
    return request.app.state.desk


AtDesk = Annotated[Desk, Depends(desk_of)]


@router.post("/v1/chat/completions", tags=["openai"])
async def chat(request: Request, order: ChatRequest, desk: AtDesk) -> Response:
    """Ask an agent, or one of the pool's models, through OpenAI's wire."""
    if order.model not in AGENTS:
        body = await request.body()
        return await models.pass_through(desk.clients.pool, "/v1/chat/completions", body, model=order.model)
    messages = order.asked(desk.settings.limits)
    how: dict[str, Any] = {
        "context": desk.context(order.wishes),
        "thread_id": order.thread,
        "instructions": order.instructions,
    }
    if not order.stream:
        done = await run(desk.ready, order.model, messages, **how)
        return JSONResponse(completion.whole(done, model=order.model))
    events = stream(desk.ready, order.model, messages, **how)
    usage = order.stream_options is not None and order.stream_options.include_usage
    return await sse.respond(completion.chunks(events, model=order.model, usage=usage))


@router.get("/v1/models", tags=["openai"])
async def list_models(desk: AtDesk) -> dict[str, Any]:
    return await models.list_models(desk.clients.pool)


@router.get("/v1/models/{name}", tags=["openai"])
async def find_model(name: str, desk: AtDesk) -> dict[str, Any]:
    return await models.find_model(desk.clients.pool, name)
