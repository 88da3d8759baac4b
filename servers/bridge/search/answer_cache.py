"""Answers kept in Redis for an hour. An answer holds its collection's version: a write makes it stale.

What Redis holds is data to be checked, never trusted: anything that is not one of our answers is ignored.
"""

import hashlib

from pydantic import ValidationError

from servers.bridge.clients.redis import NAMESPACE, Redis
from tools.errors import Capibara6Error
from tools.schema import SearchRequest, SearchResponse

TTL_S = 3_600
OPERATION_S = 0.1
"""A cache slower than this costs more than it saves."""
VERSION = 1


class Cache:
    """get and put of search answers; a Redis that is down is a cache that is empty."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def key(self, tenant: str, request: SearchRequest, embedder: str) -> str:
        digest = hashlib.blake2b(
            f"{VERSION}\x1f{tenant}\x1f{embedder}\x1f{request.model_dump_json()}".encode(
                "utf-8", "surrogatepass"
            ),
            digest_size=20,
        )
        return f"{NAMESPACE}:{tenant}:cache:{digest.hexdigest()}"

    async def get(self, key: str) -> SearchResponse | None:
        try:
            held = await self.redis.get(key, deadline_s=OPERATION_S)
            return SearchResponse.model_validate_json(held) if held else None
        except (Capibara6Error, ValidationError):
            return None

    async def put(self, key: str, response: SearchResponse) -> None:
        try:
            await self.redis.set(
                key, response.model_dump_json().encode(), ttl_s=TTL_S, deadline_s=OPERATION_S
            )
        except Capibara6Error:
            return
