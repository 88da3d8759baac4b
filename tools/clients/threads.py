"""Client of the agent API's threads: conversations that the API keeps, and the runs that answer in them."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import quote

from pydantic import TypeAdapter

from tools.clients.http import Http
from tools.clients.pool import Message
from tools.errors import NotFound, UpstreamFailed
from tools.schema import JsonObject, Turn

ENDINGS = ("done", "interrupted")
LISTED = ["thread_id", "status", "metadata", "created_at", "updated_at"]
"""What a list shows of a thread: its state would be read from its checkpoints."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_turns: TypeAdapter[list[Turn]] = TypeAdapter(list[Turn])


class Threads:
    """The caller's own threads; another's is `NotFound`. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def create(self, thread_id: str, metadata: JsonObject) -> None:
        """A thread of this id, unless there is one."""
        body = {"thread_id": thread_id, "metadata": metadata, "if_exists": "do_nothing"}
        await self.http.json("POST", "/threads", json=body)

    async def search(self, metadata: JsonObject, *, limit: int) -> list[JsonObject]:
        """Threads whose metadata holds `metadata`, newest first: `{thread_id, status, metadata, created_at,
        updated_at}` each."""
        wanted = {"metadata": metadata, "limit": limit, "select": LISTED}
        return await self.http.json("POST", "/threads/search", json=wanted)

    async def get(self, thread_id: str) -> JsonObject:
        """One thread: `{thread_id, status, metadata, created_at, updated_at, values}`."""
        return await self.http.json("GET", f"{_path(thread_id)}")

    async def metadata(self, thread_id: str) -> JsonObject:
        """What one's thread is marked with; its conversation is not read. Raises `NotFound`."""
        _path(thread_id)
        wanted = {"ids": [thread_id], "limit": 1, "select": LISTED}
        found = await self.http.json("POST", "/threads/search", json=wanted)
        if not found:
            raise NotFound("there is no such thread", param="thread_id", source="api")
        return found[0]["metadata"]

    async def find(self, text: str, *, limit: int) -> list[JsonObject]:
        """Threads in which all words of `text` were asked or answered, newest first: `{thread_id, excerpt}`
        each."""
        return await self.http.json("POST", "/threads/find", json={"text": text, "limit": limit})

    async def copy(self, thread_id: str, *, before: str | None = None) -> str:
        """A thread with the same conversation, up to the run `before` if that is given; its id. Raises
        `Conflict` while it is answered."""
        body = {"before": before} if before else {}
        return (await self.http.json("POST", f"{_path(thread_id)}/copy", json=body))["thread_id"]

    async def patch(self, thread_id: str, metadata: JsonObject) -> None:
        """Merge `metadata` into the thread's own."""
        await self.http.json("PATCH", f"{_path(thread_id)}", json={"metadata": metadata})

    async def delete(self, thread_id: str) -> None:
        """The thread with all that was said in it. Raises `Conflict` while it is answered."""
        await self.http.send("DELETE", f"{_path(thread_id)}")

    async def turns(self, thread_id: str) -> list[Turn]:
        """What was asked in the thread and what became of it, oldest first."""
        return _turns.validate_python(await self.http.json("GET", f"{_path(thread_id)}/turns"))

    async def shared(self, owner: str, thread_id: str) -> JsonObject:
        """`{title, owner, turns}` of another's thread that is shared with the caller. Raises `NotFound`."""
        _path(thread_id)
        return await self.http.json("GET", f"/shared/{quote(owner, safe='')}/{thread_id}")

    async def ask(
        self,
        thread_id: str,
        messages: list[Message],
        *,
        agent: str = "capibara6",
        wishes: JsonObject | None = None,
    ) -> AsyncGenerator[JsonObject, None]:
        """The run's id as `{event: "metadata", run_id}`, then its events up to `done` or `interrupted`; the
        run goes on whoever leaves. `wishes` are of one run: `model`, `collection`. Failures are raised."""
        run: JsonObject = {
            "agent_id": agent,
            "input": {"messages": messages},
            "on_disconnect": "continue",
            "config": {"configurable": wishes or {}},
        }
        async with aclosing(self._events("POST", f"{_path(thread_id)}/runs/stream", json=run)) as events:
            async for event in events:
                yield event

    async def follow(self, thread_id: str, run_id: str) -> AsyncGenerator[JsonObject, None]:
        """The events of a run from its first on, as those of `ask`."""
        path = f"{_path(thread_id)}/runs/{run_id}/stream"
        async with aclosing(self._events("GET", path)) as events:
            async for event in events:
                yield event

    async def cancel(self, thread_id: str, run_id: str) -> None:
        """End a run; when this returns it has ended."""
        await self.http.json("POST", f"{_path(thread_id)}/runs/{run_id}/cancel")

    async def forget(self, thread_id: str, run_id: str) -> None:
        """Delete a run that has ended."""
        await self.http.send("DELETE", f"{_path(thread_id)}/runs/{run_id}")

    async def _events(
        self, method: str, path: str, *, json: JsonObject | None = None
    ) -> AsyncGenerator[JsonObject, None]:
        ended = False
        async for name, data in self.http.events(method, path, json=json):
            if name == "end":  # the last thing said: read on, so that the connection can be used again
                continue
            ended = ended or name in ENDINGS
            yield {"event": name, **data}
        if not ended:
            raise UpstreamFailed("the answer was cut off", source="api")


def _path(thread_id: str) -> str:
    """A name that is none leads nowhere else. Raises `NotFound`."""
    if not _NAME.fullmatch(thread_id):
        raise NotFound("there is no such thread", param="thread_id", source="api")
    return f"/threads/{thread_id}"
