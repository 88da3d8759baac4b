"""What a model thinks is told apart from its answer, however its engine says it, on both wires."""

import json
from typing import Any

import ollama
import pytest

from servers.pool.upstream.ollama_translate import to_native
from servers.pool.upstream.thinking import Thinking
from tests.pool.wire.engine import serve_wire

WAYS: list[list[dict[str, Any]]] = [
    [{"reasoning": "miro "}, {"reasoning": "el riego"}, {"content": "Los "}, {"content": "martes"}],
    [{"reasoning_content": "miro "}, {"reasoning_content": "el riego"}, {"content": "Los martes"}],
    [{"content": "<think>miro el riego</think>\n\nLos martes"}],
    [
        {"content": piece}
        for piece in ("\n<th", "ink>", "miro el ", "riego</", "thi", "nk>", "Los ", "martes")
    ],
]


def at(url: str) -> dict[str, Any]:
    return {"m": {"backend": "openai", "urls": [url]}}


@pytest.mark.parametrize("says", WAYS, ids=["reasoning", "reasoning_content", "marks", "marks in pieces"])
async def test_thoughts_reach_clients_as_thoughts_streamed_and_whole(open_client, says):
    async with (
        serve_wire() as (engine, url),
        open_client({"m": {"backend": "openai", "urls": [url]}}) as pool,
    ):
        engine.says = says
        _, streamed = await pool.stream("m")
        deltas = [
            json.loads(line[6:])["choices"][0]["delta"]
            for line in streamed.split(b"\n\n")
            if line.startswith(b"data: {")
        ]
        told = {
            name: "".join(delta.get(name) or "" for delta in deltas)
            for name in ("content", "reasoning_content")
        }
        assert told == {"content": "Los martes", "reasoning_content": "miro el riego"}
        if "reasoning_content" not in says[0]:
            message = (await pool.chat("m"))[1]["choices"][0]["message"]
            assert (message["content"], message["reasoning_content"]) == ("Los martes", "miro el riego")
        async with ollama.AsyncClient(host=pool.base) as client:
            asked = [{"role": "user", "content": "¿Cuándo?"}]
            parts = [part async for part in await client.chat("m", asked, stream=True)]
        assert "".join(part.message.thinking or "" for part in parts) == "miro el riego"
        assert "".join(part.message.content or "" for part in parts) == "Los martes"


def test_what_only_looks_like_a_thought_is_an_answer_and_goes_through_untouched():
    for text in ("<th", "<b>think</b>", "a <think>b</think>", "<thin air>"):
        apart, said = Thinking(), b""
        for piece in (*text, None):
            delta = {"content": piece} if piece else {}
            choice = {"index": 0, "delta": delta, "finish_reason": None if piece else "stop"}
            said += apart.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in said.split(b"\n\n") if line]
        assert "".join(delta.get("content", "") for delta in deltas) == text
        assert not any("reasoning_content" in delta for delta in deltas)


async def test_thoughts_of_earlier_turns_go_back_in_the_words_of_each_engine(open_client):
    turn = {"role": "assistant", "content": "Los martes", "reasoning_content": "miro el riego"}
    _, native = to_native("/v1/chat/completions", {"messages": [turn]}, "t")
    assert native["messages"][0]["thinking"] == "miro el riego"
    async with (
        serve_wire() as (engine, url),
        open_client({"m": {"backend": "openai", "urls": [url]}}) as pool,
    ):
        async with ollama.AsyncClient(host=pool.base) as client:
            turns = [{"role": "assistant", "content": "Los martes", "thinking": "miro el riego"}]
            await client.chat("m", [*turns, {"role": "user", "content": "¿Y qué más?"}])
        assert engine.asked[-1][1]["messages"][0]["reasoning_content"] == "miro el riego"
