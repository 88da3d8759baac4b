"""A reading as an HTTP answer: streamed in a format, as server-sent events, or whole with its length."""

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.responses import StreamingResponse

from servers.speech.encoding.formats import TYPES, Format, check, open_encoder
from servers.speech.sound import SAMPLE_RATE, Sound
from servers.speech.speaker import Reading, Speaker, Spoken
from servers.web.door import IGNORED
from servers.web.sse import HEADERS as SSE_HEADERS
from servers.web.sse import error_event, format_event
from servers.web.usage import Usage
from tools.access.identity import current
from tools.errors import Capibara6Error
from tools.log import get_logger

log = get_logger("speech")


def speaker_of(request: Request) -> Speaker:
    """The speaker that the app's lifespan opened."""
    return request.app.state.speaker


def usage_of(request: Request) -> Usage:
    """What counts the callers' use."""
    return request.app.state.access.usage


UsageDep = Annotated[Usage, Depends(usage_of)]
SpeakerDep = Annotated[Speaker, Depends(speaker_of)]


async def whole(reading: Reading, usage: Usage) -> Sound:
    """All of it, counted for the caller. Raises what readings raise."""
    sound = await reading.whole()
    count(usage, reading, sound)
    return sound


def count(usage: Usage, reading: Reading, sound: Sound) -> None:
    """Seconds of audio, for whom they were spoken."""
    usage.count(current(), model=reading.voice.engine, audio_s=sound.duration_s)


def headers(reading: Reading, *notes: str) -> dict[str, str]:
    """Who speaks, at what rate; why another one does than was asked for; parameters that were not heeded."""
    said = {
        "x-speech-engine": reading.voice.engine,
        "x-speech-voice": reading.voice.id,
        "x-sample-rate": str(SAMPLE_RATE),
    }
    if reading.fallback:
        said["x-speech-fallback"] = reading.fallback
    if notes:
        said[IGNORED] = ", ".join(notes)
    return said


async def wav(reading: Reading, usage: Usage) -> Response:
    """A WAV file with its true length."""
    sound = await whole(reading, usage)
    return Response(sound.wav(), media_type=TYPES["wav"], headers=headers(reading))


async def audio(reading: Reading, form: Format, usage: Usage, *notes: str) -> StreamingResponse:
    """The file while it is made. What fails before the first sentence is raised: it becomes a status."""
    check(form)
    pieces = _counted(reading, usage)
    first = await anext(pieces)
    body = _encoded(first, pieces, form)
    return StreamingResponse(body, media_type=TYPES[form], headers=headers(reading, *notes))


async def events(
    reading: Reading, form: Format, usage: Usage, tokens_in: int, *notes: str
) -> StreamingResponse:
    """OpenAI's events `speech.audio.delta` (base64 of the file's bytes) and `speech.audio.done`."""
    check(form)
    pieces = _counted(reading, usage)
    first = await anext(pieces)
    body = _events(reading, _encoded(first, pieces, form), tokens_in)
    said = {**headers(reading, *notes), **SSE_HEADERS}
    return StreamingResponse(body, media_type="text/event-stream", headers=said)


async def _counted(reading: Reading, usage: Usage) -> AsyncGenerator[Spoken, None]:
    async with aclosing(reading.pieces()) as pieces:
        async for piece in pieces:
            count(usage, reading, piece.sound)
            yield piece


async def _encoded(
    first: Spoken, pieces: AsyncGenerator[Spoken, None], form: Format
) -> AsyncGenerator[bytes, None]:
    """The file's bytes. An error after the first of them cuts the answer short, and is told to the log."""
    async with aclosing(pieces), open_encoder(form) as encoder:
        if data := await encoder.write(first.sound.pcm):
            yield data
        try:
            async for piece in pieces:
                if data := await encoder.write(piece.sound.pcm):
                    yield data
        except Capibara6Error as exc:
            log.warning("speech_cut_short", code=exc.code, reason=exc.message)
            raise
        if data := await encoder.close():
            yield data


async def _events(
    reading: Reading, chunks: AsyncGenerator[bytes, None], tokens_in: int
) -> AsyncGenerator[bytes, None]:
    size = 0
    async with aclosing(chunks):
        try:
            async for chunk in chunks:
                size += len(chunk)
                yield format_event(
                    {"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode("ascii")}
                )
        except Capibara6Error as exc:
            yield error_event(exc)
            return
    usage = {"input_tokens": tokens_in, "output_tokens": 0, "total_tokens": tokens_in}
    done = {"type": "speech.audio.done", "usage": usage, "bytes": size, "fallback": reading.fallback}
    yield format_event(done)
