"""The paths of engines that the pool passes on: which kinds of model have them, and how their streams end."""

from collections.abc import Mapping
from typing import NamedTuple

CHAT = frozenset({"chat"})
SCORES = frozenset({"rerank", "embedding"})
TEXTS = frozenset({"chat", "embedding", "rerank"})


class EnginePath(NamedTuple):
    """`kinds` of the catalogue that answer it, and what a model does that has it. `typed`: its stream is one
    of events with a type, which ends with the event that says so; else with `[DONE]`."""

    kinds: frozenset[str]
    does: str
    typed: bool = False
    everywhere: bool = False
    """Every engine of its kind has it: one that does not know it does not know the model."""


PATHS: Mapping[str, EnginePath] = {
    "/v1/chat/completions": EnginePath(CHAT, "generate text", everywhere=True),
    "/v1/completions": EnginePath(CHAT, "generate text", everywhere=True),
    "/v1/embeddings": EnginePath(frozenset({"embedding"}), "embed", everywhere=True),
    "/v1/responses": EnginePath(CHAT, "generate text", typed=True),
    "/v1/messages": EnginePath(CHAT, "generate text", typed=True),
    "/v1/messages/count_tokens": EnginePath(CHAT, "generate text"),
    "/v1/rerank": EnginePath(SCORES, "rank texts"),
    "/v1/score": EnginePath(SCORES, "rank texts"),
    "/tokenize": EnginePath(TEXTS, "read text"),
    "/detokenize": EnginePath(TEXTS, "read text"),
}
