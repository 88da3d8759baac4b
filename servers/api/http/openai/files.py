"""OpenAI's files as documents: what is uploaded is ingested, so that agents find it, and kept for its owner.

Texts are read here, at once. Other formats a run of flow `ingest` reads: such a file is `uploaded` until that
has ended, then `processed`, or `error` with `status_details`.
"""

import hashlib
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from servers.api.http import file_runs
from servers.api.http.dependencies import CallerDep, ServicesDep
from servers.api.http.openai.audio import FILE_BODY
from servers.api.http.openai.fields import tell_ignored
from servers.api.services import Services
from servers.api.stored.files import FileRow
from servers.web.door import MULTIPART, Form
from tools.access.identity import LOCAL, Principal
from tools.errors import BadRequest, NotFound
from tools.schema import CollectionName, Document, JsonObject

PATH: Final = "/v1/files"
FORMS: Final = {PATH: Form((MULTIPART,))}
PURPOSES: Final = ("assistants", "user_data")
FIELDS: Final = ("file", "purpose", "collection")
READ_BY_FLOWS: Final = frozenset({".csv", ".tsv", ".tab", ".html", ".htm", ".xhtml", ".eml", ".mbox", ".rtf"})
"""Texts whose places (rows, headings) a parser knows."""
_COLLECTION: TypeAdapter[str] = TypeAdapter(CollectionName)

router = APIRouter(prefix=PATH, tags=["openai"])


@router.post("", openapi_extra=FILE_BODY)
async def upload(request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """Keep a file and ingest it into `collection`: the one named in the form, else where the caller's
    questions look, or a collection of the caller's own, which the answer names for `metadata.collection`.

    A text is `processed` when this answers; what has to be read first (PDF, office files, pictures) is
    `uploaded`, and `GET /v1/files/{file_id}` says what becomes of it."""
    async with request.form(max_files=1, max_fields=16) as form:
        row, text = await _read(form, services, caller)
        ignored = [name for name in form if name not in FIELDS]
    await services.files.insert(row)
    try:
        if text is None:
            await file_runs.begin(services, caller, row)
        else:
            row = await _ingested(services, row, text)
    except BaseException:
        await services.files.delete(row.file_id)
        raise
    return tell_ignored(JSONResponse(_shown(row)), ignored)


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
    row, refusal = await file_runs.followed(services, await services.files.get(file_id, caller))
    return _shown(row, refusal)


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
    """Forget a file: its documents, and then its bytes."""
    row = await services.files.get(file_id, caller)
    await file_runs.forget(services, row)
    with suppress(NotFound):
        await services.clients.bridge.delete(row.file_id, collection=row.collection)
    await services.files.delete(row.file_id)
    return {"id": row.file_id, "object": "file", "deleted": True}


async def _ingested(services: Services, row: FileRow, text: str) -> FileRow:
    """The text as a document. Raises BadRequest when the bridge refuses it."""
    document = Document(id=row.file_id, title=row.filename, text=text, source=row.filename)
    report = await services.clients.bridge.ingest([document], collection=row.collection)
    if report.failed:
        raise BadRequest(report.failed[0].reason, param="file", source="api", code="not_ingested")
    return await services.files.mark(row.file_id, "processed")


async def _read(form: FormData, services: Services, caller: Principal) -> tuple[FileRow, str | None]:
    """The file that a form holds, and its text; None for what is no plain text. Raises BadRequest."""
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


def _text(whole: bytes, name: str) -> str | None:
    if not whole.strip():
        raise BadRequest(f"{name} is empty", param="file", source="api", code="empty_file")
    if PurePosixPath(name).suffix.lower() in READ_BY_FLOWS:
        return None
    try:
        text = whole.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _collection(services: Services, caller: Principal) -> str:
    """Where questions look, for those whose it is; a collection of their own for other people."""
    if caller.platform or (caller.tenant, caller.user) == (LOCAL.tenant, LOCAL.user):
        return services.settings.chat.collection
    digest = hashlib.sha256(f"{caller.tenant}/{caller.user}".encode()).hexdigest()[:16]
    return f"files_{digest}"


def _shown(row: FileRow, refusal: str | None = None) -> JsonObject:
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
        "status_details": refusal,
        "collection": row.collection,
    }
