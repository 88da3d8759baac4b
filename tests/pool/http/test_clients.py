"""What the official clients get in detail; each of their calls has its row in `tests/pool/clients/`."""

import ollama
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.pool.harness import make_settings, model, write_catalog

HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hola"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture
def base(tmp_path, journal, in_thread):
    models = {
        "a": model(journal),
        "vectors": model(journal, kind="embedding", knobs={"kind": "embedding"}),
        "extractive": {"backend": "extractive"},
    }
    catalog = write_catalog(tmp_path / "models.toml", models)
    return in_thread(make_settings(tmp_path / "home", catalog))


def test_the_openai_client_raises_its_own_errors(base):
    with openai.OpenAI(base_url=f"{base}/v1", api_key="any", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError, match="a, vectors, extractive"):
            client.chat.completions.create(model="nobody", messages=HI)
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model="a", messages=HI, n=10**9)
        assert caught.value.code == "invalid_value" and caught.value.param == "n"
        with pytest.raises(openai.BadRequestError):
            client.embeddings.create(model="a", input="x")


def test_the_ollama_client_lists_chats_generates_and_embeds(base):
    with ollama.Client(host=base) as client:
        assert [item.model for item in client.list().models] == ["a", "vectors", "extractive"]
        answer = client.chat(model="a", messages=HI)
        assert answer.message.content == "x x x x x " and answer.done_reason == "stop"
        assert (answer.prompt_eval_count, answer.eval_count) == (3, 5)
        assert answer.load_duration > 0, "the first request loaded the model"
        parts = list(client.chat(model="a:latest", messages=HI, stream=True, options={"num_predict": 3}))
        assert "".join(part.message.content for part in parts) == "t0 t1 t2 "
        assert parts[-1].done and parts[-1].eval_count == 3 and parts[-1].load_duration == 0
        assert [item.model for item in client.ps().models] == ["a"]
        assert client.generate(model="a", prompt="hola").response == "x x x x x "
        said = list(client.generate(model="a", prompt="hola", stream=True))
        assert "".join(part.response for part in said).startswith("t0 ") and said[-1].total_duration > 0
        assert client.embed(model="vectors", input=["a", "b"]).embeddings == [[1.0, 0.0], [1.0, 0.0]]
        assert client.embeddings(model="vectors", prompt="a").embedding == [1.0, 0.0]
        assert client.show("a").capabilities == ["completion", "tools"]


def test_the_ollama_client_gets_tools_whole_and_errors_as_its_own(base):
    with ollama.Client(host=base) as client:
        called = client.chat(model="a", messages=HI, tools=[WEATHER])
        assert called.message.tool_calls[0].function.arguments == {"city": "Madrid"}
        *_, last, end = client.chat(model="a", messages=HI, tools=[WEATHER], stream=True)
        assert last.message.tool_calls[0].function.name == "weather" and end.done
        with pytest.raises(ollama.ResponseError) as caught:
            client.chat(model="nobody", messages=HI)
        assert caught.value.status_code == 404
        with pytest.raises(ollama.ResponseError) as caught:
            client.create(model="mine", from_="a")
        assert caught.value.status_code == 501


def test_ollamas_keep_alive_loads_and_unloads(base):
    with ollama.Client(host=base) as client:
        assert client.generate(model="a", prompt="").done_reason == "load"
        assert [item.model for item in client.ps().models] == ["a"]
        assert client.generate(model="a", prompt="", keep_alive=0).done_reason == "unload"
        assert client.ps().models == []


async def test_another_pool_serves_as_an_ollama_engine(open_client, base, tmp_path):
    """Our own Ollama API behind our own Ollama engine: both translations against the same real wire."""
    settings_url = {
        "m": {"backend": "ollama", "ollama": "a"},
        "v": {"backend": "ollama", "ollama": "vectors"},
    }
    models = {**settings_url, "missing": {"backend": "ollama", "ollama": "nothing"}}
    models["v"]["kind"] = "embedding"
    async with open_client(models, ollama_url=base) as client:
        status, said = await client.chat("m", max_tokens=3)
        assert status == 200 and said["choices"][0]["message"]["content"] == "x x x " and said["model"] == "m"
        assert said["usage"] == {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
        status, said = await client.stream("m", stream_options={"include_usage": True})
        assert status == 200 and said.count(b"data: ") == 9 and said.endswith(b"[DONE]\n\n")
        status, said = await client.chat("m", tools=[WEATHER])
        assert said["choices"][0]["finish_reason"] == "tool_calls"
        status, said = await client.post("/v1/embeddings", {"model": "v", "input": "x"})
        assert status == 200 and said["data"][0]["embedding"] == [1.0, 0.0]
        status, said = await client.chat("missing")
        assert status == 503 and "ollama pull nothing" in said["error"]["message"]
