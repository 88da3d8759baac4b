"""Client of the agent API's assistants: agents that people make without code."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from tools.clients.credentials import Credentials
from tools.clients.http import Http, open_http
from tools.schema import JsonObject
from tools.settings import Settings


class Assistants:
    """The caller's own assistants, and those shared with them to be read. Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def list_all(self) -> list[JsonObject]:
        """The platform's own agents, then assistants: `{assistant_id, name, graph_id, version, owner, …}`."""
        return await self.http.json("GET", "/agents")

    async def get(self, assistant_id: str) -> JsonObject:
        """One of them, with its `context`."""
        return await self.http.json("GET", _path(assistant_id))

    async def create(self, assistant_id: str, content: JsonObject) -> JsonObject:
        """Make one; `content` has name, description, graph_id, context, metadata."""
        return await self.http.json("POST", "/assistants", json={"assistant_id": assistant_id, **content})

    async def update(self, assistant_id: str, content: JsonObject) -> JsonObject:
        """A new version, in force at once."""
        return await self.http.json("PATCH", _path(assistant_id), json=content)

    async def versions(self, assistant_id: str) -> list[JsonObject]:
        """Every version, newest first."""
        return await self.http.json("POST", f"{_path(assistant_id)}/versions", json={"limit": 1_000})

    async def use(self, assistant_id: str, version: int) -> JsonObject:
        """Put a version in force."""
        return await self.http.json("POST", f"{_path(assistant_id)}/latest", json={"version": version})

    async def delete(self, assistant_id: str) -> None:
        """Delete it with its versions."""
        await self.http.send("DELETE", _path(assistant_id))


@asynccontextmanager
async def open_assistants(settings: Settings) -> AsyncIterator[Assistants]:
    """The client, for whom the caller acts; connections live as long as the block."""
    async with open_http(settings.api_url, "api", auth=Credentials(settings)) as http:
        yield Assistants(http)


def _path(assistant_id: str) -> str:
    return f"/assistants/{quote(assistant_id, safe='')}"
