"""The bridge's collections and who shares them, as its client asks for them (`bridge.py`)."""

from collections.abc import Sequence
from typing import NotRequired
from urllib.parse import quote

from typing_extensions import TypedDict

from tools.clients.http import Http


class Collection(TypedDict):
    """`version` grows with every write; `chunks` are passages."""

    name: str
    embedder: str
    dimensions: int
    languages: list[str]
    version: int
    documents: int
    chunks: int
    owner: NotRequired[str]


class Share(TypedDict):
    """Who may have a collection: `kind` is `user`, `role` (it and the stronger ones) or `everybody`, whose
    `name` is empty; `access` is `read` or `write`, which holds both."""

    kind: str
    name: str
    access: str


class Sharing(TypedDict):
    """A collection's owner and its shares."""

    collection: str
    owner: str
    shares: list[Share]


class Collections:
    """Raises `tools.errors`."""

    def __init__(self, http: Http) -> None:
        self.http = http

    async def collections(self) -> list[Collection]:
        """The tenant's collections."""
        return (await self.http.json("GET", "/api/v1/collections"))["collections"]

    async def create_collection(
        self, name: str, *, embedder: str | None = None, languages: Sequence[str] = ()
    ) -> Collection:
        """Make it, unless it is there. Raises Conflict when it has another embedder."""
        body = {"name": name, "embedder": embedder, "languages": list(languages)}
        return await self.http.json("POST", "/api/v1/collections", json=body)

    async def shares(self, name: str) -> Sharing:
        """Whose a collection is and who else may read or write it. Raises CollectionNotFound."""
        return await self.http.json("GET", f"/api/v1/collections/{quote(name, safe='')}/shares")

    async def share(self, name: str, shares: Sequence[Share]) -> Sharing:
        """Let its owner and these have a collection, nobody else. Raises CollectionNotFound, Forbidden."""
        path = f"/api/v1/collections/{quote(name, safe='')}/shares"
        return await self.http.json("PUT", path, json={"shares": list(shares)})

    async def reembed(self, name: str, *, embedder: str | None = None) -> str:
        """Begin to embed a collection again; the job's id."""
        path = f"/api/v1/collections/{quote(name, safe='')}/reembed"
        return (await self.http.json("POST", path, json={"embedder": embedder}))["job_id"]
