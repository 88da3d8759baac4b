"""Reading an answer aloud: a player in the page, and the sound, which comes sentence by sentence."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from html import escape
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from tools.clients.speech import SpeechClient, VoiceInfo
from tools.clients.threads import Threads
from tools.errors import NotFound
from tools.schema import Language, Turn
from tools.text.language import detect
from ui.access.identity import Visit, visit_of
from ui.clients import Clients
from ui.messages import say
from ui.rendering.menu import options

SPEECH_FOLDER: Final = "/speech/"
SPEEDS: Final = (0.75, 1.0, 1.25, 1.5, 2.0)


def build_router(clients: Callable[[], Clients]) -> APIRouter:
    """`GET /speech/{thread}/{run}?voice=`: an MP3 of an answer of the asker's, while it is made."""
    router = APIRouter()

    @router.get(SPEECH_FOLDER + "{thread_id}/{run_id}")
    async def speak(
        thread_id: str,
        run_id: str,
        request: Request,
        voice: Annotated[str, Query(max_length=128)] = "",
    ) -> StreamingResponse:
        """A failure before the first sound is a status; leaving stops the voice."""
        visit, mine = visit_of(request), clients()
        with visit.acting():
            turns = await mine.threads.turns(thread_id)
        turn = next((one for one in turns if one.run_id == run_id and one.answer is not None), None)
        if turn is None or turn.answer is None:
            raise NotFound("there is no such answer", source="ui")
        sound = _sound(mine.speech, visit, turn.answer.answer, voice)
        first = await anext(sound, b"")
        return StreamingResponse(_from(first, sound), media_type="audio/mpeg")

    return router


async def player_html(threads: Threads, speech: SpeechClient, thread_id: str, language: Language) -> str:
    """A player of the last answer, in the answer's own language; empty where there is none. Raises what the
    clients raise."""
    turns = await threads.turns(thread_id) if thread_id else []
    turn = next((one for one in reversed(turns) if one.answer is not None), None)
    return "" if turn is None else _player(turn, thread_id, await speech.voices(), language)


def _player(turn: Turn, thread_id: str, voices: Sequence[VoiceInfo], language: Language) -> str:
    assert turn.answer is not None
    spoken = detect(turn.answer.answer, default="es")
    fitting = sorted(
        (one for one in voices if one["available"] and one["language"] == spoken),
        key=lambda one: not one["default"],
    )
    where = f"{SPEECH_FOLDER}{quote(thread_id)}/{quote(turn.run_id)}"
    chosen = f"?{urlencode({'voice': fitting[0]['id']})}" if fitting else ""
    names = options([(f"{one['name']} · {one['region']}", one["id"]) for one in fitting], None)
    speeds = options([(f"{speed:g} ×", speed) for speed in SPEEDS], 1.0)
    return (
        f'<div class="player" data-src="{escape(where)}">'
        f'<audio controls autoplay src="{escape(where + chosen)}"></audio>'
        f'<select class="voice" aria-label="{escape(say("voice", language))}">{names}</select>'
        f'<select class="speed" aria-label="{escape(say("speed", language))}">{speeds}</select></div>'
    )


async def _sound(speech: SpeechClient, visit: Visit, text: str, voice: str) -> AsyncGenerator[bytes, None]:
    async with AsyncExitStack() as stack:
        with visit.acting():
            audio = await stack.enter_async_context(speech.audio(text, voice=voice or None))
        async for piece in audio.chunks:
            yield piece


async def _from(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(rest):
        yield first
        async for piece in rest:
            yield piece
