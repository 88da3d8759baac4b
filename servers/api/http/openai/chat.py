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
    its name; `x-capibara6-ignored` lists those that change nothing."""
    agent = await models.agent_of(services, body.model, caller)
    asked = body.asked(services.settings.limits)
    turn = AgentRequest(
        agent.graph_id,
        asked.messages,
        scratch=asked.scratch,
        instructions=agent.instructions(body.instructions),
        thread_id=body.thread,
    )
    events = services.stream_turn(turn, agent.wishes(body.wishes(agent.graph_id)), caller)
    if not body.stream:
        answer = completion.whole(await last(events), model=body.model)
        return tell_ignored(JSONResponse(answer), body.ignored)
    usage = body.stream_options is not None and body.stream_options.include_usage
    stream = await sse.respond(completion.chunks(events, model=body.model, usage=usage))
    return tell_ignored(stream, body.ignored)


@router.get("/v1/models")
async def list_models(services: ServicesDep, caller: CallerDep) -> JsonObject:
    """The agents, the caller's assistants, the pool's models and the embedders, as OpenAI lists models."""
    return await models.list_models(services.clients, await services.assistants.readable(caller))


@router.get("/v1/models/{name:path}")
async def find_model(name: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """One agent, assistant or model. 404 names those there are."""
    return await models.find_model(services.clients, name, await services.assistants.readable(caller))
