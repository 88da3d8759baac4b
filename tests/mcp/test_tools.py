import base64
import json

import pytest
from mcp.types import AudioContent, CallToolResult, TextContent

from servers.speech.main import build_app as build_speech
from tests.serving import serving
from tools.clients.mcp import open_mcp
from tools.errors import BadRequest, Unavailable


def text_of(result: CallToolResult) -> str:
    """What a model reads first of a tool's answer."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def test_every_tool_is_read_only_and_described_in_both_languages(running):
    async with open_mcp(running.mcp_url) as mcp:
        tools = {tool.name: tool for tool in await mcp.tools()}
    assert set(tools) == {"search_knowledge", "ask_agent", "list_models", "speak"}
    for tool in tools.values():
        assert tool.annotations is not None and tool.annotations.read_only_hint
        assert "/" in (tool.title or "")
        assert all(
            len(field.get("description", "")) > 5 for field in tool.input_schema["properties"].values()
        )
    typed = {name for name, tool in tools.items() if tool.output_schema}
    assert typed == {"search_knowledge", "ask_agent", "list_models"}


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
    assert [(model["id"], model["available"], model["reason"]) for model in models] == [
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


async def test_documents_are_resources(running):
    async with open_mcp(running.mcp_url) as mcp:
        assert (
            json.loads(await mcp.read("capibara6://collections/capibara6/documents"))["documents"][0]["id"]
            == "models"
        )
        one = json.loads(await mcp.read("capibara6://collections/capibara6/documents/gu%C3%ADa%2Fmodels"))
        with pytest.raises(BadRequest, match="no document nothing"):
            await mcp.read("capibara6://collections/capibara6/documents/nothing")
    assert one["id"] == "guía/models"


async def test_nobody_listening_is_unavailable(settings):
    with pytest.raises(Unavailable):
        async with open_mcp(settings.mcp_url):
            pass
