"""What the page does when somebody does something: each listener says what its components show next.

Which event calls which of them is `ui/page.py`'s, the asking `ui/chat.py`'s.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
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
from ui.components import Components, Updates, busy_question, idle_question, welcome_html
from ui.conversation import ChatMessages, old_messages
from ui.tabs.pages import Pages
from ui.turns.attachments import files_of
from ui.turns.branching import again, branch
from ui.turns.choices import AGENT, STARTERS, Choice, read_menu
from ui.turns.suggestions import suggestions
from ui.turns.wish import Wish, web_request


class Listeners:
    """The listeners of one page. `clients` are asked for while it serves; `enter` says who asks something,
    and raises when they may not."""

    def __init__(
        self,
        settings: Settings,
        clients: Callable[[], Clients],
        enter: Callable[[Request], Visit],
        components: Components,
        pages: Pages,
    ) -> None:
        self.settings, self.clients, self.enter = settings, clients, enter
        self.components, self.pages = components, pages

    async def arrive(self, place: str, zone: int, request: gr.Request) -> AsyncIterator[Updates]:
        """The conversation of the address, in the reader's language; what is under way goes on."""
        parts, web = self.components, web_request(request)
        language = language_of(web, self.settings.language)
        threads, known = self.clients().threads, {parts.language: language, parts.zone: zone}
        spoken = self._spoken(place, zone, language, request)
        if not place:
            said, welcome = await asyncio.gather(spoken, self._welcome(language, web))
            yield {**said, **known, **welcome}
            return
        views = show(threads, place, language, enter=lambda: visit_of(web))
        said, files, view = await asyncio.gather(
            spoken, files_of(threads, visit_of(web), place), anext(views)
        )
        updates = {**said, **known, parts.files: files, **self._drawn(view, language)}
        old = updates.pop(parts.old)
        yield updates
        if old:  # what is far up comes after what is in sight
            yield {parts.old: old}
        busy: Updates = {parts.question: busy_question(), parts.old: gr.skip()}
        async for view in views:  # an answer is under way
            yield {**self._drawn(view, language), **busy}
            busy = {parts.old: gr.skip()}

    async def ask(
        self,
        text: str,
        place: str,
        shown: ChatMessages,
        language: Language,
        agent: str,
        model: str,
        collection: str,
        files: str,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Nothing is asked with an empty box."""
        if not text.strip():
            yield {self.components.unsent: gr.skip()}
            return
        choice = self._choice(agent, model, collection, files)
        asking = partial(ask, self.clients().threads, text, place, shown, language)
        async for updates in self._streamed(asking, choice, language, request, len(shown)):
            yield updates

    async def ask_suggested(
        self,
        place: str,
        shown: ChatMessages,
        language: Language,
        agent: str,
        model: str,
        collection: str,
        files: str,
        request: gr.Request,
        event: gr.EventData,
    ) -> AsyncIterator[Updates]:
        """A question that the page proposed."""
        text = Wish(event).text
        async for updates in self.ask(text, place, shown, language, agent, model, collection, files, request):
            yield updates

    async def retry(
        self,
        unsent: str,
        place: str,
        shown: ChatMessages,
        language: Language,
        agent: str,
        model: str,
        collection: str,
        files: str,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """The last question again, after its failure."""
        choice = self._choice(agent, model, collection, files)
        asking = partial(retry, self.clients().threads, unsent, place, shown, language)
        async for updates in self._streamed(asking, choice, language, request, len(shown)):
            yield updates

    async def branch(
        self,
        place: str,
        shown: ChatMessages,
        language: Language,
        agent: str,
        model: str,
        collection: str,
        files: str,
        request: gr.Request,
        event: gr.EventData,
    ) -> AsyncIterator[Updates]:
        """Go on from an answer, or ask its question again: as it was, or as it was changed."""
        wish, clients = Wish(event), self.clients()
        if wish.act == "branch":
            views = branch(
                clients.threads,
                wish.run,
                place,
                shown,
                language,
                enter=lambda: self.enter(web_request(request)),
            )
            async for view in views:
                yield {**self._drawn(view, language), self.components.question: gr.skip()}
            return
        text = wish.text[: self.settings.limits.question_chars + 1]
        asking = partial(again, clients.threads, clients.pool, text, wish.run, place, shown, language)
        choice = self._choice(agent, model, collection, files)
        async for updates in self._streamed(asking, choice, language, request, -1):
            yield updates

    async def stop(self, unsent: str, place: str, language: Language, request: gr.Request) -> Updates:
        """What there was of the answer stays."""
        threads = self.clients().threads
        view = await stop(threads, unsent, place, language, enter=lambda: visit_of(web_request(request)))
        return {**self._drawn(view, language), self.components.question: idle_question()}

    async def speak(self, place: str, language: Language, request: gr.Request) -> str:
        """A player with the last answer."""
        clients = self.clients()
        return await read_aloud(
            clients.threads, clients.speech, place, language, enter=lambda: self.enter(web_request(request))
        )

    async def list(self, place: str, zone: int, language: Language, request: gr.Request) -> str:
        """The conversations as they are now."""
        return await self.listing(place, zone, language, request)

    async def clear(self, language: Language, request: gr.Request) -> Updates:
        """A new conversation; its thread begins with its first question."""
        parts = self.components
        fresh = {parts.files: "", parts.question: "", parts.player: "", parts.evidence: ""}
        return {
            **self._drawn(View("", []), language),
            **await self._welcome(language, web_request(request)),
            **fresh,
        }

    async def translate(
        self, place: str, zone: int, language: Language, request: gr.Request
    ) -> AsyncIterator[Updates]:
        """Everything in the language that was chosen, old answers too."""
        web, spoken = web_request(request), await self._spoken(place, zone, language, request)
        if not place:
            yield {**spoken, **await self._welcome(language, web)}
            return
        yield spoken
        async for view in show(self.clients().threads, place, language, enter=lambda: visit_of(web)):
            yield self._drawn(view, language)

    async def starters(self, agent: str, place: str, language: Language, request: gr.Request) -> Any:
        """Before the first question, those that the chosen assistant begins with."""
        if place:
            return gr.skip()
        if agent.startswith(AGENT):
            return (await self._welcome(language, web_request(request)))[self.components.turns]
        try:
            with visit_of(web_request(request)).acting():
                chosen = await self.clients().assistants.get(agent)
        except Capibara6Error:  # gone meanwhile: the question itself will say so
            return gr.skip()
        return welcome_html(language, chosen["metadata"].get(STARTERS) or None)

    async def menus(self, language: Language, request: gr.Request) -> Updates:
        """What there is to choose from, as it is now."""
        parts, clients = self.components, self.clients()
        menu = await read_menu(clients.api, clients.bridge, visit_of(web_request(request)), language)
        options = (menu.agents, menu.models, menu.collections)
        return {part: gr.Dropdown(choices=found) for part, found in zip(parts.menus, options, strict=True)}

    async def listing(
        self, place: str, zone: int, language: Language, request: gr.Request, *, undo: str = ""
    ) -> str:
        """The list of conversations; `undo` is the one whose deletion can be undone."""
        visit, threads = visit_of(web_request(request)), self.clients().threads
        return await history.listing(threads, visit, language, current=place, zone_min=int(zone), undo=undo)

    def _choice(self, agent: str, model: str, collection: str, files: str) -> Choice:
        return Choice(agent, model, collection, files, self.settings.chat.collection)

    async def _streamed(
        self,
        asking: Callable[..., AsyncIterator[View]],
        choice: Choice,
        language: Language,
        request: gr.Request,
        drawn: int,
    ) -> AsyncIterator[Updates]:
        """The views as they come. What stands still of the conversation is sent once, not with each piece of
        the answer: `drawn` messages of it are there already."""
        web = web_request(request)
        most = self.settings.limits.question_chars
        question: Any = busy_question(value="")
        async for view in asking(choice=choice, max_chars=most, enter=lambda: self.enter(web)):
            updates = self._drawn(view, language)
            if len(view.messages) == drawn:
                updates[self.components.turns] = gr.skip()
            if drawn >= 0 and old_messages(len(view.messages)) == old_messages(drawn):
                updates[self.components.old] = gr.skip()
            drawn = len(view.messages)
            yield {**updates, self.components.question: question}
            question = gr.skip()

    def _drawn(self, view: View, language: Language) -> Updates:
        parts = self.components
        return {
            parts.place: view.thread_id,
            **parts.drawn(view.messages, language),
            parts.shown: view.messages,
            parts.unsent: view.unsent,
        }

    async def _spoken(self, place: str, zone: int, language: Language, request: gr.Request) -> Updates:
        """What is in a language whatever the conversation."""
        parts, clients, visit = self.components, self.clients(), visit_of(web_request(request))
        menu = await read_menu(clients.api, clients.bridge, visit, language)
        name = "" if visit.principal == LOCAL else visit.principal.user
        listed = await self.listing(place, zone, language, request)
        return {
            **parts.spoken(language, menu, person=name, most_bytes=self.settings.limits.body_bytes),
            **self.pages.spoken(language, visit),
            parts.history: listed,
        }

    async def _welcome(self, language: Language, web: Request) -> Updates:
        collection = self.settings.chat.collection
        proposed = await suggestions(self.clients().bridge, visit_of(web), language, collection=collection)
        return self.components.drawn([], language, proposed)
