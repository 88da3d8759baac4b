"""What is heard, by numbers; and texts that are none: signs, other scripts, control signs, a megabyte."""

from collections.abc import Iterator
from itertools import combinations

import httpx
import numpy as np
import pytest

from servers.speech.main import build_app
from servers.speech.sound import LOUDNESS_DBFS, PEAK, SAMPLE_RATE, loudness
from servers.speech.voices import VOICES, Voice
from tests.conftest import settings_in
from tests.serving import serving
from tests.speech.decoding import decode
from tools.schema import Language

TEXTS: dict[Language, str] = {
    "es": "El servidor de modelos reparte la memoria entre los que más se usan. Cuando llega una pregunta, "
    "elige el que mejor la contesta y lo carga si hace falta. Nada de esto sale de la máquina.",
    "en": "The server shares its memory among the models that are used most. When a question comes, it "
    "chooses the one that answers it best and loads it if it has to. None of this leaves the machine.",
}
CHARACTERS_A_SECOND: dict[Language, float] = {"es": 16.0, "en": 16.5}
SPOKEN = ("/v1/audio/speech", "input"), ("/tts", "text"), ("/api/tts", "text")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = settings_in(tmp_path_factory.mktemp("audio"))
    with serving(build_app(settings), settings.ports.speech):
        yield settings.speech_url


def said(url: str, text: str, voice: Voice) -> np.ndarray:
    request = {"input": text, "voice": voice.id, "response_format": "flac"}
    answer = httpx.post(f"{url}/v1/audio/speech", json=request)
    heard = decode(answer.content)
    assert (heard.rate, heard.container) == (SAMPLE_RATE, "flac")
    return heard.samples


@pytest.mark.parametrize("language", TEXTS)
def test_every_voice_is_as_long_loud_and_level_as_speech_and_sounds_like_no_other(
    url: str, language: Language
) -> None:
    text = TEXTS[language]
    spoken = {voice.id: said(url, text, voice) for voice in VOICES if voice.language == language}
    for name, samples in spoken.items():
        seconds = len(samples) / SAMPLE_RATE
        assert seconds == pytest.approx(len(text) / CHARACTERS_A_SECOND[language], rel=0.2), name
        assert loudness(samples) == pytest.approx(LOUDNESS_DBFS, abs=1.5), name
        assert np.abs(samples).max() <= PEAK, name
        assert abs(float(samples.mean())) < 0.0005, name
    for one, other in combinations(spoken.values(), 2):
        length = min(len(one), len(other))
        assert abs(np.corrcoef(one[:length], other[:length])[0, 1]) < 0.5


@pytest.mark.parametrize(("path", "field"), SPOKEN)
@pytest.mark.parametrize("text", ["😀🎉👩‍👩‍👧", " \u200b\ufeff ", "\x00\x07\x1b", "***", "\u202e\u202c"])
def test_where_there_is_nothing_to_say_it_is_400_by_name(url: str, path: str, field: str, text: str) -> None:
    answer = httpx.post(f"{url}{path}", json={field: text})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "nothing_to_say"), answer.text


@pytest.mark.parametrize("text", ["שלום עולם", "مرحبا hola", "ho\x00la\x1b[31m a \u202etodos", "Привет 世界"])
def test_other_scripts_and_control_characters_are_spoken_around(url: str, text: str) -> None:
    answer = httpx.post(f"{url}/v1/audio/speech", json={"input": text, "response_format": "wav"})
    assert answer.status_code == 200, answer.text
    assert decode(answer.content).seconds > 0.2


@pytest.mark.parametrize(("path", "field"), SPOKEN)
def test_a_megabyte_of_text_is_413(url: str, path: str, field: str) -> None:
    answer = httpx.post(f"{url}{path}", json={field: "hola " * 200_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
