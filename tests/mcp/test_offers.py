"""What a client is offered: by toolset, by scope, in few words; what a tool says of itself is enforced."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.shared.exceptions import MCPError
from pydantic import SecretStr

from servers.mcp.main import build_app
from servers.mcp.protocol import TOOLS
from tests.mcp.conftest import client
from tests.mcp.peers import Held
from tests.ports import free_ports
from tests.serving import serving
from tools.access.identity import LOCAL
from tools.mcp.options import Mcp
from tools.settings import Settings

READING = {
    *("search_knowledge", "read_document", "list_collections", "verify_claim", "ask_agent"),
    *("list_models", "explain_route", "run_status", "query_graph", "query_sql", "speak"),
}
CORPORA = Path(__file__).parents[1] / "bridge" / "corpora"


def corpus(name: str) -> list[str]:
    return (CORPORA / f"{name}.txt").read_text("utf-8").splitlines()


@pytest.fixture
def keyed(platform: Settings) -> Iterator[Settings]:
    """A server with a key and no toolset `data`; `key_of` makes tokens for its doors."""
    ports = platform.ports.model_copy(update={"mcp": free_ports(1)[0]})
    limited = Mcp(toolsets=("knowledge", "agents", "write"))
    settings = platform.model_copy(update={"ports": ports, "api_key": SecretStr("s3cret"), "mcp": limited})
    with serving(build_app(settings), ports.mcp):
        yield settings


def key_of(settings: Settings, *scopes: str) -> str:
    """What a service shows that acts for somebody with these scopes."""
    person = replace(LOCAL, user="ana", role="user", scopes=frozenset(scopes), platform=False)
    return settings.signer.sign(person)


async def test_without_a_header_a_client_is_offered_what_only_reads(running: Settings) -> None:
    async with client(running) as mcp:
        tools = (await mcp.list_tools()).tools
        with pytest.raises(MCPError, match="toolset write"):
            await mcp.call_tool("ingest", {"text": "x"})
    assert {tool.name for tool in tools} == READING
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)


async def test_the_header_chooses_toolsets_and_the_settings_bound_them(
    running: Settings, keyed: Settings
) -> None:
    async with client(running, toolsets="data, speech") as mcp:
        assert {tool.name for tool in (await mcp.list_tools()).tools} == {
            *("query_graph", "query_sql", "speak")
        }
    async with client(running, toolsets="datos") as mcp:
        with pytest.raises(MCPError, match="no toolset 'datos'; there are: all, knowledge"):
            await mcp.list_tools()
    async with client(keyed, toolsets="data", key="s3cret") as mcp:
        with pytest.raises(MCPError, match="this server leaves it out"):
            await mcp.list_tools()


async def test_writing_needs_the_toolset_and_the_scope(keyed: Settings, held: Held) -> None:
    async with client(keyed, toolsets="all", key=key_of(keyed, "read")) as mcp:
        names = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        refused = await mcp.call_tool("ingest", {"text": "x", "collection": "closed"})
    assert "ingest" not in names
    assert names["ask_agent"].annotations is not None and names["ask_agent"].annotations.read_only_hint
    assert refused.is_error and "needs a key with the scope write" in str(refused.content)
    assert "closed" not in held.documents
    async with client(keyed, toolsets="all", key=key_of(keyed, "read", "write")) as mcp:
        names = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        told = await mcp.call_tool("ask_agent", {"question": "¿Cuántos?", "thread": "t-1"})
    assert names["ingest"].annotations is not None and names["ingest"].annotations.destructive_hint
    assert "thread" in names["ask_agent"].input_schema["properties"]
    assert not (names["ask_agent"].annotations and names["ask_agent"].annotations.read_only_hint)
    assert not told.is_error


async def test_the_whole_list_costs_at_most_1500_tokens(running: Settings) -> None:
    """At four characters a token, as JSON is sent."""
    async with client(running, toolsets="all") as mcp:
        tools = (await mcp.list_tools()).tools
    sent = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    assert len(tools) == len(TOOLS) == 12
    assert len(json.dumps(sent, ensure_ascii=False, separators=(",", ":"))) / 4 <= 1_500


async def test_every_tool_says_what_it_does_in_both_languages(running: Settings) -> None:
    async with client(running, toolsets="all") as mcp:
        tools = (await mcp.list_tools()).tools
    for tool in tools:
        assert tool.description and tool.description.count(". ") >= 1, tool.name
        assert tool.input_schema["additionalProperties"] is False
        assert (tool.output_schema is None) == (tool.name == "speak")


@pytest.mark.parametrize("tool", ["query_sql", "query_graph"])
async def test_attacks_through_the_query_tools_get_the_bridges_verdict(
    running: Settings, held: Held, tool: str
) -> None:
    kind = {"query_sql": "sql", "query_graph": "ngql"}[tool]
    attacks = [*corpus(f"{kind}_writes"), *corpus("sql_hidden_writes" if kind == "sql" else "ngql_hidden")]
    benign = corpus("sql_benign" if kind == "sql" else "ngql_reads")[::3]
    held.queries.clear()
    async with client(running) as mcp:
        passed = [one for one in attacks if not (await mcp.call_tool(tool, {"query": one})).is_error]
        refused = [one for one in benign if (await mcp.call_tool(tool, {"query": one})).is_error]
    assert (passed, refused) == ([], [])
    assert len(held.queries) == len(benign) > 30
