"""Evaluation: scores, their course, and when a fall is worth telling."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI, Request

from flows.evaluate import (
    QUESTIONS,
    Question,
    SearchResult,
    chart,
    evaluate,
    read_questions,
    regressions,
    retrieval_scores,
)
from tests.flows.alert_receivers import receiver
from tests.serving import serving
from tools.settings import Settings

REPO = Path(__file__).parents[2]


def test_the_questions_ask_for_documents_that_exist() -> None:
    asked = read_questions(QUESTIONS)
    for item in asked["retrieval"]:
        assert (REPO / item.document).is_file(), item.document
        assert item.document.split("/")[1] == item.language
    pages = {
        f"knowledge/{path.relative_to(REPO / 'knowledge')}" for path in (REPO / "knowledge").rglob("*.md")
    }
    assert {item.document for item in asked["retrieval"]} == pages
    assert all(item.model for item in asked["routing"])


def test_scores_in_all_and_by_language() -> None:
    questions = [Question(question="a", language="es"), Question(question="b", language="en")]
    scores = retrieval_scores(questions, [SearchResult(1, 10.0), SearchResult(0, 30.0)])
    assert scores["search hit@1"] == 0.5
    assert scores["search es mrr"] == 1.0
    assert scores["search en hit@k"] == 0.0
    assert scores["search ms"] == 20.0


def test_only_a_fall_below_the_recent_median_counts() -> None:
    past = [{"mrr": 0.9, "search ms": 1.0}, {"mrr": 0.2}, {"mrr": 0.92}]
    assert regressions({"mrr": 0.86, "search ms": 99.0}, past, tolerance=0.05) == {}
    assert regressions({"mrr": 0.8}, past, tolerance=0.05) == {"mrr": "mrr 0.9 → 0.8"}
    assert regressions({"mrr": 0.1}, [], tolerance=0.05) == {}


def test_the_chart_draws_the_course_oldest_first() -> None:
    assert chart({"mrr": 1.0}, [{"mrr": 0.5}, {"mrr": 0.0}]).endswith("| mrr | 1 | `▁▄█` |")


@dataclass
class Peers:
    """A bridge that finds `document` for everything, and a pool that wants one model."""

    document: str = "d"

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/api/v1/rag/hybrid-search")
        async def search(request: Request) -> dict[str, Any]:
            assert (await request.json())["top_k"] == 5
            return {"results": [{"id": "c", "document_id": self.document, "text": "t", "score": 1.0}]}

        @app.post("/v1/route")
        async def route() -> dict[str, Any]:
            return {"wanted": "phi4_fast", "model": "extractive", "confidence": 1.0, "reasons": []}

        return app


@pytest.fixture
def peers(prefect: Settings) -> Iterator[Peers]:
    peers = Peers()
    with serving(peers.app(), prefect.ports.bridge), serving(peers.app(), prefect.ports.pool):
        yield peers


async def test_a_regression_fails_the_run_and_is_told_once(
    run, peers: Peers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = {
        "retrieval": [{"question": "¿?", "document": "d"}],
        "routing": [{"question": "hola", "model": "phi4_fast"}, {"question": "x", "model": "qwen_coder"}],
    }
    file = tmp_path / "questions.yaml"
    file.write_text(yaml.safe_dump(labelled), encoding="utf-8")
    request = {"questions": str(file), "collection": "of_the_evaluation"}
    first = await run(evaluate, **request)
    assert first.is_completed()
    assert (await first.aresult())["routing accuracy"] == 0.5
    assert (await run(evaluate, **request)).is_completed()
    peers.document = "another"
    with receiver() as (url, got):
        monkeypatch.setenv("CAPIBARA6_ALERTS", json.dumps({"webhook": url}))
        for _ in range(2):
            worse = await run(evaluate, **request)
            assert worse.is_failed()
            assert "search mrr 1 → 0" in worse.message
    assert [json.loads(body)["event"] for body, _ in got] == ["quality"], "the second run tells nobody again"
