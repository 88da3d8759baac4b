"""OpenAI's responses through its own client: whole and streamed, stored per owner, gone on from."""

from typing import Any

import openai
import pytest

from agents.conversation.persistence import open_persistence
from servers.api.runs.tables import create_tables, open_engine
from servers.api.stored.responses import StoredResponses
from tests.agents.peers import Knobs
from tests.api.test_owners import ANA
from tools.access.identity import LOCAL
from tools.errors import NotFound
from tools.settings import Settings

QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
WEATHER: Any = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}, "strict": False}
CALL: list[dict[str, Any]] = [
    {"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "get_weather", "arguments": "{}"}}]}
]


def sent(knobs: Knobs) -> dict[str, Any]:
    return knobs.asked["/v1/chat/completions"][-1]


async def test_answer_has_its_citations_and_is_kept_until_deleted(client: openai.AsyncOpenAI) -> None:
    made = await client.responses.create(
        model="capibara6", input=QUESTION, metadata={"language": "es", "mine": "1"}
    )
    assert "tres modelos" in made.output_text
    content: Any = made.output[0]
    assert content.content[0].annotations[0].file_id == "modelos"
    assert made.usage is not None and made.usage.total_tokens > 0
    assert made.metadata == {"language": "es", "mine": "1"}
    again = await client.responses.retrieve(made.id)
    assert again.output_text == made.output_text
    items = await client.responses.input_items.list(made.id)
    listed: Any = items.data[0]
    assert (listed.role, listed.content[0].text) == ("user", QUESTION)
    await client.responses.delete(made.id)
    for gone in (client.responses.retrieve, client.responses.delete, client.responses.cancel):
        with pytest.raises(openai.NotFoundError):
            await gone(made.id)


async def test_stream_opens_grows_and_closes_its_items(client: openai.AsyncOpenAI) -> None:
    kinds: list[str] = []
    numbers: list[int] = []
    async with client.responses.stream(model="capibara6", input=QUESTION) as stream:
        async for event in stream:
            kinds.append(event.type)
            numbers.append(event.sequence_number)
        final = await stream.get_final_response()
    assert "tres modelos" in final.output_text
    assert numbers == list(range(len(numbers)))
    told = list(dict.fromkeys(kinds))
    assert told == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert (await client.responses.retrieve(final.id)).output_text == final.output_text


async def test_calls_and_their_results_go_on_by_the_id_of_the_answer(
    client: openai.AsyncOpenAI, knobs: Knobs
) -> None:
    knobs.model, knobs.mind = "phi4_fast", lambda _: CALL
    first = await client.responses.create(model="capibara6", input="¿Llueve en Lugo?", tools=[WEATHER])
    call: Any = first.output[0]
    assert (call.type, call.call_id, call.name) == ("function_call", "c1", "get_weather")
    async with client.responses.stream(
        model="capibara6", input="¿Llueve en Lugo?", tools=[WEATHER]
    ) as stream:
        streamed: Any = (await stream.get_final_response()).output[0]
    assert (streamed.call_id, streamed.arguments) == ("c1", "{}")
    knobs.mind = lambda _: [{"content": "Sí, llueve."}]
    result: Any = {"type": "function_call_output", "call_id": "c1", "output": "rain"}
    second = await client.responses.create(
        model="capibara6", input=[result], tools=[WEATHER], previous_response_id=first.id
    )
    assert second.output_text == "Sí, llueve."
    assert [message["role"] for message in sent(knobs)["messages"][-3:]] == ["user", "assistant", "tool"]
    await client.responses.delete(first.id)
    third = await client.responses.create(
        model="capibara6", input="¿y mañana?", previous_response_id=second.id, tools=[WEATHER]
    )
    assert third.previous_response_id == second.id
    assert "rain" in str(sent(knobs)["messages"])


async def test_pools_model_answers_responses_too(client: openai.AsyncOpenAI, knobs: Knobs) -> None:
    knobs.mind = lambda _: [{"reasoning_content": "Pienso."}, {"content": "Hola."}]
    made = await client.responses.create(
        model="phi4_fast",
        input=[{"role": "developer", "content": "Sé breve."}, {"role": "user", "content": "Hola"}],
        instructions="Habla claro.",
        max_output_tokens=9,
        reasoning={"effort": "low"},
        text={"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
    )
    assert [item.type for item in made.output] == ["reasoning", "message"]
    body = sent(knobs)
    assert body["messages"][0] == {"role": "system", "content": "Habla claro.\nSé breve."}
    assert (body["max_tokens"], body["reasoning_effort"]) == (9, "low")
    assert body["response_format"]["json_schema"] == {"name": "x", "schema": {"type": "object"}}
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="nobody", input="Hola")


async def test_cut_answer_is_incomplete_and_one_that_is_not_stored_is_gone(
    client: openai.AsyncOpenAI, knobs: Knobs
) -> None:
    knobs.mind, knobs.finish = lambda _: [{"content": "Uno dos"}], "length"
    made = await client.responses.create(model="phi4_fast", input="Cuenta", store=False)
    assert made.status == "incomplete"
    assert made.incomplete_details is not None and made.incomplete_details.reason == "max_output_tokens"
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_failure_is_a_status_before_the_first_event_and_an_event_after_it(
    client: openai.AsyncOpenAI, knobs: Knobs
) -> None:
    knobs.mind, knobs.cut_after = lambda _: [{"content": "Uno "}, {"content": "dos"}], 1
    stream = await client.responses.create(model="phi4_fast", input="Cuenta", stream=True)
    events: list[Any] = [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "upstream_failed"
    with pytest.raises(openai.BadRequestError):
        await client.responses.create(model="capibara6", input="  ", stream=True)


async def test_another_persons_response_is_not_there(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    async with open_persistence(settings), open_engine(settings) as engine:
        stored = StoredResponses(engine)
        await create_tables(engine, "responses")
        await stored.insert({"id": "resp_1"}, ANA, given=[], messages=[])
        assert (await stored.get("resp_1", ANA)).body == {"id": "resp_1"}
        for asked in (stored.get("resp_1", LOCAL), stored.delete("resp_1", LOCAL)):
            with pytest.raises(NotFound):
                await asked
