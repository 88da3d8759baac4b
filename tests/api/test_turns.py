"""A thread's turns: what was asked in it and what became of it, also of what did not end well."""

import asyncio

from tests.api.test_protocol import PORT, asking, events_of, started, stopped, thread
from tools.errors import ModelUnavailable


async def turns(http, name):
    return (await http.get(f"/threads/{name}/turns")).json()


async def test_turns_hold_questions_with_whole_answers_oldest_first(http) -> None:
    name = await thread(http)
    for question in (PORT, "¿Y la del pool?"):
        await http.post(f"/threads/{name}/runs/wait", json=asking(question))
    found = await turns(http, name)
    assert [turn["question"] for turn in found] == [PORT, "¿Y la del pool?"]
    assert "5000" in found[0]["answer"]["answer"]
    assert found[0]["answer"]["citations"][0]["text"]
    newest = (await http.get(f"/threads/{name}/turns", params={"limit": 1})).json()
    assert newest == found[1:]


async def test_a_turn_under_way_and_one_that_was_stopped_keep_what_was_said(http, knobs) -> None:
    knobs.token_s = 0.3
    name = await thread(http)
    run = (await http.post(f"/threads/{name}/runs", json=asking())).json()["run_id"]
    await started(knobs)
    while not (live := (await turns(http, name))[0])["text"]:  # noqa: ASYNC110 - said in its own time
        await asyncio.sleep(0.05)
    assert (live["run_id"], live["status"], live["answer"]) == (run, "running", None)
    await http.post(f"/threads/{name}/runs/{run}/cancel")
    await stopped(knobs)
    stayed = (await turns(http, name))[0]
    assert (stayed["status"], stayed["error"]["code"]) == ("cancelled", "cancelled")
    assert stayed["text"].startswith(live["text"])
    assert stayed["citations"]
    events = await events_of(http, "GET", f"/runs/{run}/stream")
    assert "".join(data["text"] for _, kind, data in events if kind == "token") == stayed["text"]


async def test_a_failed_turn_says_why(http, knobs) -> None:
    knobs.error = ModelUnavailable("no model", source="pool")
    name = await thread(http)
    await http.post(f"/threads/{name}/runs/wait", json=asking())
    failed = (await turns(http, name))[0]
    assert (failed["status"], failed["question"]) == ("error", PORT)
    assert failed["error"]["code"] == "model_unavailable"
    assert (await http.get("/threads/nobody/turns")).status_code == 404
