from dataclasses import replace

import pytest
from pydantic import SecretStr

from agents.context import RunConfig
from agents.conversation import budget, history, snapshots, user_memory
from agents.conversation.ownership import item_namespace
from agents.conversation.persistence import CLAIM, open_persistence
from agents.runtime import AgentRequest, compile_agents, run
from tools.access.identity import LOCAL, SCOPES, Principal, acting_as


def order(text: str, thread: str) -> AgentRequest:
    return AgentRequest("capibara6", [{"role": "user", "content": text}], thread_id=thread, durable=True)


@pytest.fixture
def on_server(stores, settings):
    """Settings whose memory is a PostgreSQL server."""
    named = stores.stores.model_copy(update={"postgres_dsn": SecretStr(stores.postgres_dsn)})
    return settings.model_copy(update={"stores": named})


async def test_threads_and_facts_are_kept_on_a_postgresql_server(on_server, context) -> None:
    async with open_persistence(on_server) as persistence:
        ready = compile_agents(persistence)
        await run(ready, order("¿En qué puerto escucha la API?", "pg"), context=context)
        await persistence.store.aput(("usuarios", "ana"), "color", {"text": "verde"}, index=False)
    async with open_persistence(on_server) as persistence:
        ready = compile_agents(persistence)
        done = await run(ready, order("¿y la pool?", "pg"), context=context)
        assert "8082" in done.answer.answer
        assert len((await history.values(persistence, "pg"))["messages"]) == 4
        await history.copy(persistence, "pg", "pg-2")
        assert await history.values(persistence, "pg-2") == await history.values(persistence, "pg")
        graph = ready["capibara6"].threaded
        states = [await snapshots.history(graph, thread, limit=100) for thread in ("pg", "pg-2")]
        assert len(states[0]) == len(states[1]) > 4
        await history.delete(persistence, "pg")
        assert await history.values(persistence, "pg") == {}
        # What was kept before items had owners is the local user's from the next start on.
        kept = await persistence.store.aget(item_namespace(LOCAL, "usuarios", "ana"), "color")
        assert kept is not None
        assert kept.value == {"text": "verde"}


def said(text: str, thread: str | None = None) -> AgentRequest:
    return AgentRequest("capibara6", [{"role": "user", "content": text}], thread_id=thread)


def person(user: str, tenant: str = "default") -> Principal:
    return Principal(tenant, user, "user", SCOPES["user"], "session")


def about(context, user):
    return replace(context, config=RunConfig(user=user))


async def test_fact_is_remembered_across_threads_and_only_for_who_said_it(ready, context, knobs) -> None:
    question = "¿Qué he dicho sobre mi color favorito?"
    with acting_as(person("ana.b@x.org")):
        noted = await run(ready, said("Recuerda que mi color favorito es el verde", "a"), context=context)
        assert noted.answer.answer == "De acuerdo, lo recordaré."
        assert "/v1/chat/completions" not in knobs.asked
        told = (await run(ready, said(question, "b"), context=context)).answer
        assert "verde" in told.answer
        assert told.citations[0].title == "Lo que has dicho"
        assert "/api/v1/rag/hybrid-search" not in knobs.asked
    for other in (person("ana_b@x.org"), person("ana.b@x.org", "huerta"), person("eva"), LOCAL):
        with acting_as(other):
            for named in (context, about(context, "ana.b@x.org"), about(context, "default/ana.b@x.org")):
                assert "verde" not in (await run(ready, said(question, "c"), context=named)).answer.answer


async def test_facts_of_one_caller_are_parted_by_whom_it_says_they_are_about(ready, context) -> None:
    with acting_as(LOCAL):
        await run(
            ready, said("Recuerda que mi color favorito es el verde", "a"), context=about(context, "eva")
        )
        for user, known in (("eva", True), ("ana", False)):
            told = await run(
                ready, said("¿Qué he dicho sobre mi color favorito?"), context=about(context, user)
            )
            assert ("verde" in told.answer.answer) is known


def test_old_items_are_claimed_for_the_namespace_of_the_local_user() -> None:
    assert f"'{'.'.join(item_namespace(LOCAL))}.'" in CLAIM


async def test_earlier_messages_of_the_thread_are_recalled_too(ready, context) -> None:
    await run(ready, said("Mi gato se llama Bruno y vive en Bilbao", "a"), context=context)
    told = (await run(ready, said("What did I say about Bruno?", "a"), context=context)).answer
    assert "Bilbao" in told.answer


async def test_nothing_is_remembered_for_nobody(ready, context) -> None:
    told = (await run(ready, said("Remember that I like tea"), context=context)).answer
    assert "can not remember" in told.answer


async def test_long_thread_is_summarised_and_its_prompt_stays_within_budget(ready, context, knobs) -> None:
    context = replace(context, limits=context.limits.model_copy(update={"context_tokens": 300}))
    for number in range(9):
        text = f"¿En qué puerto escucha la API? Es la vez número {number}. " + "Repito la pregunta. " * 6
        await run(ready, said(text, "a"), context=context)
    messages = knobs.asked["/v1/chat/completions"][-1]["messages"]
    assert "Antes en esta conversación" in messages[0]["content"]
    assert "vez número 0" in messages[0]["content"]
    earlier = messages[1:-1]
    assert sum(budget.estimate(earlier, budget.CHARS_PER_TOKEN)) <= 300
    assert earlier == [] or earlier[0]["role"] == "user"


async def test_model_that_can_writes_the_summary(ready, context, knobs) -> None:
    context = replace(context, limits=context.limits.model_copy(update={"context_tokens": 100}))
    knobs.model = "phi4_fast"

    def mind(body):
        system = body["messages"][0]["content"]
        return [{"content": "RESUMEN de puertos." if "Resume" in system else "El puerto 5000 [1]."}]

    knobs.mind = mind
    for number in range(6):
        await run(ready, said(f"¿En qué puerto escucha la API? {number} " * 5, "a"), context=context)
    systems = [asked["messages"][0]["content"] for asked in knobs.asked["/v1/chat/completions"]]
    assert any("RESUMEN de puertos." in system for system in systems)


async def test_no_summary_is_written_of_a_conversation_that_nobody_keeps(ready, context, knobs) -> None:
    context = replace(context, limits=context.limits.model_copy(update={"context_tokens": 100}))
    knobs.model = "phi4_fast"
    knobs.mind = lambda body: [{"content": "El puerto 5000 [1]."}]
    talk = [
        {"role": role, "content": f"¿En qué puerto escucha la API? {number} " * 5}
        for number in range(6)
        for role in ("user", "assistant")
    ]
    question = {"role": "user", "content": "¿En qué puerto escucha la API?"}
    await run(ready, AgentRequest("capibara6", [*talk, question]), context=context)
    assert len(knobs.asked["/v1/chat/completions"]) == 1


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("Recuerda que me gusta el té", "me gusta el té"),
        ("por favor, apunta: comprar pan", "comprar pan"),
        ("Remember that I live in Leeds.", "I live in Leeds."),
        ("¿Recuerdas qué dije?", None),
        ("Recuerda", None),
        ("¿Qué puerto hay que recordar?", None),
    ],
)
def test_only_plain_words_ask_to_remember(text, fact) -> None:
    assert user_memory.to_remember(text) == fact


async def test_a_conversation_is_measured_by_the_tokenizer_of_the_model_that_answers(
    ready, context, knobs
) -> None:
    context = replace(context, limits=context.limits.model_copy(update={"context_tokens": 300}))
    knobs.tokens = lambda text: 1
    for number in range(9):
        text = f"¿En qué puerto escucha la API? Es la vez número {number}. " + "Repito la pregunta. " * 6
        await run(ready, said(text, "a"), context=context)
    assert knobs.asked["/tokenize"][-1]["model"] == "extractive"
    messages = knobs.asked["/v1/chat/completions"][-1]["messages"]
    assert len(messages) == 18 and "vez número 0" in messages[1]["content"]


def test_newest_messages_are_kept_and_begin_with_the_users() -> None:
    talk = [{"role": role, "content": "x"} for role in ("user", "assistant") * 3]
    assert budget.newest_fitting(talk, [5] * 6, 30) == talk
    assert budget.newest_fitting(talk, [5] * 6, 19) == talk[4:]
    assert budget.newest_fitting(talk, [5, 5, 5, 5, 50, 5], 30) == []
    assert budget.newest_fitting([], [], 30) == []


def test_tokens_are_counted_as_the_model_counted_them() -> None:
    prompt = [{"role": "user", "content": "a" * 400}]
    assert budget.chars_per_token(prompt, 100) == 4.0
    assert budget.chars_per_token(prompt, 0) == budget.CHARS_PER_TOKEN
    assert budget.chars_per_token(prompt, 1) == 8.0
