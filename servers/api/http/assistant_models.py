"""Assistants as OpenAI's clients see models."""

from servers.api.assistants.rows import AssistantRow
from tools.schema import JsonObject


def describe(row: AssistantRow) -> JsonObject:
    """An assistant in a list of models; its id is the model's name."""
    return {
        "id": row.assistant_id,
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": row.owner,
        "domain": "agent",
        "description": row.content["description"] or row.content["name"],
        "status": "loaded",
        "available": True,
    }
