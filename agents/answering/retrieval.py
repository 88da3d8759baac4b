"""Searches the documents for an agent, and tells a collection without documents from one that holds nothing
on a question; has what was found checked by a model where the settings name one."""

from collections.abc import Sequence

from agents.answerability.decision import Answerability, is_open, with_opinion
from agents.answering.entailment import holds_answer
from agents.context import Context
from tools.errors import CollectionNotFound
from tools.passages import Passage
from tools.schema import Hit, Language, SearchResponse
from tools.search import search_knowledge


async def search_documents(query: str, context: Context, *, top_k: int) -> SearchResponse | None:
    """What is found for `query`; None where the collection holds no documents yet. Raises CollectionNotFound
    for one that the caller named and that is not there, and what the bridge raises."""
    bridge, collection = context.clients.bridge, context.collection
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
