"""The Agent Protocol's streaming: `RemoteGraph`'s third form of events, commands, and the 27 operations."""

import asyncio
from contextlib import aclosing

import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client

from tests.api.test_protocol import PORT, asking, parse, thread

OPERATIONS = """
POST /agents/search, GET /agents/{agent_id}, GET /agents/{agent_id}/schemas, POST /threads, POST /threads/search,
GET /threads/{thread_id}/history, POST /threads/{thread_id}/copy, GET /threads/{thread_id},
DELETE /threads/{thread_id}, PATCH /threads/{thread_id}, POST /runs/search, GET /runs/{run_id}, DELETE /runs/{run_id},
GET /runs/{run_id}/wait, GET /runs/{run_id}/stream, POST /runs/{run_id}/cancel, POST /runs, POST /runs/stream,
POST /runs/wait, POST /threads/{thread_id}/stream, GET /threads/{thread_id}/stream,
POST /threads/{thread_id}/commands, PUT /store/items, DELETE /store/items, GET /store/items,
POST /store/items/search, POST /store/namespaces
"""  # noqa: E501
"""Of the Agent Protocol's openapi.json, commit 753182477108."""


async def test_every_operation_of_the_agent_protocol_is_there(http) -> None:
    served = (await http.get("/openapi.json")).json()["paths"]
    wanted = [one.split() for one in OPERATIONS.replace("\n", " ").split(",")]
    assert len(wanted) == 27
    assert [(verb, path) for verb, path in wanted if verb.lower() not in served.get(path, {})] == []


async def test_remote_graph_streams_its_third_form_of_events(api, knobs) -> None:
    async with get_client(url=api) as client:
        remote = RemoteGraph("capibara6", client=client)
        asked = {"messages": [{"type": "human", "content": PORT}]}
        async with await remote.astream_events(asked, version="v3") as run:
            async with asyncio.timeout(30):
                messages = [message async for message in run.messages]
                said = "".join([piece async for piece in messages[0].text])
                values = await run.output()
    assert "5000" in said
    assert "5000" in values["messages"][-1]["content"]


async def test_channels_are_told_from_any_number_on(http) -> None:
    name = await thread(http)
    start = {"id": 1, "method": "run.start", "params": {"assistant_id": "capibara6", **asking()}}
    start["params"].pop("agent_id")
    answer = (await http.post(f"/threads/{name}/commands", json=start)).json()
    assert answer["type"] == "success"
    await http.get(f"/runs/{answer['result']['run_id']}/wait")
    wanted = {"channels": ["lifecycle", "messages", "updates"]}
    events = await told(http, name, wanted)
    assert events[0]["params"]["data"]["event"] == "running"
    kinds = [one["params"]["data"]["event"] for one in events if one["method"] == "messages"]
    assert kinds[:2] == ["message-start", "content-block-start"] and kinds[-1] == "message-finish"
    later = await told(http, name, {**wanted, "since": events[3]["seq"]})
    assert [one["seq"] for one in later] == [one["seq"] for one in events[4:]]


async def test_state_is_read_by_commands_and_unknown_ones_are_an_error(http) -> None:
    name = await thread(http)
    await http.post(f"/threads/{name}/runs/wait", json=asking())
    path = f"/threads/{name}/commands"
    state = (
        await http.post(path, json={"id": 2, "method": "state.get", "params": {"keys": ["answer"]}})
    ).json()
    assert "5000" in state["result"]["values"]["answer"]
    listed = (await http.post(path, json={"id": 3, "method": "state.listCheckpoints"})).json()
    assert state["result"]["checkpoint"]["id"] == listed["result"]["checkpoints"][0]["id"]
    for command in (
        {"id": 4, "method": "no.such"},
        {"id": 4, "method": "run.start", "params": {"no_such": 1}},
    ):
        refused = (await http.post(path, json=command)).json()
        assert (refused["type"], refused["id"]) == ("error", 4)
    other = await http.post(f"/threads/{name}/stream", json={"channels": ["no_such"]})
    assert other.status_code == 400
    assert (await http.get(f"/threads/{name}/stream")).status_code == 501


async def told(http, name: str, body: dict) -> list[dict]:
    """Events up to the end of a run."""
    lines: list[str] = []
    async with (
        asyncio.timeout(20),
        http.stream("POST", f"/threads/{name}/stream", json=body) as response,
        aclosing(response.aiter_lines()) as coming,
    ):
        async for line in coming:
            lines.append(line)
            if line.startswith("data: ") and '"event":"completed"' in line:
                break
    return [data for _, _, data in parse(lines)]


@pytest.mark.parametrize("body", [{}, {"channels": []}, {"channels": ["values"], "since": -1}])
async def test_stream_that_can_not_be_is_refused(http, body) -> None:
    name = await thread(http)
    assert (await http.post(f"/threads/{name}/stream", json=body)).status_code == 400
