"""Tools of a real MCP server, offered to an agent under its own rules."""

import json
from dataclasses import replace

import pytest
from mcp.server.mcpserver import MCPServer

from agents.context import RunConfig
from agents.conversation.persistence import open_persistence
from agents.events import Done, Interrupted, ToolFinished
from agents.runtime import AgentRequest, compile_agents, run, stream
from tests.ports import free_ports
from tests.serving import serving
from tools.errors import BadRequest
from tools.remote_tools import RemoteTools

NAME = "weather__forecast"
QUESTION = "¿En qué puerto escucha la pool?"
ANSWER = [{"content": "La pool escucha en el puerto 8082 [1]."}]


@pytest.fixture(scope="module")
def weather():
    """The URL of a running MCP server with two tools."""
    server, asked = MCPServer("weather"), []

    @server.tool()
    async def forecast(city: str) -> dict[str, str]:
        """Tomorrow's weather in a city."""
        asked.append(city)
        return {"city": city, "sky": "blue"}

    @server.tool()
    async def broken() -> str:
        """Fail."""
        raise ValueError("no sensors")

    (port,) = free_ports(1)
    with serving(server.streamable_http_app(), port):
        yield f"http://127.0.0.1:{port}/mcp", asked


@pytest.fixture
def able(context, knobs, weather):
    knobs.model = "phi4_fast"
    limits = context.limits.model_copy(update={"tools": (NAME, "search_knowledge")})
    clients = replace(context.clients, remote_tools=RemoteTools({"weather": weather[0]}))
    return replace(context, clients=clients, limits=limits, config=RunConfig(tools=(NAME,)))


def calling(arguments):
    function = {"name": NAME, "arguments": json.dumps(arguments)}
    return [{"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}]


async def test_server_offers_its_tools_and_answers(weather) -> None:
    found = await RemoteTools({"weather": weather[0]}).offered(frozenset({NAME, "weather__broken"}))
    assert set(found) == {NAME, "weather__broken"}
    assert found[NAME].schema["function"]["parameters"]["required"] == ["city"]
    assert await found[NAME].call({"city": "Bilbao"}) == {"city": "Bilbao", "sky": "blue"}
    with pytest.raises(BadRequest):
        await found["weather__broken"].call({})


async def test_silent_server_offers_nothing() -> None:
    (port,) = free_ports(1)
    remote_tools = RemoteTools({"weather": f"http://127.0.0.1:{port}/mcp"})
    assert await remote_tools.offered(frozenset({NAME})) == {}
    assert await RemoteTools({"weather": "http://127.0.0.1:9/mcp"}).offered(frozenset({"other"})) == {}


async def test_remote_tool_is_called_when_granted_and_confirmed(settings, able, knobs, weather) -> None:
    weather[1].clear()
    async with open_persistence(settings) as persistence:
        ready = compile_agents(persistence)
        knobs.script = [calling({"city": "Bilbao"})]
        asked = [{"role": "user", "content": QUESTION}]
        first = AgentRequest("capibara6", asked, thread_id="a", durable=True)
        events = [event async for event in stream(ready, first, context=able)]
        assert isinstance(events[-1], Interrupted)
        assert weather[1] == []
        knobs.script = [ANSWER]
        again = AgentRequest("capibara6", thread_id="a", durable=True, command={"confirm": True})
        events = [event async for event in stream(ready, again, context=able)]
        assert isinstance(events[-1], Done)
        assert next(event for event in events if isinstance(event, ToolFinished)).result["sky"] == "blue"
        assert weather[1] == ["Bilbao"]


async def test_remote_tool_that_was_not_granted_is_refused(ready, able, knobs, weather) -> None:
    weather[1].clear()
    knobs.script = [calling({"city": "Bilbao"}), ANSWER]
    order = AgentRequest("capibara6", [{"role": "user", "content": QUESTION}])
    await run(ready, order, context=replace(able, config=RunConfig(tools=("search_knowledge",))))
    assert weather[1] == []
