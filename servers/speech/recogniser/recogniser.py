"""Writes recordings down: one process, loaded when it is first asked, a short queue, a deadline on each."""

import json
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from servers.speech.engine import Engine, Stopped, unloading
from servers.speech.recogniser.models import RecogniserModel, find_model
from servers.speech.recogniser.transcript import Transcript
from servers.speech.synthesiser import Synthesiser
from tools.errors import BadRequest
from tools.schema import JsonObject, SpeechSettings

PROGRAM: Final = Path(__file__).with_name("whisper.py")
QUEUE: Final = 4


class Recogniser(Engine):
    """One model of Whisper."""

    def __init__(
        self,
        model: RecogniserModel,
        thread: ThreadPoolExecutor,
        *,
        downloads: Path,
        threads: int,
        deadline_s: float,
    ) -> None:
        arguments = (model.model, str(downloads), str(threads))
        # A model of the hub is fetched by the first start: that has the same time as a recording.
        synthesiser = Synthesiser(PROGRAM, arguments, start_s=deadline_s)
        super().__init__(synthesiser, thread, queue=QUEUE, deadline_s=deadline_s)
        self.model = model

    async def transcribe(
        self,
        recording: bytes,
        *,
        language: str | None = None,
        prompt: str | None = None,
        temperature: float = 0.0,
        words: bool = False,
    ) -> Transcript:
        """A recording in any of the usual containers. Raises `BadRequest` for a file without sound and for a
        language that the model does not know, and what `Engine.run` raises."""

        def listen(stopped: Stopped) -> JsonObject:
            self.synthesiser.start()
            known = self.synthesiser.hello["languages"]
            if language is not None and language not in known:
                return {"unknown": known}
            if stopped():
                return {}
            with tempfile.NamedTemporaryFile(prefix="capibara6-heard-") as file:
                file.write(recording)
                file.flush()
                job = {"path": file.name, "language": language, "prompt": prompt}
                job |= {"temperature": temperature, "words": words}
                return json.loads(self.synthesiser.ask(job, stopped) or b"{}")

        found = await self.run(listen)
        if "unknown" in found:
            raise BadRequest(
                f"{self.model.name} does not know {language!r}; it knows: {', '.join(found['unknown'])}",
                param="language",
                source="speech",
                code="language_not_supported",
            )
        if "refused" in found:
            raise BadRequest(found["refused"], param="file", source="speech", code="not_audio")
        return Transcript(found["language"], found["duration"], found["segments"])


@asynccontextmanager
async def open_recogniser(
    settings: SpeechSettings, downloads: Path
) -> AsyncIterator[Recogniser | RecogniserModel]:
    """The recogniser, not loaded yet; where there is none, the model that says why."""
    model = find_model(settings.recogniser)
    if model.missing is not None:
        yield model
        return
    with ThreadPoolExecutor(1, "whisper") as thread:
        recogniser = Recogniser(
            model, thread, downloads=downloads, threads=settings.threads, deadline_s=settings.recogniser_s
        )
        async with unloading(recogniser, settings.idle_s):
            yield recogniser
