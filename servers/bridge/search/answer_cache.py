"""The cache of search answers in Redis: by exact request, for an hour. An answer holds its collection's
version, and the search takes none of another version: a write makes it stale.

What Redis holds is data to be checked, never trusted: anything that is not one of our answers is ignored.
"""

import hashlib

from pydantic import ValidationError

from servers.bridge.clients.redis import NAMESPACE, Redis
from tools.errors import Capibara6Error
from tools.schema import SearchRequest, SearchResponse

TTL_S = 3_600
DEADLINE_S = 0.1
"""A cache slower than this costs more than it saves: a search takes some 30 ms."""
VERSION = 1
"""Part of every key: a change of what an answer holds makes the old ones unfindable."""


class AnswerCache:
    """get and put of search answers; a Redis that is down is a cache that is empty."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def key(self, tenant: str, request: SearchRequest, models: str) -> str:
        """The Redis key of a request; `models` names the models that its answer depends on."""
        digest = hashlib.blake2b(
            f"{VERSION}\x1f{tenant}\x1f{models}\x1f{request.model_dump_json()}".encode(
                "utf-8", "surrogatepass"
            ),
            digest_size=20,
        )
        return f"{NAMESPACE}:{tenant}:cache:{digest.hexdigest()}"

    async def get(self, key: str) -> SearchResponse | None:
        """The cached answer; None when there is none, or none of ours."""
        try:
            cached = await self.redis.get(key, deadline_s=DEADLINE_S)
            return SearchResponse.model_validate_json(cached) if cached else None
        except (Capibara6Error, ValidationError):
            return None

    async def put(self, key: str, response: SearchResponse) -> None:
        """Keep an answer for `TTL_S` seconds."""
        try:
            await self.redis.set(key, response.model_dump_json().encode(), ttl_s=TTL_S, deadline_s=DEADLINE_S)
        except Capibara6Error:
            return
