"""An answer is heard while it is written: sentence by sentence, and never at the answer's cost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from agents.answering.narration import SPOKEN, UNSPOKEN, narrated
from agents.context import Context, RunConfig
from agents.events import Done, Event, Progress, Token
from agents.runtime import AgentRequest, CompiledAgent, stream
from agents.stream_parts import Part
from tests.agents.peers import Knobs, ending
from tools.errors import ModelUnavailable, QueueFull
from tools.schema import Answer

QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
PIECES = [
    "Son tres ",
    "modelos [1]. ",
    "Cada uno ",
    "tiene su puerto [1]. ",
    "```\nx = 1\n```\n",
    "Nada más.",
]
TEXTS = ["Son tres modelos.", "Cada uno tiene su puerto.", "Nada más."]


async def told(ready: dict[str, CompiledAgent], context: Context) -> list[Event]:
    speaking = replace(context, config=RunConfig(speak=True))
    request = AgentRequest("capibara6", [{"role": "user", "content": QUESTION}])
    return [event async for event in stream(ready, request, context=speaking)]


def at(events: list[Event], stage: str) -> list[tuple[int, Progress]]:
    return [
        (place, event)
        for place, event in enumerate(events)
        if isinstance(event, Progress) and event.stage == stage
    ]


async def test_the_first_sentence_is_heard_before_the_last_is_written(
    ready: dict[str, CompiledAgent], context: Context, knobs: Knobs
) -> None:
    knobs.script = [[{"content": piece} for piece in PIECES]]
    knobs.token_s = 0.1
    events = await told(ready, context)
    sounds = at(events, SPOKEN)
    tokens = [place for place, event in enumerate(events) if isinstance(event, Token)]
    assert sounds[0][0] < tokens[-1]
    assert [event.detail["text"] for _, event in sounds] == TEXTS
    assert [event.detail["n"] for _, event in sounds] == [0, 1, 2]
    assert {event.detail["format"] for _, event in sounds} == {"wav"}
    assert "tres modelos [1]" in ending(events).answer.answer
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)
    assert len({event.run_id for event in events}) == 1


async def test_a_voice_that_fails_is_told_and_the_answer_is_whole(
    ready: dict[str, CompiledAgent], context: Context, knobs: Knobs
) -> None:
    knobs.script = [[{"content": piece} for piece in PIECES]]
    knobs.speech_error = QueueFull("32 others are waiting", source="speech")
    events = await told(ready, context)
    assert [event.detail["code"] for _, event in at(events, UNSPOKEN)] == ["queue_full"]
    assert at(events, SPOKEN) == []
    assert ending(events).answer.answer.endswith("Nada más.")
    assert len(knobs.asked["/tts"]) == 1


async def test_who_does_not_ask_hears_nothing(
    ready: dict[str, CompiledAgent], context: Context, knobs: Knobs
) -> None:
    request = AgentRequest("capibara6", [{"role": "user", "content": QUESTION}])
    assert isinstance([event async for event in stream(ready, request, context=context)][-1], Done)
    assert "/tts" not in knobs.asked


async def test_who_leaves_stops_answer_and_voice(context: Context, knobs: Knobs) -> None:
    ended: list[str] = []

    async def endless() -> AsyncGenerator[Event, None]:
        try:
            while True:
                yield Token(text="Otra frase más. ")
                await asyncio.sleep(0.01)
        finally:
            ended.append("answer")

    async with aclosing(narrated(endless(), context.clients.speech, language="es")) as events:
        async for event in events:
            if isinstance(event, Progress):
                break
    asked = len(knobs.asked["/tts"])
    await asyncio.sleep(0.1)
    assert ended == ["answer"]
    assert len(knobs.asked["/tts"]) <= asked + 1


async def test_an_error_of_the_answer_reaches_the_reader(context: Context) -> None:
    async def failing() -> AsyncGenerator[Event, None]:
        yield Token(text="Una frase. ")
        raise ModelUnavailable("gone", source="pool")

    heard: list[Event | Part] = []
    with pytest.raises(ModelUnavailable):
        async with aclosing(narrated(failing(), context.clients.speech, language="es")) as events:
            async for event in events:
                heard.append(event)
    assert isinstance(heard[0], Token)


async def test_more_than_can_be_said_ends_the_speech_with_a_word(context: Context, knobs: Knobs) -> None:
    async def long() -> AsyncGenerator[Event, None]:
        for number in range(9):
            yield Token(text=f"{'Palabra ' * 200}número {number}. ")
        yield Done(answer=Answer(answer="…", model="m", agent="a"))

    async with aclosing(narrated(long(), context.clients.speech, language="es")) as events:
        stages = [event.stage async for event in events if isinstance(event, Progress)]
    assert len(knobs.asked["/tts"]) == 6
    assert stages == [SPOKEN] * 6 + [UNSPOKEN]
