"""LangGraph's `RemoteGraph` against the API: asked, streamed, read, changed, a node of another graph."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteException, RemoteGraph
from langgraph_sdk import get_client, get_sync_client

from tests.api.test_protocol import PORT
from tools.errors import ModelUnavailable

ASKED = {"messages": [{"type": "human", "content": PORT, "id": "mine"}]}
T = TypeVar("T")


@pytest.fixture
async def remote(api: str, knobs) -> AsyncIterator[RemoteGraph]:
    with get_sync_client(url=api) as blocking:
        async with get_client(url=api) as client:
            yield RemoteGraph("capibara6", client=client, sync_client=blocking)


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


async def in_thread(call: Callable[[], T]) -> T:
    """Its synchronous client blocks, and the server is in this process."""
    return await asyncio.to_thread(call)


async def test_invoke_answers_with_the_state(remote) -> None:
    values = await remote.ainvoke(ASKED)
    assert (values["messages"][0]["type"], values["messages"][0]["id"]) == ("human", "mine")
    assert "5000" in values["messages"][-1]["content"]
    assert values["messages"][-1]["type"] == "ai"
    assert "5000" in (await in_thread(lambda: remote.invoke(ASKED)))["answer"]


async def test_each_stream_mode_tells_what_langgraph_tells(remote) -> None:
    updates = [part async for part in remote.astream(ASKED, stream_mode="updates")]
    nodes = [node for part in updates for node in part]
    assert nodes[0] == "understand" and {"route", "retrieve", "answer", "check"} <= set(nodes)
    values = [part async for part in remote.astream(ASKED, stream_mode="values")]
    assert values[0]["messages"][-1]["content"] == PORT
    assert "5000" in values[-1]["messages"][-1]["content"]
    pieces = [part async for part in remote.astream(ASKED, stream_mode="messages")]
    assert {piece["id"] for piece, _ in pieces} == {pieces[0][0]["id"]}
    assert "5000" in "".join(piece["content"] for piece, _ in pieces)
    told = [part async for part in remote.astream(ASKED, stream_mode="custom")]
    assert {"routed", "retrieved", "token"} <= {event["event"] for event in told}
    several = [part async for part in remote.astream(ASKED, stream_mode=["values", "updates"])]
    assert {part.event for part in several} == {"values", "updates"}


async def test_state_is_read_and_changed_by_hand(remote) -> None:
    config = on("remoto")
    await remote.ainvoke(ASKED, config)
    state = await remote.aget_state(config)
    assert state.next == () and state.tasks == () and len(state.values["messages"]) == 2
    changed = {"messages": [{"role": "user", "content": "otra cosa", "id": "mine"}]}
    written = await remote.aupdate_state(config, changed)
    assert written["configurable"]["checkpoint_id"] != state.config["configurable"]["checkpoint_id"]
    now = await remote.aget_state(config)
    assert now.values["messages"][0]["content"] == "otra cosa"
    before = await remote.aget_state(state.config)
    assert before.values["messages"][0]["content"] == PORT
    history = [one async for one in remote.aget_state_history(config, limit=50)]
    assert len(history) > 4 and history[0].config == now.config
    assert await in_thread(lambda: remote.get_state(config).values) == now.values


async def test_run_stops_before_a_node_and_goes_on(remote) -> None:
    config = on("parada")
    await remote.ainvoke(ASKED, config, interrupt_before=["answer"])
    state = await remote.aget_state(config)
    assert state.next == ("answer",)
    values = await remote.ainvoke(None, config)
    assert "5000" in values["messages"][-1]["content"]
    assert (await remote.aget_state(config)).next == ()


async def test_agent_is_a_node_of_another_graph(remote) -> None:
    graph = StateGraph(MessagesState)
    graph.add_node("asking", remote)
    graph.add_edge(START, "asking")
    graph.add_edge("asking", END)
    outer = graph.compile()
    said = await outer.ainvoke({"messages": [HumanMessage(PORT, id="q")]}, on("fuera"))
    assert [type(one) for one in said["messages"]] == [HumanMessage, AIMessage]
    assert "5000" in said["messages"][-1].content
    again = [*said["messages"], HumanMessage("¿y la pool?", id="r")]
    more = await outer.ainvoke({"messages": again}, on("fuera"))
    assert [one.id for one in more["messages"]][:3] == ["q", said["messages"][1].id, "r"]
    assert len(more["messages"]) == 4 and "8082" in more["messages"][-1].content
    streamed = [part async for part in outer.astream({"messages": again}, subgraphs=True)]
    assert any(namespace for namespace, _ in streamed)


async def test_graph_is_drawn(remote) -> None:
    drawn = await remote.aget_graph()
    assert {"understand", "retrieve", "answer"} <= set(drawn.nodes)
    assert any(edge.conditional for edge in drawn.edges)


async def test_failure_is_raised_and_named(remote, knobs) -> None:
    knobs.error = ModelUnavailable("no model", source="pool")
    with pytest.raises(RemoteException, match="model_unavailable"):
        await remote.ainvoke(ASKED)


async def test_recursion_limit_ends_the_run(remote) -> None:
    with pytest.raises(RemoteException, match="recursion_limit"):
        await remote.ainvoke(ASKED, {"recursion_limit": 2})
