"""Another way from a point of a conversation: a question changed, an answer asked for again, a branch.

Each goes on in a copy of what came before, so nothing that was said is lost.
"""

from collections.abc import AsyncIterator

from tools.clients.pool import Pool
from tools.clients.threads import Threads
from tools.errors import Capibara6Error, NotFound
from tools.log import get_logger
from tools.schema import Language, Turn
from ui.access.identity import Visit
from ui.chat import Enter, View, ask, failed, show
from ui.conversation import ChatMessages, draw
from ui.turns.choices import Choice
from ui.turns.feedback import tell

log = get_logger("ui.turns")


async def again(
    threads: Threads,
    pool: Pool,
    text: str,
    run_id: str,
    thread_id: str,
    shown: ChatMessages,
    language: Language,
    *,
    choice: Choice,
    max_chars: int,
    enter: Enter,
) -> AsyncIterator[View]:
    """The question of a run once more, in a branch from before it; with a `text` this one in its place."""
    try:
        visit = enter()
        with visit.acting():
            turns = await threads.turns(thread_id)
            place = _place(turns, run_id)
            branch = await threads.copy(thread_id, before=run_id)
            if place == 0 and text:
                await threads.patch(branch, {"title": " ".join(text.split())[:300]})
    except Capibara6Error as exc:
        yield View(thread_id, [*shown, failed(exc, language, again=False)])
        return
    if not text:
        await _told(pool, turns[: place + 1], visit)
    question, before = text or turns[place].question, draw(turns[:place], language)
    async for view in ask(
        threads, question, branch, before, language, choice=choice, max_chars=max_chars, enter=lambda: visit
    ):
        yield view


async def branch(
    threads: Threads, run_id: str, thread_id: str, shown: ChatMessages, language: Language, *, enter: Enter
) -> AsyncIterator[View]:
    """A copy of the conversation up to a run's answer."""
    try:
        visit = enter()
        with visit.acting():
            turns = await threads.turns(thread_id)
            after = turns[_place(turns, run_id) + 1 :]
            copied = await threads.copy(thread_id, before=after[0].run_id if after else None)
    except Capibara6Error as exc:
        yield View(thread_id, [*shown, failed(exc, language, again=False)])
        return
    async for view in show(threads, copied, language, enter=lambda: visit):
        yield view


def _place(turns: list[Turn], run_id: str) -> int:
    place = next((at for at, turn in enumerate(turns) if turn.run_id == run_id), None)
    if place is None:
        raise NotFound("there is no such answer", source="ui")
    return place


async def _told(pool: Pool, turns: list[Turn], visit: Visit) -> None:
    """That another answer was wished for. Who asks again does not wait for the router's memory."""
    answer = turns[-1].answer
    if answer is None:
        return
    try:
        with visit.acting():
            await tell(pool, turns, "regenerated", model=answer.model)
    except Capibara6Error as exc:
        log.warning("router_not_told", code=exc.code, reason=exc.message)
