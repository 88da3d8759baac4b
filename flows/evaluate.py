"""Flow `evaluate`: does search still find the right document, and routing the right model?

Its own tables in Prefect are the history that it compares with and draws; it warns of a fall.
"""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, Field

from flows.operations.alerts import send_alert
from flows.operations.messages import say
from flows.operations.retry import PATIENT
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.prefect import open_prefect
from tools.schema import CollectionName, SearchRequest
from tools.settings import load_settings

QUESTIONS = Path(__file__).parent / "questions.yaml"
COMPARED = 5
DRAWN = 30
BARS = "▁▂▃▄▅▆▇█"


class Question(BaseModel):
    """A question with the document that holds its answer, or the model that it deserves."""

    question: str
    language: str = ""
    document: str = ""
    model: str = ""


@dataclass(frozen=True)
class Found:
    """Rank of the right document (0: not found) and what the search took."""

    rank: int
    ms: float


Scores = dict[str, float]


@flow(name="evaluate", flow_run_name="evaluate-{collection}")
async def evaluate(
    questions: str | None = None,
    collection: CollectionName = "capibara6",
    top_k: Annotated[int, Field(ge=1, le=100)] = 5,
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.05,
) -> State[Scores]:
    """Mide búsqueda y enrutamiento con preguntas etiquetadas. · Measure search and routing.

    Args:
        questions: a YAML file with `retrieval` and `routing`; by default, questions on the sample knowledge.
        collection: where the documents are.
        top_k: results that count as found.
        tolerance: how much a score may fall below its recent median before somebody is told.
    """
    settings, log = load_settings(), get_run_logger()
    asked = read_questions(Path(questions) if questions else QUESTIONS)
    scores: Scores = {}
    async with open_bridge(settings) as bridge, open_pool(settings) as pool:
        if asked["retrieval"]:
            found = [await search(bridge, item, collection, top_k) for item in asked["retrieval"]]
            scores |= retrieval_scores(asked["retrieval"], found)
        if asked["routing"]:
            right = [await route(pool, item) for item in asked["routing"]]
            scores["routing accuracy"] = round(sum(right) / len(right), 4)
    key = f"quality-{collection.replace('_', '-')}"
    async with open_prefect(settings) as prefect:
        past = [_scores(item) for item in await prefect.history(key, limit=DRAWN)]
    await acreate_table_artifact([{"score": name, "value": value} for name, value in scores.items()], key=key)
    await acreate_markdown_artifact(chart(scores, past), key=f"{key}-chart")
    worse = regressions(scores, past[:COMPARED], tolerance=tolerance)
    parts = ", ".join(f"{name} {value:g}" for name, value in scores.items())
    log.info(parts)
    if not worse:
        return Completed(message=parts, data=scores)
    subject = say("worse", settings.language, parts=", ".join(worse.values()))
    told = regressions(past[0], past[1 : COMPARED + 1], tolerance=tolerance)
    if worse.keys() <= told.keys():  # the run before has said so
        log.warning(subject)
        return Failed(message=subject, data=scores)
    sent = await send_alert(
        settings.alerts, f"capibara6: {subject}", f"{subject}\n{parts}", {"event": "quality"}
    )
    log.warning(f"{subject} → {sent or '—'}")
    return Failed(message=subject, data=scores)


@task(task_run_name="search {item.question}", cache_policy=NO_CACHE, **PATIENT)
async def search(bridge: Bridge, item: Question, collection: str, top_k: int) -> Found:
    """Where the right document is among the results."""
    started = time.monotonic()
    request = SearchRequest(query=item.question, collection=collection, top_k=top_k)
    results = (await bridge.search(request)).results
    documents = list(dict.fromkeys(hit.document_id for hit in results))
    rank = documents.index(item.document) + 1 if item.document in documents else 0
    return Found(rank, (time.monotonic() - started) * 1_000)


@task(task_run_name="route {item.question}", cache_policy=NO_CACHE, **PATIENT)
async def route(pool: Pool, item: Question) -> bool:
    """Whether the router wants the right model, available or not."""
    return (await pool.route([{"role": "user", "content": item.question}])).wanted == item.model


def read_questions(path: Path) -> dict[str, list[Question]]:
    """`{retrieval, routing}` of a file. Raises `pydantic.ValidationError`, `OSError`."""
    given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {name: [Question(**item) for item in given.get(name, [])] for name in ("retrieval", "routing")}


def retrieval_scores(questions: Sequence[Question], found: Sequence[Found]) -> Scores:
    """hit@1, hit@k and mean reciprocal rank, in all and by language; higher is better. And the median ms."""
    scores = _ranked("search", found)
    for language in sorted({item.language for item in questions} - {""}):
        mine = [place for item, place in zip(questions, found, strict=True) if item.language == language]
        scores |= _ranked(f"search {language}", mine)
    return {**scores, "search ms": round(statistics.median(place.ms for place in found), 1)}


def regressions(scores: Scores, past: Sequence[Scores], *, tolerance: float) -> dict[str, str]:
    """Scores that fell more than `tolerance` below their recent median, and how. Times are not judged."""
    worse = {}
    for name, value in scores.items():
        before = [item[name] for item in past if name in item]
        if before and not name.endswith(" ms") and value < statistics.median(before) - tolerance:
            worse[name] = f"{name} {statistics.median(before):g} → {value:g}"
    return worse


def chart(scores: Scores, past: Sequence[Scores]) -> str:
    """A Markdown table, one line a score: its value and its course (`past` is newest first)."""
    lines = ["| | | |", "|---|---|---|"]
    for name, value in scores.items():
        course = [item[name] for item in reversed(past) if name in item] + [value]
        top = max(course) or 1.0
        bars = "".join(BARS[min(7, int(7 * item / top))] for item in course)
        lines.append(f"| {name} | {value:g} | `{bars}` |")
    return "\n".join(lines)


def _ranked(name: str, found: Sequence[Found]) -> Scores:
    count = len(found)
    return {
        f"{name} hit@1": round(sum(place.rank == 1 for place in found) / count, 4),
        f"{name} hit@k": round(sum(place.rank > 0 for place in found) / count, 4),
        f"{name} mrr": round(sum(1 / place.rank for place in found if place.rank) / count, 4),
    }


def _scores(artifact: dict[str, Any]) -> Scores:
    return {row["score"]: row["value"] for row in json.loads(artifact["data"])}
