"""The models that this API offers: its agents, and the pool's models passed through untouched."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NoReturn

import httpx
from fastapi.responses import StreamingResponse

from agents.registry import AGENTS
from servers.web import sse
from tools.clients.pool import Pool
from tools.errors import Capibara6Error, ModelNotFound

CREATED = 1_767_225_600
"""OpenAI's clients want a date; agents have none, so it is the year they were written."""
KEPT = ("content-type", "retry-after", "cache-control")


async def list_models(pool: Pool) -> dict[str, Any]:
    """Agents first. When the pool does not answer its models are left out and `degraded` says so."""
    agents = [describe(name) for name in AGENTS]
    try:
        return {"object": "list", "data": [*agents, *await pool.models()]}
    except Capibara6Error as exc:
        return {"object": "list", "data": agents, "degraded": [exc.source or "pool"]}


async def find_model(pool: Pool, name: str) -> dict[str, Any]:
    """Raises `ModelNotFound` with the list of those there are."""
    models = (await list_models(pool))["data"]
    found = next((model for model in models if model["id"] == name), None)
    if found is None:
        _raise_unknown(name, models)
    return found


async def pass_through(pool: Pool, path: str, body: bytes, *, model: str) -> StreamingResponse:
    """The pool's own answer, byte by byte; its errors keep their status and shape."""
    async with AsyncExitStack() as stack:
        try:
            request = pool.http.stream(
                "POST", path, content=body, headers={"content-type": "application/json"}
            )
            upstream = await stack.enter_async_context(request)
        except ModelNotFound:
            _raise_unknown(model, (await list_models(pool))["data"])
        names = [name for name in upstream.headers if name in KEPT or name.startswith("x-capibara6-")]
        headers = {name: upstream.headers[name] for name in names}
        return StreamingResponse(_bytes(upstream, stack.pop_all()), upstream.status_code, headers)


async def _bytes(upstream: httpx.Response, stack: AsyncExitStack) -> AsyncIterator[bytes]:
    async with stack:
        try:
            async for piece in upstream.aiter_raw():
                yield piece
        except httpx.HTTPError as exc:
            failed = Capibara6Error("the pool broke the connection", source="pool", code="upstream_failed")
            failed.__cause__ = exc
            yield sse.line(failed.envelope())


def describe(name: str) -> dict[str, Any]:
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


def _raise_unknown(name: str, models: list[dict[str, Any]]) -> NoReturn:
    known = ", ".join(model["id"] for model in models)
    raise ModelNotFound(f"there is no model {name!r}; there are: {known}", param="model", source="api")
