import asyncio
import json
from dataclasses import replace

import pytest

from agents.context import RunConfig
from agents.conversation.persistence import open_persistence
from agents.events import Done, Interrupted, Progress, ToolFinished, ToolStarted
from agents.runtime import AgentRequest, compile_agents, run, stream
from tests.agents.peers import ending
from tools.errors import BadRequest, Unavailable
from tools.registry import TOOLS, Tool

QUESTION = "¿En qué puerto escucha la pool?"
ANSWER = [{"content": "La pool escucha en el puerto 8082 [1]."}]


def calling(tool: str, arguments, *, call_id: str = "c1", text: str = "") -> list[dict]:
    """One scripted turn of a model that calls `tool`; the arguments come in two pieces."""
    raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": tool, "arguments": raw[:3]}
    first = {"index": 0, "id": call_id, "type": "function", "function": function}
    rest = {"index": 0, "function": {"arguments": raw[3:]}}
    return [{"content": text}, {"tool_calls": [first]}, {"tool_calls": [rest]}]


def order(**options) -> AgentRequest:
    return AgentRequest("capibara6", [{"role": "user", "content": QUESTION}], **options)


@pytest.fixture
def able(context, knobs):
    """A context whose model calls tools, granted what each test says."""
    knobs.model = "phi4_fast"

    def grant(*tools: str, extra=None):
        config = RunConfig(tools=tools)
        limits = replace_limits(context, tools)
        return replace(context, config=config, limits=limits, tools={**TOOLS, **(extra or {})})

    return grant


def replace_limits(context, tools):
    return context.limits.model_copy(update={"tools": tools})


async def events_of(ready, order, context):
    return [event async for event in stream(ready, order, context=context)]


async def test_model_searches_again_and_cites_what_it_found(ready, able, knobs) -> None:
    knobs.script = [calling("search_knowledge", {"query": "puerto pool"}), ANSWER]
    events = await events_of(ready, order(), able("search_knowledge"))
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert finished.ok
    assert ending(events).answer.answer.startswith("La pool escucha")
    told = knobs.asked["/v1/chat/completions"][-1]["messages"]
    assert told[-1]["role"] == "tool"
    assert '<passage n="4"' in told[-1]["content"]
    assert told[-2]["tool_calls"][0]["function"]["name"] == "search_knowledge"


async def test_path_is_told_and_extractive_takes_the_fixed_one(ready, able, context, knobs) -> None:
    knobs.script = [ANSWER]
    events = await events_of(ready, order(), able("search_knowledge"))
    path = next(event for event in events if isinstance(event, Progress) and event.stage == "path")
    assert path.detail == {"path": "tools", "tools": ["search_knowledge"]}
    knobs.reset()
    events = await events_of(ready, order(), context)
    path = next(event for event in events if isinstance(event, Progress) and event.stage == "path")
    assert path.detail["path"] == "fixed"
    assert "tools" not in knobs.asked["/v1/chat/completions"][0]


async def test_tool_that_was_not_granted_is_refused_and_the_model_is_told(ready, able, knobs) -> None:
    knobs.script = [calling("query_sql", {"query": "select 1"}), ANSWER]
    events = await events_of(ready, order(), able("search_knowledge"))
    finished = next(event for event in events if isinstance(event, ToolFinished))
    assert not finished.ok
    assert "not granted" in finished.result
    assert "/api/v1/postgres/query" not in knobs.asked
    assert "not granted" in knobs.asked["/v1/chat/completions"][-1]["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [("{not json", "not a JSON object"), ({"nope": 1}, "query"), ("[1]", "not a JSON object")],
)
async def test_wrong_arguments_are_told_to_the_model(ready, able, knobs, arguments, said) -> None:
    knobs.script = [calling("search_knowledge", arguments), ANSWER]
    await run(ready, order(), context=able("search_knowledge"))
    assert said in knobs.asked["/v1/chat/completions"][-1]["messages"][-1]["content"]


async def test_query_that_the_store_refuses_can_be_repaired(ready, able, knobs) -> None:
    knobs.tables = {"select 1": {"columns": [], "rows": [[1]]}}
    knobs.script = [
        calling("query_sql", {"query": "selec 1"}),
        calling("query_sql", {"query": "select 1"}, call_id="c2"),
        ANSWER,
    ]
    events = await events_of(ready, order(), able("query_sql"))
    assert [event.ok for event in events if isinstance(event, ToolFinished)] == [False, True]


async def test_failure_that_no_model_can_repair_ends_the_run(ready, able, knobs) -> None:
    async def broken() -> None:
        """Break."""
        raise Unavailable("the store is gone", source="store")

    knobs.script = [calling("broken", {}), ANSWER]
    with pytest.raises(Unavailable):
        await run(ready, order(), context=able("broken", extra={"broken": Tool(broken)}))


async def test_model_that_loops_on_tools_is_stopped_and_still_answers(ready, able, knobs) -> None:
    context = able("search_knowledge")
    context = replace(context, limits=context.limits.model_copy(update={"steps": 3}))
    knobs.script = [calling("search_knowledge", {"query": "x"}, call_id=f"c{n}") for n in range(3)]
    knobs.script.append(ANSWER)
    events = await events_of(ready, order(), context)
    assert sum(isinstance(event, ToolStarted) for event in events) == 3
    assert isinstance(events[-1], Done)
    assert "tools" not in knobs.asked["/v1/chat/completions"][-1]


async def test_token_cap_ends_the_tools(ready, able, knobs) -> None:
    context = able("search_knowledge")
    context = replace(context, limits=context.limits.model_copy(update={"tokens": 2}))
    knobs.script = [calling("search_knowledge", {"query": "x"}), ANSWER]
    await run(ready, order(), context=context)
    assert "tools" not in knobs.asked["/v1/chat/completions"][-1]


async def test_tool_that_hangs_is_given_up_and_the_model_is_told(ready, able, knobs, monkeypatch) -> None:
    async def hang() -> None:
        """Hang."""
        await asyncio.sleep(60)

    monkeypatch.setattr("agents.tooling.calls.CALL_S", 0.1)
    knobs.script = [calling("hang", {}), ANSWER]
    events = await events_of(ready, order(), able("hang", extra={"hang": Tool(hang)}))
    assert "did not answer" in next(event for event in events if isinstance(event, ToolFinished)).result


async def test_engine_that_takes_no_tools_is_asked_without_them(ready, able, knobs, monkeypatch) -> None:
    pool_error = BadRequest("tool choice needs a parser", source="pool")
    asked = []

    async def chat(self, messages, **options):
        asked.append("tools" in options)
        if "tools" in options:
            raise pool_error
        yield {"model": "phi4_fast", "choices": [{"delta": ANSWER[0], "finish_reason": "stop"}]}

    monkeypatch.setattr("tools.clients.pool.Pool.chat", chat)
    done = await run(ready, order(), context=able("search_knowledge"))
    assert asked == [True, False]
    assert "8082" in done.answer.answer


def writer(calls: list[str]) -> Tool:
    async def note(text: str) -> str:
        """Write a note."""
        calls.append(text)
        return f"noted {text}"

    return Tool(note, effect="write")


async def test_write_waits_for_a_person_and_happens_once(settings, able, knobs) -> None:
    calls: list[str] = []
    context = able("note", extra={"note": writer(calls)})
    async with open_persistence(settings) as persistence:
        ready = compile_agents(persistence)
        knobs.script = [calling("note", {"text": "hola"})]
        events = await events_of(ready, order(thread_id="a", durable=True), context)
        assert isinstance(events[-1], Interrupted)
        assert events[-1].request["tool"] == "note"
        assert calls == []
        knobs.script = [ANSWER]
        again = AgentRequest("capibara6", thread_id="a", durable=True, command={"confirm": True})
        done = await run(ready, again, context=context)
        assert calls == ["hola"]
        assert "8082" in done.answer.answer


@pytest.mark.parametrize("answer", [False, None, "yes", {"confirm": "true"}, {"confirm": False}])
async def test_anything_but_a_plain_yes_refuses_the_write(settings, able, knobs, answer) -> None:
    calls: list[str] = []
    context = able("note", extra={"note": writer(calls)})
    async with open_persistence(settings) as persistence:
        ready = compile_agents(persistence)
        knobs.script = [calling("note", {"text": "hola"})]
        await events_of(ready, order(thread_id="a", durable=True), context)
        knobs.script = [ANSWER]
        command = {"confirm": False} if answer is None else answer
        again = AgentRequest("capibara6", thread_id="a", durable=True, command=command)
        await run(ready, again, context=context)
        assert calls == []


async def test_write_without_a_thread_is_refused(ready, able, knobs) -> None:
    calls: list[str] = []
    knobs.script = [calling("note", {"text": "hola"}), ANSWER]
    await run(ready, order(), context=able("note", extra={"note": writer(calls)}))
    assert calls == []
    assert "confirm" in knobs.asked["/v1/chat/completions"][-1]["messages"][-1]["content"]


async def test_run_that_read_private_data_and_foreign_text_sends_nothing_out(settings, able, knobs) -> None:
    sent: list[str] = []

    async def send(text: str) -> str:
        """Send a text away."""
        sent.append(text)
        return "sent"

    knobs.tables = {"select secret": {"columns": [], "rows": [["CANARY"]]}}
    context = able("query_sql", "send", extra={"send": Tool(send, effect="outward")})
    async with open_persistence(settings) as persistence:
        ready = compile_agents(persistence)
        knobs.script = [
            calling("query_sql", {"query": "select secret"}),
            calling("send", {"text": "CANARY"}, call_id="c2"),
            ANSWER,
        ]
        events = await events_of(ready, order(thread_id="a", durable=True), context)
    assert isinstance(events[-1], Done)
    assert sent == []
