"""Letting others read a conversation: who may, and the page on which they do, which can change nothing."""

import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from tools.clients.threads import Threads
from tools.errors import BadRequest
from tools.schema import Citation, Language, Turn
from ui.access.account_pages import language_of
from ui.access.identity import Visit, visit_of
from ui.clients import Clients
from ui.messages import say
from ui.rendering.evidence import marked
from ui.rendering.markdown import Marks, text_html
from ui.rendering.turn import shown_source

SHARED_FOLDER: Final = "/shared/"
SHARED_WITH: Final = "shared_with"
"""The key in a thread's metadata; the API reads it too."""
MOST_READERS: Final = 50
STYLE: Final = (Path(__file__).parent.parent / "access" / "shared.css").read_text("utf-8")
_NAME: Final = re.compile(r"[\w@.+-]{1,64}|\*")


def build_router(otherwise: Language, clients: Callable[[], Clients]) -> APIRouter:
    """`GET /shared/{owner}/{thread}`; `otherwise` is the language of whoever says none."""
    router = APIRouter()

    @router.get(SHARED_FOLDER + "{owner}/{thread_id}")
    async def read(owner: str, thread_id: str, request: Request) -> HTMLResponse:
        """A conversation that is shared with the asker."""
        with visit_of(request).acting():
            shared = await clients().threads.shared(owner, thread_id)
        turns = [Turn.model_validate(turn) for turn in shared["turns"]]
        return shared_page(turns, shared["title"], owner, language_of(request, otherwise))

    return router


async def share(threads: Threads, visit: Visit, thread_id: str, names: str) -> list[str]:
    """Let these read a conversation, and nobody else: names with spaces or commas between; who they are.
    Raises BadRequest, NotFound."""
    readers = [*dict.fromkeys(re.split(r"[\s,]+", names.strip()))] if names.strip() else []
    if len(readers) > MOST_READERS or not all(map(_NAME.fullmatch, readers)):
        raise BadRequest("names of people, with spaces between", param="names", source="ui")
    with visit.acting():
        await threads.patch(thread_id, {SHARED_WITH: readers})
    return readers


def address(owner: str, thread_id: str) -> str:
    """Where others read it. Pure."""
    return f"{SHARED_FOLDER}{quote(owner, safe='')}/{quote(thread_id, safe='')}"


def shared_page(turns: list[Turn], title: str, owner: str, language: Language) -> HTMLResponse:
    """Questions, answers and the passages that they rest on."""
    whose = escape(say("shared_by", language, owner=owner))
    body = "".join(_turn(turn, language) for turn in turns)
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · capibara6</title><style>{STYLE}</style></head><body><main>"
        f'<header><a href="/">capibara6</a><small>{whose}</small></header><h1>{escape(title)}</h1>'
        f"{body}</main></body></html>"
    )
    return HTMLResponse(html, headers={"cache-control": "no-store"})


def _turn(turn: Turn, language: Language) -> str:
    text = turn.answer.answer if turn.answer else turn.text
    citations = turn.answer.citations if turn.answer else turn.citations
    marks = Marks(text, citations)
    cited = {n for n, _ in marks.found}
    passages = "".join(_passage(one, marks, turn) for one in marks.ordered() if one.n in cited)
    unfinished = "" if turn.answer else f"<p><em>{escape(say('unfinished', language))}</em></p>"
    return (
        f'<section><h2>{escape(turn.question)}</h2><div class="answer">{text_html(text, marks, language)}'
        f"</div>{unfinished}{passages}</section>"
    )


def _passage(one: Citation, marks: Marks, turn: Turn) -> str:
    sentences = turn.answer.sentences if turn.answer else []
    ranges = [(span.start, span.end) for said in sentences for span in said.spans if span.n == one.n]
    return (
        f"<details><summary>{marks.shown[one.n]} · {escape(one.title)} "
        f"<small>{escape(shown_source(one.source))}</small></summary>"
        f"<blockquote>{marked(one.text, ranges)}</blockquote></details>"
    )
