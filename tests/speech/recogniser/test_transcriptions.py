"""A real Whisper writes down what the voices of this server say; OpenAI's own client asks it."""

import importlib.util
import io
import os
import signal
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest
import soundfile

from servers.speech.http.transcriptions import MAX_BYTES
from servers.speech.main import build_app
from tests.conftest import settings_in
from tests.serving import serving
from tests.speech.decoding import decode
from tests.speech.recogniser.wer import word_error_rate

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="make stt installs the recogniser"
)
SAID = "Good morning. The weather is cold today, so please take a warm coat and close the window."


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, object]]:
    settings = settings_in(tmp_path_factory.mktemp("heard"))
    app = build_app(settings)
    with serving(app, settings.ports.speech):
        yield settings.speech_url, app


@pytest.fixture(scope="module")
def url(app: tuple[str, object]) -> str:
    return app[0]


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as one:
        yield one


@pytest.fixture(scope="module")
def recording(url: str) -> bytes:
    request = {"model": "tts-1", "input": SAID, "voice": "en_emma", "response_format": "mp3"}
    return httpx.post(f"{url}/v1/audio/speech", json=request).content


def wav(seconds: float, level: float = 0.0) -> bytes:
    out = io.BytesIO()
    samples = level * np.sin(np.arange(int(seconds * 16_000)) / 6)
    soundfile.write(out, samples, 16_000, format="WAV")
    return out.getvalue()


def test_what_espeak_says_is_written_down_with_its_times(client: openai.OpenAI, recording: bytes) -> None:
    heard = client.audio.transcriptions.create(
        model="whisper-1",
        file=("said.mp3", recording),
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert word_error_rate(SAID, heard.text) <= 0.4, heard.text
    assert heard.language == "en"
    assert heard.segments is not None
    assert heard.words is not None
    assert float(heard.duration) == pytest.approx(decode(recording).seconds, abs=0.1)
    assert 0 <= heard.segments[0].start < heard.segments[-1].end <= float(heard.duration) + 0.5
    assert [word.start for word in heard.words] == sorted(word.start for word in heard.words)


def test_silence_is_no_sentence(client: openai.OpenAI) -> None:
    assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav(3))).text == ""


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_audio"),
        (b"RIFF", "not_audio"),
        (b"hello world\n" * 1000, "not_audio"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n", "not_audio"),
        (b"ffconcat version 1.0\nfile '/etc/hostname'\n", "not_audio"),
        (wav(0), "not_audio"),
    ],
)
def test_what_is_no_recording_is_400(client: openai.OpenAI, content: bytes, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", content))
    assert (refused.value.code, refused.value.param) == (code, "file")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "diarized_json"}, "response_format"),
        ({"language": "es"}, "language"),
        ({"stream": "true"}, "stream"),
        ({"temperature": "2"}, "temperature"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities"),
        ({"prompt": "a" * 4_001}, "prompt"),
    ],
)
def test_what_would_not_be_heeded_is_refused_by_name(url: str, fields: dict[str, str], param: str) -> None:
    answer = httpx.post(
        f"{url}/v1/audio/transcriptions", data=fields, files={"file": ("a.wav", wav(0.2, 0.3))}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


def test_an_unknown_model_is_404_and_other_fields_are_named_in_a_header(url: str) -> None:
    files = {"file": ("a.wav", wav(0.2, 0.3))}
    path = f"{url}/v1/audio/transcriptions"
    assert httpx.post(path, data={"model": "tts-1"}, files=files).status_code == 404
    answer = httpx.post(path, data={"model": "whisper-tiny.en", "chunking_strategy": "auto"}, files=files)
    assert (answer.status_code, answer.headers["x-capibara6-ignored"]) == (200, "chunking_strategy")


def test_a_recording_may_be_larger_than_other_bodies_and_has_a_bound(url: str) -> None:
    path = f"{url}/v1/audio/transcriptions"
    nine = httpx.post(path, files={"file": ("a.wav", b"a" * 9_000_000)}, timeout=60)
    assert (nine.status_code, nine.json()["error"]["code"]) == (400, "not_audio")
    huge = httpx.post(path, files={"file": ("a.wav", b"a" * (MAX_BYTES + 1))}, timeout=60)
    assert (huge.status_code, huge.json()["error"]["code"]) == (413, "too_large")
    assert httpx.post(path, json={}).status_code == 400


def test_a_killed_recogniser_is_started_again_for_the_next_recording(app, client) -> None:
    url, server = app
    process = server.state.recogniser.synthesiser.process
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav(1))).text == ""
    told = httpx.get(f"{url}/details").json()["recogniser"]
    assert told == {"available": True, "model": "whisper-tiny.en", "languages": ["en"], "loaded": True}
    assert "whisper-1" in {model.id for model in client.models.list()}
