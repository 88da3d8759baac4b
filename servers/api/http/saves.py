"""What a web form or a chat leaves behind: kept at once in PostgreSQL, worked on by a Prefect run.

The row is there before the answer; the run that follows rates, tells and makes it searchable. Asking again
with the same content is the same row and the same run.
"""

import hashlib
import json
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field

from tools.clients.prefect import open_prefect
from tools.schema import Wire
from tools.settings import Settings

router = APIRouter(prefix="/api", tags=["saves"])
THREADS = uuid.UUID("0d7b9a52-4f5d-5d39-8f0b-6c1d1e8e2a41")


def _plain(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("holds a NUL or broken characters")
    return text


Text = Annotated[str, AfterValidator(_plain)]


class Lead(Wire):
    email: Text = Field(min_length=3, max_length=320, pattern=r"^[^@\s<>]+@[^@\s<>]+\.[^@\s<>]+$")
    name: Text = Field("", max_length=200)
    message: Text = Field("", max_length=10_000)


class Message(Wire):
    role: Text = Field(min_length=1, max_length=32)
    content: Text = Field(max_length=100_000)


class Conversation(Wire):
    """Without a `thread_id`, the messages themselves say which conversation it is."""

    messages: list[Message] = Field(min_length=1, max_length=1_000)
    thread_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] | None = None
    title: Text = Field("", max_length=300)


@router.post("/save-lead", status_code=202)
async def save_lead(body: Lead, request: Request) -> dict[str, Any]:
    row = await _row(request, "leads", body.model_dump())
    return await _run(request, "lead_processing", body.model_dump(), row)


@router.post("/save-conversation", status_code=202)
async def save_conversation(body: Conversation, request: Request) -> dict[str, Any]:
    given = body.model_dump()
    key = given.pop("thread_id") or str(uuid.uuid5(THREADS, json.dumps(given, sort_keys=True)))
    row = await _row(request, "conversations", {"id": key, **given})
    return await _run(request, "conversation_logger", {"thread_id": key, **given}, row)


async def _row(request: Request, kind: str, values: dict[str, Any]) -> str:
    """Keep it in PostgreSQL, through the bridge; its id."""
    bridge = request.app.state.desk.clients.bridge
    return (await bridge.http.json("POST", f"/api/v1/{kind}", json=values))["id"]


async def _run(request: Request, deployment: str, parameters: dict[str, Any], row: str) -> dict[str, Any]:
    settings: Settings = request.app.state.desk.settings
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    async with open_prefect(settings) as prefect:
        run = await prefect.start(deployment, parameters, idempotency_key=f"save:{digest}", tags=["api"])
    return {"run_id": run.id, "id": row, "state": run.state, "status_url": f"/api/runs/{run.id}"}
