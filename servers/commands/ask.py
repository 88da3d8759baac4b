"""`capibara6 ask`: one question through the agent API, shown with its citations, route and timings, and heard
while it is written."""

import base64
import io
import struct
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from servers.commands.messages import message
from tools.clients.api import open_api
from tools.errors import EmptyQuestion
from tools.schema import Answer, JsonObject
from tools.settings import Language, Settings

UNKNOWN = 0xFFFFFFFF
"""The size of a WAV file that is still being written."""
RIFF_SIZE_AT, DATA_SIZE_AT, HEAD = 4, 40, 44


async def ask(
    settings: Settings,
    question: str,
    *,
    console: Console,
    agent: str = "capibara6",
    metadata: dict[str, str] | None = None,
    speak_to: Path | None = None,
) -> Answer:
    """Ask, print the tokens as they arrive, then the sources; `speak_to` is written sentence by sentence.
    Raises `tools.errors`."""
    console.print(f"[bold]» {escape(question)}[/]")
    last: JsonObject = {}
    with _recording(speak_to) as recording:
        async for event in _events(settings, question, agent, metadata, recording):
            if event["event"] == "token":
                console.print(event["text"], end="", markup=False, highlight=False, soft_wrap=True)
            last = event
    answer = Answer.model_validate(last["answer"])
    print_answer(answer, console, settings.language)
    if recording is not None:
        console.print(recording.summary(settings.language), markup=False)
    return answer


async def fetch_answer(
    settings: Settings,
    question: str,
    *,
    agent: str = "capibara6",
    metadata: dict[str, str] | None = None,
    speak_to: Path | None = None,
) -> Answer:
    """Ask and return the whole answer, printing nothing. Raises `tools.errors`."""
    last: JsonObject = {}
    with _recording(speak_to) as recording:
        async for event in _events(settings, question, agent, metadata, recording):
            last = event
    return Answer.model_validate(last["answer"])


class Recording:
    """A WAV file that grows with an answer, each sentence at once: what reads along hears it.

    It is opened by the first sentence: an answer that fails leaves the file of before as it was. Where it can
    be rewound its header tells the length at the end; in a pipe it says that it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: BinaryIO | None = None
        self.size, self.rate, self.voice, self.reason = 0, 0, "", ""

    def hear(self, event: JsonObject) -> None:
        """Take the speech of an event, if it has any."""
        if event["event"] != "progress":
            return
        detail = event["detail"]
        if event["stage"] == "unspoken":
            self.reason = detail["message"]
        if event["stage"] != "spoken":
            return
        with wave.open(io.BytesIO(base64.b64decode(detail["audio"]))) as sound:
            samples = sound.readframes(sound.getnframes())
        if self.file is None:
            self.rate, self.voice = detail["sample_rate"], detail["voice"]
            self.file = self.path.open("wb")
            self.file.write(_wav_head(self.rate))
        self.file.write(samples)
        self.file.flush()
        self.size += len(samples)

    def close(self) -> None:
        """Write the length into the header, where that is possible."""
        if self.file is None:
            return
        with self.file as file:
            if file.seekable():
                for place, size in ((RIFF_SIZE_AT, self.size + HEAD - 8), (DATA_SIZE_AT, self.size)):
                    file.seek(place)
                    file.write(struct.pack("<I", size))

    def summary(self, language: Language) -> str:
        """What was written, or why nothing was."""
        if self.file is None:
            return message("not_spoken", language, reason=self.reason or "—")
        seconds = self.size / 2 / self.rate
        wrote = message("wrote", language, path=self.path, seconds=seconds, voice=self.voice)
        return f"{wrote}\n{message('not_spoken', language, reason=self.reason)}" if self.reason else wrote


@contextmanager
def _recording(path: Path | None) -> Iterator[Recording | None]:
    if path is None:
        yield None
        return
    with closing(Recording(path)) as recording:
        yield recording


def _wav_head(rate: int) -> bytes:
    """Of 16-bit mono samples, as many as come."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    return struct.pack("<4sI8s", b"RIFF", UNKNOWN, b"WAVEfmt ") + form + struct.pack("<4sI", b"data", UNKNOWN)


async def _events(
    settings: Settings,
    question: str,
    agent: str,
    metadata: dict[str, str] | None,
    recording: Recording | None,
) -> AsyncIterator[JsonObject]:
    """The run's events; speech goes to the recording on the way."""
    _require_question(question)
    wishes = {**(metadata or {}), **({"speak": "true"} if recording else {})}
    messages = [{"role": "user", "content": question}]
    async with open_api(settings) as api:
        async for event in api.stream(messages, agent=agent, metadata=wishes):
            if recording is not None:
                recording.hear(event)
            yield event


def _require_question(question: str) -> None:
    if not question.strip():
        raise EmptyQuestion("the question is empty", param="question")


def print_answer(answer: Answer, console: Console, language: Language) -> None:
    """Print the sources, who answered and why, and the milliseconds of each stage."""
    console.print()
    if answer.citations:
        console.print(f"\n[bold]{message('sources', language)}[/]")
    for citation in answer.citations:
        console.print(f"  \\[{citation.n}] {escape(citation.title)} · [dim]{escape(citation.source)}[/]")
        console.print(Padding(f"[dim italic]{escape(shorten(citation.text))}[/]", (0, 0, 0, 6)))
    who = message("answered_by", language, agent=answer.agent, model=answer.model)
    why = f", {message('because', language, why='; '.join(answer.route.reasons))}" if answer.route else ""
    times = " · ".join(f"{stage} {ms:.0f} ms" for stage, ms in answer.timings_ms.items())
    console.print(f"\n[dim]{escape(who + why)}\n{times}[/]")


def shorten(text: str, length: int = 240) -> str:
    """The text on one line, cut after `length` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
