"""Coqui as an engine: which models the settings name, in a process of the environment of `make tts`."""

import json
import struct
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from servers.speech.engine import Engine, Stopped
from servers.speech.sound import SAMPLE_RATE, Sound, finish
from servers.speech.synthesiser import Synthesiser
from servers.speech.voices import COQUI, Voice
from tools.errors import NotSupported
from tools.schema import Language, SpeechSettings

PROGRAM: Final = Path(__file__).with_name("coqui.py")
ROOT: Final = Path(__file__).parents[3]
QUEUE: Final = 8
START_S: Final = 300.0
DEADLINE_S: Final = 180.0
LOAD_S: Final = 3_600.0
"""A model is fetched and loaded by its first sentence, and goes on loading when that one's caller left."""
CLONING: Final = ("xtts", "your_tts")
"""Families of models that speak in a recorded voice."""


def coqui_missing(settings: SpeechSettings) -> str | None:
    """Why Coqui's voices do not speak here; None when they can."""
    if not settings.coqui_python.is_file():
        return "Coqui's voices are not installed: `make tts`"
    if not settings.coqui:
        return 'no model is named: CAPIBARA6_SPEECH__COQUI=\'{"es": "tts_models/es/css10/vits"}\''
    for model in settings.coqui.values():
        if "xtts" in model.lower() and not Path(model).is_dir() and not settings.coqui_terms:
            return "XTTS forbids commercial use: CAPIBARA6_SPEECH__COQUI_TERMS=true agrees to Coqui's licence"
    return None


def cloning_missing(settings: SpeechSettings) -> str | None:
    """Why no voice can be cloned here; None when it can."""
    if missing := coqui_missing(settings):
        return missing
    if not any(clones(model) for model in settings.coqui.values()):
        return "none of the models that the settings name clones a voice: XTTS does"
    return None


def clones(model: str) -> bool:
    """Whether a model speaks in a recorded voice, by its configuration or its name."""
    try:
        family = json.loads((Path(model) / "config.json").read_text("utf-8")).get("model", "")
    except (OSError, ValueError):
        family = model
    return any(name in str(family).lower() for name in CLONING)


class Coqui(Engine):
    """One process for all models; `models` are names or folders, by language."""

    def __init__(self, settings: SpeechSettings, thread: ThreadPoolExecutor) -> None:
        environment = {"COQUI_TOS_AGREED": "1"} if settings.coqui_terms else {}
        synthesiser = Synthesiser(
            PROGRAM,
            (str(ROOT), str(settings.threads)),
            python=str(settings.coqui_python.absolute()),
            environment=environment,
            start_s=START_S,
        )
        super().__init__(synthesiser, thread, queue=QUEUE, deadline_s=DEADLINE_S)
        self.models: Mapping[Language, str] = settings.coqui

    async def speak(self, text: str, *, voice: Voice, speed: float = 1.0) -> Sound:
        """One sentence; a private voice's `source` is its recording. Raises what `run` raises, `EngineGone`,
        `UpstreamFailed` with Coqui's reason, `NotSupported` for a language without a model."""
        model = self._model(voice)
        wav = voice.source if voice.private else None
        job = {"text": text, "model": model, "language": voice.language, "wav": wav, "speed": speed}

        def make(stopped: Stopped) -> Sound:
            if stopped():
                return Sound(b"", SAMPLE_RATE)
            began = time.monotonic()
            answer = self.synthesiser.ask(job, lambda: time.monotonic() - began > LOAD_S)
            (rate,) = struct.unpack_from("<I", answer)
            return finish(answer[4:], rate)

        return await self.run(make)

    def speaks(self, voice: Voice) -> bool:
        """Whether there is a model for the voice's language; for a private one, a model that clones."""
        return any(map(clones, self.models.values())) if voice.private else voice.language in self.models

    def _model(self, voice: Voice) -> str:
        fitting = [model for model in self.models.values() if clones(model)] if voice.private else []
        model = next(iter(fitting), None) or self.models.get(voice.language)
        if model is None:
            raise NotSupported(
                f"no model of Coqui is named for {voice.language}: CAPIBARA6_SPEECH__COQUI",
                source="speech",
                code="no_model_for_language",
            )
        assert voice.engine == COQUI
        return model
