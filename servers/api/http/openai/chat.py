"""OpenAI's chat completions and models over HTTP, answered by agents; those of the pool's models
`passthrough.py` carries.
"""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from agents.runtime import AgentRequest, last
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.openai import completion, models
from servers.api.http.openai.chat_request import ChatRequest
from servers.api.http.openai.fields import tell_ignored
from servers.web import sse
from tools.schema import JsonObject

router = APIRouter(tags=["openai"])


@router.post("/v1/chat/completions")
async def chat(body: ChatRequest, services: ServicesDep, caller: CallerDep) -> Response:
    """Ask an agent, or one of the pool's models, through OpenAI's API.

    A pool model's request and answer go through as they are. An agent refuses a field that it can not heed by
    its name; `x-ignored-parameters` lists those that change nothing."""
    asked = body.asked(services.settings.limits)
    turn = AgentRequest(
        body.model,
        asked.messages,
        scratch=asked.scratch,
        instructions=body.instructions,
        thread_id=body.thread,
    )
    events = services.stream_turn(turn, body.wishes, caller)
    if not body.stream:
        answer = completion.whole(await last(events), model=body.model)
        return tell_ignored(JSONResponse(answer), body.ignored)
    usage = body.stream_options is not None and body.stream_options.include_usage
    stream = await sse.respond(completion.chunks(events, model=body.model, usage=usage))
    return tell_ignored(stream, body.ignored)


@router.get("/v1/models")
async def list_models(services: ServicesDep) -> JsonObject:
    """The agents, the pool's models and the embedders, as OpenAI lists models."""
    return await models.list_models(services.clients)


@router.get("/v1/models/{name:path}")
async def find_model(name: str, services: ServicesDep) -> JsonObject:
    """One agent or model. 404 names those there are."""
    return await models.find_model(services.clients, name)
