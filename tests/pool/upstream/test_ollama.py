"""An Ollama whose models think and hold more than 4,096 tokens, behind the pool."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import ollama
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from tests.ports import free_port
from tests.serving import serving

THOUGHTS, TEXTS = ("Primero ", "miro el riego. "), ("Los ", "martes.")


class FakeOllama:
    """It speaks Ollama's wire, thinks before it answers, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.url = f"http://127.0.0.1:{free_port()}"

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/api/tags")
        async def tags() -> dict[str, Any]:
            return {"models": [{"name": "gpt-oss:20b"}, {"name": "small:latest"}]}

        @app.post("/api/show")
        async def show(request: Request) -> dict[str, Any]:
            tag = (await request.json())["model"]
            return {"model_info": {"gptoss.context_length": 8_192 if tag.startswith("small") else 131_072}}

        @app.post("/api/chat")
        async def chat(request: Request) -> StreamingResponse:
            self.asked.append(await request.json())
            return StreamingResponse(lines(), media_type="application/x-ndjson")

        return app


async def lines() -> AsyncIterator[bytes]:
    for thought in THOUGHTS:
        yield line(message={"role": "assistant", "content": "", "thinking": thought})
    for text in TEXTS:
        yield line(message={"role": "assistant", "content": text})
    last = {"role": "assistant", "content": ""}
    yield line(message=last, done=True, done_reason="stop", prompt_eval_count=7, eval_count=4)


def line(**fields: Any) -> bytes:
    return json.dumps({"done": False, **fields}).encode() + b"\n"


@pytest.fixture
def engine() -> Iterator[FakeOllama]:
    fake = FakeOllama()
    with serving(fake.app(), int(fake.url.rpartition(":")[2])):
        yield fake


def models(**changes: Any) -> dict[str, Any]:
    return {"m": {"backend": "ollama", "ollama": "gpt-oss:20b", **changes}}


async def test_thinking_is_told_apart_from_the_answer_whole_and_streamed(open_client, engine):
    async with open_client(models(), ollama_url=engine.url) as client:
        status, said = await client.chat("m")
        message = said["choices"][0]["message"]
        assert status == 200
        assert message["content"] == "Los martes."
        assert message["reasoning_content"] == "Primero miro el riego. "
        _, events = await client.stream("m")
        deltas = [
            json.loads(event[6:])["choices"][0]["delta"]
            for event in events.split(b"\n\n")
            if event.startswith(b"data: {")
        ]
        assert [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta] == [*THOUGHTS]
        assert "".join(delta.get("content", "") for delta in deltas) == "Los martes."


async def test_ollamas_own_clients_see_the_thinking_too(open_client, engine):
    asked = [{"role": "user", "content": "¿Cuándo se riega?"}]
    async with (
        open_client(models(), ollama_url=engine.url) as pool,
        ollama.AsyncClient(host=pool.base) as client,
    ):
        whole = await client.chat("m", asked, think=True, options={"num_ctx": 5_000})
        assert (whole.message.content, whole.message.thinking) == ("Los martes.", "Primero miro el riego. ")
        parts = [part async for part in await client.chat("m", asked, stream=True)]
        assert "".join(part.message.thinking or "" for part in parts) == "Primero miro el riego. "
    assert [request.get("think") for request in engine.asked] == [True, None]
    assert engine.asked[0]["options"]["num_ctx"] == 5_000


@pytest.mark.parametrize(
    ("changes", "room"),
    [({}, 16_384), ({"ollama": "small"}, 8_192), ({"context_tokens": 32_768}, 32_768)],
    ids=["as much as an agent needs", "as much as the model holds", "as the catalogue says"],
)
async def test_ollama_is_asked_for_room_and_cuts_nothing_off_in_silence(open_client, engine, changes, room):
    async with open_client(models(**changes), ollama_url=engine.url) as client:
        await client.chat("m")
        await client.chat("m")
    assert [request["options"]["num_ctx"] for request in engine.asked] == [room, room]


async def test_what_editors_look_for_in_an_ollama_is_there(open_client, engine):
    async with open_client(models(context_tokens=32_768), ollama_url=engine.url) as client:
        async with client.http.get(f"{client.base}/") as answer:
            assert (answer.status, await answer.text()) == (200, "Ollama is running")
        _, said = await client.get("/api/version")
        assert tuple(map(int, said["version"].split("."))) >= (0, 6, 4)
        _, said = await client.post("/api/show", {"model": "m"})
        family = said["model_info"]["general.architecture"]
        assert said["model_info"][f"{family}.context_length"] == 32_768
        status, said = await client.post("/api/show", {"model": "nobody"})
        assert status == 404
        assert isinstance(said["error"], str)
