"""Fault 25 at the pool: requests from its OpenAPI, which names every path that it serves."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from servers.pool.http.openapi import document
from tests.pool.harness import make_settings, serving, write_catalog
from tests.schemas import SOAK, USUAL, check

NAMES = {"model": ["e", "auto", "nobody"]}
SHOWS_ITSELF = {("GET", "/docs"), ("GET", "/openapi.json")}


@pytest.fixture
def pool(tmp_path: Path, in_thread: Callable[..., str]) -> str:
    """The URL of a pool that answers without weights."""
    auto = {"default": "e", "last": "e"}
    catalog = write_catalog(tmp_path / "models.toml", {"e": {"backend": "extractive"}}, auto)
    return in_thread(make_settings(tmp_path / "home", catalog))


async def test_the_document_names_every_path_and_no_other(tmp_path: Path) -> None:
    catalog = write_catalog(tmp_path / "models.toml", {"e": {"backend": "extractive"}})
    async with serving(make_settings(tmp_path / "home", catalog)) as (_, app):
        routes = app.routes
    served = set(routes.exact) | {(verb, f"{head}{{model}}{tail}") for verb, head, tail in routes.prefixed}
    told = {(verb.upper(), path) for path, verbs in document()["paths"].items() for verb in verbs}
    assert told == served - SHOWS_ITSELF


@pytest.mark.timeout(600)
def test_two_thousand_requests_are_never_an_internal_error(pool: str) -> None:
    check(pool, count=USUAL, seed=6, names=NAMES, plain="/api/")


@pytest.mark.soak
def test_ten_thousand_requests_are_never_an_internal_error(pool: str) -> None:
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    check(pool, count=SOAK, seed=seed, names=NAMES, plain="/api/")
