"""OpenAI's own client speaks to a real server: every format decoded by FFmpeg, streams as they are made."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator

import httpx
import numpy as np
import openai
import pytest

from servers.speech.encoding import formats
from servers.speech.encoding.formats import Format
from servers.speech.http.openai import MODELS
from servers.speech.main import build_app
from servers.speech.sound import SAMPLE_RATE
from servers.speech.voices import BY_ID, OPENAI
from tests.conftest import settings_in
from tests.serving import serving
from tests.speech.decoding import decode
from tools.schema import JsonObject

SPANISH = "El servidor puede tener cargados hasta tres modelos a la vez. Cada uno responde por su puerto."
ENGLISH = "The server keeps up to three models loaded at the same time. Each of them has a port of its own."
EXPECTED: dict[Format, tuple[str, str]] = {
    "mp3": ("mp3", "mp3float"),
    "opus": ("ogg", "opus"),
    "aac": ("aac", "aac"),
    "flac": ("flac", "flac"),
    "wav": ("wav", "pcm_s16le"),
}
LONG = " ".join(f"{SPANISH} La frase {number} es otra." for number in range(80))[:9_900]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = settings_in(tmp_path_factory.mktemp("openai"), speech={"recogniser": "off"})
    with serving(build_app(settings), settings.ports.speech):
        yield settings.speech_url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as one:
        yield one


@pytest.mark.parametrize("form", EXPECTED)
def test_every_format_is_what_it_says_and_sounds_alike(client: openai.OpenAI, form: Format) -> None:
    pcm = client.audio.speech.create(model="tts-1", voice="alloy", input=SPANISH, response_format="pcm")
    made = client.audio.speech.create(model="tts-1", voice="alloy", input=SPANISH, response_format=form)
    assert made.response.headers["content-type"] == formats.TYPES[form]
    heard = decode(made.content)
    assert (heard.container, heard.codec) == EXPECTED[form]
    assert heard.rate == (48_000 if form == "opus" else SAMPLE_RATE)  # Opus is always decoded at 48 kHz.
    raw = np.frombuffer(pcm.content, dtype="<i2") / 32_768
    assert heard.seconds == pytest.approx(len(raw) / SAMPLE_RATE, abs=0.15)
    levels = [np.sqrt(np.mean(np.square(samples))) for samples in (heard.samples, raw)]
    assert levels[0] == pytest.approx(levels[1], rel=0.1)
    assert np.abs(heard.samples).max() < 1
    assert abs(heard.samples.mean()) < 0.01


@pytest.mark.parametrize("name", OPENAI)
def test_every_voice_of_openai_speaks_the_language_of_the_text(client: openai.OpenAI, name: str) -> None:
    spoken = []
    for text in (SPANISH, ENGLISH):
        answer = client.audio.speech.create(model="gpt-4o-mini-tts", voice=name, input=text)
        voice = BY_ID[answer.response.headers["x-speech-voice"]]
        spoken.append(voice.language)
        assert decode(answer.content).seconds > 3
    assert spoken == ["es", "en"]


def test_the_client_streams_and_hears_the_first_sentence_before_the_last_is_made(
    client: openai.OpenAI,
) -> None:
    began = time.monotonic()
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="nova", input=LONG, response_format="pcm"
    ) as answer:
        arrived = [(time.monotonic() - began, len(chunk)) for chunk in answer.iter_bytes()]
    assert sum(size for _, size in arrived) / 2 / SAMPLE_RATE > 300
    assert arrived[0][0] < arrived[-1][0] / 5


def test_events_carry_the_file_and_end_with_done(client: openai.OpenAI, url: str) -> None:
    request = {"model": "gpt-4o-mini-tts", "voice": "coral", "input": ENGLISH, "response_format": "mp3"}
    whole = client.audio.speech.create(model="tts-1", voice="coral", input=ENGLISH).content
    events: list[JsonObject] = []
    with httpx.stream("POST", f"{url}/v1/audio/speech", json={**request, "stream_format": "sse"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
    assert [event["type"] for event in events[:-1]] == ["speech.audio.delta"] * (len(events) - 1)
    assert len(events) > 2
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["total_tokens"] > 0
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == whole


def test_a_streamed_wav_is_read_to_its_end(url: str) -> None:
    request = {"model": "tts-1", "input": ENGLISH, "response_format": "wav"}
    streamed = httpx.post(f"{url}/v1/audio/speech", json={**request, "stream_format": "audio"})
    whole = httpx.post(f"{url}/v1/audio/speech", json=request)
    assert "content-length" in whole.headers
    assert "content-length" not in streamed.headers
    assert streamed.content[44:] == whole.content[44:]
    assert decode(streamed.content).seconds == decode(whole.content).seconds


def test_speed_makes_it_shorter_and_instructions_are_said_to_be_ignored(client: openai.OpenAI) -> None:
    sizes = []
    for speed in (0.25, 1.0, 4.0):
        answer = client.audio.speech.create(
            model="gpt-4o-mini-tts",
            voice="ash",
            input=ENGLISH,
            speed=speed,
            response_format="pcm",
            instructions="whisper",
        )
        assert answer.response.headers["x-capibara6-ignored"] == "instructions"
        sizes.append(len(answer.content))
    assert sizes[0] > 1.8 * sizes[1] > 5 * sizes[2]


def test_the_same_request_gives_the_same_samples(url: str) -> None:
    request = {"model": "tts-1", "input": "Nadie lo ha dicho todavía, ni siquiera ayer.", "voice": "en_noah"}
    first, second = (httpx.post(f"{url}/v1/audio/speech", json=request).content for _ in range(2))
    assert first == second


def test_models_are_listed_and_others_are_404(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == list(MODELS)
    with pytest.raises(openai.NotFoundError) as refused:
        client.audio.speech.create(model="whisper-1", voice="alloy", input="hola")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as refused:
        client.audio.speech.create(model="tts-1", voice="/etc/passwd", input="hola")
    assert refused.value.code == "voice_not_found"


@pytest.mark.parametrize(
    "bad", [{"response_format": "mp4"}, {"speed": 5}, {"stream_format": "x"}, {"voice": 1}]
)
def test_bad_parameters_are_400(url: str, bad: dict[str, object]) -> None:
    answer = httpx.post(f"{url}/v1/audio/speech", json={"model": "tts-1", "input": "hola", **bad})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")


def test_a_recording_to_be_written_down_is_501_with_the_way(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
    assert (refused.value.status_code, refused.value.code) == (501, "no_recogniser")


def test_without_its_package_aac_is_501_with_the_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "aac_missing", lambda: "AAC needs the package av")
    request = {"model": "tts-1", "input": "hola", "response_format": "aac"}
    answer = httpx.post(f"{url}/v1/audio/speech", json=request)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "format_not_installed")


async def test_a_hundred_at_once_are_answered_or_told_when_to_come_back(url: str) -> None:
    async with httpx.AsyncClient(timeout=120) as http:

        async def one(number: int) -> httpx.Response:
            request = {
                "model": "tts-1",
                "input": f"Frase número {number}. {SPANISH}",
                "response_format": "pcm",
            }
            return await http.post(f"{url}/v1/audio/speech", json=request)

        answers = await asyncio.gather(*map(one, range(100)))
        assert {answer.status_code for answer in answers} <= {200, 429, 503}
        assert sum(answer.status_code == 200 for answer in answers) >= 32
        assert all("retry-after" in answer.headers for answer in answers if answer.status_code != 200)
        assert (await one(100)).status_code == 200


async def test_who_leaves_in_the_middle_stops_the_voice(url: str) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        request = {"model": "tts-1", "input": LONG, "response_format": "pcm", "speed": 0.9}
        async with http.stream("POST", f"{url}/v1/audio/speech", json=request) as answer:
            await anext(answer.aiter_bytes())
        until = time.monotonic() + 10
        while (state := (await http.get(f"{url}/details")).json())["queue"]["waiting"]:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        sentences = state["cache"]["sentences"]
        await asyncio.sleep(0.5)
        assert (await http.get(f"{url}/details")).json()["cache"]["sentences"] == sentences
