"""Toolset `write`: give the platform a text or a web page.

A text is written at once, or as a job. A page becomes a source of the caller's (`capibara6 sources`), which a
flow reads; the same page is read anew, not kept twice.
"""

import hashlib

from pydantic import BaseModel, Field, model_validator

from servers.mcp.toolbox import Arguments, Call, Tool
from tools.errors import BadRequest, Conflict
from tools.schema import CollectionName, Document, Identifier, Language

WAIT_S = 20.0
"""How long a text may take before a job goes on with it."""


class Ingesting(Arguments):
    text: str | None = Field(default=None, min_length=1, max_length=1_000_000)
    url: str | None = Field(default=None, max_length=2_000, pattern=r"^https?://")
    title: str = Field(default="", max_length=1_000)
    document_id: Identifier | None = Field(default=None, description="To replace one; by default new")
    collection: CollectionName | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "Ingesting":
        if (self.text is None) == (self.url is None):
            raise ValueError("give a text or a url")
        if self.url and (self.title or self.document_id or self.language):
            raise ValueError("title, document_id and language belong to a text")
        return self


class Ingested(BaseModel):
    """What became of it: `written`, `unchanged`, or `running` as the job or run that `run_status` follows."""

    state: str
    document_id: str | None = None
    passages: int = 0
    id: str | None = None
    source: str | None = None


async def ingest(given: Ingesting, call: Call) -> Ingested:
    """Add a text or a web page to a collection. Añade un texto o una página."""
    collection = given.collection or call.clients.settings.chat.collection
    if given.url is not None:
        return await _page(given.url, collection, call)
    assert given.text is not None
    name = given.document_id or f"mcp/{hashlib.sha256(given.text.encode()).hexdigest()[:16]}"
    document = Document(id=name, title=given.title, text=given.text, source="mcp", language=given.language)
    report = await call.clients.bridge.ingest([document], collection=collection, wait_s=WAIT_S)
    if report.failed:
        raise BadRequest(report.failed[0].reason, param="text", source="bridge")
    state = "running" if report.job_id else "written" if report.accepted else "unchanged"
    return Ingested(state=state, document_id=name, passages=report.passages, id=report.job_id)


async def _page(url: str, collection: str, call: Call) -> Ingested:
    name = f"mcp-{hashlib.sha256(f'{collection} {url}'.encode()).hexdigest()[:12]}"
    http = call.clients.api.http
    try:
        added = await http.json(
            "POST", "/v1/sources", json={"address": url, "name": name, "collection": collection}
        )
        run = added["run"]
    except Conflict:
        run = await http.json("POST", f"/v1/sources/{name}/sync")
    return Ingested(state="running", id=run["id"], source=name)


TOOLS = (Tool(ingest, Ingesting, "Ingest / Añadir", "write", "write", answers=Ingested, open_world=True),)
