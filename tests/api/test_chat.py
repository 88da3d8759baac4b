import asyncio
import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from agents.registry import AGENTS
from tools.clients.api import open_api
from tools.errors import EmptyQuestion, ModelUnavailable, StoreUnavailable

WHERE = {"headings", "span", "page", "slide", "sheet", "rows"}
SPANISH = "¿Cuántos modelos puede tener cargados a la vez el servidor?"


def asking(text: Any = SPANISH, **fields):
    return {"model": "capibara6", "messages": [{"role": "user", "content": text}], **fields}


async def lines_of(http, body):
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return [line[6:] async for line in response.aiter_lines() if line.startswith("data: ")]


async def test_whole_answer_carries_citations_route_and_timings(http) -> None:
    body = (await http.post("/v1/chat/completions", json=asking())).json()
    message = body["choices"][0]["message"]
    assert "tres modelos" in message["content"]
    assert set(message["citations"][0]) == {"n", "title", "source", "document_id", "text", *WHERE}
    assert message["support"] > 0.5
    assert body["capibara6"]["support_reason"] == "«Modelos» dice lo que se pregunta"
    assert body["capibara6"]["route"]["wanted"] == "phi4_fast"
    assert body["capibara6"]["timings_ms"]["total"] > 0
    assert body["usage"]["total_tokens"] > 0


async def test_stream_is_openai_chunks_with_events_and_ends_with_done(http) -> None:
    lines = await lines_of(http, asking(stream=True))
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    events = [chunk["capibara6"]["event"] for chunk in chunks]
    assert {"routed", "retrieved", "progress", "token", "citation", "done"} == set(events)
    assert events[-1] == "done"
    assert all(chunk["object"] == "chat.completion.chunk" for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    retrieved = chunks[events.index("retrieved")]["capibara6"]
    assert {"n", "title", "source", "document_id", "text", "score"} <= set(retrieved["citations"][0])


async def test_usage_chunk_comes_last_and_carries_done(http) -> None:
    lines = await lines_of(http, asking(stream=True, stream_options={"include_usage": True}))
    last, before = json.loads(lines[-2]), json.loads(lines[-3])
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] > 0
    assert last["capibara6"]["event"] == "done"
    assert before["choices"][0]["finish_reason"] == "stop"


async def test_our_client_asks_and_reads_the_answer(http, peers) -> None:
    async with open_api(peers[0]) as api:
        answer = await api.ask(SPANISH)
        with pytest.raises(EmptyQuestion):
            await api.ask("  ")
    assert answer.citations[0].document_id == "modelos"


async def test_openai_client_works_unchanged(api, knobs) -> None:
    client = openai.AsyncOpenAI(base_url=f"{api}/v1", api_key="any", max_retries=0)
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": SPANISH}]
    whole = await client.chat.completions.create(model="capibara6", messages=messages)
    assert "tres modelos" in (whole.choices[0].message.content or "")
    text, usage = "", None
    async for chunk in await client.chat.completions.create(
        model="capibara6",
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
        metadata={"language": "en", "collection": "notas"},
    ):
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert "tres modelos" in text
    assert usage is not None and usage.total_tokens > 0
    assert knobs.asked["/api/v1/rag/hybrid-search"][-1]["collection"] == "notas"
    assert {"capibara6", "extractive"} <= {model.id async for model in client.models.list()}
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="nobody", messages=messages)
    await client.close()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (asking(""), 400, "empty_question"),
        (asking(" \n\t"), 400, "empty_question"),
        (asking("a" * 40_000), 413, "question_too_long"),
        (asking(model="nobody"), 404, "model_not_found"),
        ({"model": "capibara6", "messages": []}, 400, "invalid_value"),
        ({"model": "capibara6"}, 400, "invalid_value"),
        (asking(temperature=99), 400, "invalid_value"),
        (asking(n=1_000_000_000), 400, "invalid_value"),
        (asking(max_tokens=10**12), 400, "invalid_value"),
        (asking(metadata={"language": "fr"}), 400, "invalid_value"),
        (asking(metadata={"thread_id": "../x"}), 400, "invalid_value"),
        (asking(metadata={"collection": "'; drop"}), 400, "invalid_value"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, 400, "bad_request"),
    ],
)
async def test_nonsense_is_refused_before_any_peer_is_asked(http, knobs, body, status, code) -> None:
    response = await http.post("/v1/chat/completions", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert "/api/v1/rag/hybrid-search" not in knobs.asked


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"temperature": NaN, "messages":[{"role":"user","content":"hola"}]}',
        b'{"messages": "x"}',
        b"",
    ],
)
async def test_malformed_json_is_a_400_in_the_error_shape(http, raw) -> None:
    headers = {"content-type": "application/json"}
    response = await http.post("/v1/chat/completions", content=raw, headers=headers)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "code", "param", "source"}


async def test_unknown_model_names_those_there_are(http) -> None:
    error = (await http.post("/v1/chat/completions", json=asking(model="nobody"))).json()["error"]
    assert "capibara6" in error["message"]
    assert "extractive" in error["message"]


async def test_pool_model_is_passed_through_untouched(http, knobs) -> None:
    body = asking("hola", model="extractive", stream=True, logit_bias={"1": 2})
    lines = await lines_of(http, body)
    assert lines[-1] == "[DONE]"
    assert knobs.asked["/v1/chat/completions"] == [body]
    whole = (await http.post("/v1/chat/completions", json=asking("hola", model="extractive"))).json()
    assert whole["choices"][0]["message"]["content"].startswith("¡Hola!")


async def test_failure_before_the_first_byte_is_a_status(http, knobs) -> None:
    knobs.bridge_error = StoreUnavailable("all legs dead", source="bridge")
    response = await http.post("/v1/chat/completions", json=asking(stream=False))
    assert response.status_code == 503
    assert response.json()["error"]["source"] == "bridge"


async def test_failure_after_the_first_byte_is_an_event_without_done(http, knobs) -> None:
    knobs.error = ModelUnavailable("no model", source="pool")
    lines = await lines_of(http, asking(stream=True))
    assert json.loads(lines[-1])["error"]["code"] == "model_unavailable"


@pytest.mark.parametrize(
    ("model", "stream"), [("capibara6", True), ("capibara6", False), ("phi4_fast", True)]
)
async def test_leaving_ends_the_model_call(http, knobs, model, stream) -> None:
    knobs.token_s = 0.5
    with pytest.raises(httpx.TimeoutException):
        async with http.stream(
            "POST", "/v1/chat/completions", json=asking(stream=stream, model=model), timeout=0.3
        ) as response:
            async for _ in response.aiter_lines():
                pass
    while knobs.open_streams:  # noqa: ASYNC110 - the peer runs in a thread of its own
        await asyncio.sleep(0.01)


async def test_thread_is_resumed_and_only_new_messages_count(http, knobs) -> None:
    metadata = {"thread_id": "hilo-1"}
    await http.post("/v1/chat/completions", json=asking("¿En qué puerto escucha la API?", metadata=metadata))
    talk = [
        {"role": "user", "content": "¿En qué puerto escucha la API?"},
        {"role": "assistant", "content": "En el 5000 [1]."},
        {"role": "user", "content": "¿y la pool?"},
    ]
    body = {"model": "capibara6", "messages": talk, "metadata": metadata}
    answer = (await http.post("/v1/chat/completions", json=body)).json()["capibara6"]
    assert answer["thread_id"] == "hilo-1"
    assert "8082" in answer["answer"]
    assert len(knobs.asked["/v1/chat/completions"][-1]["messages"]) == 4


async def test_models_lists_agents_the_pools_models_and_embedders(http) -> None:
    body = (await http.get("/v1/models")).json()
    assert [model["id"] for model in body["data"]] == [*AGENTS, "extractive", "phi4_fast", "all-MiniLM-L6-v2"]
    assert (await http.get("/v1/models/capibara6")).json()["id"] == "capibara6"
    assert (await http.get("/v1/models/nobody")).json()["error"]["code"] == "model_not_found"


async def test_many_streams_at_once_all_end_well(http) -> None:
    answers = await asyncio.gather(*(lines_of(http, asking(stream=True)) for _ in range(30)))
    assert all(lines[-1] == "[DONE]" for lines in answers)


async def test_health_names_its_peers(http) -> None:
    body = (await http.get("/health")).json()
    assert body["status"] in ("ok", "degraded")
    assert body["peers"]["pool"] == "ok"


async def test_cut_answer_says_so_on_openais_wire(http, knobs) -> None:
    knobs.model, knobs.finish = "phi4_fast", "length"
    knobs.mind = lambda _: [{"content": "El servidor puede tener cargados tres modelos a la vez [1]."}]
    body = (await http.post("/v1/chat/completions", json=asking())).json()
    assert body["choices"][0]["finish_reason"] == "length"
    chunks = [json.loads(line) for line in (await lines_of(http, asking(stream=True)))[:-1]]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert body["capibara6"]["sentences"][0]["spans"] == [{"n": 1, "start": 0, "end": 55}]


async def test_picture_is_refused_by_its_name(http, knobs) -> None:
    parts = [{"type": "text", "text": SPANISH}, {"type": "image_url", "image_url": {"url": "data:x"}}]
    response = await http.post("/v1/chat/completions", json=asking(parts))
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "media_not_supported"
    assert "image_url" in response.json()["error"]["message"]
    assert knobs.asked == {}
