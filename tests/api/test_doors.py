"""Items, agents, the LangGraph client and a PostgreSQL server behind the Agent Protocol."""

import pytest
from langgraph_sdk import get_client
from pydantic import SecretStr

from servers.api.runs.tables import RunRow
from servers.api.services import open_desk
from tests.api.test_protocol import PORT, started


async def test_items_are_kept_found_and_deleted(http) -> None:
    item = {"namespace": ["usuarios", "ana"], "key": "color", "value": {"text": "verde"}}
    assert (await http.put("/store/items", json=item)).status_code == 204
    found = await http.get("/store/items", params={"namespace": "usuarios.ana", "key": "color"})
    assert found.json()["value"] == {"text": "verde"}
    body = {"namespace_prefix": ["usuarios"], "filter": {"text": "verde"}}
    assert len((await http.post("/store/items/search", json=body)).json()["items"]) == 1
    spaces = (await http.post("/store/namespaces", json={"prefix": ["usuarios"]})).json()
    assert spaces == {"namespaces": [["usuarios", "ana"]]}
    await http.request("DELETE", "/store/items", json={"namespace": ["usuarios", "ana"], "key": "color"})
    gone = await http.get("/store/items", params={"namespace": "usuarios.ana", "key": "color"})
    assert gone.status_code == 404


@pytest.mark.parametrize(
    "namespace", [["a", "b.c"], ["a", "\x00"], ["a", ""], "a..b", ["a"] * 9, ["a", "b" * 129]]
)
async def test_a_namespace_that_can_not_be_is_a_400_when_it_is_read(http, namespace: list[str] | str) -> None:
    answer = await http.get("/store/items", params={"namespace": namespace, "key": "k"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "namespace")


@pytest.mark.parametrize("name", ["", ":", ".", ".a", "a b", "a\n", "ñ", "'"])
async def test_a_property_that_can_not_be_looked_for_is_a_400(http, name: str) -> None:
    answer = await http.post("/store/items/search", json={"filter": {name: 1}})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("filter")


async def test_agents_own_books_are_closed_to_clients(http) -> None:
    item = {"namespace": ["_effects"], "key": "x", "value": {}}
    assert (await http.put("/store/items", json=item)).status_code == 403


async def test_agents_describe_themselves(http) -> None:
    agents = (await http.post("/agents/search", json={})).json()
    assert agents[0]["agent_id"] == "capibara6"
    schemas = (await http.get("/agents/capibara6/schemas")).json()
    assert "question" in schemas["input_schema"]["properties"]
    assert "answer" in schemas["output_schema"]["properties"]
    assert "messages" in schemas["state_schema"]["properties"]
    assert (await http.get("/agents/nobody")).json()["error"]["code"] == "agent_not_found"


async def test_langgraph_client_works_unchanged(api, knobs) -> None:
    async with get_client(url=api) as client:
        made = await client.threads.create(metadata={"via": "sdk"})
        name = made["thread_id"]
        values = await client.runs.wait(name, "capibara6", input={"question": PORT})
        assert isinstance(values, dict) and "5000" in values["answer"]
        parts = [
            part.event
            async for part in client.runs.stream(name, "capibara6", input={"question": "¿y la pool?"})
        ]
        assert "done" in parts
        knobs.token_s = 0.3
        run = await client.runs.create(name, "capibara6", input={"question": PORT})
        await started(knobs)
        await client.runs.cancel(name, run["run_id"], wait=True)
        assert (await client.runs.get(name, run["run_id"]))["status"] == "cancelled"
        state = await client.threads.get_state(name)
        assert isinstance(state["values"], dict) and len(state["values"]["messages"]) == 4
        await client.store.put_item(["sdk"], "k", {"v": 1})
        assert (await client.store.get_item(["sdk"], "k"))["value"] == {"v": 1}
        assert (await client.assistants.search())[0]["assistant_id"] == "capibara6"


async def test_rows_and_runs_live_on_a_postgresql_server(stores, peers, knobs) -> None:
    named = stores.stores.model_copy(update={"postgres_dsn": SecretStr(stores.postgres_dsn)})
    async with open_desk(peers[0].model_copy(update={"stores": named})) as desk:
        row = await desk.threads.create("en-pg", {"user": "ana"})
        asked = {"messages": [{"role": "user", "content": PORT}]}
        live = await desk.runs.start(RunRow(thread_id=row.thread_id, agent_id="capibara6", order=asked))
        ended = await desk.runs.wait(live.row.run_id)
        assert ended.status == "success"
        assert ended.ending is not None
        assert "5000" in ended.ending["answer"]["answer"]
        assert (await desk.threads.get("en-pg")).status == "idle"
        assert len((await desk.threads.values("en-pg"))["messages"]) == 2
        await desk.threads.delete("en-pg")
        assert await desk.threads.values("en-pg") == {}


@pytest.mark.parametrize("value", ['"\\ud800"', "NaN", "Infinity", '"\\u0000"', '{"a": [NaN]}', str(2**63)])
async def test_values_that_no_store_can_take_are_refused(http, value) -> None:
    raw = f'{{"metadata": {{"x": {value}}}, "namespace": ["a"], "key": "k", "value": {{"x": {value}}}}}'
    headers = {"content-type": "application/json"}
    for method, path in (("POST", "/threads"), ("PUT", "/store/items")):
        response = await http.request(method, path, content=raw, headers=headers)
        assert response.status_code == 400
