"""Over HTTP: the first byte of a streamed file against the whole of it, and memory over many requests."""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from servers.speech.encoding.formats import FORMATS, aac_missing
from servers.speech.main import build_app
from servers.speech.speaker import Speaker
from tests.conftest import settings_in
from tests.serving import serving

PARALLEL = 8
WARM = 200


async def streaming(http: httpx.AsyncClient, speaker: Speaker, text: str, rounds: int) -> None:
    """Median milliseconds to the first byte and to the last; WAV is answered whole."""
    for form in FORMATS:
        if form == "aac" and aac_missing():
            continue
        found = []
        for _ in range(rounds):
            speaker.cache.sounds.clear()
            began, first = time.monotonic(), 0.0
            request = {"input": text, "voice": "es_lucia", "response_format": form}
            async with http.stream("POST", "/v1/audio/speech", json=request) as answer:
                async for _piece in answer.aiter_bytes():
                    first = first or time.monotonic() - began
            found.append((first * 1000, (time.monotonic() - began) * 1000))
        first, whole = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{form:22} first byte {first:7.0f} ms   whole {whole:7.0f} ms")


async def memory(http: httpx.AsyncClient, requests: int) -> None:
    """Resident memory of the server and of its programs: after `WARM` requests, in the middle, at the end."""
    process, gate, statuses = psutil.Process(), asyncio.Semaphore(PARALLEL), list[int]()

    async def one(number: int) -> None:
        text = f"Frase número {number} de la prueba. Otra más, que dice {number * 7}."
        form = FORMATS[number % len(FORMATS)]
        if form == "aac" and aac_missing():
            form = "mp3"
        async with gate:
            request = {"input": text, "response_format": form}
            statuses.append((await http.post("/v1/audio/speech", json=request)).status_code)

    def resident() -> str:
        children = sum(child.memory_info().rss for child in process.children(recursive=True))
        return f"{process.memory_info().rss / 1e6:.0f} + {children / 1e6:.0f}"

    told = []
    for start, end in ((0, WARM), (WARM, requests // 2), (requests // 2, requests)):
        await asyncio.gather(*map(one, range(start, end)))
        told.append(f"{resident()} MB after {end}")
    answered = sum(status == 200 for status in statuses)
    print(f"memory (server + programs): {', '.join(told)}; {answered} of {len(statuses)} answered")


async def main(text: str, rounds: int, requests: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        settings = settings_in(Path(home), log_level="ERROR")
        app = build_app(settings)
        with serving(app, settings.ports.speech):
            async with httpx.AsyncClient(base_url=settings.speech_url, timeout=120) as http:
                await streaming(http, app.state.speaker, text, rounds)
                if requests:
                    await memory(http, max(requests, 2 * WARM))
