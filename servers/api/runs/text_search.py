"""Finds the threads that speak of something: words in questions and answers, whatever their case and accents.

It reads the newest `LOOKED_AT` runs of a person; a store of texts with an index it is not.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select

from agents.conversation.ownership import thread_id_of
from servers.api.runs.tables import RunRow, is_mine, open_session
from tools.access.identity import Principal

LOOKED_AT = 2_000
BEFORE, AFTER = 40, 100
"""Characters of an excerpt before and after the first word found."""


async def find_text(engine: AsyncEngine, by: Principal, text: str, *, limit: int) -> list[tuple[str, str]]:
    """`(thread id, excerpt)` of threads with a turn that holds all words of `text`, newest first."""
    words = fold_in_place(text).split()
    query = (
        select(RunRow.thread_id, RunRow.request, RunRow.ending)
        .where(is_mine(RunRow, by), col(RunRow.owner) == by.user, col(RunRow.stateless).is_(False))
        .order_by(col(RunRow.created_at).desc())
        .limit(LOOKED_AT)
    )
    found: dict[str, str] = {}
    async with open_session(engine) as session:
        for key, request, ending in (await session.exec(query)).all():
            name = thread_id_of(key)
            excerpt = "" if name in found else excerpt_of(_said(request, ending), words)
            if excerpt:
                found[name] = excerpt
    return list(found.items())[:limit]


def excerpt_of(text: str, words: list[str]) -> str:
    """What stands around the first of `words` (folded) in `text`; empty unless all are there. Pure."""
    folded = fold_in_place(text)
    places = [folded.find(word) for word in words]
    if not places or min(places) < 0:
        return ""
    start = max(0, min(places) - BEFORE)
    return ("…" if start else "") + re.sub(r"\s+", " ", text[start : min(places) + AFTER]).strip()


def fold_in_place(text: str) -> str:
    """Lower case without accents, character for character, so that places in it are places in `text`."""
    return "".join(unicodedata.normalize("NFD", letter)[0].lower()[:1] or letter for letter in text)


def _said(request: Mapping[str, Any], ending: Mapping[str, Any] | None) -> str:
    """What a run was asked and what it answered."""
    messages = request.get("messages") or [{}]
    answer = ((ending or {}).get("answer") or {}).get("answer") or ""
    return f"{messages[-1].get('content') or ''}\n{answer}"
