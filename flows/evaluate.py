"""Flow `evaluate`: retrieval (hit@k, MRR), answers and routing over labelled questions.

Its own tables in Prefect are the history that it compares with and draws; it warns of a fall.
"""

import json
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import yaml
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, Field

from flows.operations.alerts import send_alert
from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.api import Api, open_api
from tools.clients.bridge import Bridge, open_bridge
from tools.clients.pool import Pool, open_pool
from tools.clients.prefect import open_prefect
from tools.schema import Answer, CollectionName, JsonObject, SearchRequest
from tools.settings import Settings, load_settings

QUESTIONS = Path(__file__).parent / "questions.yaml"
BASELINE_RUNS = 5
CHARTED_RUNS = 30
SPARKS = "▁▂▃▄▅▆▇█"


class Question(BaseModel):
    """A question with the document that holds its answer, or the model that it deserves.

    `holds` is a regular expression that a right answer, and a passage that it cites, match in any case.
    """

    question: str
    language: str = ""
    document: str = ""
    holds: str = ""
    model: str = ""

    def answered_by(self, answer: Answer) -> bool:
        """Whether the answer says it, and cites a passage that says it too."""
        said, marks = re.compile(self.holds, re.IGNORECASE), set(re.findall(r"\[(\d+)\]", answer.answer))
        cited = [item for item in answer.citations if str(item.n) in marks]
        return bool(said.search(answer.answer)) and any(said.search(item.text) for item in cited)


@dataclass(frozen=True)
class SearchResult:
    """Rank of the right document, from 1 (0: not found), and the milliseconds that the search took."""

    rank: int
    ms: float


Scores: TypeAlias = dict[str, float]
"""Values by their name: `search hit@1`, `search es mrr`, `answers right`, `routing accuracy`, `search ms`."""


@flow(name="evaluate", flow_run_name="evaluate-{collection}")
async def evaluate(
    questions: str | None = None,
    collection: CollectionName = "capibara6",
    top_k: Annotated[int, Field(ge=1, le=100)] = 5,
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.05,
) -> State[Scores]:
    """Mide búsqueda, respuestas y enrutamiento con preguntas etiquetadas. · Measure search, answers, routing.

    Args:
        questions: a YAML file with `retrieval` and `routing`; by default, questions on the sample knowledge.
        collection: where the documents are.
        top_k: results that count as found.
        tolerance: how much a score may fall below its recent median before somebody is told.
    """
    settings, log = load_settings(), get_run_logger()
    labelled = read_questions(Path(questions) if questions else QUESTIONS)
    scores = await _measure(settings, labelled, collection, top_k)
    key = f"quality-{collection.replace('_', '-')}"
    async with open_prefect(settings) as prefect:
        past = [_scores(item) for item in await prefect.history(key, limit=CHARTED_RUNS)]
    await acreate_table_artifact([{"score": name, "value": value} for name, value in scores.items()], key=key)
    await acreate_markdown_artifact(chart(scores, past), key=f"{key}-chart")
    worse = regressions(scores, past[:BASELINE_RUNS], tolerance=tolerance)
    parts = ", ".join(f"{name} {value:g}" for name, value in scores.items())
    log.info(parts)
    if not worse:
        return Completed(message=parts, data=scores)
    subject = say("worse", settings.language, parts=", ".join(worse.values()))
    reported = regressions(past[0], past[1 : BASELINE_RUNS + 1], tolerance=tolerance)
    if worse.keys() <= reported.keys():  # the run before has said so
        log.warning(subject)
        return Failed(message=subject, data=scores)
    sent = await send_alert(
        settings.alerts, f"capibara6: {subject}", f"{subject}\n{parts}", {"event": "quality"}
    )
    log.warning(f"{subject} → {sent or '—'}")
    return Failed(message=subject, data=scores)


@task(task_run_name="search {item.question}", cache_policy=NO_CACHE, **LONG_RETRY)
async def search(bridge: Bridge, item: Question, collection: str, top_k: int) -> SearchResult:
    """Where the right document is among the results."""
    started = time.monotonic()
    request = SearchRequest(query=item.question, collection=collection, top_k=top_k)
    results = (await bridge.search(request)).results
    documents = list(dict.fromkeys(hit.document_id for hit in results))
    rank = documents.index(item.document) + 1 if item.document in documents else 0
    return SearchResult(rank, (time.monotonic() - started) * 1_000)


@task(task_run_name="ask {item.question}", cache_policy=NO_CACHE, **LONG_RETRY)
async def ask(api: Api, item: Question, collection: str) -> bool:
    """Whether the default agent answers rightly, from a passage that says so."""
    return item.answered_by(await api.ask(item.question, metadata={"collection": collection}))


@task(task_run_name="route {item.question}", cache_policy=NO_CACHE, **LONG_RETRY)
async def route(pool: Pool, item: Question) -> bool:
    """Whether the router wants the right model, available or not."""
    return (await pool.route([{"role": "user", "content": item.question}])).wanted == item.model


async def _measure(
    settings: Settings, labelled: Mapping[str, Sequence[Question]], collection: str, top_k: int
) -> Scores:
    scores: Scores = {}
    async with open_bridge(settings) as bridge, open_pool(settings) as pool:
        if labelled["retrieval"]:
            found = [await search(bridge, item, collection, top_k) for item in labelled["retrieval"]]
            scores |= retrieval_scores(labelled["retrieval"], found)
        if asked := [item for item in labelled["retrieval"] if item.holds]:
            async with open_api(settings) as api:
                said = [await ask(api, item, collection) for item in asked]
            scores["answers right"] = round(sum(said) / len(said), 4)
        if labelled["routing"]:
            right = [await route(pool, item) for item in labelled["routing"]]
            scores["routing accuracy"] = round(sum(right) / len(right), 4)
    return scores


def read_questions(path: Path) -> dict[str, list[Question]]:
    """`{retrieval, routing}` of a file. Raises `pydantic.ValidationError`, `OSError`."""
    given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return {name: [Question(**item) for item in given.get(name, [])] for name in ("retrieval", "routing")}


def retrieval_scores(questions: Sequence[Question], found: Sequence[SearchResult]) -> Scores:
    """hit@1, hit@k and mean reciprocal rank, in all and by language, in [0, 1]; and the median ms. Pure."""
    scores = _ranked("search", found)
    for language in sorted({item.language for item in questions} - {""}):
        mine = [place for item, place in zip(questions, found, strict=True) if item.language == language]
        scores |= _ranked(f"search {language}", mine)
    return {**scores, "search ms": round(statistics.median(place.ms for place in found), 1)}


def regressions(scores: Scores, past: Sequence[Scores], *, tolerance: float) -> dict[str, str]:
    """Scores that fell more than `tolerance` below their median in `past`, and how; not times."""
    worse = {}
    for name, value in scores.items():
        before = [item[name] for item in past if name in item]
        if before and not name.endswith(" ms") and value < statistics.median(before) - tolerance:
            worse[name] = f"{name} {statistics.median(before):g} → {value:g}"
    return worse


def chart(scores: Scores, past: Sequence[Scores]) -> str:
    """A Markdown table, one line a score: its value and a sparkline (`past` is newest first). Pure."""
    lines = ["| | | |", "|---|---|---|"]
    for name, value in scores.items():
        course = [item[name] for item in reversed(past) if name in item] + [value]
        top = max(course) or 1.0
        bars = "".join(SPARKS[min(7, int(7 * item / top))] for item in course)
        lines.append(f"| {name} | {value:g} | `{bars}` |")
    return "\n".join(lines)


def _ranked(name: str, found: Sequence[SearchResult]) -> Scores:
    count = len(found)
    return {
        f"{name} hit@1": round(sum(place.rank == 1 for place in found) / count, 4),
        f"{name} hit@k": round(sum(place.rank > 0 for place in found) / count, 4),
        f"{name} mrr": round(sum(1 / place.rank for place in found if place.rank) / count, 4),
    }


def _scores(artifact: JsonObject) -> Scores:
    return {row["score"]: row["value"] for row in json.loads(artifact["data"])}
