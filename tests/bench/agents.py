"""The agents on the embedded platform: answer quality, time to the first token, overhead, many streams.

`python -m tests.bench.agents --data FOLDER` where FOLDER holds `xquad-es` and `xquad-en` in BEIR's format;
`--generator WEIGHTS` asks forty of the questions through vLLM instead, with that model behind the agent.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.parts.generator import inventing
from tests.bench.parts.overhead import own_time
from tests.bench.parts.running import Running, ingested, running
from tools.clients.bridge import open_bridge
from tools.schema import Document, Language
from tools.settings import Settings
from tools.text.words import fold


async def ingest(
    settings: Settings, corpus: list[dict[str, Any]], collection: str, language: Language
) -> None:
    documents = [
        Document(id=one["_id"], title=one["title"].replace("_", " "), text=one["text"], language=language)
        for one in corpus
    ]
    async with open_bridge(settings) as bridge:
        assert await ingested(bridge, documents, collection=collection) == len(documents)


async def ask(http: httpx.AsyncClient, question: str, collection: str) -> tuple[dict[str, Any], float]:
    """The answer and the milliseconds to its first token, as a client sees them."""
    body = {
        "model": "capibara6",
        "stream": True,
        "messages": [{"role": "user", "content": question}],
        "metadata": {"collection": collection},
    }
    started, first, answer = time.perf_counter(), 0.0, None
    async with http.stream("POST", "/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            assert "error" not in chunk, chunk
            event = chunk.get("capibara6") or {}
            if event.get("event") == "token":
                first = first or (time.perf_counter() - started) * 1000
            answer = event.get("answer") or answer
    assert answer is not None
    return answer, first


async def quality(settings: Settings, folder: Path, language: Language, every: int) -> None:
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").open()][::every]
    gold = dict(line.split("\t")[:2] for line in (folder / "qrels/test.tsv").read_text().splitlines())
    collection = folder.name.replace("-", "_")
    await ingest(settings, corpus, collection, language)
    held = first = refused = 0
    firsts, own, graph = [], [], []
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=60, trust_env=False) as http:
        for query in queries:
            answer, shown = await ask(http, query["text"], collection)
            text, citations = fold(answer["answer"]), answer["citations"]
            held += any(fold(one) in text for one in query["metadata"]["answers"])
            first += bool(citations) and citations[0]["document_id"] == gold[query["_id"]]
            refused += not citations
            stages = dict(answer["timings_ms"])
            firsts.append(shown)
            own.append(shown - stages.pop("model_first"))
            total, slowest = stages.pop("total"), max(stages.pop("route", 0), stages.pop("retrieve", 0))
            graph.append(total - slowest - sum(stages.values()))
    count = len(queries)
    print(
        f"{folder.name}: {count} questions · holds the gold answer {held / count:.3f} · first citation "
        f"is gold {first / count:.3f} · refused {refused / count:.3f}"
    )
    print(
        f"  first token p50 {statistics.median(firsts):.1f} ms · without the model "
        f"{statistics.median(own):.1f} ms · LangGraph's own share of a turn {statistics.median(graph):.1f} ms"
    )


async def many(settings: Settings, question: str, collection: str, count: int = 50) -> None:
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(
        base_url=settings.api_url, timeout=120, limits=limits, trust_env=False
    ) as http:
        started = time.perf_counter()
        answers = await asyncio.gather(
            *(ask(http, question, collection) for _ in range(count)), return_exceptions=True
        )
        wall = time.perf_counter() - started
    errors = [one for one in answers if isinstance(one, BaseException)]
    print(f"{count} streams at once: {len(errors)} errors · {wall:.2f} s")
    for error in errors[:3]:
        print(f"  {error!r}")


async def overhead(product: Running, data: Path) -> None:
    """The agent over one search and one call of the model, over questions of one collection."""
    folder = data / "xquad-es"
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
    await ingest(product.settings, corpus, "xquad_es", "es")
    queries = [json.loads(line) for line in (folder / "queries.jsonl").open()]
    await own_time(product, iter([one["text"] for one in queries]), "xquad_es")


async def measure(settings: Settings, data: Path, every: int) -> None:
    languages: tuple[Language, ...] = ("es", "en")
    for language in languages:
        await quality(settings, data / f"xquad-{language}", language, every)
    await many(settings, "¿Cuántos puntos dejaron escapar en defensa los Panthers?", "xquad_es")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--every", type=int, default=1, help="ask every n-th question")
    parser.add_argument("--overhead", action="store_true", help="only the agent's own time")
    parser.add_argument("--generator", type=Path, help="weights of a model to hold to its passages")
    parser.add_argument("--vllm", type=Path, default=Path(".venv-vllm/bin/python"), help="vLLM's interpreter")
    chosen = parser.parse_args()
    if chosen.data is None or not (chosen.data / "xquad-es").is_dir():
        print("needs --data with xquad-es and xquad-en: nothing measured")
        return
    if chosen.generator is not None:
        with tempfile.TemporaryDirectory(prefix="c6-") as home:
            asyncio.run(
                inventing(chosen.generator.absolute(), chosen.vllm.absolute(), chosen.data, Path(home))
            )
        return
    with running("bridge", "pool", "api") as product:
        if chosen.overhead:
            asyncio.run(overhead(product, chosen.data))
            return
        asyncio.run(measure(product.settings, chosen.data, chosen.every))


if __name__ == "__main__":
    main()
