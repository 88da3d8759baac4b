"""OpenAI's list of models: the agents, and the pool's models, whose answers are proxied untouched."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NoReturn

from fastapi.responses import StreamingResponse

from agents.registry import AGENTS
from servers.web import sse
from tools.clients.http import Streamed
from tools.clients.pool import Pool
from tools.errors import Capibara6Error, ModelNotFound
from tools.schema import JsonObject

CREATED = 1_767_225_600
"""Unix time: OpenAI's clients want a date; agents have none, so it is the year they were written."""
FORWARDED_HEADERS = ("content-type", "retry-after", "cache-control")


async def list_models(pool: Pool) -> JsonObject:
    """Agents first. When the pool does not answer its models are left out and `degraded` says so."""
    agents = [describe(name) for name in AGENTS]
    try:
        return {"object": "list", "data": [*agents, *await pool.models()]}
    except Capibara6Error as exc:
        return {"object": "list", "data": agents, "degraded": [exc.source or "pool"]}


async def find_model(pool: Pool, name: str) -> JsonObject:
    """The agent or model called `name`. Raises `ModelNotFound`, which names those there are."""
    models = (await list_models(pool))["data"]
    found = next((model for model in models if model["id"] == name), None)
    if found is None:
        _raise_unknown(name, models)
    return found


async def pass_through(pool: Pool, path: str, body: bytes, *, model: str) -> StreamingResponse:
    """Proxy a request's `body` to the pool's `path`; errors keep their status and shape.

    Raises what `tools/clients/http.py` raises until the first byte; after it an error is an event.
    """
    async with AsyncExitStack() as stack:
        try:
            request = pool.http.stream(
                "POST", path, content=body, headers={"content-type": "application/json"}
            )
            upstream = await stack.enter_async_context(request)
        except ModelNotFound:
            _raise_unknown(model, (await list_models(pool))["data"])
        names = [
            name for name in upstream.headers if name in FORWARDED_HEADERS or name.startswith("x-capibara6-")
        ]
        headers = {name: upstream.headers[name] for name in names}
        return StreamingResponse(_bytes(upstream, stack.pop_all()), upstream.status_code, headers)


async def _bytes(upstream: Streamed, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        try:
            async for piece in upstream.pieces():
                yield piece
        except Capibara6Error as exc:
            yield sse.error_event(exc)


def describe(name: str) -> JsonObject:
    """An agent as OpenAI's clients see a model."""
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "capibara6",
        "domain": "agent",
        "description": AGENTS[name].description,
        "status": "loaded",
        "available": True,
    }


def _raise_unknown(name: str, models: list[JsonObject]) -> NoReturn:
    known = ", ".join(model["id"] for model in models)
    raise ModelNotFound(f"there is no model {name!r}; there are: {known}", param="model", source="api")
