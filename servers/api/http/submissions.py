"""Submissions of web pages, leads and conversations: a row in PostgreSQL, then a Prefect run over it.

The row is there before the answer; the run rates it, alerts and makes it searchable. The same content again
is the same row and the same run (an idempotency key).
"""

import hashlib
import json
import uuid
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, Field, model_validator

from servers.api.http import flow_runs
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.services import Services
from tools.access.identity import Principal
from tools.schema import JsonObject, Language, Wire
from tools.text.email_address import EMAIL

router = APIRouter(prefix="/api", tags=["saves"])
LETTER = {"consent", "language"}
THREAD_NAMESPACE = uuid.UUID("0d7b9a52-4f5d-5d39-8f0b-6c1d1e8e2a41")
"""Of the name-based ids (RFC 9562, version 5) of conversations that come without a thread's id."""


def _valid_text(text: str) -> str:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("holds a NUL or broken characters")
    return text


Text = Annotated[str, AfterValidator(_valid_text)]


class Letter(Wire):
    """Whether a visitor gets a letter, and in which language (by default that of what they wrote)."""

    consent: bool = False
    language: Language | None = None


class Lead(Letter):
    """A person who asked to be contacted; with `consent` they get a letter that says so."""

    email: Text = Field(min_length=3, max_length=320, pattern=EMAIL)
    name: Text = Field("", max_length=200)
    message: Text = Field("", max_length=10_000)


class Message(Wire):
    """One message of a conversation."""

    role: Text = Field(min_length=1, max_length=32)
    content: Text = Field(max_length=100_000)


class Conversation(Letter):
    """A chat that took place; without a `thread_id` its content identifies it. With `email` and `consent` a
    copy is sent there."""

    messages: list[Message] = Field(min_length=1, max_length=1_000)
    thread_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")] | None = None
    title: Text = Field("", max_length=300)
    email: Text | None = Field(None, max_length=320, pattern=EMAIL)

    @model_validator(mode="after")
    def _agreed(self) -> "Conversation":
        if self.email is not None and not self.consent:
            raise ValueError("a letter to `email` wants `consent`")
        return self


@router.post("/save-lead", status_code=202)
async def save_lead(body: Lead, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """Keep a lead and start the flow `lead_processing`."""
    lead = body.model_dump(exclude=LETTER)
    row_id = await _insert(services, "leads", lead)
    return await _start_flow(services, caller, "lead_processing", lead | _letter(body), row_id)


@router.post("/save-conversation", status_code=202)
async def save_conversation(body: Conversation, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """Keep a conversation and start the flow `conversation_logger`."""
    content = body.model_dump(exclude={*LETTER, "email"})
    thread_id = content.pop("thread_id") or str(
        uuid.uuid5(THREAD_NAMESPACE, json.dumps(content, sort_keys=True))
    )
    whose = {"metadata": {"email": body.email.lower()}} if body.email else {}
    row_id = await _insert(services, "conversations", {"id": thread_id, **content, **whose})
    parameters = {"thread_id": thread_id, **content, **_letter(body), **_collection(caller)}
    return await _start_flow(services, caller, "conversation_logger", parameters, row_id)


def _letter(body: Letter) -> JsonObject:
    """What the flow needs for a letter; nothing where none is wanted, so that its run stays the same one."""
    return body.model_dump(include={*LETTER, "email"}, exclude_none=True) if body.consent else {}


async def _insert(services: Services, table: str, values: JsonObject) -> str:
    """Insert a row through the bridge; returns its id."""
    return (await services.clients.bridge.http.json("POST", f"/api/v1/{table}", json=values))["id"]


def _collection(caller: Principal) -> JsonObject:
    """Where a person's conversations are searched: in a collection of their own, not in everybody's."""
    if caller.platform:
        return {}
    digest = hashlib.sha256(f"{caller.tenant}/{caller.user}".encode()).hexdigest()[:16]
    return {"collection": f"conversations_{digest}"}


async def _start_flow(
    services: Services, caller: Principal, deployment: str, parameters: JsonObject, row_id: str
) -> JsonObject:
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    run = await flow_runs.start(services, caller, deployment, parameters, key=f"save:{digest}", tags=["api"])
    return {"run_id": run.id, "id": row_id, "state": run.state, "status_url": f"/api/runs/{run.id}"}
