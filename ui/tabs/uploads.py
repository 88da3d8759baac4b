"""Where the knowledge page sends files, one a request: text becomes a document of a collection."""

from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from tools.errors import BadRequest
from tools.schema import CollectionName, Document, IngestReport
from ui.access.identity import visit_of
from ui.clients import Clients

UPLOAD_PATH: Final = "/knowledge/documents"
WAIT_S: Final = 120.0


class Upload(BaseModel):
    """A file as the browser read it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=240, pattern=r"^[^\x00-\x1f/\\]+$")
    text: str = Field(min_length=1)
    collection: CollectionName


def build_router(clients: Callable[[], Clients]) -> APIRouter:
    """`POST /knowledge/documents`, for whoever is signed in; the bridge says whether they may write there."""
    router = APIRouter()

    @router.post(UPLOAD_PATH)
    async def upload(given: Upload, request: Request) -> IngestReport:
        """Write one document; the same name again changes it."""
        if "\x00" in given.text or not given.text.strip():
            raise BadRequest("the file holds no text", param="text", source="ui", code="not_text")
        document = Document(
            id=f"upload/{given.name}",
            title=PurePosixPath(given.name).stem,
            text=given.text,
            source=given.name,
        )
        with visit_of(request).acting():
            return await clients().bridge.ingest([document], collection=given.collection, wait_s=WAIT_S)

    return router
