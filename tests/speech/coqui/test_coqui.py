"""Coqui's voices for real: a tiny VITS of random weights, made and spoken by Coqui's own code."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from servers.speech.main import build_app
from servers.speech.sound import SAMPLE_RATE
from tests.conftest import settings_in
from tests.serving import serving
from tests.speech.decoding import decode

PYTHON = Path(__file__).parents[3] / ".venv-tts/bin/python"
TINY = Path(__file__).with_name("tiny_vits.py")
TEXT = "Hola a todos. Esta es la segunda frase."
pytestmark = [
    pytest.mark.tts,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not PYTHON.exists(), reason="make tts builds the environment of Coqui's voices"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, object]]:
    home = tmp_path_factory.mktemp("coqui")
    subprocess.run([PYTHON, TINY, home / "tiny"], check=True, capture_output=True, timeout=600)
    speech = {
        "voice_engine": "coqui",
        "coqui": {"es": str(home / "tiny")},
        "coqui_python": PYTHON,
        "idle_s": 600,
    }
    settings = settings_in(home / "home", speech=speech)
    app = build_app(settings)
    with serving(app, settings.ports.speech):
        yield settings.speech_url, app


def say(url: str, **fields: object) -> httpx.Response:
    request = {"model": "tts-1", "input": TEXT, "response_format": "wav", **fields}
    return httpx.post(f"{url}/v1/audio/speech", json=request, timeout=600)


def test_its_model_speaks_the_same_samples_at_our_rate_and_shorter_when_faster(served) -> None:
    url, app = served
    assert app.state.speaker.coqui.synthesiser.process is None, "nothing is loaded before it is asked"
    first = say(url)
    assert (first.status_code, first.headers["x-speech-engine"]) == (200, "coqui"), first.text
    assert (first.headers["x-speech-voice"], "x-speech-fallback" in first.headers) == ("es_coqui", False)
    heard = decode(first.content)
    assert (heard.rate, heard.container) == (SAMPLE_RATE, "wav")
    assert np.abs(heard.samples).max() < 0.9
    app.state.speaker.cache.sounds.clear()
    assert say(url, voice="alloy").content == first.content
    assert decode(say(url, speed=2.0).content).seconds < heard.seconds


def test_a_language_without_a_model_is_spoken_by_another_engine(served) -> None:
    url, _ = served
    answer = say(url, input="The weather is good. Today we go out and play.")
    assert answer.status_code == 200
    told = httpx.get(f"{url}/details").json()["engines"]["coqui"]
    assert (told["available"], list(told["models"]), told["loaded"]) == (True, ["es"], True)


def test_coqui_clients_find_it_and_a_model_that_does_not_clone_says_so(served) -> None:
    url, _ = served
    assert "es_coqui" in httpx.get(f"{url}/speakers").json()["speakers"]
    wav = httpx.get(f"{url}/api/tts", params={"text": "hola", "speaker_id": "es_coqui"}, timeout=600)
    assert decode(wav.content).rate == SAMPLE_RATE
    refused = httpx.post(f"{url}/v1/audio/voices", data={"name": "a"}, files={"audio_sample": ("a", b"a")})
    assert (refused.status_code, refused.json()["error"]["code"]) == (501, "no_cloning")
    assert "XTTS" in refused.json()["error"]["message"]
