import pytest

from agents.events import Done, Progress, Token
from agents.research.prompts import read_plan, take_apart
from agents.runtime import AgentRequest, stream
from servers.pool.extractive.answer import answer
from tests.agents.peers import ending

COMPOUND = "¿Cuántos modelos puede tener cargados el servidor y en qué puerto escucha la API?"


async def events_of(ready, context, question=COMPOUND):
    order = AgentRequest("capibara6-research", [{"role": "user", "content": question}])
    return [event async for event in stream(ready, order, context=context)]


def stages(events):
    return [event.stage for event in events if isinstance(event, Progress)]


async def test_compound_question_is_planned_explored_and_reported_with_sources(ready, context) -> None:
    events = await events_of(ready, context)
    plan = next(event for event in events if isinstance(event, Progress) and event.stage == "plan")
    assert len(plan.detail["questions"]) == 2
    assert plan.detail["by"] == "rules"
    assert stages(events).count("explored") == 2
    done = events[-1]
    assert isinstance(done, Done)
    assert "tres modelos" in done.answer.answer
    assert "5000" in done.answer.answer
    assert "## Fuentes" in done.answer.answer
    assert {citation.document_id for citation in done.answer.citations} == {"modelos", "puertos"}
    text = "".join(event.text for event in events if isinstance(event, Token))
    assert text == done.answer.answer


async def test_question_without_answer_is_looked_into_again_once_more_widely(ready, context, knobs) -> None:
    events = await events_of(ready, context, "¿Quién pintó la Capilla Sixtina?")
    assert stages(events).count("explored") == 2
    first, second = knobs.asked["/api/v1/rag/hybrid-search"]
    assert second["top_k"] == 2 * first["top_k"]
    assert "No he encontrado nada" in ending(events).answer.answer
    assert ending(events).answer.citations == []


async def test_model_that_can_plan_writes_plan_drafts_and_report(ready, context, knobs) -> None:
    knobs.model = "phi4_fast"
    plan = [{"content": "1. ¿Cuántos modelos se cargan a la vez?\n2. ¿En qué puerto escucha la API?\n"}]
    report = [
        {"content": "Se cargan tres modelos a la vez [1]. La API escucha en el puerto 5000 "},
        {"content": "[3]."},
    ]

    def mind(body):
        system = body["messages"][0]["content"]
        if "subpreguntas" in system:
            return plan
        if "informe" in system:
            return report
        return [{"content": "Tres modelos a la vez [1]."}]

    knobs.mind = mind
    events = await events_of(ready, context)
    detail = next(event for event in events if isinstance(event, Progress) and event.stage == "plan").detail
    assert detail["by"] == "model"
    assert len(detail["questions"]) == 2
    assert ending(events).answer.answer.startswith("Se cargan tres modelos")
    assert ending(events).usage["total_tokens"] > 0


async def test_token_cap_leaves_the_report_to_the_drafts(ready, context, knobs) -> None:
    from dataclasses import replace

    knobs.model = "phi4_fast"
    plan = [{"content": "¿Cuántos modelos hay?\n¿Qué puerto usa la API?"}]
    draft = [{"content": "Tres modelos cargados a la vez. La API escucha en el puerto 5000."}]
    knobs.mind = lambda body: plan if "subpreguntas" in body["messages"][0]["content"] else draft
    context = replace(context, limits=context.limits.model_copy(update={"tokens": 1}))
    events = await events_of(ready, context)
    assert isinstance(events[-1], Done)
    assert len(knobs.asked["/v1/chat/completions"]) == 3


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("¿Qué es Milvus?", 1),
        ("¿Qué es Milvus? ¿Y en qué puerto escucha?", 2),
        ("¿Qué es Milvus y cómo se instala y quién lo mantiene?", 3),
        ("What is Milvus and how is it installed?", 2),
        ("Gatos y perros", 1),
        ("", 1),
    ],
)
def test_question_is_taken_apart_where_it_asks_anew(question, parts) -> None:
    assert len(take_apart(question)) == parts


def test_plan_is_read_from_lists_and_bounded() -> None:
    asked = "¿Qué es el puerto uno y qué es el puerto dos?"
    said = "- ¿Qué es el puerto uno?\n2) ¿Y el puerto dos?\n\nEscribe solo las subpreguntas\nx"
    assert read_plan(said, asked) == ["¿Qué es el puerto uno?", "¿Y el puerto dos?"]
    assert len(read_plan("\n".join(f"¿El puerto número {n}?" for n in range(50)), asked)) == 6


async def test_comparison_is_a_table_with_citations_and_says_what_was_not_found(ready, context) -> None:
    events = await events_of(ready, context, "Compara el puerto de la API, la pool y el bridge")
    done = ending(events).answer
    assert "| Aspecto | API | Pool | Bridge |" in done.answer
    row = next(line for line in done.answer.splitlines() if line.startswith("| Puerto |"))
    _, _, api, pool, bridge, _ = row.split("|")
    assert "5000" in api
    assert "8082" in pool
    assert "[" in api and "[" in pool
    assert bridge.strip() == "no se ha encontrado"
    assert "No se ha encontrado: ¿Cuál es el puerto del bridge?" in done.answer
    assert {one.document_id for one in done.citations} == {"puertos"}


async def test_report_of_a_model_that_invents_is_left_for_its_notes(ready, context, knobs) -> None:
    knobs.model = "phi4_fast"

    def mind(body):
        if body["model"] == "extractive":
            return [{"content": answer(body["messages"])}]
        # A prompt fragment where a plan was asked for, and inventions where drafts and a report were.
        return [{"content": "Escribe solo las subpreguntas, una por línea. Los gatos duermen de noche [1]."}]

    knobs.mind = mind
    done = ending(await events_of(ready, context)).answer
    assert "gatos" not in done.answer
    assert "grounding_fallback" in done.notes
    assert done.citations


@pytest.mark.parametrize(
    ("asked", "follow_up", "question", "held"),
    [
        (
            "Compara el puerto de la API y el bridge",
            "¿Y la pool?",
            "Compara el puerto de la API, el bridge y la pool",
            ("5000", "8082", "no se ha encontrado"),
        ),
        (
            "¿En qué puerto escucha la API y cuántos modelos puede tener cargados el servidor?",
            "¿y la pool?",
            "¿En qué puerto escucha la pool y cuántos modelos puede tener cargados el servidor?",
            ("8082", "tres modelos"),
        ),
        (
            "How many models may the server keep loaded?",
            "and in Spanish?",
            "How many models may the server keep loaded?",
            ("tres modelos", "Fuentes"),
        ),
        (
            "When is a model unloaded?",
            "and how many are loaded?",
            "How many are loaded?",
            ("three models", "Sources"),
        ),
    ],
)
async def test_follow_up_is_looked_into_as_the_question_that_it_stands_for(
    ready, context, asked, follow_up, question, held
) -> None:
    said = [{"role": "user", "content": asked}, {"role": "assistant", "content": "Aquí está. [1]"}]
    order = AgentRequest("capibara6-research", [*said, {"role": "user", "content": follow_up}])
    events = [event async for event in stream(ready, order, context=context)]
    told = next(event for event in events if isinstance(event, Progress) and event.stage == "rewritten")
    assert told.detail["query"].startswith(question.rstrip("?"))
    assert all(one in ending(events).answer.answer for one in held), ending(events).answer.answer
