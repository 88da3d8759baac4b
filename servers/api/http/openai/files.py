"""OpenAI's files as documents: what is uploaded is ingested, so that agents find it, and kept for its owner.

Texts are read here. Other formats are the ingestion's (`flows/ingestion`): they are refused with where to go.
"""

import hashlib
from contextlib import suppress
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.openai.audio import FILE_BODY
from servers.api.http.openai.fields import tell_ignored
from servers.api.services import Services
from servers.api.stored.files import FileRow
from servers.web.door import MULTIPART, Form
from tools.access.identity import LOCAL, Principal
from tools.errors import BadRequest, NotFound, UnsupportedMediaType
from tools.schema import CollectionName, Document, JsonObject

PATH: Final = "/v1/files"
FORMS: Final = {PATH: Form((MULTIPART,))}
PURPOSES: Final = ("assistants", "user_data")
FIELDS: Final = ("file", "purpose", "collection")
_COLLECTION: TypeAdapter[str] = TypeAdapter(CollectionName)

router = APIRouter(prefix=PATH, tags=["openai"])


@router.post("", openapi_extra=FILE_BODY)
async def upload(request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """Keep a text and ingest it into `collection`: the one named in the form, else where the caller's
    questions look, or a collection of the caller's own, which the answer names for `metadata.collection`."""
    async with request.form(max_files=1, max_fields=16) as form:
        row, text = await _read(form, services, caller)
        ignored = [name for name in form if name not in FIELDS]
    await services.files.insert(row)
    document = Document(id=row.file_id, title=row.filename, text=text, source=row.filename)
    try:
        report = await services.clients.bridge.ingest([document], collection=row.collection)
        if report.failed:
            raise BadRequest(report.failed[0].reason, param="file", source="api", code="not_ingested")
    except BaseException:
        await services.files.delete(row.file_id)
        raise
    return tell_ignored(JSONResponse(_shown(await services.files.mark(row.file_id, "processed"))), ignored)


@router.get("")
async def list_files(
    services: ServicesDep,
    caller: CallerDep,
    purpose: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1_000,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(max_length=128)] = None,
) -> JsonObject:
    """The caller's files, newest first unless `order` is `asc`."""
    rows = await services.files.search(
        caller, purpose=purpose, limit=limit + 1, newest_first=order == "desc", after=after
    )
    page = [_shown(row) for row in rows[:limit]]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
    return {"object": "list", "data": page, "has_more": len(rows) > limit, **ends}


@router.get("/{file_id}")
async def retrieve(file_id: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """One file, without its bytes."""
    return _shown(await services.files.get(file_id, caller))


@router.get("/{file_id}/content", response_class=Response)
async def content(file_id: str, services: ServicesDep, caller: CallerDep) -> Response:
    """The bytes as they came."""
    row = await services.files.get(file_id, caller)
    return Response(
        row.content,
        media_type="application/octet-stream",
        headers={"content-disposition": "attachment", "x-content-type-options": "nosniff"},
    )


@router.delete("/{file_id}")
async def delete(file_id: str, services: ServicesDep, caller: CallerDep) -> JsonObject:
    """Forget a file: its document, and then its bytes."""
    row = await services.files.get(file_id, caller)
    with suppress(NotFound):
        await services.clients.bridge.delete(row.file_id, collection=row.collection)
    await services.files.delete(row.file_id)
    return {"id": row.file_id, "object": "file", "deleted": True}


async def _read(form: FormData, services: Services, caller: Principal) -> tuple[FileRow, str]:
    """The file that a form holds, and its text. Raises BadRequest, UnsupportedMediaType."""
    file, purpose = form.get("file"), form.get("purpose")
    if not isinstance(file, UploadFile):
        raise BadRequest("file is missing", param="file", source="api", code="invalid_value")
    if not isinstance(purpose, str) or purpose not in PURPOSES:
        why = f"purpose is one of {', '.join(PURPOSES)}: nothing here reads files for another"
        raise BadRequest(why, param="purpose", source="api", code="unsupported_parameter")
    try:
        collection = _COLLECTION.validate_python(form.get("collection") or _collection(services, caller))
    except ValidationError as exc:
        why = "collection is a name in small letters"
        raise BadRequest(why, param="collection", source="api", code="invalid_value") from exc
    name = "".join(char for char in (file.filename or "file") if char.isprintable())[:256] or "file"
    whole = await file.read()
    row = FileRow(
        tenant=caller.tenant,
        owner=caller.user,
        filename=name,
        purpose=purpose,
        collection=collection,
        size=len(whole),
        content=whole,
    )
    return row, _text(whole, name)


def _text(whole: bytes, name: str) -> str:
    try:
        text = whole.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UnsupportedMediaType(
            f"{name} is no text in UTF-8: PDF and other formats are read by `capibara6 ingest PATH`, or from "
            "a source (POST /v1/sources)",
            param="file",
            source="api",
            code="file_not_text",
        )
    if not text.strip():
        raise BadRequest(f"{name} is empty", param="file", source="api", code="empty_file")
    return text


def _collection(services: Services, caller: Principal) -> str:
    """Where questions look, for those whose it is; a collection of their own for other people."""
    if caller.platform or (caller.tenant, caller.user) == (LOCAL.tenant, LOCAL.user):
        return services.settings.chat.collection
    digest = hashlib.sha256(f"{caller.tenant}/{caller.user}".encode()).hexdigest()[:16]
    return f"files_{digest}"


def _shown(row: FileRow) -> JsonObject:
    """As OpenAI's clients see it, and where it is searched."""
    return {
        "id": row.file_id,
        "object": "file",
        "bytes": row.size,
        "created_at": int(row.created_at.timestamp()),
        "expires_at": None,
        "filename": row.filename,
        "purpose": row.purpose,
        "status": row.status,
        "status_details": None,
        "collection": row.collection,
    }
