"""OpenAI's text completions for agents: the prompt is the question, and what is completed is its answer."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, ClassVar
from uuid import uuid4

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from agents.events import Done, Event, Token
from agents.runtime import AgentRequest, last
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.openai.chat_request import ENGINE, Sampling, StreamOptions, options_of
from servers.api.http.openai.completion import usage_of
from servers.api.http.openai.fields import Refusal, tell_ignored
from servers.api.http.openai.models import agent_of
from servers.api.http.openai_requests import Metadata, Text, check_question
from servers.web import sse
from tools.schema import JsonObject

router = APIRouter(tags=["openai"])


class TextRequest(Sampling):
    """`POST /v1/completions` for an agent: one prompt, one answer; `echo` puts the prompt before it."""

    without_effect = frozenset({"user"})
    refused: ClassVar = {
        "logprobs": Refusal(ENGINE, (0,)),
        "suffix": Refusal("an agent answers, it does not fill in", ("",)),
    }

    model: Annotated[str, Field(min_length=1, max_length=256)] = "capibara6"
    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    echo: bool = False
    n: int = Field(default=1, ge=1, le=1)
    best_of: int = Field(default=1, ge=1, le=1)

    @property
    def question(self) -> str:
        """The prompt."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]


@router.post("/v1/completions")
async def complete(body: TextRequest, services: ServicesDep, caller: CallerDep) -> Response:
    """Ask an agent, or one of the pool's models, through OpenAI's older API."""
    check_question(body.question, services.settings.limits, param="prompt")
    agent = await agent_of(services, body.model, caller)
    asked: list[JsonObject] = [{"role": "user", "content": body.question}]
    turn = AgentRequest(agent.graph_id, asked, instructions=agent.instructions(""))
    wishes = Metadata().wishes(options_of(body, set(Sampling.model_fields)))
    events = services.stream_turn(turn, agent.wishes(wishes), caller)
    before = body.question if body.echo else ""
    if body.stream:
        usage = body.stream_options is not None and body.stream_options.include_usage
        stream = await sse.respond(_chunks(events, model=body.model, before=before, usage=usage))
        return tell_ignored(stream, body.ignored)
    done = await last(events)
    answer = {
        **_head(body.model),
        "choices": [_choice(before + done.answer.answer, done.answer.finish_reason)],
        "usage": usage_of(done),
        "capibara6": done.answer.model_dump(mode="json"),
    }
    return tell_ignored(JSONResponse(answer), body.ignored)


async def _chunks(
    events: AsyncGenerator[Event, None], *, model: str, before: str, usage: bool
) -> AsyncGenerator[JsonObject, None]:
    head = _head(model)
    async with aclosing(events):
        async for event in events:
            match event:
                case Token():
                    yield {**head, "choices": [_choice(before + event.text)]}
                    before = ""
                case Done():
                    yield {**head, "choices": [_choice("", event.answer.finish_reason)]}
                    if usage:
                        yield {**head, "choices": [], "usage": usage_of(event)}
                case _:
                    pass


def _head(model: str) -> JsonObject:
    identity = {"id": f"cmpl-{uuid4().hex}", "object": "text_completion"}
    return {**identity, "created": int(time.time()), "model": model}


def _choice(text: str, finish: str | None = None) -> JsonObject:
    return {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
