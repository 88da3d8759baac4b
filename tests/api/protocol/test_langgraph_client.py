"""Agents over HTTP, and LangGraph's own client against the Agent Protocol."""

from langgraph_sdk import get_client

from tests.api.test_protocol import PORT, started


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
        assert parts[0] == "metadata" and "values" in parts and parts[-1] == "end"
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
