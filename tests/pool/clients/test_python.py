"""Every call of the official Python clients of OpenAI and Ollama, unchanged, and what becomes of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ollama
import openai
import pytest
from pydantic import BaseModel

from tests.pool.clients.serving import serve_clients

HI: Any = [{"role": "user", "content": "hola"}]
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
USAGE: Any = {"include_usage": True}
RANK = {"model": "ranks", "query": "a", "documents": ["b", "c"]}
TWO = {"num_predict": 2}
WAV = ("a.wav", b"x")


class Said(BaseModel):
    text: str


def chat(client: openai.OpenAI, model: str = "chat", **fields: Any) -> Any:
    return client.chat.completions.create(model=model, messages=HI, **fields)


def echo(client: openai.OpenAI, **fields: Any) -> Any:
    return chat(client, **fields).model_extra["echo"]


def write(client: openai.OpenAI, **fields: Any) -> Any:
    return client.completions.create(model="chat", prompt="a", max_tokens=2, **fields)


def respond(client: openai.OpenAI, **fields: Any) -> Any:
    return [event.type for event in client.responses.create(model="wire", input="hola", **fields)][-1]


def parsed(client: openai.OpenAI) -> Any:
    return client.chat.completions.parse(model="wire", messages=HI, tools=[]).choices[0].message.content


def counted(client: openai.OpenAI) -> Any:
    return [*chat(client, stream=True, stream_options=USAGE)][-1].usage.completion_tokens


def streamed_thought(client: ollama.Client) -> Any:
    return next(client.chat("wire", HI, think=True, stream=True)).message.thinking


def said(parts: Any) -> str:
    return "".join(part.message.content for part in parts)


def helper(client: openai.OpenAI) -> Any:
    with client.chat.completions.stream(model="chat", messages=HI) as stream:
        return stream.get_final_completion().choices[0].message.content


def raw(client: openai.OpenAI) -> Any:
    response = client.chat.completions.with_raw_response.create(model="auto", messages=HI)
    return response.headers["x-capibara6-model"] and response.parse().choices[0].message.content


def streamed_response(client: openai.OpenAI) -> Any:
    with client.chat.completions.with_streaming_response.create(model="chat", messages=HI) as response:
        answer: Any = response.json()
        return answer["choices"][0]["finish_reason"]


def responses_helper(client: openai.OpenAI) -> Any:
    with client.responses.stream(model="wire", input="hola") as stream:
        return [event.type for event in stream][-1]


def thought(client: openai.OpenAI) -> Any:
    message = client.chat.completions.create(model="wire", messages=HI).choices[0].message
    return message.model_extra and message.model_extra["reasoning_content"]


def text(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


Row = tuple[str, Callable[[Any], Any], Any]
OPENAI: list[Row] = [
    ("models.list", lambda c: [m.id for m in c.models.list()][:2], ["chat", "vectors"]),
    ("models.retrieve", lambda c: c.models.retrieve("auto").owned_by, "capibara6"),
    ("models.delete", lambda c: c.models.delete("chat"), 404),
    ("chat.create", lambda c: chat(c).usage.total_tokens, 8),
    ("chat.create auto", lambda c: bool(chat(c, model="auto").model), True),
    ("chat.create stream", lambda c: text(chat(c, stream=True, max_tokens=2)), "t0 t1 "),
    ("chat.create usage", counted, 5),
    ("chat.create tools", lambda c: chat(c, tools=[TOOL]).choices[0].finish_reason, "tool_calls"),
    ("chat.create schema", lambda c: echo(c, response_format=SCHEMA)["response_format"], SCHEMA),
    ("chat.create seed stop", lambda c: echo(c, seed=7, stop=["x"])["stop"], ["x"]),
    ("chat.create thinking", thought, "pienso"),
    ("chat.create extractive n", lambda c: chat(c, model="extractive", n=2), 400),
    ("chat.create n", lambda c: chat(c, n=10**9), 400),
    ("chat.create nobody", lambda c: chat(c, model="nobody"), 404),
    ("chat.stream", helper, "t0 t1 t2 t3 t4 "),
    ("chat.parse", parsed, "hola"),
    ("chat.with_raw_response", raw, "x x x x x "),
    ("chat.with_streaming_response", streamed_response, "stop"),
    ("chat.retrieve", lambda c: c.chat.completions.retrieve("chatcmpl-1"), 404),
    ("chat.list", lambda c: c.chat.completions.list(), 404),
    ("completions.create", lambda c: write(c).choices[0].text, "x x "),
    ("completions.create stream", lambda c: next(iter(write(c, stream=True))).choices[0].text, "t0 "),
    ("embeddings.create", lambda c: len(c.embeddings.create(model="vectors", input=["a", "b"]).data), 2),
    ("embeddings.create of a chat model", lambda c: c.embeddings.create(model="chat", input="a"), 400),
    ("responses.create", lambda c: c.responses.create(model="wire", input="hola").output_text, "hola"),
    ("responses.create stream", lambda c: respond(c, stream=True), "response.completed"),
    ("responses.stream", responses_helper, "response.completed"),
    ("responses.create without", lambda c: c.responses.create(model="extractive", input="hola"), 501),
    ("responses.create kept", lambda c: respond(c, previous_response_id="r"), 400),
    ("responses.retrieve", lambda c: c.responses.retrieve("resp_1"), 501),
    ("responses.cancel", lambda c: c.responses.cancel("resp_1"), 501),
    ("responses.delete", lambda c: c.responses.delete("resp_1"), 501),
    ("moderations.create", lambda c: c.moderations.create(input="a"), 404),
    ("images.generate", lambda c: c.images.generate(prompt="a"), 404),
    ("audio.speech.create", lambda c: c.audio.speech.create(model="a", voice="b", input="c"), 404),
    ("audio.transcriptions.create", lambda c: c.audio.transcriptions.create(model="a", file=WAV), 415),
    ("files.list", lambda c: c.files.list(), 404),
    ("batches.list", lambda c: c.batches.list(), 404),
    ("fine_tuning.jobs.list", lambda c: c.fine_tuning.jobs.list(), 404),
    ("vector_stores.list", lambda c: c.vector_stores.list(), 404),
    ("conversations.create", lambda c: c.conversations.create(), 404),
    ("post rerank", lambda c: len(c.post("/rerank", body=RANK, cast_to=object)["results"]), 2),
]  # fmt: skip
OLLAMA: list[Row] = [
    ("list", lambda c: [m.model for m in c.list().models][:2], ["chat", "vectors"]),
    ("ps", lambda c: "chat" in {m.model for m in c.ps().models}, True),
    ("show", lambda c: c.show("chat").capabilities, ["completion", "tools"]),
    ("show nobody", lambda c: c.show("nobody"), 404),
    ("chat", lambda c: c.chat("chat", HI).message.content, "x x x x x "),
    ("chat latest", lambda c: c.chat("chat:latest", HI).eval_count, 5),
    ("chat stream", lambda c: said(c.chat("chat", HI, stream=True, options=TWO)), "t0 t1 "),
    ("chat tools", lambda c: c.chat("chat", HI, tools=[TOOL]).message.tool_calls[0].function.name, "weather"),
    ("chat think", lambda c: c.chat("wire", HI, think=True).message.thinking, "pienso"),
    ("chat think stream", streamed_thought, "pienso"),
    ("chat format", lambda c: c.chat("chat", HI, format=Said.model_json_schema()).done_reason, "stop"),
    ("chat keep_alive", lambda c: c.chat("chat", HI, keep_alive="5m").done, True),
    ("chat auto", lambda c: c.chat("auto", HI).done, True),
    ("chat nobody", lambda c: c.chat("nobody", HI), 404),
    ("generate", lambda c: c.generate("chat", "a").response, "x x x x x "),
    ("generate stream", lambda c: next(c.generate("chat", "a", stream=True, options=TWO)).response, "t0 "),
    ("generate raw", lambda c: c.generate("chat", "a", raw=True).response, "x x x x x "),
    ("generate suffix", lambda c: c.generate("chat", "a", suffix="b").done, True),
    ("generate system", lambda c: c.generate("chat", "a", system="b").done, True),
    ("generate load", lambda c: c.generate("chat", "").done_reason, "load"),
    ("embed", lambda c: c.embed("vectors", ["a", "b"]).embeddings, [[1.0, 0.0], [1.0, 0.0]]),
    ("embed of a chat model", lambda c: c.embed("chat", "a"), 400),
    ("embeddings", lambda c: c.embeddings("vectors", "a").embedding, [1.0, 0.0]),
    ("create", lambda c: c.create("mine", from_="chat"), 501),
    ("copy", lambda c: c.copy("chat", "mine"), 501),
    ("delete", lambda c: c.delete("chat"), 501),
    ("pull", lambda c: c.pull("chat"), 501),
    ("push", lambda c: c.push("chat"), 501),
    ("systemone", lambda c: c.systemone("chat", "a", {}), 404),
]  # fmt: skip


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_clients(tmp_path_factory.mktemp("clients")) as address:
        yield address


@pytest.mark.parametrize(("call", "result"), [row[1:] for row in OPENAI], ids=[row[0] for row in OPENAI])
def test_each_call_of_the_openai_client_has_its_result(base: str, call: Any, result: Any) -> None:
    with openai.OpenAI(base_url=f"{base}/v1", api_key="any", max_retries=0) as client:
        try:
            found = call(client)
        except openai.APIStatusError as exc:
            assert isinstance(exc.body, dict) and exc.body["message"] and exc.body["code"]
            found = exc.status_code
    assert found == result


@pytest.mark.parametrize(("call", "result"), [row[1:] for row in OLLAMA], ids=[row[0] for row in OLLAMA])
def test_each_call_of_the_ollama_client_has_its_result(base: str, call: Any, result: Any) -> None:
    with ollama.Client(host=base) as client:
        try:
            found = call(client)
        except ollama.ResponseError as exc:
            assert exc.error and not str(exc.error).startswith('{"')
            found = exc.status_code
    assert found == result


def test_a_layer_of_a_model_is_not_taken(base: str, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(b"GGUF")
    with ollama.Client(host=base) as client, pytest.raises(ollama.ResponseError) as refused:
        client.create_blob(layer)
    assert refused.value.status_code in (404, 415, 501)


async def test_the_clients_that_do_not_block_get_the_same(base: str) -> None:
    async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="any") as client:
        parts = [
            part
            async for part in await client.chat.completions.create(model="chat", messages=HI, stream=True)
        ]
        assert text(parts) == "t0 t1 t2 t3 t4 "
    async with ollama.AsyncClient(host=base) as native:
        parts = [part async for part in await native.chat("chat", HI, stream=True)]
        assert said(parts) == "t0 t1 t2 t3 t4 "
