"""The API's files, small: what was uploaded is read by the next look; a picture is refused with a reason."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from fastapi import FastAPI, Request, Response

from servers.web.app import add_error_handlers
from tools.errors import NotFound
from tools.schema import JsonObject

REFUSAL = "hay texto en la imagen: instala el OCR con make ocr"


@dataclass
class FilesState:
    """Files by id, as the API shows them."""

    held: dict[str, JsonObject] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))


def with_files(api: FastAPI, state: FilesState) -> FastAPI:
    """The API with its routes of files."""
    add_error_handlers(api, "api")

    @api.post("/v1/files")
    async def upload(request: Request) -> JsonObject:
        async with request.form() as form:
            file = form["file"]
            assert not isinstance(file, str)
            shown: JsonObject = {
                "id": f"file-{next(state.numbers)}",
                "filename": file.filename,
                "bytes": len(await file.read()),
                "created_at": int(time.time()),
                "status": "uploaded",
                "status_details": None,
                "collection": form["collection"],
            }
        state.held[shown["id"]] = shown
        return shown

    @api.get("/v1/files")
    async def list_files() -> JsonObject:
        return {"data": [*state.held.values()]}

    @api.get("/v1/files/{file_id}")
    async def look(file_id: str) -> JsonObject:
        if file_id not in state.held:
            raise NotFound(f"there is no file {file_id}", source="api")
        shown = state.held[file_id]
        picture = str(shown["filename"]).endswith(".png")
        shown |= {"status": "error", "status_details": REFUSAL} if picture else {"status": "processed"}
        return shown

    @api.delete("/v1/files/{file_id}")
    async def delete(file_id: str) -> Response:
        if state.held.pop(file_id, None) is None:
            raise NotFound(f"there is no file {file_id}", source="api")
        return Response(status_code=204)

    return api
