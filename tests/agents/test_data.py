import json

import pytest

from agents.data import rules
from agents.data.prompts import read_query
from agents.events import Progress, ToolFinished, ToolStarted
from agents.runtime import AgentRequest, run, stream
from tests.agents.peers import TABLES, ending
from tools.errors import StoreUnavailable

COUNT = "SELECT count(*) AS n FROM documents"
RESULT = {"columns": [{"name": "n", "type": "int8"}], "rows": [[12]], "row_count": 1, "truncated": False}


def order(question: str) -> AgentRequest:
    return AgentRequest("capibara6-data", [{"role": "user", "content": question}])


async def events_of(ready, context, question):
    return [event async for event in stream(ready, order(question), context=context)]


async def test_count_is_written_shown_run_and_answered_without_a_model(ready, context, knobs) -> None:
    knobs.tables = {COUNT: RESULT}
    events = await events_of(ready, context, "¿Cuántos documentos hay?")
    shown = next(event for event in events if isinstance(event, Progress) and event.stage == "query")
    assert shown.detail == {"language": "sql", "text": COUNT, "by": "rules"}
    assert next(event for event in events if isinstance(event, ToolStarted)).arguments == {"query": COUNT}
    answer = ending(events).answer.answer
    assert COUNT in answer
    assert "| n |\n| --- |\n| 12 |" in answer


async def test_model_repairs_its_query_with_what_the_store_said(ready, context, knobs) -> None:
    knobs.model, knobs.tables = "phi4_fast", {COUNT: RESULT}
    wrong = json.dumps({"language": "sql", "query": "SELEC count(*)"})
    right = json.dumps({"language": "sql", "query": COUNT})
    knobs.script = [[{"content": wrong}], [{"content": right}]]
    events = await events_of(ready, context, "How many documents are there?")
    assert [event.ok for event in events if isinstance(event, ToolFinished)] == [False, True]
    told = knobs.asked["/v1/chat/completions"][-1]["messages"]
    assert "syntax error" in told[-1]["content"]
    assert "documents(id text" in told[0]["content"]
    assert "| 12 |" in ending(events).answer.answer


async def test_repairs_end_after_three(ready, context, knobs) -> None:
    knobs.model = "phi4_fast"
    knobs.mind = lambda body: [{"content": '{"query": "nonsense"}'}]
    events = await events_of(ready, context, "How many documents are there?")
    assert sum(isinstance(event, ToolStarted) for event in events) == 4
    assert "did not work" in ending(events).answer.answer


async def test_query_that_was_not_granted_is_not_run(ready, context, knobs) -> None:
    from dataclasses import replace

    from agents.context import RunConfig

    around = replace(context, config=RunConfig(tools=("search_knowledge",)))
    done = await run(ready, order("¿Cuántos documentos hay?"), context=around)
    assert "not granted" in done.answer.answer
    assert "/api/v1/postgres/query" not in knobs.asked


async def test_question_that_no_rule_writes_names_the_tables(ready, context, knobs) -> None:
    done = await run(ready, order("¿Qué tiempo hace en Bilbao?"), context=context)
    assert "documents, leads" in done.answer.answer


async def test_cells_are_harmless_and_a_dead_store_is_a_typed_error(ready, context, knobs) -> None:
    rows = [["<img src=x onerror=alert(1)>", "a|b", "https://evil.test/?d=1", None]]
    names = [{"name": name} for name in "abcd"]
    knobs.tables = {COUNT: {"columns": names, "rows": rows}}
    done = await run(ready, order("¿Cuántos documentos hay?"), context=context)
    assert "<img" not in done.answer.answer
    assert "evil" not in done.answer.answer
    assert "a\\|b" in done.answer.answer
    knobs.tables = {}
    knobs.tables_error = StoreUnavailable("postgres is gone", source="bridge")
    with pytest.raises(StoreUnavailable):
        await run(ready, order("¿Cuántos documentos hay?"), context=context)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("¿Cuántos documentos hay?", COUNT),
        ("How many documents are there?", COUNT),
        (
            "¿Cuántos documentos hay por idioma?",
            "SELECT language, count(*) AS n FROM documents GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        ("¿Cuál es el tamaño máximo de los documentos?", "SELECT max(size) AS max FROM documents"),
        ("What is the average size of the documents?", "SELECT avg(size) AS avg FROM documents"),
        (
            "Muestra los últimos 3 documentos",
            "SELECT id, title, language, size, updated_at FROM documents ORDER BY updated_at DESC LIMIT 3",
        ),
        ("List the leads", "SELECT email FROM leads LIMIT 20"),
        (
            "¿Cuántos contactos hay con «a' OR 1=1»?",
            "SELECT count(*) AS n FROM leads WHERE lower(email) = 'a'' or 1=1'",
        ),
        ("¿Qué tiempo hace?", None),
        ("documentos", None),
    ],
)
def test_rules_write_only_what_they_know(question, text) -> None:
    query = rules.write(question, TABLES)
    assert (query and query["text"]) == text


@pytest.mark.parametrize(
    ("said", "query"),
    [
        (
            '{"language": "ngql", "query": "MATCH (v) RETURN v;"}',
            {"language": "ngql", "text": "MATCH (v) RETURN v"},
        ),
        ("Claro:\n```sql\nSELECT 1;\n```", {"language": "sql", "text": "SELECT 1"}),
        ('```json\n{"query": "SELECT 2"}\n```', {"language": "sql", "text": "SELECT 2"}),
        ("no sé", None),
        ('{"query": 3}', None),
        ("{roto", None),
    ],
)
def test_query_is_read_from_what_a_model_says(said, query) -> None:
    assert read_query(said) == query


@pytest.mark.parametrize(
    ("asked", "follow_up", "question", "text"),
    [
        (
            "¿Cuántos documentos hay?",
            "¿y por idioma?",
            "¿Cuántos documentos hay por idioma?",
            "SELECT language, count(*) AS n FROM documents GROUP BY 1 ORDER BY 2 DESC LIMIT 20",
        ),
        (
            "How many documents are there?",
            "and leads?",
            "How many leads are there?",
            "SELECT count(*) AS n FROM leads",
        ),
        ("¿Cuántos contactos hay?", "¿y documentos?", "¿Cuántos documentos hay?", COUNT),
        ("How many documents are there?", "and in Spanish?", "How many documents are there?", COUNT),
    ],
)
async def test_follow_up_is_the_query_of_the_question_that_it_stands_for(
    ready, context, knobs, asked, follow_up, question, text
) -> None:
    knobs.tables = {text: RESULT}
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": "Filas: 1 de 1."}]
    follow = AgentRequest("capibara6-data", [*said, {"role": "user", "content": follow_up}])
    events = [event async for event in stream(ready, follow, context=context)]
    told = next(event for event in events if isinstance(event, Progress) and event.stage == "rewritten")
    assert told.detail["query"] == question
    assert text in ending(events).answer.answer
    assert "| 12 |" in ending(events).answer.answer
