"""A restore ends when every store has what the backup had, the graph too."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from flows.operations.archive import BackupManifest
from flows.restore import not_in_graph, wait_until_rebuilt
from tests.serving import serving
from tools.clients.bridge import StoredDocument, open_bridge
from tools.errors import UpstreamSilent
from tools.settings import Settings

WHOLE = BackupManifest(made="2026-11-22", version="1", counts={"notes": {"documents": 2, "chunks": 5}})


def document(name: str, *readers: str) -> StoredDocument:
    return StoredDocument(
        id=name,
        title=name,
        source="",
        language="en",
        chunks=2 if name == "one" else 3,
        metadata={},
        content_hash="",
        extractors=list(readers),
    )


@pytest.fixture
def looks(settings: Settings) -> Iterator[list[bool]]:
    """A bridge whose graph has the second document only from the third look on; what each look saw."""
    app, seen = FastAPI(), []

    @app.get("/api/v1/collections")
    async def collections() -> dict[str, Any]:
        return {"collections": [{"name": "notes"}]}

    @app.get("/api/v1/documents")
    async def documents() -> dict[str, Any]:
        seen.append(len(seen) >= 2)
        found = [document("one", "names:v2"), document("two", *["names:v2"] * seen[-1], "llm:a:v1")]
        return {"documents": found, "total": 2}

    with serving(app, settings.ports.bridge):
        yield seen


async def test_a_restore_waits_for_the_graph(settings: Settings, looks: list[bool]) -> None:
    async with open_bridge(settings) as bridge:
        assert await wait_until_rebuilt(bridge, WHOLE, time.monotonic() + 60) == WHOLE.counts
    assert looks == [False, False, True]


async def test_a_restore_says_what_the_graph_never_got(settings: Settings, looks: list[bool]) -> None:
    async with open_bridge(settings) as bridge:
        with pytest.raises(UpstreamSilent, match="two"):
            await wait_until_rebuilt(bridge, WHOLE, time.monotonic() + 0.1)


def test_a_document_that_only_a_model_has_read_is_waited_for() -> None:
    stored = {"notes": [document("one", "names:v1"), document("two", "llm:a:v1"), document("three")]}
    assert not_in_graph(stored) == ["two", "three"]
