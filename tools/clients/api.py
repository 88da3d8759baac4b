"""Client of the agent API: what the CLI, the UI and the MCP server use to ask an agent, and its files."""

import json as json_codec
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import quote
from uuid import uuid4

from typing_extensions import TypedDict

from tools.clients.credentials import Credentials
from tools.clients.http import Http, open_http
from tools.clients.pool import Message, ModelInfo
from tools.errors import UpstreamFailed
from tools.schema import Answer, JsonObject
from tools.settings import Settings

UPLOAD_S = 300.0
"""A text is ingested before the answer."""


class Api:
    """Asks agents through OpenAI's wire; the agent's own events travel in each chunk's `capibara6` field."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def stream(
        self,
        messages: list[Message],
        *,
        agent: str = "capibara6",
        metadata: dict[str, str] | None = None,
    ) -> AsyncGenerator[JsonObject, None]:
        """Agent events in order, as dicts with `event`: routed, retrieved, tool_started, …, token, done.

        The last one is `done` and carries `answer`, an `Answer` as JSON. Failures are raised.
        """
        request = {"model": agent, "messages": messages, "stream": True, "metadata": metadata or {}}
        finished = False
        async for _, chunk in self.http.events("POST", "/v1/chat/completions", json=request):
            event = chunk.get("capibara6")
            if event is not None:
                finished = finished or event["event"] == "done"
                yield event
        if not finished:
            raise UpstreamFailed("the answer was cut off", source="api")

    async def ask(
        self, question: str, *, agent: str = "capibara6", metadata: dict[str, str] | None = None
    ) -> Answer:
        """Ask once and wait for the whole answer. Raises `tools.errors`."""
        messages = [{"role": "user", "content": question}]
        last: JsonObject = {}
        async for event in self.stream(messages, agent=agent, metadata=metadata):
            last = event
        return Answer.model_validate(last["answer"])

    async def start_run(self, body: JsonObject, *, thread_id: str | None = None) -> JsonObject:
        """Start a run of an agent or assistant in the background, on a thread or without one."""
        path = f"/threads/{quote(thread_id, safe='')}/runs" if thread_id else "/runs"
        return await self.http.json("POST", path, json=body)

    async def run(self, run_id: str) -> JsonObject:
        """A run as it is now: `{run_id, thread_id, status, …}`."""
        return await self.http.json("GET", f"/runs/{quote(run_id, safe='')}")

    async def find_runs(self, metadata: JsonObject) -> list[JsonObject]:
        """The runs that were started with these metadata, newest first."""
        return await self.http.json("POST", "/runs/search", json={"metadata": metadata})

    async def models(self) -> list[ModelInfo]:
        """The agents, and the pool's models behind them."""
        return (await self.http.json("GET", "/v1/models"))["data"]


class StoredFile(TypedDict):
    """A file: `uploaded` until a flow has read it; `status_details` says why that ended in `error`. `bytes`
    is its size, `collection` where its documents are, `created_at` in seconds since 1970."""

    id: str
    filename: str
    bytes: int
    created_at: int
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None
    collection: str


class Files:
    """The caller's own files. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def upload(self, name: str, content: bytes, *, collection: str) -> StoredFile:
        """Keep a file and have it read into a collection, which is made when it is not there."""
        boundary = uuid4().hex
        fields: JsonObject = {"purpose": "assistants", "collection": collection}
        body = b"".join(_field(boundary, key, value) for key, value in fields.items())
        body += _head(boundary, f'name="file"; filename={json_codec.dumps(name, ensure_ascii=False)}')
        body += content + f"\r\n--{boundary}--\r\n".encode()
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return await self.http.json("POST", "/v1/files", content=body, headers=headers, timeout=UPLOAD_S)

    async def get(self, file_id: str) -> StoredFile:
        """A file as it is now."""
        return await self.http.json("GET", _file_path(file_id))

    async def list_all(self) -> list[StoredFile]:
        """Every file of the caller's, newest first."""
        return (await self.http.json("GET", "/v1/files", params={"limit": 10_000}))["data"]

    async def delete(self, file_id: str) -> None:
        """Forget a file with its documents."""
        await self.http.send("DELETE", _file_path(file_id))


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[Api]:
    """The API's client, for whom the caller acts; connections live as long as the block."""
    async with open_http(
        settings.api_url, "api", auth=Credentials(settings), timeout=settings.chat.deadline_s
    ) as http:
        yield Api(http)


def _file_path(file_id: str) -> str:
    return f"/v1/files/{quote(file_id, safe='')}"


def _field(boundary: str, name: str, value: str) -> bytes:
    return _head(boundary, f'name="{name}"') + f"{value}\r\n".encode()


def _head(boundary: str, what: str) -> bytes:
    return f"--{boundary}\r\nContent-Disposition: form-data; {what}\r\n\r\n".encode()
