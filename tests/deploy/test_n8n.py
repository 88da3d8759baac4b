"""n8n's workflows are whole, their nodes are n8n's, and what they call is there and takes what they send."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Match

from servers.api.http import submissions
from servers.api.http.openai.chat import ChatRequest
from servers.api.main import build_app
from servers.deploy.n8n import workflows
from tools.settings import Settings

VERSIONS = {
    "n8n-nodes-base.webhook": 2,
    "n8n-nodes-base.httpRequest": 4.2,
    "n8n-nodes-base.respondToWebhook": 1.1,
    "n8n-nodes-base.scheduleTrigger": 1.2,
    "n8n-nodes-base.if": 2.2,
}
"""Types and versions that the n8n of `deploy compose` has (n8n-nodes-base 1.97)."""
NAMES = ["consensus", "conversation", "health", "lead"]
FORMS = {
    "/api/save-lead": submissions.Lead,
    "/api/save-conversation": submissions.Conversation,
    "/v1/chat/completions": ChatRequest,
}


def nodes_of(workflow: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in workflow["nodes"]}


@pytest.fixture(params=NAMES)
def workflow(request: pytest.FixtureRequest, rendered: Path) -> dict[str, Any]:
    return json.loads((rendered / "n8n" / f"{request.param}.json").read_text())


def test_there_are_four_under_ids_of_their_own_that_stay(rendered: Path, three: Settings) -> None:
    files = sorted((rendered / "n8n").glob("*.json"))
    assert [file.stem for file in files] == NAMES
    ids = {json.loads(file.read_text())["id"] for file in files}
    assert ids == {workflow["id"] for workflow in workflows(three).values()}
    assert len(ids) == len(NAMES)


def test_every_node_is_one_of_n8ns_and_is_reached_from_the_first(workflow: dict[str, Any]) -> None:
    nodes = nodes_of(workflow)
    assert len(nodes) == len({node["id"] for node in nodes.values()}) == len(workflow["nodes"])
    assert [node["typeVersion"] for node in nodes.values()] == [VERSIONS[n["type"]] for n in nodes.values()]
    followed = [target["node"] for out in workflow["connections"].values() for target in out["main"][0]]
    first, *others = nodes
    assert first not in followed
    assert sorted(followed) == sorted(others)
    assert re.search(r"webhook|Trigger", workflow["nodes"][0]["type"])


def test_every_address_is_a_route_and_takes_the_fields_that_are_sent(
    workflow: dict[str, Any], three: Settings
) -> None:
    routes = build_app(three).routes
    calls = [node for node in workflow["nodes"] if node["type"] == "n8n-nodes-base.httpRequest"]
    assert calls
    for call in calls:
        asked = call["parameters"]
        assert call["credentials"]["httpHeaderAuth"]["name"] == "capibara6"
        path = asked["url"].removeprefix(three.api_url)
        scope = {"type": "http", "method": asked["method"], "path": path, "root_path": "", "headers": []}
        assert any(route.matches(scope)[0] is Match.FULL for route in routes), path
        if form := FORMS.get(path):
            fields = set(re.findall(r"(\w+): (?!')", asked["jsonBody"])) | {"model"} & set(form.model_fields)
            needed = {name for name, field in form.model_fields.items() if field.is_required()}
            assert needed <= fields - {"content", "role"} <= set(form.model_fields), fields
