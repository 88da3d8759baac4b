import asyncio
import json

import pytest

from tools.errors import ModelUnavailable

PORT = "¿En qué puerto escucha la API?"


def asking(text=PORT, **fields):
    return {"agent_id": "capibara6", "input": {"question": text}, **fields}


async def thread(http, **fields) -> str:
    return (await http.post("/threads", json=fields)).json()["thread_id"]


async def events_of(http, method, path, headers=None, **body):
    """`(id, event, data)` of every server-sent event."""
    async with http.stream(method, path, headers=headers, **body) as response:
        assert response.status_code == 200
        return parse([line async for line in response.aiter_lines()])


def parse(lines):
    found, number, name = [], None, None
    for line in lines:
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            found.append((number, name, json.loads(line[6:])))
            number = None
    return found


async def started(knobs) -> None:
    while not knobs.open_streams:  # noqa: ASYNC110 - the peer runs in a thread of its own
        await asyncio.sleep(0.01)


async def stopped(knobs) -> None:
    while knobs.open_streams:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_thread_is_created_read_changed_found_and_deleted(http) -> None:
    made = (await http.post("/threads", json={"metadata": {"user": "ana"}})).json()
    path = f"/threads/{made['thread_id']}"
    assert made["status"] == "idle"
    await http.patch(path, json={"metadata": {"tema": "puertos"}})
    assert (await http.get(path)).json()["metadata"] == {"user": "ana", "tema": "puertos"}
    found = (await http.post("/threads/search", json={"metadata": {"tema": "puertos"}})).json()
    assert [one["thread_id"] for one in found] == [made["thread_id"]]
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404


async def test_thread_id_that_exists_is_a_conflict_unless_asked_otherwise(http) -> None:
    name = await thread(http, thread_id="uno")
    assert (await http.post("/threads", json={"thread_id": name})).status_code == 409
    again = await http.post("/threads", json={"thread_id": name, "if_exists": "do_nothing"})
    assert again.json()["thread_id"] == name


async def test_run_waits_for_its_answer_and_the_thread_remembers_it(http) -> None:
    name = await thread(http)
    body = (await http.post(f"/threads/{name}/runs/wait", json=asking())).json()
    assert "5000" in body["ending"]["answer"]["answer"]
    assert body["run"]["status"] == "success"
    assert [message["role"] for message in body["messages"]] == ["user", "assistant"]
    await http.post(f"/threads/{name}/runs/wait", json=asking("¿y la pool?"))
    values = (await http.get(f"/threads/{name}")).json()["values"]
    assert len(values["messages"]) == 4
    assert "8082" in values["answer"]


async def test_history_goes_back_checkpoint_by_checkpoint(http) -> None:
    name = await thread(http)
    await http.post(f"/threads/{name}/runs/wait", json=asking())
    history = (await http.get(f"/threads/{name}/history", params={"limit": 50})).json()
    assert len(history) >= 4
    assert history[0]["values"]["answer"]
    before = history[1]["checkpoint"]["checkpoint_id"]
    older = (await http.post(f"/threads/{name}/history", json={"before": before, "limit": 50})).json()
    assert len(older) == len(history) - 2


async def test_copy_remembers_the_same_and_goes_its_own_way(http) -> None:
    name = await thread(http)
    await http.post(f"/threads/{name}/runs/wait", json=asking())
    copied = (await http.post(f"/threads/{name}/copy")).json()
    body = (await http.post(f"/threads/{copied['thread_id']}/runs/wait", json=asking("¿y la pool?"))).json()
    assert "8082" in body["answer"]
    assert len(body["messages"]) == 4
    assert len((await http.get(f"/threads/{name}")).json()["values"]["messages"]) == 2


async def test_background_run_is_accepted_and_can_be_joined(http, knobs) -> None:
    knobs.token_s = 0.02
    name = await thread(http)
    response = await http.post(f"/threads/{name}/runs", json=asking())
    assert response.status_code == 200
    run = response.json()["run_id"]
    assert (await http.get(f"/threads/{name}/runs/{run}")).json()["status"] in ("pending", "running")
    body = (await http.get(f"/threads/{name}/runs/{run}/join")).json()
    assert "5000" in body["answer"]
    assert [one["run_id"] for one in (await http.get(f"/threads/{name}/runs")).json()] == [run]


async def test_stream_names_its_events_and_ends(http) -> None:
    name = await thread(http)
    events = await events_of(http, "POST", f"/threads/{name}/runs/stream", json=asking())
    names = [event for _, event, _ in events]
    assert names[0] == "metadata"
    assert {"routed", "retrieved", "token", "citation", "done"} <= set(names)
    assert names[-2:] == ["done", "end"]
    assert all(data["run_id"] and data["at_ms"] >= 0 for _, name, data in events[1:-1])


async def test_stream_cut_off_is_rejoined_from_the_last_event_seen(http, knobs) -> None:
    knobs.token_s = 0.02
    name = await thread(http)
    body = asking(on_disconnect="continue")
    seen = []
    async with http.stream("POST", f"/threads/{name}/runs/stream", json=body) as response:
        async for line in response.aiter_lines():
            seen.append(line)
            if line.startswith("event: token"):
                break
    head = parse([*seen, "data: {}"])
    last, run = next(n for n, *_ in reversed(head) if n), head[0][2]["run_id"]
    path = f"/threads/{name}/runs/{run}/stream"
    tail = await events_of(http, "GET", path, headers={"last-event-id": last})
    assert tail[-1][1] == "end"
    whole = await events_of(http, "GET", path)
    assert len(head) - 1 + len(tail) - 2 == len(whole) - 2
    text = "".join(data["text"] for _, event, data in whole if event == "token")
    assert text.strip() == whole[-2][2]["answer"]["answer"]


async def test_second_run_on_a_busy_thread_is_refused_or_queues_as_asked(http, knobs) -> None:
    knobs.token_s = 0.05
    name = await thread(http)
    first = (await http.post(f"/threads/{name}/runs", json=asking())).json()["run_id"]
    refused = await http.post(f"/threads/{name}/runs", json=asking())
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "thread_busy")
    chat = {
        "messages": [{"role": "user", "content": PORT}],
        "metadata": {"thread_id": name},
    }
    assert (await http.post("/v1/chat/completions", json=chat)).status_code == 409
    assert (await http.delete(f"/threads/{name}")).status_code == 409
    queued = await http.post(
        f"/threads/{name}/runs/wait", json=asking("¿y la pool?", multitask_strategy="enqueue")
    )
    assert (await http.get(f"/runs/{first}")).json()["status"] == "success"
    roles = [message["role"] for message in queued.json()["messages"]]
    assert roles == ["user", "assistant", "user", "assistant"]


async def test_new_run_may_interrupt_the_one_before(http, knobs) -> None:
    knobs.token_s = 0.1
    name = await thread(http)
    first = (await http.post(f"/threads/{name}/runs", json=asking())).json()["run_id"]
    await started(knobs)
    knobs.token_s = 0
    body = asking("¿En qué puerto escucha la pool?", multitask_strategy="interrupt")
    answer = (await http.post(f"/threads/{name}/runs/wait", json=body)).json()
    assert "8082" in answer["answer"]
    assert (await http.get(f"/runs/{first}")).json()["status"] == "cancelled"
    assert len(answer["messages"]) == 2


async def test_cancel_ends_the_run_and_the_model_call(http, knobs) -> None:
    knobs.token_s = 0.3
    name = await thread(http)
    run = (await http.post(f"/threads/{name}/runs", json=asking())).json()["run_id"]
    await started(knobs)
    assert (await http.post(f"/threads/{name}/runs/{run}/cancel")).json()["status"] == "cancelled"
    await stopped(knobs)
    assert (await http.get(f"/threads/{name}")).json()["status"] == "idle"
    events = await events_of(http, "GET", f"/runs/{run}/stream")
    assert events[-2][2]["error"]["code"] == "cancelled"


@pytest.mark.parametrize("path", ["wait", "stream"])
async def test_leaving_ends_the_run_unless_asked_otherwise(http, knobs, path) -> None:
    knobs.token_s = 0.3
    name = await thread(http)
    leaving = asyncio.create_task(http.post(f"/threads/{name}/runs/{path}", json=asking()))
    await started(knobs)
    leaving.cancel()
    await stopped(knobs)
    run = (await http.get(f"/threads/{name}/runs")).json()[0]
    assert (await http.get(f"/runs/{run['run_id']}/wait")).status_code == 499


async def test_stateless_run_leaves_no_thread_behind(http) -> None:
    body = (await http.post("/runs/wait", json=asking())).json()
    assert "5000" in body["ending"]["answer"]["answer"]
    assert body["run"]["thread_id"] is None
    events = await events_of(http, "POST", "/runs/stream", json=asking())
    assert events[-1][1] == "end"


async def test_failed_run_says_why_and_frees_the_thread(http, knobs) -> None:
    knobs.error = ModelUnavailable("no model", source="pool")
    name = await thread(http)
    response = await http.post(f"/threads/{name}/runs/wait", json=asking())
    assert (response.status_code, response.json()["error"]["code"]) == (503, "model_unavailable")
    assert (await http.get(f"/threads/{name}")).json()["status"] == "error"
    knobs.error = None
    assert (await http.post(f"/threads/{name}/runs/wait", json=asking())).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/threads/nobody/runs/wait", asking(), 404),
        ("/runs/wait", asking(agent_id="nobody"), 404),
        ("/runs/wait", {"agent_id": "capibara6"}, 400),
        ("/runs/wait", asking(""), 400),
        ("/runs/wait", asking("a" * 40_000), 413),
        ("/runs/wait", asking(webhook="http://127.0.0.1:9"), 403),
        ("/runs/wait", asking(feedback_keys=["x"]), 501),
        ("/runs/wait", asking(no_such_field=1), 400),
        ("/runs/wait", asking(config={"configurable": {"language": "fr"}}), 400),
        ("/threads", {"thread_id": "../x"}, 400),
    ],
)
async def test_nonsense_is_refused_in_the_error_shape(http, path, body, status) -> None:
    response = await http.post(path, json=body)
    assert response.status_code == status
    assert response.json()["error"]["code"]


async def test_command_needs_a_run_that_waits(http) -> None:
    name = await thread(http)
    body = {"agent_id": "capibara6", "command": {"resume": {"confirm": True}}}
    refused = await http.post(f"/threads/{name}/runs/wait", json=body)
    assert refused.status_code == 409
    assert "waits" in refused.json()["error"]["message"]


async def test_silent_stream_beats_so_that_nobody_hangs_up(http, knobs, monkeypatch) -> None:
    monkeypatch.setattr("servers.api.http.run_events.HEARTBEAT_S", 0.05)
    knobs.first_s = 0.4
    name = await thread(http)
    async with http.stream("POST", f"/threads/{name}/runs/stream", json=asking()) as response:
        assert response.headers["x-accel-buffering"] == "no"
        lines = [line async for line in response.aiter_lines()]
    assert ": keep-alive" in lines
    assert "event: end" in lines
