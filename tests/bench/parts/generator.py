"""A real generative model behind the chat agent: of forty questions, twenty of which nothing in the
collection answers, what is right, what is refused, what stands unsupported. `agents.py` starts it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.answering.streaming import QUOTED
from agents.context import Context, RunConfig, open_clients
from agents.conversation.persistence import open_persistence
from agents.grounding.judgement import UNSUPPORTED
from agents.runtime import AgentRequest, compile_agents, run
from tests.bench.parts.running import ingested, running
from tools.clients.bridge import open_bridge
from tools.schema import Answer, Document, Language
from tools.settings import Agents, Chat, Pool, Settings
from tools.text.words import fold

MODEL = "generator"
MOST_TOKENS = 96
SHARE = 10
"""Questions of each language with an answer, and as many without."""
ARGS = ["--enforce-eager", "--max-model-len", "4096", "--max-num-seqs", "4"]
LANGUAGES: tuple[Language, ...] = ("es", "en")


def settings_of(weights: Path, python: Path, home: Path) -> dict[str, Any]:
    """What differs from the settings that ship: one model, with its weights."""
    catalog = home / "models.toml"
    catalog.write_text(
        f'[models.{MODEL}]\nbackend = "vllm"\ndomain = "general"\nweights = "{weights.name}"\n'
        f'kv_bytes = 268435456\nargs = {json.dumps(ARGS)}\n[models.extractive]\nbackend = "extractive"\n'
    )
    pool = Pool(catalog=catalog, weights=weights.parent, vllm_python=python, load_s=600, queue_wait_s=600)
    return {"pool": pool, "chat": Chat(while_loading="wait", deadline_s=600)}


async def inventing(weights: Path, python: Path, data: Path, home: Path) -> None:
    """Start the product with the model, ask, print a line for each way to treat what has no support."""
    with running("bridge", "pool", **settings_of(weights, python, home)) as product:
        asked = [one for language in LANGUAGES for one in await _prepare(product.settings, data, language)]
        async with open_clients(product.settings) as clients, open_persistence(product.settings) as kept:
            agents = compile_agents(kept)
            for grounding in ("mark", "strict"):
                limits = Agents(grounding=grounding, answer_tokens=MOST_TOKENS, tools=())
                context = Context(clients, product.settings.chat, limits=limits, load_wait_s=600.0)
                told = [await _ask(agents, context, one) for one in asked]
                print(f"{grounding}: {_told(told)}")
                for one, answer in zip(asked, told, strict=True):
                    print(f"    {one['gold']} | {one['text']} | {answer[1].notes} | {answer[1].answer!r}")


async def _prepare(settings: Settings, data: Path, language: Language) -> list[dict[str, Any]]:
    """Ingest every second article; questions of those, and of the others."""
    folder = data / f"xquad-{language}"
    corpus = [json.loads(line) for line in (folder / "corpus.jsonl").open()]
    titles = sorted({one["title"] for one in corpus})
    kept = {one["_id"]: one for one in corpus if one["title"] in titles[::2]}
    documents = [
        Document(id=one["_id"], title=one["title"].replace("_", " "), text=one["text"], language=language)
        for one in kept.values()
    ]
    async with open_bridge(settings) as bridge:
        assert await ingested(bridge, documents, collection=f"xquad_{language}") == len(documents)
    gold = dict(line.split("\t")[:2] for line in (folder / "qrels/test.tsv").read_text().splitlines())
    queries = [json.loads(line) for line in (folder / "queries.jsonl").open()]
    held = [one for one in queries if gold[one["_id"]] in kept]
    absent = [one for one in queries if gold[one["_id"]] not in kept]
    chosen = [(True, one) for one in _spread(held)] + [(False, one) for one in _spread(absent)]
    return [
        {
            "text": one["text"],
            "gold": one["metadata"]["answers"] if answered else [],
            "collection": f"xquad_{language}",
            "language": language,
        }
        for answered, one in chosen
    ]


def _spread(queries: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return queries[:: len(queries) // SHARE][:SHARE]


async def _ask(agents: Any, context: Context, one: dict[str, Any]) -> tuple[dict[str, Any], Answer]:
    config = RunConfig(collection=one["collection"], model=MODEL, language=one["language"])
    request = AgentRequest("capibara6", [{"role": "user", "content": one["text"]}])
    return one, (await run(agents, request, context=replace(context, config=config))).answer


def _told(told: list[tuple[dict[str, Any], Answer]]) -> str:
    count = Counter[str]()
    for one, answer in told:
        claims = [each for each in answer.sentences if each.kind == "claim"]
        marked = any(mark in answer.answer for mark in UNSUPPORTED.values())
        with_answer = bool(one["gold"])
        count["right"] += with_answer and any(fold(gold) in fold(answer.answer) for gold in one["gold"])
        count["answered without an answer"] += not with_answer and bool(answer.citations)
        count["without citation"] += not answer.citations
        count["quoted instead"] += any(lead in answer.answer for lead in QUOTED.values())
        count["with marks of no support"] += marked
        bare = [each for each in claims if not each.supported and not _is_marked(answer, each.end)]
        count["unsupported and unmarked sentences"] += len(bare)
    return f"{len(told)} questions · " + " · ".join(f"{name} {number}" for name, number in count.items())


def _is_marked(answer: Answer, end: int) -> bool:
    rest = answer.answer[max(0, end - 20) : end + 20]
    return any(mark in rest for mark in UNSUPPORTED.values())
