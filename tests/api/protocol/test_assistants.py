"""Assistants by LangGraph's own client, on OpenAI's API and from the command: made, used, changed, shared."""

import os
import subprocess
import sys

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import APIStatusError

from tests.agents.peers import Knobs
from tests.api.test_protocol import PORT, asking
from tools.settings import Settings


async def made(http, name: str, **fields) -> None:
    body = {"assistant_id": name, "graph_id": "capibara6", **fields}
    response = await http.post("/assistants", json=body)
    assert response.status_code == 200, response.text


async def test_assistant_is_made_changed_by_versions_and_deleted(api, knobs) -> None:
    async with get_client(url=api) as client:
        one = await client.assistants.create(
            "capibara6",
            context={"language": "en"},
            assistant_id="tutor",
            name="Tutor",
            metadata={"area": "x"},
        )
        assert (one["version"], one["context"]) == (1, {"language": "en"})
        two = await client.assistants.update("tutor", context={"language": "es"}, metadata={"more": 1})
        assert (two["version"], two["metadata"]) == (2, {"area": "x", "more": 1})
        assert [row["version"] for row in await client.assistants.get_versions("tutor")] == [2, 1]
        assert (await client.assistants.set_latest("tutor", 1))["context"] == {"language": "en"}
        assert (await client.assistants.update("tutor", name="Otro"))["version"] == 3
        assert await client.assistants.count(name="otr") == 1
        found = await client.assistants.search(metadata={"area": "x"}, response_format="object")
        assert [row["assistant_id"] for row in found["assistants"]] == ["tutor"]
        assert (await client.assistants.get_schemas("tutor"))["graph_id"] == "capibara6"
        assert (await client.assistants.get_graph("tutor"))["nodes"]
        assert await client.assistants.get_subgraphs("tutor") == {}
        await client.assistants.delete("tutor")
        with pytest.raises(APIStatusError):
            await client.assistants.get("tutor")


async def test_assistants_choices_are_those_of_its_runs_and_of_its_model(http, knobs: Knobs) -> None:
    knobs.model = "phi4_fast"
    context = {"instructions": "Sé breve.", "collections": ["uno", "dos"], "model": "phi4_fast"}
    await made(http, "breve", context=context)
    assert (await http.post("/runs/wait", json=asking(agent_id="breve"))).status_code == 200
    assert "Sé breve." in knobs.asked["/v1/chat/completions"][-1]["messages"][0]["content"]
    searched = knobs.asked["/api/v1/rag/hybrid-search"]
    assert {body["collection"] for body in searched} == {"uno", "dos"}
    assert "/v1/route" not in knobs.asked
    chat = {"model": "breve", "messages": [{"role": "user", "content": PORT}]}
    said = (await http.post("/v1/chat/completions", json=chat)).json()
    assert said["choices"][0]["message"]["content"]
    assert "Sé breve." in knobs.asked["/v1/chat/completions"][-1]["messages"][0]["content"]
    assert "breve" in [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
    own = asking(agent_id="breve", context={"collection": "tres"})
    knobs.asked.clear()
    await http.post("/runs/wait", json=own)
    assert {body["collection"] for body in knobs.asked["/api/v1/rag/hybrid-search"]} == {"tres"}


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"graph_id": "nobody"}, 404, "agent_id"),
        ({"assistant_id": "capibara6"}, 409, "assistant_id"),
        ({"assistant_id": "phi4_fast"}, 409, "assistant_id"),
        ({"context": {"no_such": 1}}, 400, "context.no_such"),
        ({"config": {"configurable": {"language": "fr"}}}, 400, "config.configurable.language"),
        ({"no_such": 1}, 400, "no_such"),
    ],
)
async def test_assistant_that_can_not_be_is_refused_by_name(http, fields, status, param) -> None:
    response = await http.post("/assistants", json={"graph_id": "capibara6", **fields})
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


async def test_platforms_own_agents_are_not_changed(http) -> None:
    assert (await http.patch("/assistants/capibara6", json={"name": "x"})).status_code == 403
    assert (await http.delete("/assistants/capibara6")).status_code == 403


def test_command_makes_shows_and_deletes_an_assistant(api, peers: tuple[Settings, Knobs], tmp_path) -> None:
    environment = {**os.environ, **peers[0].environment()}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "servers", "assistants", *words]
        return subprocess.run(
            line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    (tmp_path / "como.md").write_text("Sé breve.")
    created = command("create", "de-consola", "--instructions", "@como.md", "--collection", "uno", "--share")
    assert created.returncode == 0, created.stderr
    assert "Sé breve." in created.stdout and "everybody" in created.stdout
    assert '"version": 2' in command("update", "de-consola", "--model", "auto").stdout
    assert "Sé breve." in command("show", "de-consola").stdout
    assert command("delete", "de-consola").returncode == 0
    missing = command("show", "de-consola")
    assert missing.returncode == 1 and "de-consola" in missing.stderr
