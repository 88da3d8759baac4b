"""n8n's workflows as data: leads, conversations, consensus, health; each calls the platform with a key.

The key is a credential in n8n, made there once (`CREDENTIAL`); no file holds it. The flows of these names
in `flows/workflows` need no n8n.
"""

import uuid
from itertools import pairwise
from typing import Any, NamedTuple

from tools.settings import Settings

CREDENTIAL = {"httpHeaderAuth": {"id": "capibara6key0001", "name": "capibara6"}}
"""Of the type Header Auth: `Authorization`, `Bearer` and a key that may write and operate."""
NAMESPACE = uuid.UUID("6f0c9a54-1d1e-5b7c-9a0b-7f6f0a3b5c21")
STEP_PX, TOP_PX = 260, 300
MINUTES = 5


class Step(NamedTuple):
    """A node of n8n: its name there, type, the type's version, parameters."""

    name: str
    kind: str
    version: float
    parameters: dict[str, Any]


def workflows(settings: Settings) -> dict[str, dict[str, Any]]:
    """The four, by the names of their files, in n8n's format of import."""
    api, waits_s = settings.api_url, settings.chat.deadline_s
    lead = {"email": "email", "name": "name ?? ''", "message": "message ?? ''", "consent": "consent ?? false"}
    said = {
        "messages": "messages",
        "title": "title ?? ''",
        "email": "email ?? null",
        "consent": "consent ?? false",
    }
    asked = "{model: 'consensus', messages: [{role: 'user', content: $json.body.question}]}"
    return {
        "lead": _workflow(
            "capibara6 · lead", _answered("lead", _post(f"{api}/api/save-lead", _fields(lead)))
        ),
        "conversation": _workflow(
            "capibara6 · conversation",
            _answered("conversation", _post(f"{api}/api/save-conversation", _fields(said))),
        ),
        "consensus": _workflow(
            "capibara6 · consensus",
            _answered("consensus", _post(f"{api}/v1/chat/completions", asked, waits_s=waits_s)),
        ),
        "health": _workflow("capibara6 · health", _watched(api)),
    }


def _answered(path: str, call: Step) -> list[Step]:
    """A webhook whose caller hears what the platform said."""
    hook = {"httpMethod": "POST", "path": path, "responseMode": "responseNode", "options": {}}
    said = {
        "respondWith": "json",
        "responseBody": "={{ JSON.stringify($json.body) }}",
        "options": {"responseCode": "={{ $json.statusCode }}"},
    }
    return [
        Step("Webhook", "n8n-nodes-base.webhook", 2, hook),
        call,
        Step("Respond", "n8n-nodes-base.respondToWebhook", 1.1, said),
    ]


def _watched(api: str) -> list[Step]:
    """Every few minutes; where not all is well the flow `health` looks closer and tells the operators."""
    every = {"rule": {"interval": [{"field": "minutes", "minutesInterval": MINUTES}]}}
    unwell = {
        "conditions": {
            "options": {"caseSensitive": True, "leftValue": "", "typeValidation": "loose", "version": 2},
            "combinator": "and",
            "conditions": [
                {
                    "id": _id("capibara6 · health", "condition"),
                    "leftValue": "={{ $json.body.status }}",
                    "rightValue": "ok",
                    "operator": {"type": "string", "operation": "notEquals"},
                }
            ],
        },
        "options": {},
    }
    return [
        Step("Schedule", "n8n-nodes-base.scheduleTrigger", 1.2, every),
        Step("Health", "n8n-nodes-base.httpRequest", 4.2, _request("GET", f"{api}/health/ready", 30.0)),
        Step("Unwell", "n8n-nodes-base.if", 2.2, unwell),
        _post(f"{api}/webhook/health", "{}"),
    ]


def _post(url: str, body: str, *, waits_s: float = 60.0) -> Step:
    """A call of the platform; `body` is an object of JavaScript."""
    sent = {"sendBody": True, "specifyBody": "json", "jsonBody": f"={{{{ JSON.stringify({body}) }}}}"}
    return Step("capibara6", "n8n-nodes-base.httpRequest", 4.2, _request("POST", url, waits_s) | sent)


def _request(method: str, url: str, waits_s: float) -> dict[str, Any]:
    """An answer that is no 2xx is an answer too: whoever asked hears it."""
    whole = {"response": {"response": {"fullResponse": True, "neverError": True}}}
    return {
        "method": method,
        "url": url,
        "authentication": "genericCredentialType",
        "genericAuthType": "httpHeaderAuth",
        "options": {"timeout": int(waits_s * 1_000), **whole},
    }


def _fields(values: dict[str, str]) -> str:
    """An object of JavaScript whose values are fields of the webhook's body."""
    return "{" + ", ".join(f"{name}: $json.body.{field}" for name, field in values.items()) + "}"


def _workflow(name: str, steps: list[Step]) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = []
    for position, step in enumerate(steps):
        node = {
            "id": _id(name, step.name),
            "name": step.name,
            "type": step.kind,
            "typeVersion": step.version,
            "position": [position * STEP_PX, TOP_PX],
            "parameters": step.parameters,
        }
        if step.kind == "n8n-nodes-base.webhook":
            node["webhookId"] = _id(name, "webhook")
        if step.kind == "n8n-nodes-base.httpRequest":
            node["credentials"] = CREDENTIAL
        nodes.append(node)
    following = pairwise(steps)
    connections = {
        step.name: {"main": [[{"node": after.name, "type": "main", "index": 0}]]} for step, after in following
    }
    return {
        "id": _id(name, "").replace("-", "")[:16],
        "name": name,
        "nodes": nodes,
        "connections": connections,
        "settings": {"executionOrder": "v1"},
        "active": False,
    }


def _id(workflow: str, part: str) -> str:
    """The same at each rendering: an import replaces what an earlier one made."""
    return str(uuid.uuid5(NAMESPACE, f"{workflow}\n{part}"))
