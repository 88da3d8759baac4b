"""Documents and collections as resources: listed with pages, read, completed, watched; prompts."""

import asyncio
import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import (
    PromptReference,
    ResourceTemplateReference,
    ResourceUpdatedNotification,
    TextContent,
    TextResourceContents,
)

from servers.mcp import subscriptions
from servers.mcp.resources import DOCUMENT, NEXT_KEY
from tests.mcp.conftest import client
from tests.mcp.peers import LONG, Held
from tools.settings import Settings

ROOT = "capibara6://collections"
GUIDE = f"{ROOT}/capibara6/documents/gu%C3%ADa%2Fmodels"


def text_of(contents: Any) -> TextResourceContents:
    assert isinstance(contents[0], TextResourceContents)
    return contents[0]


async def test_every_document_is_listed_page_by_page_once(running: Settings) -> None:
    async with client(running) as mcp:
        found, cursor = [], None
        for _ in range(9):
            page = await mcp.list_resources(cursor=cursor)
            found += [str(one.uri) for one in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        with pytest.raises(MCPError, match="no cursor of ours"):
            await mcp.list_resources(cursor="x")
    assert len(found) == len(set(found))
    assert {ROOT, f"{ROOT}/notes/documents", GUIDE, f"{ROOT}/notes/documents/largo"} <= set(found)
    assert sum(one.startswith(f"{ROOT}/capibara6/documents/") for one in found) == 150


async def test_a_collection_and_a_long_document_are_read_by_pages(running: Settings) -> None:
    async with client(running) as mcp:
        first = json.loads(text_of((await mcp.read_resource(f"{ROOT}/capibara6/documents")).contents).text)
        rest = json.loads(text_of((await mcp.read_resource(first["next"])).contents).text)
        long = text_of((await mcp.read_resource(f"{ROOT}/notes/documents/largo")).contents)
        assert long.meta is not None
        end = text_of((await mcp.read_resource(long.meta[NEXT_KEY])).contents)
        guide = text_of((await mcp.read_resource(GUIDE)).contents)
    assert (len(first["documents"]), len(rest["documents"]), "next" in rest) == (100, 50, False)
    assert long.text + end.text == LONG
    assert guide.mime_type == "text/markdown" and "tres modelos" in guide.text


@pytest.mark.parametrize(
    "uri",
    [
        f"{ROOT}/capibara6/documents/nothing",
        f"{ROOT}/capibara6",
        f"{ROOT}/capibara6/passages/x",
        "capibara6://elsewhere/x/documents",
        "file:///etc/passwd",
    ],
)
async def test_what_is_not_there_is_named(running: Settings, uri: str) -> None:
    async with client(running) as mcp:
        with pytest.raises(MCPError, match=r"no (document|resource)"):
            await mcp.read_resource(uri)


async def test_names_are_completed(running: Settings) -> None:
    document = ResourceTemplateReference(type="ref/resource", uri=DOCUMENT)
    prompt = PromptReference(type="ref/prompt", name="summarise")
    async with client(running) as mcp:
        names = await mcp.complete(document, {"name": "collection", "value": "no"})
        ids = await mcp.complete(
            document, {"name": "document_id", "value": "lar"}, context_arguments={"collection": "notes"}
        )
        many = await mcp.complete(prompt, {"name": "document_id", "value": "d"})
        languages = await mcp.complete(prompt, {"name": "language", "value": ""})
        with pytest.raises(MCPError, match="no argument 'colour'"):
            await mcp.complete(prompt, {"name": "colour", "value": ""})
    assert names.completion.values == ["notes"]
    assert ids.completion.values == ["largo"]
    assert (len(many.completion.values), many.completion.total, many.completion.has_more) == (100, 149, True)
    assert languages.completion.values == ["es", "en"]


async def test_prompts_speak_spanish_and_english(running: Settings) -> None:
    asked = {"question": "¿{0}?", "collection": "notes"}
    async with client(running) as mcp:
        names = [prompt.name for prompt in (await mcp.list_prompts()).prompts]
        spanish = (await mcp.get_prompt("answer", asked)).messages[0].content
        english = (await mcp.get_prompt("answer", {**asked, "language": "en"})).messages[0].content
        for arguments, said in (({}, "needs question"), ({**asked, "idioma": "es"}, "has no idioma")):
            with pytest.raises(MCPError, match=said):
                await mcp.get_prompt("answer", arguments)
    assert names == ["answer", "summarise", "verify"]
    assert isinstance(spanish, TextContent) and isinstance(english, TextContent)
    assert "en la colección notes" in spanish.text and spanish.text.endswith("Pregunta: ¿{0}?")
    assert "in the collection notes" in english.text and english.text.endswith("Question: ¿{0}?")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks more often than a server would."""
    monkeypatch.setattr(subscriptions, "EVERY_S", 0.1)


async def test_a_stream_hears_of_what_was_ingested(running: Settings, held: Held, quick: None) -> None:
    async with (
        client(running) as mcp,
        mcp.listen(resource_subscriptions=[GUIDE], resources_list_changed=True) as events,
    ):
        held.write("notes", "otra", "1")
        first = await asyncio.wait_for(anext(events), 10)
        held.write("capibara6", "guía/models", "2")
        second = await asyncio.wait_for(anext(events), 10)
    assert "ListChanged" in type(first).__name__
    assert getattr(second, "uri", None) == GUIDE


@pytest.mark.filterwarnings("ignore:resources/:mcp.MCPDeprecationWarning")
async def test_an_older_client_hears_of_it_too(running: Settings, held: Held, quick: None) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def told(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.put_nowait(str(message.params.uri))

    watched = f"{ROOT}/notes/documents"
    async with client(running, mode="legacy", message_handler=told) as mcp:
        await mcp.subscribe_resource(watched)
        with pytest.raises(MCPError, match="no resource"):
            await mcp.subscribe_resource("file:///etc/passwd")
        held.write("capibara6", "x", "1")
        held.write("notes", "otra", "3")
        assert await asyncio.wait_for(heard.get(), 10) == watched
        await mcp.unsubscribe_resource(watched)
    assert heard.empty()
