import base64
import re

import numpy as np
import pytest

from servers.speech.sound import LOUDNESS_DBFS, PEAK, loudness
from servers.speech.voices import VOICES

SENTENCES = {
    "es": "El servidor puede tener cargados hasta tres modelos a la vez.",
    "en": "The server keeps up to three models loaded at the same time.",
}


@pytest.mark.parametrize("voice", VOICES, ids=lambda voice: voice.id)
async def test_every_voice_speaks_loud_enough_and_does_not_clip(http, samples, voice):
    answer = await http.post("/tts", json={"text": SENTENCES[voice.language], "voice_id": voice.id})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    heard, rate = samples(base64.b64decode(body["audio"]))
    assert (body["format"], body["voice"], body["sample_rate"]) == ("wav", voice.id, rate)
    assert body["duration_s"] == pytest.approx(len(heard) / rate, abs=0.01)
    assert 2 < body["duration_s"] < 6
    assert loudness(heard) == pytest.approx(LOUDNESS_DBFS, abs=1.5)
    assert np.abs(heard).max() <= PEAK
    assert np.flatnonzero(np.abs(heard) > 0.01)[0] / rate < 0.2


async def test_the_language_chooses_the_voice(http):
    spanish = await http.post("/tts", json={"text": "hola"})
    english = await http.post("/tts", json={"text": "hello", "language": "en"})
    assert (spanish.json()["voice"], english.json()["voice"]) == ("es_lucia", "en_emma")


async def test_faster_speech_is_shorter(http):
    lengths = []
    for speed in (0.5, 1.0, 2.0, 4.0):
        answer = await http.post("/tts", json={"text": SENTENCES["es"], "speed": speed})
        lengths.append(answer.json()["duration_s"])
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0] / 3


async def test_unknown_voice_is_404_with_the_list(http):
    answer = await http.post("/tts", json={"text": "hola", "voice_id": "../../etc/passwd"})
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "voice_not_found"
    assert all(voice.id in error["message"] for voice in VOICES)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": ""}, 400, "invalid_value"),
        ({"text": "😀"}, 400, "nothing_to_say"),
        ({"text": "a" * 10_001}, 400, "invalid_value"),
        ({"text": "hola", "language": "fr"}, 400, "invalid_value"),
        ({"text": "hola", "speed": 0}, 400, "invalid_value"),
        ({"text": "hola", "unknown": 1}, 400, "invalid_value"),
    ],
)
async def test_bad_input_is_refused_in_the_error_shape(http, body, status, code):
    answer = await http.post("/tts", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_body_over_the_limit_is_413(http):
    headers = {"content-type": "application/json"}
    answer = await http.post("/tts", content=b'{"text":"' + b"a" * 9_000_000 + b'"}', headers=headers)
    assert answer.status_code == 413


async def test_coqui_clients_get_a_wav_by_query_and_by_form(http, samples):
    fields = {"text": "hola a todos", "speaker_id": "es_mateo", "language_id": "es"}
    by_query = await http.get("/api/tts", params={**fields, "style_wav": ""})
    by_form = await http.post("/api/tts", data=fields)
    assert by_query.headers["content-type"] == by_form.headers["content-type"] == "audio/wav"
    by_json = await http.post("/api/tts", json=fields)
    assert by_query.content == by_form.content == by_json.content
    assert len(samples(by_query.content)[0]) > 10_000


async def test_coqui_without_text_or_with_a_foreign_language_is_400(http):
    assert (await http.get("/api/tts")).status_code == 400
    assert (await http.get("/api/tts", params={"text": "bonjour", "language_id": "fr"})).status_code == 400
    assert (await http.get("/api/tts", params={"text": "a" * 10_001})).status_code == 413
    assert (await http.get("/api/tts", params={"text": "hola", "speed": "fast"})).status_code == 400
    json = {"content-type": "application/json"}
    for body in (b"{", b"[1]", b'"x"', b"{}"):
        assert (await http.post("/api/tts", content=body, headers=json)).status_code == 400


async def test_coqui_clients_read_languages_and_speakers(http):
    assert (await http.get("/languages")).json()["languages"] == ["en", "es"]
    speakers = (await http.get("/speakers")).json()["speakers"]
    assert {"es_lucia", "alloy"} <= set(speakers)
    for name in speakers:
        answer = await http.get("/api/tts", params={"text": "hola", "speaker_id": name})
        assert answer.status_code == 200, name


async def test_openai_clients_get_a_wav(http, samples):
    request = {"model": "tts-1", "input": SENTENCES["en"], "voice": "en_noah", "response_format": "wav"}
    answer = await http.post("/v1/audio/speech", json=request)
    assert answer.headers["content-type"] == "audio/wav"
    assert len(samples(answer.content)[0]) > 22_050
    pcm = await http.post("/v1/audio/speech", json={**request, "response_format": "pcm"})
    assert pcm.content == answer.content[44:]


async def test_details_say_which_engine_speaks_and_which_is_missing(http):
    body = (await http.get("/details")).json()
    assert body["engine"] == "espeak-ng"
    assert body["engines"]["coqui"]["available"] is False
    assert re.search("make tts|SPEECH__COQUI", body["engines"]["coqui"]["reason"])
    assert body["engines"]["kokoro"]["reason"] == "not installed: `make voices`"


async def test_voices_name_one_default_a_language(http):
    body = (await http.get("/voices")).json()
    defaults = {voice["language"]: voice["id"] for voice in body["voices"] if voice["default"]}
    assert defaults == body["default"] == {"es": "es_lucia", "en": "en_emma"}


async def test_voices_say_how_else_they_are_called_and_where_they_can_be_heard(http):
    listed = {voice["id"]: voice for voice in (await http.get("/voices")).json()["voices"]}
    assert listed["es_lucia"]["openai"] == ["alloy", "nova"]
    assert "Lucía" in listed["es_lucia"]["sample_text"]
    sample = await http.get(listed["es_lucia"]["sample"])
    assert (sample.headers["content-type"], sample.headers["x-speech-voice"]) == ("audio/mpeg", "es_lucia")
    other = await http.get(listed["es_dora"]["sample"])
    assert "make voices" in other.headers["x-speech-fallback"]
    assert (await http.get("/voices/..%2Fetc/sample")).status_code == 404
    assert (await http.get("/voices/alloy/sample")).status_code == 404


async def test_health_is_open_and_ok(http):
    for path in ("/health", "/health/live", "/health/ready"):
        assert (await http.get(path)).json()["status"] == "ok"
