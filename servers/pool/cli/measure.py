"""Asks a model at the pool's door and measures what a client sees: answer, first token, tokens a second."""

import asyncio
import time
from dataclasses import dataclass, replace
from typing import Any

from servers.pool.catalog.kinds import PATHS, Kind
from tools.clients.pool import Pool
from tools.errors import UpstreamFailed
from tools.schema import JsonObject, Language

QUESTION: dict[Language, str] = {
    "es": "¿Cuál es la capital de Francia? Responde con una frase.",
    "en": "What is the capital of France? Answer in one sentence.",
}
BEGINNING: dict[Language, str] = {"es": "La capital de Francia es", "en": "The capital of France is"}
LONG: dict[Language, str] = {
    "es": "Escribe un cuento largo sobre un capibara que cruza un río.",
    "en": "Write a long story about a capybara that crosses a river.",
}
ANSWER_TOKENS = 64


@dataclass(frozen=True)
class Measured:
    """One answer. Seconds; `tokens` are the engine's count of what it wrote, 0 where it tells none; `load_s`
    is what loading took before."""

    text: str
    first_s: float
    total_s: float
    tokens: int
    load_s: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens a second after the first one."""
        writing = self.total_s - self.first_s
        return (self.tokens - 1) / writing if self.tokens > 1 and writing > 0 else 0.0


@dataclass(frozen=True)
class Bench:
    """Medians over answers at `streams` at once; `rate` is that of all together."""

    streams: int
    first_s: float
    rate: float
    rate_each: float


async def try_model(
    pool: Pool, name: str, kind: Kind, language: Language, *, template: bool = True
) -> Measured:
    """One question of the model's kind, once it is loaded; what hears or speaks is loaded alone. Raises the
    pool's errors."""
    started = time.monotonic()
    await pool.load(name)
    load_s = time.monotonic() - started
    return replace(await _question(pool, name, kind, language, template=template), load_s=load_s)


async def _question(pool: Pool, name: str, kind: Kind, language: Language, *, template: bool) -> Measured:
    match kind:
        case "chat" if template:
            messages = [{"role": "user", "content": QUESTION[language]}]
            return await stream(pool, "/v1/chat/completions", {"messages": messages}, name, ANSWER_TOKENS)
        case "chat":
            return await stream(pool, "/v1/completions", {"prompt": BEGINNING[language]}, name, ANSWER_TOKENS)
        case "embedding":
            texts = [QUESTION[language], BEGINNING[language]]
            told, took = await _ask(pool, kind, {"model": name, "input": texts})
            vector = told["data"][0]["embedding"]
            return Measured(f"{len(told['data'])} × {len(vector)}", took, took, 0)
        case "rerank":
            texts = [LONG[language], BEGINNING[language]]
            body = {"model": name, "query": QUESTION[language], "documents": texts}
            told, took = await _ask(pool, kind, body)
            scores = [f"{one['index']}: {one['relevance_score']:.3f}" for one in told["results"]]
            return Measured(", ".join(scores), took, took, 0)
        case _:
            return Measured("", 0.0, 0.0, 0)


async def bench(pool: Pool, name: str, language: Language, *, streams: int, tokens: int) -> Bench:
    """`streams` answers of `tokens` at once. Raises UpstreamFailed where the engine counts no tokens."""
    body: JsonObject = {"messages": [{"role": "user", "content": LONG[language]}], "temperature": 1}
    started = time.monotonic()
    answers = await asyncio.gather(
        *(stream(pool, "/v1/chat/completions", body, name, tokens) for _ in range(streams))
    )
    took = time.monotonic() - started
    written = sum(answer.tokens for answer in answers)
    if not written:
        raise UpstreamFailed(f"{name} tells no count of tokens", source="engine")
    return Bench(
        streams,
        first_s=_median([answer.first_s for answer in answers]),
        rate=written / took,
        rate_each=_median([answer.rate for answer in answers]),
    )


async def memory_of(pool: Pool, name: str) -> int:
    """Bytes that the model's engine takes, as the pool measured or expects; 0 where it runs elsewhere."""
    stats = await pool.stats()
    return int(stats["models"][name].get("memory") or 0)


async def stream(pool: Pool, path: str, body: JsonObject, name: str, tokens: int) -> Measured:
    """One streamed answer of at most `tokens`. Raises UpstreamFailed for one without a word."""
    wanted = {"max_tokens": tokens, "stream": True, "stream_options": {"include_usage": True}}
    started, first_s, text, counted = time.monotonic(), 0.0, "", 0
    async for _, chunk in pool.http.events("POST", path, json={**body, **wanted, "model": name}):
        for choice in chunk.get("choices", []):
            said = _said(choice)
            if said and not first_s:
                first_s = time.monotonic() - started
            text += said
        counted = (chunk.get("usage") or {}).get("completion_tokens", counted)
    if not text:
        raise UpstreamFailed(f"{name} answered without a word", source="engine")
    return Measured(text, first_s, time.monotonic() - started, counted)


def _said(choice: JsonObject) -> str:
    delta = choice.get("delta") or {}
    return delta.get("content") or delta.get("reasoning_content") or choice.get("text") or ""


async def _ask(pool: Pool, kind: Kind, body: JsonObject) -> tuple[Any, float]:
    started = time.monotonic()
    told = await pool.http.json("POST", PATHS[kind][0], json=body)
    return told, time.monotonic() - started


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
