"""Client of the agent API: what the CLI, the UI and the MCP server use to ask an agent."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from tools.clients.credentials import Credentials
from tools.clients.http import Http, open_http
from tools.clients.pool import Message, ModelInfo
from tools.errors import UpstreamFailed
from tools.schema import Answer, JsonObject
from tools.settings import Settings


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


@asynccontextmanager
async def open_api(settings: Settings) -> AsyncIterator[Api]:
    """The API's client, for whom the caller acts; connections live as long as the block."""
    async with open_http(
        settings.api_url, "api", auth=Credentials(settings), timeout=settings.chat.deadline_s
    ) as http:
        yield Api(http)
