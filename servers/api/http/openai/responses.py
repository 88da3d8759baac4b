"""OpenAI's responses over HTTP: answered by an agent or a model of the pool, streamed or whole, stored for
who asked, and gone on from.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from agents.answering.model import ModelReply, Thought, stream_reply
from agents.context import RunConfig
from agents.events import Done, Event, Reasoning, Token
from agents.runtime import AgentRequest, last
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.openai import models
from servers.api.http.openai.fields import tell_ignored
from servers.api.http.openai.messages import ChatMessage, instructions_of, read_conversation
from servers.api.http.openai.response_events import ResponseObject, ResponseStream
from servers.api.http.openai.response_items import chat_messages, listed_item
from servers.api.http.openai.response_request import ResponseRequest, unsupported
from servers.api.services import Services
from servers.web import sse
from tools.access.identity import Principal
from tools.clients.pool import Pool
from tools.errors import ModelNotFound, NotSupported
from tools.schema import Answer, JsonObject

router = APIRouter(prefix="/v1/responses", tags=["openai"])


@router.post("")
async def create(body: ResponseRequest, services: ServicesDep, caller: CallerDep) -> Response:
    """Answer, and keep the answer unless `store` is false: `previous_response_id` goes on from it."""
    earlier: list[ChatMessage] = []
    if body.previous_response_id is not None:
        named = "previous_response_id"
        row = await services.responses.get(body.previous_response_id, caller, param=named)
        earlier = [ChatMessage.model_validate(message) for message in row.messages]
    talk = [*earlier, *chat_messages(body.items)]
    events = await _events(body, talk, services, caller)
    response = ResponseObject(body.shown())
    keep = partial(_keep, body, talk, services, caller)
    if body.stream:
        stream = await sse.respond(_streamed(ResponseStream(response), events, keep), form=_named)
        return tell_ignored(stream, body.ignored)
    done = await last(events)
    whole = response.ended(done)
    await keep(whole, done)
    return tell_ignored(JSONResponse(whole), body.ignored)


@router.get("/{response_id}")
async def retrieve(
    response_id: str,
    services: ServicesDep,
    caller: CallerDep,
    stream: Annotated[bool, Query(description="Only false: an answer is told once.")] = False,
) -> JsonObject:
    """A stored response."""
    if stream:
        raise unsupported("stream", "a stored response is read whole")
    return (await services.responses.get(response_id, caller)).body


@router.get("/{response_id}/input_items")
async def input_items(
    response_id: str,
    services: ServicesDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
    after: Annotated[str | None, Query(max_length=128)] = None,
) -> JsonObject:
    """What a stored response was asked, newest first unless `order` is `asc`."""
    given = (await services.responses.get(response_id, caller)).given
    listed = given if order == "asc" else given[::-1]
    start = next((n + 1 for n, item in enumerate(listed) if item["id"] == after), 0)
    page = listed[start : start + limit]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
    return {"object": "list", "data": page, "has_more": start + limit < len(listed), **ends}


@router.delete("/{response_id}")
async def delete(response_id: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """Forget a stored response; what goes on from it stays."""
    await services.responses.delete(response_id, caller)
    return {"id": response_id, "object": "response", "deleted": True}


@router.post("/{response_id}/cancel", status_code=501)
async def cancel(response_id: str, services: ServicesDep, caller: CallerDep) -> None:
    """Only what runs in the background can be cancelled; here who leaves ends what was asked."""
    await services.responses.get(response_id, caller)
    raise NotSupported("no response runs in the background here", param="response_id", source="api")


async def _events(
    body: ResponseRequest, talk: Sequence[ChatMessage], services: Services, caller: Principal
) -> AsyncGenerator[Event, None]:
    """The run of the agent, or the stream of the model, that was asked."""
    head = "\n".join(filter(None, (body.instructions, instructions_of(list(talk)))))
    agent = await services.assistants.find(body.model, caller)
    if agent is not None:
        asked = read_conversation(list(talk), services.settings.limits, threaded=body.thread is not None)
        turn = AgentRequest(
            agent.graph_id,
            asked.messages,
            scratch=asked.scratch,
            instructions=agent.instructions(head),
            thread_id=body.thread,
        )
        return services.stream_turn(turn, agent.wishes(body.wishes(agent.graph_id)), caller)
    if body.thread is not None:
        raise unsupported("conversation", "threads are the agents'; go on with previous_response_id")
    pool = services.clients.pool
    try:
        await pool.model(body.model)
    except ModelNotFound:
        await models.raise_unknown(services.clients, body.model)
    said = [message.plain() for message in talk if message.role not in ("system", "developer")]
    messages = [*([{"role": "system", "content": head}] if head else []), *said]
    return _model_events(pool, messages, body.model, body.wishes(None))


async def _model_events(
    pool: Pool, messages: list[JsonObject], model: str, wishes: RunConfig
) -> AsyncGenerator[Event, None]:
    """A model's own stream as events of a run."""
    options = {**wishes.options, **wishes.calling}
    if wishes.response_format is not None:
        options["response_format"] = wishes.response_format
    async with aclosing(stream_reply(pool, messages, model=model, **options)) as pieces:
        async for piece in pieces:
            match piece:
                case ModelReply():
                    calls = [call.as_written() for call in piece.calls]
                    answer = Answer(
                        answer=piece.text,
                        model=piece.model,
                        agent=model,
                        reasoning=piece.reasoning,
                        tool_calls=calls,
                        finish_reason="tool_calls" if calls else piece.finish,
                    )
                    yield Done(answer=answer, usage=piece.usage)
                case Thought():
                    yield Reasoning(text=str(piece))
                case _:
                    yield Token(text=piece)


async def _streamed(
    stream: ResponseStream,
    events: AsyncGenerator[Event, None],
    keep: Callable[[JsonObject, Done], Awaitable[None]],
) -> AsyncGenerator[JsonObject, None]:
    """The events; the response is kept before its last one is told."""
    async with aclosing(stream.events(events)) as told:
        async for event in told:
            if stream.ended is not None and stream.done is not None and event.get("response") is stream.ended:
                await keep(stream.ended, stream.done)
            yield event


async def _keep(
    body: ResponseRequest,
    talk: Sequence[ChatMessage],
    services: Services,
    caller: Principal,
    whole: JsonObject,
    done: Done,
) -> None:
    if not body.store:
        return
    given = [listed_item(item) for item in body.items]
    said: JsonObject = {"role": "assistant", "content": done.answer.answer or None}
    if done.answer.tool_calls:
        said["tool_calls"] = done.answer.tool_calls
    messages = [
        message.model_dump(mode="json", exclude_none=True)
        for message in talk
        if message.role not in ("system", "developer")
    ]
    await services.responses.insert(whole, caller, given=given, messages=[*messages, said])


def _named(event: JsonObject) -> bytes:
    return sse.format_event(event, event=event["type"])
