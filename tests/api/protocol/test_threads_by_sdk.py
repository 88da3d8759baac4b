"""LangGraph's client for threads and the store: found by what is asked, never more; kept for their time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.errors import APIStatusError

from agents.conversation.persistence import open_persistence
from servers.api.runs.tables import open_engine
from servers.api.runs.threads import Threads
from tests.api.test_protocol import PORT
from tools.access.identity import LOCAL
from tools.errors import NotFound

HUMAN = {"messages": [{"type": "human", "content": PORT, "id": "h1"}]}


@pytest.fixture
async def client(api: str, knobs) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=api) as opened:
        yield opened


async def test_search_by_ids_finds_these_and_no_other(client) -> None:
    made = [(await client.threads.create(metadata={"kind": "ids"}))["thread_id"] for _ in range(3)]
    found = await client.threads.search(ids=made[:1])
    assert [row["thread_id"] for row in found] == made[:1]
    assert await client.threads.search(ids=["none-of-mine"]) == []
    assert await client.threads.count(metadata={"kind": "ids"}) == 3
    narrow = await client.threads.search(
        ids=made, sort_by="created_at", sort_order="asc", select=["thread_id"]
    )
    assert narrow == [{"thread_id": name} for name in made]
    assert (await client.threads.prune(made[:2]))["pruned_count"] == 2
    assert await client.threads.count(metadata={"kind": "ids"}) == 1


async def test_thread_tells_its_values_to_who_lists_it(client) -> None:
    name = (await client.threads.create())["thread_id"]
    await client.runs.wait(name, "capibara6", input=HUMAN)
    found = await client.threads.search(metadata={"graph_id": "capibara6"}, ids=[name])
    assert found[0]["values"]["messages"][0]["id"] == "h1"
    model = found[0]["values"]["model"]
    assert len(await client.threads.search(ids=[name], values={"model": model})) == 1
    assert await client.threads.search(ids=[name], values={"model": "another"}) == []


async def test_state_is_changed_by_hand_where_a_person_may(client) -> None:
    name = (await client.threads.create())["thread_id"]
    assert (await client.threads.get_state(name))["next"] == []
    await client.runs.wait(name, "capibara6", input=HUMAN)
    before = await client.threads.get_state(name)
    said = {"messages": [{"role": "assistant", "content": "Corregido.", "id": "c"}]}
    written = await client.threads.update_state(name, said)
    state = await client.threads.get_state(name, select=["values.messages"])
    assert [one["content"] for one in state["values"]["messages"]][-1] == "Corregido."
    assert state.keys() == {"values"}
    at = await client.threads.get_state(name, checkpoint_id=before["checkpoint"]["checkpoint_id"])
    assert len(at["values"]["messages"]) == 2
    older = await client.threads.get_history(name, before=written["checkpoint"]["checkpoint_id"], limit=1)
    assert older[0]["checkpoint"] == before["checkpoint"]
    for values, node in (({"route": {}}, None), ({"answer": "x"}, "no_such_node")):
        with pytest.raises(APIStatusError):
            await client.threads.update_state(name, values, as_node=node)


async def test_thread_ends_with_its_time(settings) -> None:
    async with open_persistence(settings) as memory, open_engine(settings) as engine:
        threads = Threads(engine, memory)
        await threads.create("corto", LOCAL, {}, ttl_minutes=0.0001)
        await threads.create("largo", LOCAL, {}, ttl_minutes=60)
        await asyncio.sleep(0.02)
        with pytest.raises(NotFound):
            await threads.get("corto", LOCAL)
        assert await threads.expire() == 1
        assert (await threads.get("largo", LOCAL)).ttl_minutes == 60


async def test_times_to_live_are_told_and_others_refused(client, http) -> None:
    made = await client.threads.create(ttl=5)
    assert made["ttl"]["ttl_minutes"] == 5
    changed = await client.threads.update(made["thread_id"], metadata={}, ttl=9)
    assert changed["ttl"]["ttl_minutes"] == 9
    kept = {"ttl": {"ttl": 5, "strategy": "keep_latest"}}
    assert (await http.post("/threads", json=kept)).status_code == 400
    assert (await http.post("/threads", json={"supersteps": [{}]})).status_code == 501


async def test_store_finds_what_a_query_names_best_first(client) -> None:
    await client.store.put_item(["notas"], "a", {"text": "El servidor escucha en el puerto 5000"})
    await client.store.put_item(["notas"], "b", {"text": "Las capibaras nadan", "more": ["en el río"]})
    await client.store.put_item(["notas"], "c", {"text": "El puerto de la ciudad"})
    found = (await client.store.search_items(["notas"], query="¿en qué puerto escucha el servidor?"))["items"]
    assert [item["key"] for item in found] == ["a", "c"]
    assert found[0]["score"] > found[1]["score"]
    assert [i["key"] for i in (await client.store.search_items(["notas"], query="río"))["items"]] == ["b"]
    spaces = await client.store.list_namespaces(suffix=["notas"])
    assert spaces["namespaces"] == [["notas"]]
    with pytest.raises(APIStatusError):
        await client.store.put_item(["notas"], "d", {"text": "x"}, index=["text"])


async def test_item_ends_with_its_time(client) -> None:
    await client.store.put_item(["breve"], "k", {"v": 1}, ttl=0.0001)
    for _ in range(30):
        if not (await client.store.search_items(["breve"]))["items"]:
            break
        await asyncio.sleep(0.1)
    with pytest.raises(APIStatusError):
        await client.store.get_item(["breve"], "k")


async def test_messages_written_by_hand_can_be_read_however_they_are_spelt(client, http) -> None:
    name = (await client.threads.create())["thread_id"]
    spelt = [
        {"type": "human", "content": "¿Hola?", "id": "m1"},
        {"role": "assistant", "content": "Hola."},
        ["user", "¿Y?"],
    ]
    await client.threads.update_state(name, {"messages": spelt})
    await client.threads.update_state(name, {"messages": {"type": "ai", "content": "Nada."}})
    state: Any = await client.threads.get_state(name)
    assert [one["type"] for one in state["values"]["messages"]] == ["human", "ai", "human", "ai"]
    for broken in ([{"type": "human", "content": 1}], [{"content": "nobody's"}], "\0"):
        for method, path, body in (
            ("POST", "state", {"values": {"messages": broken}}),
            ("POST", "runs", {"agent_id": "capibara6", "command": {"update": {"messages": broken}}}),
        ):
            answer = await http.request(method, f"/threads/{name}/{path}", json=body)
            assert answer.status_code == 400, answer.text
    assert (await http.get(f"/threads/{name}")).status_code == 200
