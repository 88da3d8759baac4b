"""What the buttons of the page ask for, apart from questions: the list's, the answers', and the panel."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from html import escape
from uuid import uuid4

import gradio as gr

from tools.error_messages import sentence
from tools.errors import Capibara6Error
from tools.schema import JsonObject, Language, Turn
from ui import history
from ui.access.identity import Visit, visit_of
from ui.chat import SHOWN_HERE, TITLE_CHARS
from ui.components import Updates
from ui.listeners import Listeners
from ui.messages import say
from ui.rendering.evidence import panel_html
from ui.turns.attachments import attach
from ui.turns.feedback import rate
from ui.turns.sharing import address, share
from ui.turns.why import why_html
from ui.turns.wish import Wish, web_request


class Acts:
    """Listeners beside those of the conversation."""

    def __init__(self, listeners: Listeners) -> None:
        self.listeners = listeners

    async def keep(
        self, place: str, zone: int, language: Language, request: gr.Request, event: gr.EventData
    ) -> AsyncIterator[Updates]:
        """Rename, pin, delete, undo, rate, share and attach, as the page's buttons say."""
        wish, clients, said = Wish(event), self.listeners.clients(), ""
        parts = self.listeners.components
        updates: Updates = {}
        try:
            visit = self.listeners.enter(web_request(request))
            match wish.act:
                case "attach":
                    place = await self._attached(visit, place, wish)
                    updates = {parts.place: place, parts.files: wish.text}
                case "delete":
                    async with aclosing(history.delete(clients.threads, visit, wish.id)) as steps:
                        await anext(steps)
                        gone = wish.id == place
                        cleared = await self.listeners.clear(language, request) if gone else {}
                        place = "" if gone else place
                        listed = await self.listeners.listing(place, zone, language, request, undo=wish.id)
                        yield {**cleared, parts.history: listed}
                        await anext(steps)
                case _:
                    said = await self._marked(visit, place, wish, language)
        except Capibara6Error as exc:  # gone in another tab, or a service is away
            said = sentence(exc.code, language)
        listed = await self.listeners.listing(place, zone, language, request)
        yield {**updates, parts.history: listed, parts.notice: notice_html(said)}

    async def _marked(self, visit: Visit, place: str, wish: Wish, language: Language) -> str:
        """Change what a conversation is marked with; what to say of it, empty for nothing."""
        clients = self.listeners.clients()
        match wish.act:
            case "rename":
                await history.rename(clients.threads, visit, wish.id, wish.title)
            case "pin" | "unpin":
                await history.pin(clients.threads, visit, wish.id, pinned=wish.act == "pin")
            case "undo":
                await history.undo(clients.threads, visit, wish.id)
            case "rate":
                await rate(clients.threads, clients.pool, visit, place, wish.run, wish.signal, wish.reason)
                return say("thanks", language)
            case "share":
                readers = await share(clients.threads, visit, place, wish.text)
                return shared_sentence(readers, visit, place, language)
        return ""

    async def _attached(self, visit: Visit, place: str, wish: Wish) -> str:
        """The conversation that has files from now on; one that begins so is called after its first file."""
        threads, named = self.listeners.clients().threads, place or uuid4().hex
        if not place:
            with visit.acting():
                title = " ".join(wish.title.split())[:TITLE_CHARS]
                await threads.create(named, {**SHOWN_HERE, "title": title})
        await attach(threads, visit, named, wish.text)
        return named

    async def open(self, place: str, language: Language, request: gr.Request, event: gr.EventData) -> str:
        """The passage behind a mark or an entry of the sources, or why an answer is what it is."""
        wish, threads = Wish(event), self.listeners.clients().threads
        events: list[JsonObject] = []
        try:
            with visit_of(web_request(request)).acting():
                turn = _turn(await threads.turns(place), wish.run)
                if turn is not None and wish.act == "why":
                    events = [one async for one in threads.follow(place, wish.run)]
        except Capibara6Error as exc:
            return f'<aside role="alert">{escape(sentence(exc.code, language))}</aside>'
        if turn is None:
            return ""
        if wish.act == "why":
            return why_html(turn, events, language)
        return panel_html(turn, language, at=wish.at, n=wish.n)


def shared_sentence(readers: list[str], visit: Visit, place: str, language: Language) -> str:
    """Who may read a conversation now, and where."""
    if not readers:
        return say("shared_with_nobody", language)
    where = address(visit.principal.user, place)
    return say("shared_at", language, names=", ".join(readers), where=where)


def notice_html(text: str) -> str:
    """A short word on what was done, or why it was not."""
    return f'<div id="notice" role="status">{escape(text)}</div>'


def _turn(turns: list[Turn], run_id: str) -> Turn | None:
    return next((turn for turn in turns if turn.run_id == run_id), None)
