"""The chat: asks in a thread of the API, shows the answer as it streams, goes on with one that is under way.

The thread is the truth: what is shown is drawn from its turns (`ui/conversation.py`), and a question belongs
to it as soon as the API has accepted it. The page around this is `ui/page.py`.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Final, NamedTuple, TypeAlias
from uuid import uuid4

from tools.clients.pool import Message
from tools.clients.speech import SpeechClient
from tools.clients.threads import Threads
from tools.error_messages import sentence
from tools.errors import Capibara6Error, Conflict, NotFound, TooLarge
from tools.schema import JsonObject, Language, Turn
from ui.access.identity import Visit
from ui.conversation import RUNNING, ChatMessages, PartialAnswer, answered, asked, draw, unanswered
from ui.messages import say
from ui.rendering.turn import answer_html, error_html
from ui.turns.choices import Choice
from ui.turns.speech import player_html

REFRESH_S = 0.06
SETTLE_S = 3.0
"""How long a question that was stopped may take to be known to the API."""
TITLE_CHARS = 300
SHOWN_HERE: Final = {"shown_in": "chat"}
"""Metadata of the threads that the page's history lists."""

USUAL: Final = Choice()
Enter: TypeAlias = Callable[[], Visit]
"""Says for whom to ask; raises what keeps them from asking (a quota, a rate limit)."""


class View(NamedTuple):
    """What the page shows: which thread, its messages, and the question that the API did not take, if any."""

    thread_id: str
    messages: ChatMessages
    unsent: str = ""


async def ask(
    threads: Threads,
    question: str,
    thread_id: str,
    shown: ChatMessages,
    language: Language,
    *,
    choice: Choice = USUAL,
    max_chars: int,
    enter: Enter,
) -> AsyncIterator[View]:
    """The conversation with the answer as it grows; without a `thread_id` a new one begins.

    `shown` is what the page shows now, for the moment until the API has said what the thread holds."""
    begun = [*shown, asked(question, language)]
    named = thread_id or uuid4().hex
    view = View(
        named, [*begun, answered(answer_html("", [], language, status=say("starting", language)))], question
    )
    try:
        visit = enter()
        yield view
        _check(question, max_chars)
        is_new = not thread_id
        if is_new:
            await _begin(threads, named, question, visit)
            thread_id = named
        asking = _asked(threads, question, named, language, choice, is_new=is_new)
        async with aclosing(_acting(visit, asking)) as views:
            async for view in views:
                yield view
    except Capibara6Error as exc:
        yield View(thread_id, [*view.messages[:-1], failed(exc, language)], question)


async def show(threads: Threads, thread_id: str, language: Language, *, enter: Enter) -> AsyncIterator[View]:
    """The conversation as it is stored; where its last answer is under way, also how that goes on."""
    view = View(thread_id, [])
    try:
        async with aclosing(_acting(enter(), _rejoined(threads, thread_id, language))) as views:
            async for view in views:
                yield view
    except Capibara6Error as exc:
        thread_id = "" if exc.status == 404 else thread_id
        yield View(thread_id, [*view.messages, failed(exc, language, again=bool(thread_id))])


async def retry(
    threads: Threads,
    unsent: str,
    thread_id: str,
    shown: ChatMessages,
    language: Language,
    *,
    choice: Choice = USUAL,
    max_chars: int,
    enter: Enter,
) -> AsyncIterator[View]:
    """The last question once more: one that was not taken, or one that failed; the failure goes."""
    question, shown = unsent, shown[:-2]
    try:
        if not unsent and thread_id:
            question = await _taken_back(threads, thread_id, enter())
    except Capibara6Error as exc:
        yield View(thread_id, [*shown, failed(exc, language)])
        return
    if question:
        views = ask(
            threads, question, thread_id, shown, language, choice=choice, max_chars=max_chars, enter=enter
        )
    else:
        views = show(threads, thread_id, language, enter=enter)
    async for view in views:
        yield view


async def stop(threads: Threads, unsent: str, thread_id: str, language: Language, *, enter: Enter) -> View:
    """End the answer that is under way; the question and what there was of the answer stay.

    A question that is still `unsent` as far as the page knows may have been taken meanwhile: it is waited
    for, so that nothing is answered behind the reader's back."""
    try:
        with enter().acting():
            turns = await _settled(threads, thread_id, unsent)
            if turns and turns[-1].status in RUNNING:
                await threads.cancel(thread_id, turns[-1].run_id)
                return View(thread_id, draw(await threads.turns(thread_id), language))
    except Capibara6Error as exc:
        return View(thread_id, [*_begun(unsent, language), failed(exc, language)], unsent)
    if not unsent:
        return View(thread_id, draw(turns or [], language))
    stopped = error_html(sentence("cancelled", language), retry=say("retry", language))
    named = "" if turns is None else thread_id
    return View(named, [*draw(turns or [], language), *_begun(unsent, language), answered(stopped)], unsent)


async def read_aloud(
    threads: Threads, speech: SpeechClient, thread_id: str, language: Language, *, enter: Enter
) -> str:
    """An HTML player of the last answer; or what went wrong."""
    try:
        with enter().acting():
            player = await player_html(threads, speech, thread_id, language)
    except Capibara6Error as exc:
        return error_html(sentence(exc.code, language), _detail(exc))
    return player or error_html(say("nothing_to_hear", language))


def failed(exc: Capibara6Error, language: Language, *, again: bool = True) -> dict[str, str]:
    """What the page shows of a failure; with a button to try `again`, where that could help."""
    retry = say("retry", language) if again else ""
    return answered(error_html(sentence(exc.code, language), _detail(exc), retry=retry))


async def _acting(visit: Visit, views: AsyncGenerator[View, None]) -> AsyncGenerator[View, None]:
    """The views, each step taken for the visitor."""
    async with aclosing(views):
        while True:
            with visit.acting():
                view = await anext(views, None)
            if view is None:
                return
            yield view


async def _settled(threads: Threads, thread_id: str, unsent: str) -> list[Turn] | None:
    """The turns, once an `unsent` question is one of them or had the time to be; None without a thread."""
    late, turns = time.monotonic() + SETTLE_S, None
    while True:
        with suppress(NotFound):
            turns = await threads.turns(thread_id)
        if not unsent or (turns and turns[-1].status in RUNNING) or time.monotonic() > late:
            return turns
        await asyncio.sleep(SETTLE_S / 30)


def _begun(question: str, language: Language) -> ChatMessages:
    return [asked(question, language)] if question else []


def _check(question: str, max_chars: int) -> None:
    if len(question) > max_chars:
        raise TooLarge(f"the question may have {max_chars} characters", param="question", source="ui")


async def _begin(threads: Threads, thread_id: str, question: str, visit: Visit) -> None:
    """A new thread, called after its first question."""
    with visit.acting():
        title = " ".join(question.split())[:TITLE_CHARS]
        await threads.create(thread_id, {**SHOWN_HERE, "title": title})


async def _asked(
    threads: Threads, question: str, thread_id: str, language: Language, choice: Choice, *, is_new: bool
) -> AsyncGenerator[View, None]:
    turns = [] if is_new else await threads.turns(thread_id)
    if turns and turns[-1].status in RUNNING:
        raise Conflict("the last question is still being answered", source="ui", code="thread_busy")
    messages: list[Message] = [*unanswered(turns), {"role": "user", "content": question}]
    events = threads.ask(thread_id, messages, agent=choice.agent, wishes=choice.wishes)
    partial = PartialAnswer(question, language)
    async with aclosing(_growing(events, thread_id, draw(turns, language), partial)) as views:
        async for view in views:
            yield view


async def _rejoined(threads: Threads, thread_id: str, language: Language) -> AsyncGenerator[View, None]:
    turns = await threads.turns(thread_id)
    yield View(thread_id, draw(turns, language))
    if not turns or turns[-1].status not in RUNNING:
        return
    partial = PartialAnswer(turns[-1].question, language, turns[-1].run_id)
    events = threads.follow(thread_id, partial.run_id)
    async with aclosing(_growing(events, thread_id, draw(turns[:-1], language), partial)) as views:
        async for view in views:
            yield view


async def _growing(
    events: AsyncGenerator[JsonObject, None], thread_id: str, before: ChatMessages, partial: PartialAnswer
) -> AsyncGenerator[View, None]:
    """What was `before`, and the answer as it grows. A run that fails is drawn like one that is stored."""
    yield View(thread_id, [*before, *partial.messages()], partial.unsent)
    refreshed = 0.0
    try:
        async with aclosing(events):
            async for event in events:
                partial.add(event)
                is_token = event["event"] == "token"
                if not is_token or time.monotonic() - refreshed > REFRESH_S:
                    refreshed = time.monotonic() if is_token else 0.0
                    yield View(thread_id, [*before, *partial.messages()], partial.unsent)
    except Capibara6Error as exc:
        if not partial.run_id:
            raise
        yield View(thread_id, [*before, *draw([partial.failed(exc)], partial.language)])


async def _taken_back(threads: Threads, thread_id: str, visit: Visit) -> str:
    """The thread's last question if its answer failed or was stopped, now gone from it; empty otherwise."""
    with visit.acting():
        turns = await threads.turns(thread_id)
        if not turns or turns[-1].answer is not None or turns[-1].status in (*RUNNING, "interrupted"):
            return ""
        await threads.forget(thread_id, turns[-1].run_id)
    return turns[-1].question


def _detail(exc: Capibara6Error) -> str:
    return f"{exc.source or 'ui'}: {exc.code}"
