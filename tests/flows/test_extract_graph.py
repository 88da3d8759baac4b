"""A model completes the graph: what it makes up is dropped, what was read is not read again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from flows.extract_graph import extract_graph
from flows.extraction.answer import Grounded
from flows.extraction.prompt import build_prompt
from flows.extraction.reader import TokenBudget
from tests.flows.fake_bridge import FakeBridge
from tests.serving import serving
from tools.errors import Unavailable
from tools.settings import Settings

TEXT = "Ada Lovelace escribió sobre la máquina analítica de Charles Babbage."
ANSWER = {
    "entities": [
        {"name": "Ada Lovelace", "kind": "persona"},
        {"name": "Charles  Babbage"},
        {"name": "Londres", "kind": "lugar"},
    ],
    "relations": [
        {"subject": "Ada Lovelace", "relation": "conoce a", "object": "charles babbage"},
        {"subject": "Ada Lovelace", "relation": "vive en", "object": "Londres"},
    ],
}


@dataclass
class Model:
    """A pool with one model that answers what it is told to; `away` requests fail first."""

    answer: str = json.dumps(ANSWER)
    away: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/v1/models")
        async def models() -> dict[str, Any]:
            return {"data": [{"id": "phi4_fast", "available": True}]}

        @app.post("/v1/chat/completions", response_model=None)
        async def chat(request: Request) -> StreamingResponse | JSONResponse:
            self.asked.append(await request.json())
            if self.away:
                self.away -= 1
                return JSONResponse(Unavailable("loading").envelope(), 503)
            chunks = [
                {"choices": [{"delta": {"content": self.answer}, "finish_reason": "stop"}]},
                {"choices": [], "usage": {"total_tokens": 100}},
            ]
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

        return app


@pytest.fixture
def model(prefect: Settings) -> Iterator[Model]:
    model = Model()
    with serving(model.app(), prefect.ports.pool):
        yield model


def grounded(answer: str, passage: str = TEXT) -> Grounded:
    found = Grounded()
    found.add(answer, passage, "c1")
    return found


def test_what_the_passage_does_not_say_is_dropped_and_counted() -> None:
    found = grounded(f"```json\n{json.dumps(ANSWER)}\n```")
    assert [(item.name, item.kind) for item in found.entities] == [
        ("Ada Lovelace", "persona"),
        ("Charles Babbage", None),
    ]
    assert [(item.subject, item.relation, item.object) for item in found.relations] == [
        ("Ada Lovelace", "conoce a", "charles babbage")
    ]
    assert (found.dropped, found.broken) == (2, 0)


@pytest.mark.parametrize("name", ["ADA LOVELACE", "maquina analitica", "Babbage"])
def test_a_name_occurs_whatever_its_case_and_accents(name: str) -> None:
    assert len(grounded(json.dumps({"entities": [{"name": name}]})).entities) == 1


@pytest.mark.parametrize("name", ["Ada Love", "maquina  analiticas", "Love"])
def test_a_part_of_a_word_is_no_name(name: str) -> None:
    found = grounded(json.dumps({"entities": [{"name": name}]}))
    assert (found.entities, found.dropped) == ([], 1)


@pytest.mark.parametrize(
    "answer", ["", "no", "{", "[]", '{"entities": 7}', "{" * 9_000 + "}", '{"entities": [{}]}']
)
def test_an_answer_that_is_no_graph_is_counted(answer: str) -> None:
    found = grounded(answer)
    assert (found.entities, found.broken) == ([], 1)


def test_the_text_can_not_end_its_own_element_and_is_asked_about_in_its_language() -> None:
    asked = build_prompt("a</texto>b {x}", "es")
    assert asked.count("</texto>") == 1
    assert asked.startswith("Extrae")
    assert build_prompt("a", "en").startswith("Extract")


def test_a_budget_is_never_overdrawn() -> None:
    budget = TokenBudget(100)
    assert budget.reserve(60)
    assert not budget.reserve(60)
    budget.settle(60, 10)
    assert (budget.left, budget.spent) == (90, 10)


def documents(bridge: FakeBridge, *names: str) -> None:
    for name in names:
        bridge.put("capibara6", {"id": name, "text": TEXT, "language": "es"})


async def test_documents_are_read_once_and_the_next_run_goes_on(
    run, bridge: FakeBridge, model: Model
) -> None:
    documents(bridge, "ada", "eva")
    model.away = 1
    first = await run(extract_graph, documents=1)
    assert first.message.startswith("1 de 1 documentos leídos: 2 entidades, 1 relaciones, 2 descartadas, 100")
    await run(extract_graph)
    done = await run(extract_graph)
    assert done.message.startswith("0 de 0")
    assert sorted(bridge.graphs) == ["ada", "eva"]
    assert len(model.asked) == 3, "one a document, and the one that found the model loading"
    assert bridge.graphs["ada"]["extractor"] == "llm:phi4_fast:v1"
    assert model.asked[0]["response_format"]["type"] == "json_schema"
    assert "máquina analítica" in model.asked[0]["messages"][0]["content"]


async def test_a_changed_document_is_read_again(run, bridge: FakeBridge, model: Model) -> None:
    documents(bridge, "ada")
    await run(extract_graph)
    bridge.put("capibara6", {"id": "ada", "text": f"{TEXT} Y más.", "language": "es"})
    again = await run(extract_graph)
    assert again.message.startswith("1 de 1")


async def test_tokens_are_capped_and_what_is_left_over_waits(run, bridge: FakeBridge, model: Model) -> None:
    documents(bridge, "ada", "eva", "ida")
    state = await run(extract_graph, tokens=1_100, answer_tokens=512, at_once=1)
    rows = await state.aresult()
    assert [bool(row.note) for row in rows] == [False, False, False]
    bridge.graphs.clear()
    state = await run(extract_graph, tokens=600)
    assert [bool(row.note) for row in await state.aresult()] == [True, True, True]
    assert bridge.graphs == {}


async def test_a_document_that_leaves_meanwhile_stops_nobody(run, bridge: FakeBridge, model: Model) -> None:
    documents(bridge, "ada", "eva")
    bridge.vanishing.add("ada")
    state = await run(extract_graph)
    assert {row.document: bool(row.note) for row in await state.aresult()} == {"ada": True, "eva": False}


async def test_without_its_model_the_run_fails_and_says_which(run, bridge: FakeBridge, model: Model) -> None:
    state = await run(extract_graph, model="qwen_coder")
    assert state.is_failed()
    assert "qwen_coder" in state.message
