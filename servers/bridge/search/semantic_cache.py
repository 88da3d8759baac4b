"""Answers to questions that are the same in other words: found by vector among the latest of their kind.

A kind is tenant, collection, its version, embedder and every parameter but the words, so that a write leaves
nothing to be found. The answers themselves lie in `cache`; here are questions with their vectors, a bounded
list a kind.
"""

import base64
import binascii
import hashlib
import json
from typing import Any

import numpy as np

from servers.bridge.clients.redis import NAMESPACE, Redis
from servers.bridge.search.alike import same_question
from servers.bridge.search.answer_cache import OPERATION_S, TTL_S
from tools.errors import Capibara6Error
from tools.schema import SearchRequest
from tools.text.language import detect

VERSION = 1
MOST = 64


class SemanticCache:
    """Remembers asked questions. A Redis that is down remembers none."""

    def __init__(self, redis: Redis, *, similar: float) -> None:
        self.redis, self.similar = redis, similar

    def kind(self, tenant: str, request: SearchRequest, embedder: str, version: int) -> str:
        """The Redis key of the list that questions like this one share."""
        options = request.model_dump_json(exclude={"query"})
        text = f"{VERSION}\x1f{tenant}\x1f{embedder}\x1f{version}\x1f{options}"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
        return f"{NAMESPACE}:{tenant}:near:{digest}"

    async def asked(self, kind: str) -> list[tuple[str, np.ndarray]]:
        """Questions of this kind with their vectors, the latest first."""
        if self.similar >= 1:
            return []
        work: Any = self.redis.connection.lrange(kind, 0, MOST - 1)
        try:
            held = await self.redis.call(work, deadline_s=OPERATION_S)
        except Capibara6Error:
            return []
        return [item for item in map(_read, held) if item is not None]

    def choose(
        self, query: str, vector: np.ndarray, asked: list[tuple[str, np.ndarray]], languages: tuple[str, ...]
    ) -> str | None:
        """The asked question that is this one in other words, if there is one."""
        language = detect(query)
        near = [(float(other @ vector), text) for text, other in asked if other.shape == vector.shape]
        for cosine, text in sorted(near, reverse=True):
            if cosine < self.similar:
                return None
            if detect(text) == language and same_question(query, text, language, known=language in languages):
                return text
        return None

    async def remember(self, kind: str, query: str, vector: np.ndarray) -> None:
        if self.similar >= 1:
            return
        packed = base64.b64encode(np.clip(np.rint(vector * 127), -127, 127).astype(np.int8).tobytes())
        entry = json.dumps({"query": query, "vector": packed.decode()})
        pipeline = self.redis.connection.pipeline(transaction=False)
        pipeline.lpush(kind, entry)
        pipeline.ltrim(kind, 0, MOST - 1)
        pipeline.expire(kind, TTL_S)
        try:
            await self.redis.call(pipeline.execute(), deadline_s=OPERATION_S)
        except Capibara6Error:
            return


def _read(held: bytes) -> tuple[str, np.ndarray] | None:
    """An entry as we wrote it, its vector of length 1 again; None for anything else."""
    try:
        entry = json.loads(held)
        query, packed = entry["query"], base64.b64decode(entry["vector"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error):
        return None
    vector = np.frombuffer(packed, dtype=np.int8).astype(np.float32)
    length = float(np.linalg.norm(vector))
    return (query, vector / length) if isinstance(query, str) and length else None
