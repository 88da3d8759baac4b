"""The list of a person's conversations: by date, with names that can be changed, deletion that can be undone.

The list is the API's threads that were begun on this page. What is deleted is marked first and goes for good
after `UNDO_S`; what was marked when a page closed goes when somebody's list is read next.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html import escape

from tools.clients.api import Files
from tools.clients.threads import Threads
from tools.errors import Capibara6Error
from tools.schema import JsonObject, Language
from ui.access.identity import Visit
from ui.chat import SHOWN_HERE, TITLE_CHARS
from ui.conversation import RUNNING
from ui.messages import say
from ui.turns.attachments import FILES, forget_files
from ui.turns.feedback import ratings
from ui.turns.icons import icon

UNDO_S = 10.0
LISTED = 300
DELETED = "deleted_at"
PINNED = "pinned"


async def listing(
    threads: Threads, visit: Visit, language: Language, *, current: str, zone_min: int, undo: str = ""
) -> str:
    """The list as HTML; `zone_min` are the minutes by which the reader's clock is ahead of UTC, `undo` is the
    thread whose deletion can be undone. It ends what deletions were left half done."""
    try:
        with visit.acting():
            found = await threads.search(SHOWN_HERE, limit=LISTED)
            now = datetime.now(UTC)
            for row in found:
                if _is_over(row, now):
                    await _remove(threads, row, found)
    except Capibara6Error:
        found, now = [], datetime.now(UTC)
    kept = [row for row in found if not row["metadata"].get(DELETED)]
    zone = timedelta(minutes=max(-900, min(zone_min, 900)))
    return list_html(kept, now, zone, language, current=current, undo=undo)


async def rename(threads: Threads, visit: Visit, thread_id: str, title: str) -> None:
    """Call a conversation otherwise; an empty name changes nothing. Raises `NotFound`."""
    title = " ".join(title.split())[:TITLE_CHARS]
    if title:
        with visit.acting():
            await threads.patch(thread_id, {"title": title})


async def pin(threads: Threads, visit: Visit, thread_id: str, *, pinned: bool) -> None:
    """Keep a conversation above the others, or no longer. Raises `NotFound`."""
    with visit.acting():
        await threads.patch(thread_id, {PINNED: pinned})


async def delete(threads: Threads, visit: Visit, thread_id: str) -> AsyncGenerator[None, None]:
    """Mark it, give time for second thoughts, delete it unless they came. Raises `NotFound`."""
    with visit.acting():
        await threads.patch(thread_id, {DELETED: datetime.now(UTC).isoformat()})
    yield
    await asyncio.sleep(UNDO_S)
    with visit.acting():
        found = await threads.search(SHOWN_HERE, limit=LISTED)
        row = next((row for row in found if row["thread_id"] == thread_id), None)
        if row is not None and row["metadata"].get(DELETED):
            await _remove(threads, row, found)
    yield


async def undo(threads: Threads, visit: Visit, thread_id: str) -> None:
    """The conversation is back. Raises `NotFound` once it is too late."""
    with visit.acting():
        await threads.patch(thread_id, {DELETED: None})


def groups(rows: Sequence[JsonObject], now: datetime, zone: timedelta) -> list[tuple[str, list[JsonObject]]]:
    """`(key of the heading, threads)`: those that were pinned, then by the day of the last change as the
    reader's calendar has it."""
    today = (now + zone).date()
    pinned = [row for row in rows if row["metadata"].get(PINNED)]
    found: dict[str, list[JsonObject]] = {"pinned": pinned} if pinned else {}
    for row in rows:
        if row["metadata"].get(PINNED):
            continue
        days = (today - (datetime.fromisoformat(row["updated_at"]) + zone).date()).days
        key = "today" if days <= 0 else "yesterday" if days == 1 else "week" if days < 7 else "earlier"
        found.setdefault(key, []).append(row)
    return list(found.items())


def list_html(
    rows: Sequence[JsonObject],
    now: datetime,
    zone: timedelta,
    language: Language,
    *,
    current: str = "",
    undo: str = "",
) -> str:
    """The list, the box that searches it, and the way back from a deletion."""
    sections = "".join(
        f"<section><h2>{escape(say(key, language))}</h2><ul>"
        f"{''.join(_row_html(row, language, current=current) for row in group)}</ul></section>"
        for key, group in groups(rows, now, zone)
    )
    search = escape(say("search_history", language))
    empty = "" if rows else f'<p class="empty">{escape(say("no_history", language))}</p>'
    undoing = ""
    if undo:
        undoing = (
            f'<p class="undo" role="status">{escape(say("deleted", language))} '
            f'<button type="button" data-act="undo" data-id="{escape(undo)}">{escape(say("undo", language))}'
            "</button></p>"
        )
    box = f'<input type="search" aria-label="{search}" placeholder="{search}">' if rows else ""
    none = f'<p class="none" hidden>{escape(say("none_found", language))}</p>'
    rated = next((ratings(row["metadata"]) for row in rows if row["thread_id"] == current), {})
    kept = next((row["metadata"].get(FILES) or "" for row in rows if row["thread_id"] == current), "")
    judged = escape(" ".join(f"{run}:{signal}" for run, signal in rated.items()))
    return (
        f'<nav lang="{language}" aria-label="{escape(say("history", language))}" data-rated="{judged}" '
        f'data-files="{escape(str(kept))}">'
        f"{undoing}{box}{empty}{none}{sections}</nav>"
    )


def _row_html(row: JsonObject, language: Language, *, current: str) -> str:
    thread_id, title = escape(row["thread_id"]), escape(str(row["metadata"].get("title") or "…"))
    here = ' aria-current="page"' if row["thread_id"] == current else ""
    acts = ("unpin" if row["metadata"].get(PINNED) else "pin", "rename", "delete")
    buttons = "".join(
        f'<button type="button" data-act="{act}" data-id="{thread_id}" title="{escape(say(act, language))}" '
        f'aria-label="{escape(say(act, language))}: {title}">{icon(act)}</button>'
        for act in acts
    )
    branch = escape(say("is_branch", language))
    sign = (
        f'<small title="{branch}" aria-label="{branch}" role="img">{icon("branch")}</small> '
        if _is_branch(row)
        else ""
    )
    return (
        f'<li data-id="{thread_id}"><a href="/?c={thread_id}" title="{title}"{here}>{sign}'
        f"<span>{title}</span></a>{buttons}</li>"
    )


def _is_branch(row: JsonObject) -> bool:
    return bool(row["metadata"].get("copied_from"))


def _is_over(row: JsonObject, now: datetime) -> bool:
    """Whether its deletion can no longer be undone. An undone one is no deletion."""
    since = row["metadata"].get(DELETED)
    return bool(since) and now - datetime.fromisoformat(since) > timedelta(seconds=UNDO_S)


async def _remove(threads: Threads, row: JsonObject, rows: Sequence[JsonObject]) -> None:
    """The thread, whatever is still answered in it, and its files, unless a branch of `rows` has them too."""
    thread_id, kept = row["thread_id"], row["metadata"].get(FILES)
    others = [one for one in rows if one["thread_id"] != thread_id]
    with suppress(Capibara6Error):  # another page's list may have been quicker; the next one tries again
        for turn in await threads.turns(thread_id):
            if turn.status in RUNNING:
                await threads.cancel(thread_id, turn.run_id)
        await threads.delete(thread_id)
        if kept and not any(one["metadata"].get(FILES) == kept for one in others):
            await forget_files(Files(threads.http), kept)
