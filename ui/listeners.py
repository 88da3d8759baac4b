"""What the page does when somebody does something: each listener says what its components show next.

Which event calls which of them is `ui/page.py`'s, the asking `ui/chat.py`'s.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Any

import gradio as gr
from starlette.requests import Request

from tools.access.identity import LOCAL
from tools.errors import Capibara6Error
from tools.schema import Language
from tools.settings import Settings
from ui import history
from ui.access.account_pages import language_of
from ui.access.identity import Visit, visit_of
from ui.chat import View, ask, read_aloud, retry, show, stop
from ui.clients import Clients
from ui.components import Components, Updates, busy_question, empty_chat, idle_question
from ui.conversation import ChatMessages
from ui.evidence import panel_html


class Listeners:
    """The listeners of one page. `clients` are asked for while it serves; `enter` says who asks something,
    and raises when they may not."""

    def __init__(
        self,
        settings: Settings,
        clients: Callable[[], Clients],
        enter: Callable[[Request], Visit],
        components: Components,
    ) -> None:
        self.settings, self.clients, self.enter, self.components = settings, clients, enter, components

    async def arrive(self, place: str, zone: int, request: gr.Request) -> AsyncIterator[Updates]:
        """The conversation of the address, in the reader's language; what is under way goes on."""
        parts, web = self.components, _web(request)
        language = language_of(web, self.settings.language)
        listed = await self._listing(place, zone, language, request)
        first = {
            **parts.spoken(language, _name(web)),
            parts.language: language,
            parts.zone: zone,
            parts.history: listed,
        }
        if not place:
            yield first
            return
        came = 0
        async for view in show(self.clients().threads, place, language, enter=lambda: visit_of(web)):
            updates = self._drawn(view)
            if came == 0:
                updates |= {
                    **first,
                    parts.chat: gr.Chatbot(**{"value": view.messages, **empty_chat(language)}),
                }
            elif came == 1:  # an answer is under way
                updates[parts.question] = busy_question()
            came += 1
            yield updates

    async def ask(
        self, text: str, place: str, shown: ChatMessages, language: Language, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """Nothing is asked with an empty box."""
        if not text.strip():
            yield {self.components.unsent: gr.skip()}
            return
        async for updates in self._asked(ask, text, place, shown, language, request):
            yield updates

    async def retry(
        self, unsent: str, place: str, shown: ChatMessages, language: Language, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """The last question again, after its failure."""
        async for updates in self._asked(retry, unsent, place, shown, language, request):
            yield updates

    async def _asked(
        self,
        asking: Callable[..., AsyncIterator[View]],
        text: str,
        place: str,
        shown: ChatMessages,
        language: Language,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        most = self.settings.limits.question_chars
        threads, web = self.clients().threads, _web(request)
        views = asking(threads, text, place, shown, language, max_chars=most, enter=lambda: self.enter(web))
        async for updates in self._streamed(views):
            yield updates

    async def stop(self, unsent: str, place: str, language: Language, request: gr.Request) -> Updates:
        """What there was of the answer stays."""
        threads = self.clients().threads
        view = await stop(threads, unsent, place, language, enter=lambda: visit_of(_web(request)))
        return {**self._drawn(view), self.components.question: idle_question()}

    async def speak(self, place: str, language: Language, request: gr.Request) -> str:
        """A player with the last answer."""
        clients = self.clients()
        return await read_aloud(
            clients.threads, clients.speech, place, language, enter=lambda: self.enter(_web(request))
        )

    async def list(self, place: str, zone: int, language: Language, request: gr.Request) -> str:
        """The conversations as they are now."""
        return await self._listing(place, zone, language, request)

    async def clear(self) -> Updates:
        """A new conversation; its thread begins with its first question."""
        parts = self.components
        return {**self._drawn(View("", [])), parts.question: "", parts.player: "", parts.evidence: ""}

    async def translate(
        self, place: str, zone: int, language: Language, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """Everything in the language that was chosen, old answers too."""
        parts, web = self.components, _web(request)
        listed = await self._listing(place, zone, language, request)
        yield {**parts.spoken(language, _name(web)), parts.history: listed}
        if place:
            async for view in show(self.clients().threads, place, language, enter=lambda: visit_of(web)):
                yield self._drawn(view)

    async def keep(
        self, place: str, zone: int, language: Language, request: gr.Request, event: gr.EventData
    ) -> AsyncIterator[Updates]:
        """Rename, delete and undo, as the list's buttons say."""
        wish, threads = Wish(event), self.clients().threads
        with suppress(Capibara6Error):  # gone in another tab: the list says so
            visit = self.enter(_web(request))
            match wish.act:
                case "rename":
                    await history.rename(threads, visit, wish.id, wish.title)
                case "undo":
                    await history.undo(threads, visit, wish.id)
                case "delete":
                    async with aclosing(history.delete(threads, visit, wish.id)) as steps:
                        await anext(steps)
                        updates = await self.clear() if wish.id == place else {}
                        place = "" if wish.id == place else place
                        listed = await self._listing(place, zone, language, request, undo=wish.id)
                        yield {**updates, self.components.history: listed}
                        await anext(steps)
                case _:
                    return
        yield {self.components.history: await self._listing(place, zone, language, request)}

    async def open(self, place: str, language: Language, request: gr.Request, event: gr.EventData) -> str:
        """The passage behind a mark, or behind an entry of the sources."""
        wish = Wish(event)
        try:
            with visit_of(_web(request)).acting():
                turns = await self.clients().threads.turns(place)
        except Capibara6Error:
            return ""
        turn = next((turn for turn in turns if turn.run_id == wish.run), None)
        return panel_html(turn, language, at=wish.at, n=wish.n) if turn else ""

    async def _streamed(self, views: AsyncIterator[View]) -> AsyncIterator[Updates]:
        busy: Updates = {self.components.question: busy_question(value="")}
        async for view in views:
            yield {**self._drawn(view), **busy}
            busy = {}

    def _drawn(self, view: View) -> Updates:
        parts = self.components
        return {
            parts.place: view.thread_id,
            parts.chat: view.messages,
            parts.shown: view.messages,
            parts.unsent: view.unsent,
        }

    async def _listing(
        self, place: str, zone: int, language: Language, request: gr.Request, *, undo: str = ""
    ) -> str:
        visit, threads = visit_of(_web(request)), self.clients().threads
        return await history.listing(threads, visit, language, current=place, zone_min=int(zone), undo=undo)


class Wish:
    """What a script of the page asks for; it comes from a browser, so every field is looked at."""

    def __init__(self, event: gr.EventData) -> None:
        given: Any = event._data
        fields: dict[str, Any] = given if isinstance(given, dict) else {}
        self.act, self.id, self.title, self.run = (
            str(fields.get(name, ""))[:2_000] for name in ("act", "id", "title", "run")
        )
        self.at, self.n = (_number(fields.get(name)) for name in ("at", "n"))


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _web(request: gr.Request) -> Request:
    """The request by which the page asked."""
    assert request.request is not None
    return request.request


def _name(request: Request) -> str:
    """Who has signed in; empty where nobody needs to."""
    visit = visit_of(request)
    return "" if visit.principal == LOCAL else visit.principal.user
