"""Kokoro's English as Whisper hears it, where `make voices` and `make stt` have brought both."""

import importlib.util
from pathlib import Path

import pytest

from servers.speech.neural.files import KokoroFiles
from servers.speech.recogniser.recogniser import Recogniser, open_recogniser
from servers.speech.speaker import open_speaker
from servers.speech.voices import BY_ID
from tests.speech.recogniser.wer import word_error_rate
from tools.schema import SpeechSettings

KOKORO = KokoroFiles(Path(__file__).parents[3] / ".capibara6" / "voices" / "kokoro")
SAID = "Good morning. The server keeps three models loaded at the same time, and none leaves the machine."
pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("faster_whisper") is None, reason="make stt installs the recogniser"
    ),
    pytest.mark.skipif(not KOKORO.complete, reason="make voices brings Kokoro"),
]


@pytest.mark.parametrize("name", ["en_heart", "en_michael"])
async def test_of_a_hundred_words_at_most_eight_are_heard_wrong(tmp_path: Path, name: str) -> None:
    settings = SpeechSettings(voice_engine="kokoro")
    async with (
        open_speaker(files=KOKORO, settings=settings, deadline_s=200) as speaker,
        open_recogniser(settings, tmp_path) as recogniser,
    ):
        assert isinstance(recogniser, Recogniser)
        sound = await speaker.speak(SAID, voice=BY_ID[name])
        heard = await recogniser.transcribe(sound.wav(), language="en")
    assert word_error_rate(SAID, heard.text) <= 0.08, heard.text
