import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from agents.context import RunConfig
from agents.events import Cited, Done, Progress, Retrieved, Routed, Token
from agents.runtime import AgentRequest, run, stream
from tests.agents.peers import ending
from tools.errors import ModelUnavailable, StoreUnavailable, UpstreamFailed, UpstreamSilent
from tools.settings import Agents, Chat

SPANISH = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
ENGLISH = "How many models may the server keep loaded at the same time?"


def order(text: str, **options) -> AgentRequest:
    return AgentRequest("capibara6", [{"role": "user", "content": text}], **options)


async def events_of(ready, context, text=SPANISH, **options):
    return [event async for event in stream(ready, order(text, **options), context=context)]


async def test_question_is_routed_retrieved_and_answered_with_citations(ready, context) -> None:
    events = await events_of(ready, context)
    kinds = {type(event) for event in events}
    assert {Routed, Retrieved, Token, Cited, Done} <= kinds
    done = ending(events).answer
    assert "tres modelos" in done.answer
    assert [citation.document_id for citation in done.citations] == ["modelos"]
    assert done.model == "extractive"
    assert done.agent == "capibara6"
    assert done.route is not None
    assert done.route.wanted == "phi4_fast"
    assert {"route", "retrieve", "answer", "total"} <= set(done.timings_ms)


async def test_tokens_join_to_the_answer_and_events_share_a_run_id(ready, context) -> None:
    events = await events_of(ready, context)
    text = "".join(event.text for event in events if isinstance(event, Token))
    assert text.strip() == ending(events).answer.answer
    assert len({event.run_id for event in events}) == 1
    assert [event.at_ms for event in events] == sorted(event.at_ms for event in events)


async def test_english_question_gets_an_english_answer(ready, context) -> None:
    done = (await run(ready, order(ENGLISH), context=context)).answer
    assert "three models" in done.answer
    assert done.citations[0].document_id == "models"


async def test_small_talk_asks_no_knowledge(ready, context, knobs) -> None:
    events = await events_of(ready, context, "hola")
    assert not any(isinstance(event, Retrieved) for event in events)
    assert ending(events).answer.answer.startswith("¡Hola!")
    assert "/api/v1/rag/hybrid-search" not in knobs.asked


async def test_unknown_matter_is_said_to_be_unknown_without_citations(ready, context) -> None:
    done = (await run(ready, order("¿Cuál es la capital de Mongolia?"), context=context)).answer
    assert "no contienen la respuesta" in done.answer
    assert done.citations == []


async def test_caller_chooses_collection_model_and_options(ready, context, knobs) -> None:
    config = RunConfig(collection="otra", model="phi4_fast", options={"temperature": 0.1})
    done = (await run(ready, order(SPANISH), context=replace(context, config=config))).answer
    assert knobs.asked["/api/v1/rag/hybrid-search"][0]["collection"] == "otra"
    assert knobs.asked["/v1/chat/completions"][0]["temperature"] == 0.1
    assert "/v1/route" not in knobs.asked
    assert done.model == "phi4_fast"


async def test_degraded_search_is_named_in_the_answer(ready, context, knobs) -> None:
    knobs.degraded = ["graph"]
    assert (await run(ready, order(SPANISH), context=context)).answer.degraded == ["graph"]


async def test_mark_that_points_to_no_passage_is_removed(ready, context, knobs) -> None:
    knobs.script = [[{"content": "Tres modelos [1]"}, {"content": ", creo [9]."}]]
    done = (await run(ready, order(SPANISH), context=context)).answer
    assert done.answer == "Tres modelos [1], creo ."
    assert [citation.n for citation in done.citations] == [1]


@pytest.mark.parametrize(
    ("knob", "error"),
    [
        ({"error": ModelUnavailable("no model", source="pool")}, ModelUnavailable),
        ({"bridge_error": StoreUnavailable("all legs dead", source="bridge")}, StoreUnavailable),
        ({"cut_after": 2}, UpstreamFailed),
        ({"script": [[{"content": "  "}]]}, UpstreamFailed),
    ],
)
async def test_failures_of_peers_are_typed_errors(ready, context, knobs, knob, error) -> None:
    for name, value in knob.items():
        setattr(knobs, name, value)
    with pytest.raises(error):
        await run(ready, order(SPANISH), context=context)


async def test_run_that_takes_too_long_is_ended(ready, context, knobs) -> None:
    knobs.first_s = 5
    hurried = replace(context, chat=Chat(deadline_s=0.3))
    with pytest.raises(UpstreamSilent):
        await run(ready, order(SPANISH), context=hurried)
    await closed(knobs)


async def test_leaving_the_stream_ends_the_model_call(ready, context, knobs) -> None:
    knobs.token_s = 0.2
    async with aclosing(stream(ready, order(SPANISH), context=context)) as events:
        async for event in events:
            if isinstance(event, Token):
                break
    await closed(knobs)


async def test_cancelling_the_reader_ends_the_model_call(ready, context, knobs) -> None:
    knobs.token_s = 0.2
    reader = asyncio.create_task(events_of(ready, context))
    await until(lambda: knobs.open_streams)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    await closed(knobs)


async def test_thread_remembers_the_conversation(ready, context, knobs) -> None:
    await run(ready, order("¿En qué puerto escucha la API?", thread_id="a"), context=context)
    done = (await run(ready, order("¿y la pool?", thread_id="a"), context=context)).answer
    assert "8082" in done.answer
    assert done.thread_id == "a"
    assert len(knobs.asked["/v1/chat/completions"][-1]["messages"]) == 4
    other = (await run(ready, order("¿y la pool?", thread_id="b"), context=context)).answer
    assert len(knobs.asked["/v1/chat/completions"][-1]["messages"]) == 2
    assert other.thread_id == "b"


async def test_turn_that_fails_leaves_the_thread_as_it_was(ready, context, knobs) -> None:
    await run(ready, order("¿En qué puerto escucha la API?", thread_id="a"), context=context)
    knobs.error = ModelUnavailable("no model", source="pool")
    with pytest.raises(ModelUnavailable):
        await run(ready, order(SPANISH, thread_id="a"), context=context)
    knobs.error = None
    await run(ready, order("¿y la pool?", thread_id="a"), context=context)
    roles = [message["role"] for message in knobs.asked["/v1/chat/completions"][-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]


async def until(condition) -> None:
    while not condition():  # noqa: ASYNC110 - the peer runs in a thread of its own
        await asyncio.sleep(0.01)


async def closed(knobs) -> None:
    """Wait until the pool has seen its stream end; the test's own timeout is the bound."""
    await until(lambda: not knobs.open_streams)


async def test_router_sees_the_conversation_and_the_model_before(ready, context, knobs) -> None:
    knobs.model = "phi4_fast"
    await run(ready, order("Escribe una función que invierta una lista", thread_id="r"), context=context)
    await run(ready, order("¿y en orden inverso?", thread_id="r"), context=context)
    routed = knobs.asked["/v1/route"][-1]
    roles = [message["role"] for message in routed["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert routed["route"] == {"previous": "phi4_fast"}


async def test_follow_up_is_searched_as_the_question_that_it_stands_for(ready, context, knobs) -> None:
    await run(ready, order("¿En qué puerto escucha la API?", thread_id="f"), context=context)
    events = await events_of(ready, context, "¿y en inglés?", thread_id="f")
    told = next(event for event in events if isinstance(event, Progress) and event.stage == "rewritten")
    assert told.detail["query"] == "¿En qué puerto escucha la API?"
    assert told.detail["kind"] == "language"
    assert knobs.asked["/api/v1/rag/hybrid-search"][-1]["query"] == "¿En qué puerto escucha la API?"
    prompt = knobs.asked["/v1/chat/completions"][-1]["messages"]
    assert prompt[0]["content"].startswith("You are capibara6")


async def test_answer_in_another_language_says_that_documents_are_quoted(ready, context, knobs) -> None:
    await events_of(ready, context, thread_id="l")
    done = ending(await events_of(ready, context, "¿y en inglés?", thread_id="l")).answer
    assert done.answer.startswith("I quote the documents and can not translate.")
    assert done.citations


async def test_model_that_the_settings_name_makes_a_follow_up_stand_alone(ready, context, knobs) -> None:
    rewriting = replace(context, limits=Agents(rewriter="phi4_fast"))
    await run(ready, order("¿En qué puerto escucha la API?", thread_id="m"), context=rewriting)
    knobs.script = [[{"content": "¿En qué puerto escucha la pool?"}]]
    done = await run(ready, order("¿y lo otro, la pool?", thread_id="m"), context=rewriting)
    assert "8082" in done.answer.answer


async def test_housekeeping_of_a_chat_page_is_never_searched(ready, context, knobs) -> None:
    asked = (
        "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the chat history.\n"
        'JSON format: { "title": "x" }\n<chat_history>\nUSER: ¿En qué puerto escucha la API?\n</chat_history>'
    )
    done = (await run(ready, order(asked), context=context)).answer
    assert done.answer == '{"title": "💬 Puerto escucha API"}'
    assert done.model == "rules"
    assert knobs.asked == {}


async def test_collection_without_documents_is_said_to_have_none(ready, context, knobs) -> None:
    knobs.documents = []
    done = (await run(ready, order(SPANISH), context=context)).answer
    assert done.answer.startswith("Todavía no hay documentos en la colección «capibara6»")
    assert "/v1/chat/completions" not in knobs.asked
