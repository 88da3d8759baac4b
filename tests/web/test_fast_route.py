"""The fast path to a route: it answers as FastAPI does, and leaves to it what is not plainly valid."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel, Field

from servers.web.app import create_app
from servers.web.fast_route import is_eligible
from tests.conftest import settings_in
from tools.errors import ModelNotFound


class Sum(BaseModel):
    numbers: list[float] = Field(max_length=3)


async def path_of(request: Request) -> str:
    return request.url.path


Path_ = Annotated[str, Depends(path_of)]
router = APIRouter(prefix="/v1")


@router.post("/sum", status_code=201)
async def total(body: Sum, path: Path_) -> dict[str, Any]:
    return {"sum": sum(body.numbers), "path": path}


@router.get("/word")
async def word(word: Annotated[str, Query(min_length=1, max_length=4)]) -> dict[str, str]:
    if word == "none":
        raise ModelNotFound("no such word", param="word", source="test")
    return {"word": word}


@router.get("/first")
async def first(limit: int = 3) -> dict[str, int]:
    return {"limit": limit}


@router.post("/answer")
async def answer(body: Sum, response: Response) -> dict[str, int]:
    response.status_code = 202
    return {"n": len(body.numbers)}


@router.get("/{name}/page")
async def page(name: str) -> dict[str, str]:
    return {"name": name}


def build(home: Path, *, fast: bool) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    async def checks() -> dict[str, Any]:
        return {"status": "ok"}

    routes = router.routes if fast else ()
    app = create_app("test", settings_in(home), lifespan=lifespan, checks=checks, fast_routes=routes)
    app.include_router(router)
    return app


JSON = {"content-type": "application/json"}
ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/sum", {"json": {"numbers": [1, 2.5]}}),
    ("POST", "/v1/sum", {"json": {"numbers": ["1", 2]}}),
    ("POST", "/v1/sum", {"json": {"numbers": ["x"]}}),
    ("POST", "/v1/sum", {"json": {"numbers": [1, 2, 3, 4]}}),
    ("POST", "/v1/sum", {"json": [1]}),
    ("POST", "/v1/sum", {"content": b"", "headers": JSON}),
    ("POST", "/v1/sum", {"content": b"{", "headers": JSON}),
    ("POST", "/v1/sum", {"content": b'{"numbers": [1e999]}', "headers": JSON}),
    ("POST", "/v1/sum", {"content": '{"numbers": [1]}'.encode("utf-16"), "headers": JSON}),
    ("POST", "/v1/sum", {"content": b'{"numbers": [1]}'}),
    ("POST", "/v1/sum", {"content": b'{"numbers": [1]}', "headers": {"content-type": "text/plain"}}),
    ("POST", "/v1/sum", {"content": b'{"numbers": [1]}', "headers": {"content-type": "application/x+json"}}),
    ("GET", "/v1/sum", {}),
    ("GET", "/v1/word", {"params": {"word": "ñu"}}),
    ("GET", "/v1/word?word=a&word=b", {}),
    ("GET", "/v1/word?word=%ff", {}),
    ("GET", "/v1/word?word=", {}),
    ("GET", "/v1/word", {}),
    ("GET", "/v1/word", {"params": {"word": "longer"}}),
    ("GET", "/v1/word", {"params": {"word": "none"}}),
    ("HEAD", "/v1/word", {"params": {"word": "a"}}),
    ("GET", "/v1/first", {}),
    ("GET", "/v1/first?limit=x", {}),
    ("POST", "/v1/answer", {"json": {"numbers": []}}),
    ("GET", "/v1/a/page", {}),
]


@pytest.mark.parametrize(("method", "path", "sent"), ASKED, ids=[f"{n}" for n in range(len(ASKED))])
async def test_both_paths_give_one_answer(
    tmp_path: Path, method: str, path: str, sent: dict[str, Any]
) -> None:
    heard = []
    for fast in (True, False):
        transport = httpx.ASGITransport(app=build(tmp_path, fast=fast), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request(method, path, **sent)
            counted = (await client.get("/metrics")).text
            route = {line for line in counted.splitlines() if line.startswith("http_requests_total")}
            heard.append((answer.status_code, answer.content, answer.headers["content-type"], route))
    assert heard[0] == heard[1]


def test_only_a_plain_route_is_served_on_the_fast_path() -> None:
    eligible = {route.path: is_eligible(route) for route in router.routes}  # type: ignore[attr-defined, arg-type]
    assert eligible == {
        "/v1/sum": True,
        "/v1/word": True,
        "/v1/first": False,
        "/v1/answer": False,
        "/v1/{name}/page": False,
    }
