"""Assistants through MCP: whoever asks lists and asks their own and those shared with them, and no others."""

from collections.abc import Iterator

import httpx
import pytest

from servers.api.main import build_app as build_api
from servers.mcp.main import build_app
from tests.agents.peers import Knobs, build_bridge, build_pool
from tests.conftest import settings_in
from tests.mcp.conftest import client
from tests.serving import serving
from tools.access.identity import SCOPES, Principal
from tools.settings import Settings

ANA, BERTO = (Principal("huerta", user, "user", SCOPES["user"], "c6") for user in ("ana", "berto"))
QUESTION = {"question": "¿En qué puerto escucha el agente?"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Knobs]]:
    """Settings of an MCP server before a real API; the knobs of the pool behind it."""
    settings, knobs = settings_in(tmp_path_factory.mktemp("whole")), Knobs()
    ports = settings.ports
    with (
        serving(build_pool(knobs), ports.pool),
        serving(build_bridge(knobs), ports.bridge),
        serving(build_api(settings), ports.api),
        serving(build_app(settings), ports.mcp),
    ):
        yield settings, knobs


async def test_assistant_is_a_choice_of_those_who_may_use_it(whole: tuple[Settings, Knobs]) -> None:
    settings, knobs = whole
    token = {person: settings.signer.sign(person) for person in (ANA, BERTO)}
    auth = {"authorization": f"Bearer {token[ANA]}"}
    body = {"assistant_id": "tutor", "graph_id": "capibara6", "name": "Tutor de riego"}
    async with httpx.AsyncClient(base_url=settings.api_url, headers=auth, trust_env=False) as http:
        made = await http.post(
            "/assistants", json={**body, "context": {"instructions": "Contesta como un hortelano."}}
        )
        assert made.status_code == 200, made.text
        async with client(settings, key=token[ANA]) as ana, client(settings, key=token[BERTO]) as berto:
            listed = (await ana.call_tool("list_models", {})).structured_content or {}
            assert ("tutor", "Tutor de riego") in [
                (model["id"], model["description"]) for model in listed["models"]
            ]
            answered = await ana.call_tool("ask_agent", {**QUESTION, "agent": "tutor"})
            assert not answered.is_error, answered
            assert "5000" in (answered.structured_content or {})["answer"]
            assert "hortelano" in str(knobs.asked["/v1/chat/completions"][-1]["messages"])
            refused = await berto.call_tool("ask_agent", {**QUESTION, "agent": "tutor"})
            assert refused.is_error and "there is no agent tutor" in str(refused.content)
            await http.patch("/assistants/tutor", json={"metadata": {"sharing": "everybody"}})
            assert not (await berto.call_tool("ask_agent", {**QUESTION, "agent": "tutor"})).is_error
