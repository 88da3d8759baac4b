"""OpenAI's chat completions and models over HTTP. An agent answers, or a model of the pool untouched."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from agents.registry import AGENTS
from agents.runtime import AgentRequest, last
from servers.api.http import completion, models
from servers.api.http.assistant_models import describe
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.openai_requests import ChatRequest
from servers.web import sse
from tools.schema import JsonObject

router = APIRouter()


@router.post("/v1/chat/completions", tags=["openai"])
async def chat(request: Request, body: ChatRequest, services: ServicesDep, caller: CallerDep) -> Response:
    """Ask an agent, or one of the pool's models, through OpenAI's API."""
    agent = await services.assistants.find(body.model, caller)
    if agent is None:
        raw = await request.body()
        pool = services.clients.pool
        return await models.pass_through(pool, "/v1/chat/completions", raw, model=body.model)
    messages = body.new_messages(services.settings.limits)
    instructions = agent.instructions(body.instructions)
    turn = AgentRequest(agent.graph_id, messages, instructions=instructions, thread_id=body.thread)
    events = services.stream_turn(turn, agent.wishes(body.wishes), caller)
    if not body.stream:
        return JSONResponse(completion.whole(await last(events), model=body.model))
    usage = body.stream_options is not None and body.stream_options.include_usage
    return await sse.respond(completion.chunks(events, model=body.model, usage=usage))


@router.get("/v1/models", tags=["openai"])
async def list_models(services: ServicesDep, caller: CallerDep) -> JsonObject:
    """The agents, the caller's assistants and the pool's models, as OpenAI lists models."""
    listed = await models.list_models(services.clients.pool)
    made = [describe(row) for row in await services.assistants.readable(caller)]
    return {**listed, "data": [*made, *listed["data"]]}


@router.get("/v1/models/{name}", tags=["openai"])
async def find_model(name: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """One agent, assistant or model. 404 names those there are."""
    if name not in AGENTS and await services.assistants.find(name, caller) is not None:
        return describe(await services.assistants.get(name, caller))
    return await models.find_model(services.clients.pool, name)
