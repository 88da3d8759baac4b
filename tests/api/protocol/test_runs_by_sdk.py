"""LangGraph's client for runs: every option has its effect, or is refused by name."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from servers.api.runs.deliveries import Outbox
from servers.api.runs.tables import RunRequest, RunRow
from servers.api.services import open_services
from tests.api.test_protocol import PORT, asking, events_of, started, thread
from tests.ports import free_port
from tests.serving import serving
from tools.access.identity import LOCAL
from tools.sections import Fetch

HUMAN = {"messages": [{"type": "human", "content": PORT}]}


@pytest.fixture
async def client(api: str, knobs) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=api) as opened:
        yield opened


async def test_stream_is_resumed_after_the_last_event_seen(client) -> None:
    name = (await client.threads.create())["thread_id"]
    made = await client.runs.create(name, "capibara6", input=HUMAN, stream_mode=["values", "updates"])
    whole = [part async for part in client.runs.join_stream(name, made["run_id"])]
    assert {part.event for part in whole} == {"metadata", "values", "updates", "end"}
    numbered = [part for part in whole if part.id]
    again = client.runs.join_stream(name, made["run_id"], last_event_id=numbered[2].id)
    assert [part.id for part in [part async for part in again] if part.id] == [p.id for p in numbered[3:]]
    some = client.runs.join_stream(name, made["run_id"], stream_mode="updates")
    assert {part.event for part in [part async for part in some]} == {"metadata", "updates", "end"}
    with pytest.raises(APIStatusError):
        async for _ in client.runs.join_stream(name, made["run_id"], stream_mode="messages-tuple"):
            pass


async def test_whole_messages_and_langchains_events_are_told(client) -> None:
    modes = ["messages", "events", "tasks", "checkpoints", "debug"]
    name = (await client.threads.create())["thread_id"]
    stream = client.runs.stream(name, "capibara6", input=HUMAN, stream_mode=modes)
    parts = [part async for part in stream]
    named = {part.event for part in parts}
    assert {"messages/metadata", "messages/partial", "messages/complete"} <= named
    assert {"events", "tasks", "checkpoints", "debug"} <= named
    ends = [part.data for part in parts if part.event == "messages/complete"]
    assert "5000" in ends[0][0]["content"]
    assert "on_chain_start" in {part.data["event"] for part in parts if part.event == "events"}


async def test_rollback_leaves_the_thread_as_it_was(client, knobs) -> None:
    name = (await client.threads.create())["thread_id"]
    await client.runs.wait(name, "capibara6", input=HUMAN)
    knobs.token_s = 0.2
    slow = await client.runs.create(name, "capibara6", input={"question": "¿y la pool?"})
    await started(knobs)
    await client.runs.cancel(name, slow["run_id"], wait=True, action="rollback")
    assert slow["run_id"] not in [run["run_id"] for run in await client.runs.list(name)]
    state = await client.threads.get_state(name)
    assert len(state["values"]["messages"]) == 2 and state["next"] == []
    again = await client.runs.create(name, "capibara6", input={"question": "¿y la pool?"})
    await started(knobs)
    knobs.token_s = 0
    await client.runs.wait(name, "capibara6", input={"question": PORT}, multitask_strategy="rollback")
    assert again["run_id"] not in [run["run_id"] for run in await client.runs.list(name)]
    assert len((await client.threads.get_state(name))["values"]["messages"]) == 4


async def test_several_runs_are_started_found_and_ended_at_once(client, http, knobs) -> None:
    knobs.token_s = 0.2
    one = {"assistant_id": "capibara6", "input": HUMAN, "metadata": {"lot": "7"}}
    made = await client.runs.create_batch([one, one])
    found = (await http.post("/runs/search", json={"metadata": {"lot": "7"}})).json()
    assert {run["run_id"] for run in found} == {run["run_id"] for run in made}
    await client.runs.cancel_many(status="all")
    for run in made:
        assert (await http.get(f"/runs/{run['run_id']}")).json()["status"] == "cancelled"


async def test_run_begins_at_a_checkpoint_or_later(client) -> None:
    name = (await client.threads.create())["thread_id"]
    await client.runs.wait(name, "capibara6", input=HUMAN)
    await client.runs.wait(name, "capibara6", input={"question": "¿y la pool?"})
    states = await client.threads.get_history(name, limit=50)
    early = next(one for one in states if len(one["values"].get("messages", [])) == 2 and not one["next"])
    forked = await client.runs.wait(
        name, "capibara6", input={"question": PORT}, checkpoint=early["checkpoint"], after_seconds=0.01
    )
    assert len(forked["messages"]) == 4 and forked["messages"][2]["content"] == PORT


async def test_context_is_followed_and_unknown_options_are_refused_by_name(client, http, knobs) -> None:
    await client.runs.wait(
        None, "capibara6", input=HUMAN, context={"collection": "mia", "model": "phi4_fast"}
    )
    assert knobs.asked["/api/v1/rag/hybrid-search"][-1]["collection"] == "mia"
    assert knobs.asked["/v1/chat/completions"][-1]["model"] == "phi4_fast"
    for field, value in (
        ("context", {"no_such": 1}),
        ("interrupt_before", ["no_such"]),
        ("command", {"update": {"route": {}}}),
        ("no_such", 1),
        ("feedback_keys", ["x"]),
    ):
        answer = await http.post("/runs/wait", json={**asking(), field: value})
        assert answer.status_code in (400, 501)
        assert answer.json()["error"]["param"].split(".")[0] in (field, "values", "input")
    passed_on = asking(config={"configurable": {"theirs": 1}}, on_disconnect="cancel")
    passed_on["input"]["theirs_too"] = 1
    answer = await http.post("/runs/wait", json=passed_on)
    assert answer.headers["x-capibara6-ignored"] == "config.configurable.theirs, input.theirs_too"


async def test_crons_without_prefect_are_503_and_say_so(client) -> None:
    with pytest.raises(APIStatusError, match="prefect is not reachable") as caught:
        await client.crons.create("capibara6", schedule="0 8 * * *", input=HUMAN)
    assert caught.value.status_code == 503


async def test_run_keeps_its_thread_where_it_was_asked_to(client) -> None:
    made = await client.runs.create(None, "capibara6", input=HUMAN, on_completion="keep")
    assert (await client.threads.get(made["thread_id"]))["metadata"]["assistant_id"] == "capibara6"
    await client.runs.join(made["thread_id"], made["run_id"])


async def test_failure_ends_a_stream_of_parts_with_its_name(http, knobs) -> None:
    knobs.token_s = 0.2
    name = await thread(http)
    run = (await http.post(f"/threads/{name}/runs", json=asking(stream_mode="values"))).json()["run_id"]
    await started(knobs)
    await http.post(f"/runs/{run}/cancel")
    events = await events_of(http, "GET", f"/runs/{run}/stream")
    assert [name for _, name, _ in events[-2:]] == ["error", "end"]
    assert events[-2][2]["error"] == "cancelled"


async def test_webhook_is_told_the_ending_though_its_receiver_was_away(
    peers, knobs, settings, monkeypatch
) -> None:
    monkeypatch.setattr("servers.api.runs.deliveries.PAUSE_S", 0.01)
    monkeypatch.setattr("servers.api.runs.deliveries.IDLE_S", 0.02)
    got: list[dict] = []
    receiver, port = FastAPI(), free_port()

    @receiver.post("/hook")
    async def hook(request: Request) -> None:
        got.append(await request.json())
        if len(got) == 1:
            raise RuntimeError("away")

    inside = Fetch(allow=("127.0.0.0/8",))
    own = peers[0].model_copy(update={"fetch": inside, "home": settings.home})
    with serving(receiver, port):
        async with open_services(own) as services:
            assert isinstance(services.runner.repository.outbox, Outbox)
            asked: RunRequest = {
                "messages": [{"role": "user", "content": PORT}],
                "webhook": f"http://127.0.0.1:{port}/hook",
            }
            row = await services.threads.create(None, LOCAL, {})
            live = await services.runner.start(
                RunRow(thread_id=row.thread_id, agent_id="capibara6", request=asked)
            )
            async with asyncio.timeout(20):
                while len(got) < 2:  # noqa: ASYNC110 - the receiver runs in a thread of its own
                    await asyncio.sleep(0.02)
    assert got[1] == got[0]
    assert (got[1]["run_id"], got[1]["status"]) == (live.row.run_id, "success")
    assert "5000" in got[1]["values"]["messages"][-1]["content"]
