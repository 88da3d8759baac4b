"""Thumbs: what a person thinks of an answer, kept with the conversation and told to the router.

The pool keeps numbers alone; the reason in the person's words stays in the thread, where only they see it.
"""

from typing import Final, Literal, get_args

from tools.clients.pool import Message, Pool
from tools.clients.threads import Threads
from tools.errors import BadRequest, ModelNotFound, NotFound
from tools.schema import JsonObject, Turn
from ui.access.identity import Visit

Signal = Literal["up", "down"]
RATING: Final = "rating:"
"""What the keys of a thread's metadata begin with that hold a judgement; a run's id follows."""
REASON_CHARS = 500
TALK_TURNS = 4
"""So many turns before the answer are shown to the router, which reads a conversation's last messages."""


async def rate(
    threads: Threads, pool: Pool, visit: Visit, thread_id: str, run_id: str, signal: str, reason: str
) -> None:
    """Keep the judgement and tell the router. Raises BadRequest, NotFound, and what the clients raise."""
    if signal not in get_args(Signal):
        raise BadRequest("an answer is rated up or down", param="signal", source="ui")
    with visit.acting():
        turns = await threads.turns(thread_id)
        place = next((at for at, turn in enumerate(turns) if turn.run_id == run_id), None)
        answer = None if place is None else turns[place].answer
        if place is None or answer is None:
            raise NotFound("there is no such answer", source="ui")
        rating = {"signal": signal, "reason": " ".join(reason.split())[:REASON_CHARS], "model": answer.model}
        await threads.patch(thread_id, {f"{RATING}{run_id}": rating})
        await tell(pool, turns[: place + 1], signal, model=answer.model)


async def tell(pool: Pool, turns: list[Turn], signal: str, *, model: str, better: str | None = None) -> None:
    """What became of the last of `turns`; an answer that no model of the pool gave teaches it nothing."""
    try:
        await pool.feedback(talk(turns), signal=signal, model=model, better=better)
    except ModelNotFound:
        return


def talk(turns: list[Turn]) -> list[Message]:
    """The conversation up to the question of the last of `turns`, as the router read it."""
    before = [
        message
        for turn in turns[-1 - TALK_TURNS : -1]
        if turn.answer is not None
        for message in (
            {"role": "user", "content": turn.question},
            {"role": "assistant", "content": turn.answer.answer},
        )
    ]
    return [*before, {"role": "user", "content": turns[-1].question}]


def ratings(metadata: JsonObject) -> dict[str, str]:
    """`up` or `down` by the run's id, of those that a thread's metadata hold."""
    return {
        key.removeprefix(RATING): value["signal"]
        for key, value in metadata.items()
        if key.startswith(RATING) and isinstance(value, dict) and value.get("signal") in get_args(Signal)
    }
