"""Paths of the page itself: a conversation as a file, and conversations by what was said in them."""

import json
import re
from collections.abc import Callable
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from tools.schema import JsonObject, Language
from ui.access.account_pages import language_of
from ui.access.identity import visit_of
from ui.clients import Clients
from ui.turns.export import to_json, to_markdown

FIND_PATH: Final = "/conversations/find"
EXPORT_FOLDER: Final = "/conversations/export/"
FOUND: Final = 50
_FORBIDDEN: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def build_router(otherwise: Language, clients: Callable[[], Clients]) -> APIRouter:
    """`otherwise` is the language of whoever says none."""
    router = APIRouter()

    @router.get(FIND_PATH)
    async def find(request: Request, text: Annotated[str, Query(min_length=1, max_length=500)]) -> JsonObject:
        """The asker's conversations that speak of `text`: `{found: [{thread_id, excerpt}]}`."""
        with visit_of(request).acting():
            return {"found": await clients().threads.find(text, limit=FOUND)}

    @router.get(EXPORT_FOLDER + "{thread_id}.{kind}")
    async def export(thread_id: str, kind: Literal["md", "json"], request: Request) -> Response:
        """A conversation as `md` or `json`."""
        language = language_of(request, otherwise)
        with visit_of(request).acting():
            thread = await clients().threads.get(thread_id)
            turns = await clients().threads.turns(thread_id)
        title = str(thread["metadata"].get("title") or thread_id)
        if kind == "json":
            body, media = (
                json.dumps(to_json(turns, thread_id, title), ensure_ascii=False, indent=2),
                "application/json",
            )
        else:
            body, media = to_markdown(turns, title, language), "text/markdown"
        name = quote(f"{file_name(title)}.{kind}")
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "cache-control": "no-store"}
        return Response(body, media_type=f"{media}; charset=utf-8", headers=headers)

    return router


def file_name(title: str) -> str:
    """A title as a name that every file system takes. Pure."""
    return " ".join(_FORBIDDEN.sub(" ", title).split())[:80].strip(". ") or "capibara6"
