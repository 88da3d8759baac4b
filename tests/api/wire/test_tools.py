"""The caller's tools and schemas through OpenAI's own client: they reach the model or are refused by name."""

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.agents.peers import MODELS, Knobs

QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL: list[dict[str, Any]] = [
    {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": '{"city":'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": ' "Lugo"}'}}]},
]
ASK: list[Any] = [{"role": "user", "content": "¿Qué tiempo hace en Lugo?"}]


class Loaded(BaseModel):
    limit: str
    seconds: int


@pytest.fixture
def able(knobs: Knobs) -> Knobs:
    """Peers whose router chooses a model that can call tools."""
    knobs.model = "phi4_fast"
    return knobs


def sent(knobs: Knobs) -> dict[str, Any]:
    return knobs.asked["/v1/chat/completions"][-1]


async def test_callers_tools_go_to_the_model_and_its_call_comes_back(
    client: openai.AsyncOpenAI, able: Knobs
) -> None:
    able.mind = lambda _: CALL
    whole = await client.chat.completions.create(
        model="capibara6", messages=ASK, tools=[WEATHER], parallel_tool_calls=False
    )
    choice = whole.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    call: Any = (choice.message.tool_calls or [None])[0]
    assert (call.id, call.function.name) == ("c1", "get_weather")
    assert json.loads(call.function.arguments) == {"city": "Lugo"}
    names = [tool["function"]["name"] for tool in sent(able)["tools"]]
    assert names == ["search_knowledge", "get_weather"]
    assert sent(able)["parallel_tool_calls"] is False


async def test_streamed_call_is_gathered_by_openais_client(client: openai.AsyncOpenAI, able: Knobs) -> None:
    able.mind = lambda _: CALL
    async with client.chat.completions.stream(model="capibara6", messages=ASK, tools=[WEATHER]) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    call: Any = (final.choices[0].message.tool_calls or [None])[0]
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Lugo"}')


async def test_result_of_a_tool_goes_on_to_the_answer(client: openai.AsyncOpenAI, able: Knobs) -> None:
    link = "https://meteo.example/lugo"
    able.mind = lambda _: [{"content": f"Llueve en Lugo: {link}"}]
    called = {
        "id": "c1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Lugo"}'},
    }
    talk: list[Any] = [
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": f'{{"sky": "rain", "more": "{link}"}}'},
    ]
    threads: tuple[Any, ...] = ({}, {"thread_id": "tiempo-1"})
    for thread in threads:
        whole = await client.chat.completions.create(
            model="capibara6", messages=talk, tools=[WEATHER], metadata=thread
        )
        assert whole.choices[0].finish_reason == "stop"
        assert whole.choices[0].message.content == f"Llueve en Lugo: {link}"
        *_, question, asked, result = sent(able)["messages"]
        assert "¿Qué tiempo hace en Lugo?" in question["content"]
        assert asked["tool_calls"] == [called]
        assert (result["role"], result["tool_call_id"]) == ("tool", "c1")


async def test_choice_of_tool_decides_what_is_offered(client: openai.AsyncOpenAI, able: Knobs) -> None:
    able.mind = lambda _: CALL
    named: Any = {"type": "function", "function": {"name": "get_weather"}}
    choices: tuple[Any, ...] = ("required", named)
    for choice in choices:
        await client.chat.completions.create(
            model="capibara6", messages=ASK, tools=[WEATHER], tool_choice=choice
        )
        assert sent(able)["tool_choice"] == choice
        assert sent(able)["tools"] == [WEATHER]
    able.mind = lambda _: [{"content": "El servidor puede tener cargados tres modelos a la vez [1]."}]
    asking: Any = [{"role": "user", "content": QUESTION}]
    await client.chat.completions.create(
        model="capibara6", messages=asking, tools=[WEATHER], tool_choice="none"
    )
    assert [tool["function"]["name"] for tool in sent(able)["tools"]] == ["search_knowledge"]
    with pytest.raises(openai.BadRequestError) as caught:
        other: Any = {"type": "function", "function": {"name": "nobody"}}
        await client.chat.completions.create(
            model="capibara6", messages=ASK, tools=[WEATHER], tool_choice=other
        )
    assert caught.value.param == "tool_choice"


async def test_model_that_only_quotes_gives_way_or_the_refusal_says_what_to_do(
    client: openai.AsyncOpenAI, knobs: Knobs
) -> None:
    knobs.mind = lambda _: CALL
    whole = await client.chat.completions.create(model="capibara6", messages=ASK, tools=[WEATHER])
    assert (whole.model_extra or {})["capibara6"]["model"] == "phi4_fast"
    knobs.loaded = ["extractive"]
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="capibara6", messages=ASK, tools=[WEATHER])
    assert (caught.value.code, caught.value.param) == ("tools_not_supported", "tools")
    assert "VLLM_URL" in str(caught.value)
    assert MODELS == ["extractive", "phi4_fast"]


@pytest.mark.parametrize("model", ["capibara6-research", "capibara6-data"])
async def test_agent_that_takes_no_tools_names_the_one_that_does(
    client: openai.AsyncOpenAI, knobs: Knobs, model: str
) -> None:
    given: tuple[dict[str, Any], ...] = ({"tools": [WEATHER]}, {"response_format": {"type": "json_object"}})
    for fields in given:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model=model, messages=ASK, **fields)
        assert caught.value.param in fields
        assert "ask capibara6," in str(caught.value)


@pytest.mark.parametrize(
    "talk",
    [
        [*ASK, {"role": "tool", "tool_call_id": "c1", "content": "x"}],
        [{"role": "tool", "tool_call_id": "c1", "content": "x"}],
        [
            *ASK,
            {
                "role": "assistant",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}],
            },
            *ASK,
        ],
    ],
)
async def test_result_without_a_call_and_call_without_a_result_are_refused(http: Any, talk: Any) -> None:
    response = await http.post("/v1/chat/completions", json={"model": "capibara6", "messages": talk})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "messages"


async def test_schema_is_written_by_the_engine_checked_and_parsed(
    client: openai.AsyncOpenAI, able: Knobs
) -> None:
    able.mind = lambda _: [{"content": '{"limit": "tres modelos [1]",'}, {"content": ' "seconds": 300}'}]
    asking: Any = [{"role": "user", "content": QUESTION}]
    parsed = await client.chat.completions.parse(model="capibara6", messages=asking, response_format=Loaded)
    message: Any = parsed.choices[0].message
    assert message.parsed == Loaded(limit="tres modelos", seconds=300)
    assert [one["document_id"] for one in message.citations] == ["modelos"]
    assert sent(able)["response_format"]["json_schema"]["name"] == "Loaded"


async def test_wrong_answer_is_repaired_once_and_then_an_error(
    client: openai.AsyncOpenAI, able: Knobs
) -> None:
    asking: Any = [{"role": "user", "content": QUESTION}]
    able.script = [[{"content": '{"limit": 3}'}], [{"content": '{"limit": "3", "seconds": 300}'}]]
    parsed = await client.chat.completions.parse(model="capibara6", messages=asking, response_format=Loaded)
    assert parsed.choices[0].message.parsed == Loaded(limit="3", seconds=300)
    assert "$.limit" in sent(able)["messages"][-1]["content"]
    able.script = [[{"content": "no"}], [{"content": "{}"}]]
    with pytest.raises(openai.APIStatusError) as caught:
        await client.chat.completions.parse(model="capibara6", messages=asking, response_format=Loaded)
    assert (caught.value.status_code, caught.value.code) == (502, "schema_not_met")


async def test_quotes_fill_a_schema_or_it_is_refused_by_field(
    client: openai.AsyncOpenAI, knobs: Knobs
) -> None:
    asking: Any = [{"role": "user", "content": QUESTION}]

    class Quoted(BaseModel):
        answer: str

    parsed = await client.chat.completions.parse(model="capibara6", messages=asking, response_format=Quoted)
    message: Any = parsed.choices[0].message
    assert message.parsed.answer == "El servidor puede tener cargados tres modelos a la vez."
    assert [one["document_id"] for one in message.citations] == ["modelos"]

    class Judged(BaseModel):
        good: bool

    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.parse(model="capibara6", messages=asking, response_format=Judged)
    assert caught.value.code == "schema_not_quotable"
    assert "'good'" in str(caught.value) and "phi4_fast" in str(caught.value)


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "xml"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}},
    ],
)
async def test_what_is_no_schema_is_refused(http: Any, wanted: Any) -> None:
    body = {"model": "capibara6", "messages": ASK, "response_format": wanted}
    response = await http.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_schema"
