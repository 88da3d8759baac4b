import asyncio
import base64
import json

import pytest
from mcp.types import AudioContent, CallToolResult, TextContent

from servers.speech.main import build_app as build_speech
from tests.mcp.conftest import client
from tests.mcp.peers import LONG
from tests.serving import serving
from tools.clients.mcp import open_mcp
from tools.errors import Unavailable


def text_of(result: CallToolResult) -> str:
    """What a model reads first of a tool's answer."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def test_search_returns_numbered_passages_and_names_the_degraded_leg(running):
    async with open_mcp(running.mcp_url) as mcp:
        found = (await mcp.call("search_knowledge", query="¿cuántos modelos?", top_k=2)).structured_content
    assert [passage["n"] for passage in found["passages"]] == [1, 2]
    assert found["passages"][0]["source"] == "knowledge/models.md"
    assert found["degraded"] == ["graph"]


async def test_the_agent_answers_with_citations_in_the_language_asked_for(running, peers):
    async with open_mcp(running.mcp_url) as mcp:
        result = await mcp.call("ask_agent", question="¿Cuántos modelos?", language="es")
    assert result.structured_content["answer"] == "Tres modelos [1]."
    assert [citation["source"] for citation in result.structured_content["citations"]] == [
        "knowledge/models.md"
    ]
    assert json.loads(text_of(result))["model"] == "extractive"
    assert peers.state.asked[-1]["metadata"] == {"language": "es"}


async def test_models_say_why_they_are_not_available(running):
    async with open_mcp(running.mcp_url) as mcp:
        models = (await mcp.call("list_models")).structured_content["models"]
    assert [(model["id"], model["available"], model.get("reason")) for model in models] == [
        ("capibara6", True, None),
        ("phi4_fast", False, "no weights"),
    ]


async def test_speak_returns_a_wav(running):
    with serving(build_speech(running), running.ports.speech):
        async with open_mcp(running.mcp_url) as mcp:
            sound = (await mcp.call("speak", text="Hola", language="es")).content[0]
    assert isinstance(sound, AudioContent)
    assert sound.mime_type == "audio/wav"
    assert base64.b64decode(sound.data).startswith(b"RIFF")


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        (
            "search_knowledge",
            {"query": "x", "collection": "missing"},
            "no collection missing (argument: collection)",
        ),
        ("search_knowledge", {"query": ""}, "at least 1 character"),
        ("search_knowledge", {"query": "x", "top_k": 10_000}, "less than or equal to 20"),
        ("ask_agent", {"question": "x", "language": "fr"}, "'es' or 'en'"),
        ("ask_agent", {}, "question"),
        ("ask_agent", {"question": "x", "modelo": "y"}, "modelo: unknown argument; there are: question"),
        ("ask_agent", {"question": "x", "agent": "phi4_fast"}, "there is no agent phi4_fast"),
        ("ask_agent", {"question": "x", "thread": "t"}, "thread: unknown argument"),
        ("query_sql", {"query": "SELECT 1", "cursor": "x"}, "no cursor of ours (argument: cursor)"),
        ("read_document", {"document_id": "nothing"}, "no document nothing"),
        (
            "speak",
            {"text": "hola"},
            "speech is not reachable [unavailable]; the arguments are fine, try again in 1 s",
        ),
    ],
)
async def test_a_failing_tool_tells_the_model_what_to_repair(running, tool, arguments, said):
    async with open_mcp(running.mcp_url) as mcp:
        result = await mcp.call(tool, **arguments)
    assert result.is_error
    assert said in text_of(result)


async def test_a_long_answer_comes_page_by_page(running):
    async with open_mcp(running.mcp_url) as mcp:
        rows = (await mcp.call("query_sql", query="SELECT 1")).structured_content
        rest = (await mcp.call("query_sql", query="SELECT 1", cursor=rows["next"])).structured_content
        text = (await mcp.call("read_document", document_id="largo", collection="notes")).structured_content
        more = await mcp.call("read_document", document_id="largo", collection="notes", cursor=text["next"])
        found = (await mcp.call("search_knowledge", query="x", top_k=20)).structured_content
        last = await mcp.call("search_knowledge", query="x", top_k=20, cursor=found["next"])
    assert (len(rows["rows"]), rest["rows"][0]) == (100, [100])
    assert (text["text"] + more.structured_content["text"]) == LONG[:16_000]
    assert [one["n"] for one in last.structured_content["passages"]] == list(range(21, 31))
    assert "next" not in last.structured_content


async def test_a_claim_is_held_against_the_passages(running):
    async with open_mcp(running.mcp_url) as mcp:
        true = await mcp.call("verify_claim", claim="El servidor tiene como máximo tres modelos cargados.")
        false = await mcp.call("verify_claim", claim="El servidor tiene como máximo nueve modelos cargados.")
    assert true.structured_content["verdict"] == "supported"
    assert true.structured_content["sentences"][0]["passages"] == [1]
    assert false.structured_content["verdict"] == "unsupported"


async def test_a_status_is_a_jobs_or_a_runs(running):
    async with open_mcp(running.mcp_url) as mcp:
        job = (await mcp.call("run_status", id="job-1")).structured_content
        run = (await mcp.call("run_status", id="run-1")).structured_content
        neither = await mcp.call("run_status", id="../models")
    assert (job["kind"], job["state"], job["done"], job["total"]) == ("job", "running", 4, 9)
    assert (run["kind"], run["state"]) == ("run", "COMPLETED")
    assert neither.is_error and "there is no run" in text_of(neither)


async def test_a_text_and_a_page_are_ingested_by_who_may_write(running, held):
    async with client(running, toolsets="all") as mcp:
        written = await mcp.call_tool("ingest", {"text": "Hola", "document_id": "hola", "collection": "mine"})
        page = {"url": "https://example.org/a", "collection": "mine"}
        first = await mcp.call_tool("ingest", page)
        again = await mcp.call_tool("ingest", page)
        both = await mcp.call_tool("ingest", {"text": "x", "url": "https://example.org"})
    assert written.structured_content["state"] == "written"
    assert held.documents["mine"] == {"hola": "4"}
    assert (first.structured_content["id"], again.structured_content["id"]) == ("run-1", "run-2")
    assert both.is_error and "a text or a url" in text_of(both)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_slow_answer_tells_how_far_it_is(running, mode):
    told = []

    async def tell(progress, total, message):
        told.append((progress, message.partition(" / ")[0]))

    async with client(running, mode=mode) as mcp:
        await mcp.call_tool("ask_agent", {"question": "¿Cuántos?"}, progress_callback=tell)
    assert told == [(1, "routed"), (2, "searched")]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_who_gives_up_ends_the_work(running, peers, mode):
    async with client(running, mode=mode) as mcp:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await mcp.call_tool("ask_agent", {"question": "espera"})
        assert await asyncio.to_thread(peers.state.left.get, timeout=10) == "espera"


async def test_nobody_listening_is_unavailable(settings):
    with pytest.raises(Unavailable):
        async with open_mcp(settings.mcp_url):
            pass
