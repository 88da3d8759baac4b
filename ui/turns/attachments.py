"""Files that people hand over, to a conversation or to a collection: the API keeps and reads them.

A conversation's files are in a collection of its own, which its thread's metadata name under `FILES`.
"""

import re
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from servers.web.door import Form
from tools.clients.api import Files, StoredFile
from tools.clients.threads import Threads
from tools.errors import BadRequest, Capibara6Error, NotFound
from tools.schema import CollectionName
from ui.access.identity import Visit, visit_of
from ui.clients import Clients

UPLOAD_PATH: Final = "/uploads"
FORMS: Final = {UPLOAD_PATH: Form((b"application/octet-stream",), pages=True)}
FILES: Final = "files"
"""The key in a thread's metadata."""
PREFIX: Final = "talk_"
"""What the collections of conversations begin with."""
COLLECTION: Final = re.compile(rf"{PREFIX}[a-z0-9]{{8,40}}")
_FILE_ID: Final = re.compile(r"(?:upload://)?(file-[\w-]{1,64})(?:/.*)?")


def build_router(clients: Callable[[], Clients]) -> APIRouter:
    """`POST /uploads?name=&collection=` with a file's bytes, and `GET /uploads/{id}`: what became of it."""
    router = APIRouter()

    @router.post(UPLOAD_PATH)
    async def upload(
        request: Request,
        name: Annotated[str, Query(min_length=1, max_length=240, pattern=r"^[^\x00-\x1f/\\]+$")],
        collection: Annotated[CollectionName, Query()],
    ) -> StoredFile:
        """Hand a file over; one of the same name that was there before goes when this one has been read."""
        content, files = await request.body(), clients().files
        with visit_of(request).acting():
            stored = await files.upload(name, content, collection=collection)
            return await _in_its_place(files, stored)

    @router.get(UPLOAD_PATH + "/{file_id}")
    async def look(file_id: str, request: Request) -> StoredFile:
        """A file as it is now."""
        files = clients().files
        with visit_of(request).acting():
            return await _in_its_place(files, await files.get(file_id))

    return router


async def attach(threads: Threads, visit: Visit, thread_id: str, collection: str) -> None:
    """Note where a conversation's files are. Raises BadRequest, NotFound."""
    if not COLLECTION.fullmatch(collection):
        raise BadRequest("this is no collection of a conversation", param="collection", source="ui")
    with visit.acting():
        await threads.patch(thread_id, {FILES: collection})


async def files_of(threads: Threads, visit: Visit, thread_id: str) -> str:
    """The collection of a conversation's files; empty where it has none, or where nobody can say."""
    if not thread_id:
        return ""
    try:
        with visit.acting():
            return str((await threads.metadata(thread_id)).get(FILES) or "")
    except Capibara6Error:  # the page says by itself what is wrong with the conversation
        return ""


async def forget_files(files: Files, collection: str) -> None:
    """Delete what was uploaded into a conversation's collection; the caller acts for its owner."""
    for one in await files.list_all():
        if one["collection"] == collection:
            await files.delete(one["id"])


def file_id_of(document_id: str) -> str:
    """The uploaded file that a document came from; empty for one that came otherwise. Pure."""
    found = _FILE_ID.fullmatch(document_id)
    return found[1] if found else ""


async def _in_its_place(files: Files, stored: StoredFile) -> StoredFile:
    """The file; once it has been read, those that it takes the place of are gone."""
    if stored["status"] != "processed":
        return stored
    names = ("filename", "collection")
    for one in await files.list_all():
        alike = all(one[name] == stored[name] for name in names)
        if alike and one["id"] != stored["id"] and one["created_at"] <= stored["created_at"]:
            try:
                await files.delete(one["id"])
            except NotFound:  # another page was quicker
                continue
    return stored
