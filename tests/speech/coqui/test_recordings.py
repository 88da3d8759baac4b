"""Recorded voices: what is kept, of whom, what is refused; and their way over HTTP to a model that hums."""

import io
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import openai
import pytest
import soundfile

from servers.speech.coqui.recordings import LONGEST_S, MAX_VOICES, Recordings, checked
from servers.speech.main import build_app
from servers.speech.sound import SAMPLE_RATE
from tests.conftest import settings_in
from tools.access.identity import LOCAL, SCOPES, Principal
from tools.errors import BadRequest, Conflict, NotSupported, VoiceNotFound

HUM = """
import json, math, struct, sys
sys.path.append(sys.argv[1])
from servers.speech.pipe import open_pipe
pipe = open_pipe()
pipe.send(b"H", json.dumps({"sample_rate": 0, "version": "hum"}).encode())
while (frame := pipe.receive()) is not None:
    job = json.loads(frame[1])
    high = 4 if job["wav"] else 15
    tone = [int(9000 * math.sin(number / high)) for number in range(16000)]
    pipe.send(b"S", struct.pack("<I", 16000) + struct.pack("<16000h", *tone))
    pipe.send(b".")
"""


def person(user: str, tenant: str = "acme") -> Principal:
    return Principal(tenant, user, "user", SCOPES["user"], f"key-{user}")


def recorded(
    seconds: float = 4, rate: int = 44_100, channels: int = 2, form: str = "WAV", level: float = 0.3
) -> bytes:
    out, place = io.BytesIO(), np.arange(int(seconds * rate))
    tone = level * np.sin(place / 20) * (place % 4_000 < 3_000)
    soundfile.write(out, np.stack([tone] * channels, axis=1), rate, format=form)
    return out.getvalue()


def test_a_recording_is_kept_anew_in_our_form_for_its_owner_alone(tmp_path: Path) -> None:
    recordings, ana = Recordings(tmp_path), person("ana/../../etc")
    told = recordings.add(ana, "mi-voz", recorded(), consent=True)
    assert (told.id, told.consent_by, told.duration_s) == ("voice_mi-voz", "ana/../../etc", 4.0)
    voice = recordings.find(ana, "voice_mi-voz")
    kept = soundfile.SoundFile(voice.source)
    assert (kept.samplerate, kept.channels, kept.subtype) == (SAMPLE_RATE, 1, "PCM_16")
    assert all(tmp_path in path.parents for path in tmp_path.rglob("*.wav"))
    for stranger in (person("berto"), person("ana/../../etc", "otra")):
        assert recordings.list(stranger) == []
        with pytest.raises(VoiceNotFound):
            recordings.find(stranger, "voice_mi-voz")
    recordings.remove(ana, "voice_mi-voz")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", "Ana", "a" * 41, "-a", "a.wav", "a\n", "ñ"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        Recordings(tmp_path).add(LOCAL, name, recorded(), consent=True)
    assert refused.value.param == "name"
    with pytest.raises(VoiceNotFound):
        Recordings(tmp_path).find(LOCAL, f"voice_{name}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        recorded()[:60],
        recorded(form="FLAC"),
        recorded(2.9),
        recorded(LONGEST_S + 1, 8_000, 1),
        recorded(level=0.0),
        recorded(level=0.001),
    ],
)
def test_what_is_no_voice_in_a_wav_is_refused(content: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        checked(content)
    assert refused.value.param == "audio_sample"


def test_no_consent_no_voice_and_an_owner_has_a_bound(tmp_path: Path) -> None:
    recordings, wav = Recordings(tmp_path), recorded()
    with pytest.raises(BadRequest) as refused:
        recordings.add(LOCAL, "a", wav, consent=False)
    assert refused.value.param == "consent"
    assert list(tmp_path.iterdir()) == []
    for number in range(MAX_VOICES):
        recordings.add(LOCAL, f"v{number}", wav, consent=True)
    with pytest.raises(Conflict):
        recordings.add(LOCAL, "v0", wav, consent=True)
    with pytest.raises(Conflict):
        recordings.add(LOCAL, "one-more", wav, consent=True)


@asynccontextmanager
async def cloning(home: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A server whose XTTS hums, higher where it is given a recording."""
    model = home / "xtts"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model": "xtts"}), "utf-8")
    settings = settings_in(
        home / "home", speech={"coqui": {"es": str(model)}, "coqui_python": Path(sys.executable)}
    )
    app = build_app(settings)
    async with app.router.lifespan_context(app):
        program = home / "hum.py"
        program.write_text(HUM, "utf-8")
        app.state.speaker.coqui.synthesiser.program = program
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


async def test_a_cloned_voice_is_added_listed_spoken_and_removed_by_openais_client(tmp_path: Path) -> None:
    async with cloning(tmp_path) as http:
        files = {"audio_sample": ("voz.wav", recorded())}
        unsaid = await http.post("/v1/audio/voices", data={"name": "ana"}, files=files)
        assert (unsaid.status_code, unsaid.json()["error"]["param"]) == (400, "consent")
        added = await http.post("/v1/audio/voices", data={"name": "ana", "consent": "true"}, files=files)
        assert (added.status_code, added.json()["id"]) == (200, "voice_ana"), added.text
        assert [one["id"] for one in (await http.get("/v1/audio/voices")).json()["data"]] == ["voice_ana"]
        client = openai.AsyncOpenAI(
            base_url="http://localhost/v1", api_key="none", http_client=cast(Any, http)
        )
        sounds: list[np.ndarray] = []
        voices: tuple[Any, ...] = ({"id": "voice_ana"}, "es_coqui")
        for voice in voices:
            answer = await client.audio.speech.create(
                model="tts-1", voice=voice, input="Hola a todos.", response_format="pcm"
            )
            assert answer.response.headers["x-speech-engine"] == "coqui"
            sounds.append(np.frombuffer(answer.content, "<i2").astype(float))
        tops = [np.abs(np.fft.rfft(sound[:20_000])).argmax() for sound in sounds]
        assert tops[0] > 3 * tops[1], "the recording was not given to the model"
        english = await client.audio.speech.create(
            model="tts-1", voice={"id": "voice_ana"}, input="The weather is good.", response_format="pcm"
        )
        assert english.response.headers["x-speech-voice"] == "voice_ana"
        assert (await http.delete("/v1/audio/voices/voice_ana")).json()["deleted"] is True
        with pytest.raises(openai.NotFoundError):
            await client.audio.speech.create(model="tts-1", voice={"id": "voice_ana"}, input="Hola.")


async def test_where_coqui_is_not_installed_it_is_501_with_the_way(tmp_path: Path) -> None:
    app = build_app(settings_in(tmp_path, speech={"coqui_python": tmp_path / "none"}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            files = {"audio_sample": ("voz.wav", recorded())}
            for answer in (
                await http.post("/v1/audio/voices", data={"name": "a"}, files=files),
                await http.post("/v1/audio/speech", json={"input": "hola", "voice": "es_coqui"}),
                await http.post("/v1/audio/speech", json={"input": "hola", "model": "coqui"}),
                await http.post("/tts", json={"text": "hola", "voice_id": "en_coqui"}),
            ):
                assert answer.status_code == NotSupported.status, answer.text
                assert "make tts" in answer.json()["error"]["message"]
            assert "es_coqui" not in (await http.get("/speakers")).json()["speakers"]
