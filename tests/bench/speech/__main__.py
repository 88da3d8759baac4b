"""Speech: the first sound of a 60-word text, work for a second of speech, bytes and CPU of each format,
streaming against whole, memory over many requests, and how English is understood.

`python -m tests.bench.speech [--rounds N] [--kokoro FOLDER] [--requests N]`; FOLDER holds Kokoro's files
(`make voices` puts them into `voices/kokoro` of the home). Times are of this machine at this hour; ratios
travel.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil

from servers.speech.encoding.formats import FORMATS, aac_missing, open_encoder
from servers.speech.neural.files import KokoroFiles
from servers.speech.sound import SAMPLE_RATE
from servers.speech.speaker import Speaker, open_speaker
from servers.speech.voices import BY_ID
from tests.bench.speech import heard, served
from tools.schema import SpeechSettings

SENTENCES = (
    "El servidor de modelos reparte la memoria entre los que más se usan. Cuando llega una pregunta, elige "
    "el que mejor la contesta y lo carga si hace falta. Los documentos se buscan por palabras y por sentido, "
    "y cada respuesta dice de dónde sale lo que afirma. Si algo falla, otro modelo sigue en su lugar. Nada "
    "de esto sale de la máquina."
)
LONG = " ".join(f"{SENTENCES} Párrafo {number}." for number in range(40))[:9_900]


async def first_and_whole(speaker: Speaker, text: str, voice: str) -> tuple[float, float, float]:
    """Seconds to the first sound, to the last, and of speech; nothing is held from before."""
    speaker.cache.sounds.clear()
    began = time.monotonic()
    first, spoken = 0.0, 0.0
    async with aclosing(speaker.read(text, voice=BY_ID[voice]).pieces()) as pieces:
        async for piece in pieces:
            first = first or time.monotonic() - began
            spoken += piece.sound.duration_s
    return first, time.monotonic() - began, spoken


async def engine(speaker: Speaker, name: str, voice: str, rounds: int) -> None:
    await first_and_whole(speaker, "Uno dos tres.", voice)
    cpu = _programs_cpu()
    found = [await first_and_whole(speaker, SENTENCES, voice) for _ in range(rounds)]
    cpu = (_programs_cpu() - cpu) / sum(spoken for *_, spoken in found)
    first, whole, spoken = (statistics.median(column) for column in zip(*found, strict=True))
    print(
        f"{name:22} first sound {first * 1000:7.0f} ms   whole {whole * 1000:7.0f} ms   "
        f"speech {spoken:5.1f} s   real-time factor {whole / spoken:.3f}   "
        f"CPU {cpu:.3f} s a second of speech"
    )


async def formats(speaker: Speaker) -> None:
    pieces = [piece.sound.pcm async for piece in speaker.read(SENTENCES, voice=BY_ID["es_lucia"]).pieces()]
    seconds = sum(map(len, pieces)) / 2 / SAMPLE_RATE
    for form in FORMATS:
        if form == "aac" and aac_missing():
            continue
        cpu, size = _cpu(), 0
        async with open_encoder(form) as encoder:
            for pcm in pieces:
                size += len(await encoder.write(pcm))
            size += len(await encoder.close())
        spent = (_cpu() - cpu) / seconds * 1000
        print(f"{form:22} {size / seconds / 1000:6.1f} kB and {spent:6.2f} ms of CPU a second of speech")


def _programs_cpu() -> float:
    """Seconds that the engines' processes have used: what a busy machine does not change."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(time.user + time.system for time in times)


def _cpu() -> float:
    """Seconds of this process and of its children that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@asynccontextmanager
async def opened(folder: Path | None, threads: int = 1) -> AsyncIterator[Speaker]:
    files = KokoroFiles(folder) if folder else None
    settings = SpeechSettings(voice_engine="kokoro" if folder else "espeak", threads=threads)
    async with open_speaker(files=files, settings=settings, deadline_s=120) as speaker:
        yield speaker


async def main(rounds: int, kokoro: Path | None, requests: int) -> None:
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    async with opened(None) as speaker:
        await engine(speaker, "espeak-ng", "es_lucia", rounds)
        first, whole, spoken = await first_and_whole(speaker, LONG, "es_lucia")
        print(f"espeak-ng, {len(LONG)} chars  first {first * 1000:.0f} ms, {whole:.1f} s for {spoken:.0f} s")
        await formats(speaker)
    for threads in (1, 2) if kokoro else ():
        async with opened(kokoro, threads) as speaker:
            await engine(speaker, f"kokoro, {threads} threads", "es_dora", max(rounds // 10, 1))
    await served.main(SENTENCES, rounds, requests)
    with tempfile.TemporaryDirectory() as downloads:
        async with opened(kokoro) as speaker:
            await heard.heard(speaker, Path(downloads))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--kokoro", type=Path)
    parser.add_argument("--requests", type=int, default=0, help="how many for the memory; 2,000 take minutes")
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.kokoro, given.requests))
