"""Searches the documents for an agent, and tells a collection without documents from one that holds nothing
on a question; has what was found checked by a model where the settings name one."""

import asyncio
from collections.abc import Sequence

from agents.answerability.decision import Answerability, is_open, with_opinion
from agents.answering.entailment import holds_answer
from agents.context import Context
from tools.errors import CollectionNotFound
from tools.passages import Passage
from tools.schema import Hit, Language, SearchResponse
from tools.search import search_knowledge


async def search_documents(query: str, context: Context, *, top_k: int) -> SearchResponse | None:
    """What is found for `query` in the run's collections; None where none holds documents yet. Raises
    CollectionNotFound for one that the caller named and that is not there, and what the bridge raises."""
    searches = (_search_one(query, context, one, top_k=top_k) for one in context.collections)
    found = [one for one in await asyncio.gather(*searches) if one is not None]
    if len(found) < 2:
        return found[0] if found else None
    return merged(found, top_k=top_k)


def merged(found: Sequence[SearchResponse], *, top_k: int) -> SearchResponse:
    """The best of several searches by rank, then by score: those of two embedders can not be compared."""
    ranked = [(rank, -hit.score, hit) for one in found for rank, hit in enumerate(one.results)]
    embedders = {one.embedder for one in found}
    return SearchResponse(
        results=[hit for *_, hit in sorted(ranked, key=lambda entry: entry[:2])[:top_k]],
        embedder=embedders.pop() if len(embedders) == 1 else "",
        degraded=sorted({leg for one in found for leg in one.degraded}),
        took_ms=max(one.took_ms for one in found),
    )


async def _search_one(query: str, context: Context, collection: str, *, top_k: int) -> SearchResponse | None:
    bridge = context.clients.bridge
    try:
        found = await search_knowledge(query, bridge=bridge, collection=collection, top_k=top_k)
    except CollectionNotFound:
        if collection != context.chat.collection:
            raise
        return None
    if found.results or found.degraded:
        return found
    held = {one["name"]: one["documents"] for one in await bridge.collections()}
    return found if held.get(collection) else None


async def checked(
    judged: Answerability, question: str, hits: Sequence[Hit], language: Language, context: Context
) -> Answerability:
    """A decision with the opinion of the model that the settings name, where it could turn it."""
    model = context.limits.entailment
    if model is None or not is_open(judged):
        return judged
    passages = [Passage(n, hit.title, hit.text) for n, hit in enumerate(hits, 1)]
    answers = await holds_answer(question, passages, model=model, pool=context.clients.pool)
    return judged if answers is None else with_opinion(judged, answers, language=language)
