"""A neural engine beside espeak-ng: who speaks, who goes on when it dies, and when its memory is given back.

Its process is a small program that hums in the frames of the real one, at a speed that the test chooses.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from servers.speech.main import build_app
from servers.speech.neural.files import DIGESTS, KokoroFiles, kokoro_files, place
from servers.speech.neural.kokoro import MAX_IDS, SPACE, parts
from servers.speech.neural.phonemes import clauses, numbered, phonemes
from servers.speech.speaker import Speaker
from tests.conftest import settings_in
from tools.errors import UpstreamFailed
from tools.schema import VoiceEngine

HUM = """
import json, math, os, struct, sys, time
from servers.speech.pipe import Pipe
pipe = Pipe(0, 1)
pipe.send(b"H", json.dumps({"sample_rate": 24000, "version": "hum"}).encode())
said = 0
while (frame := pipe.receive()) is not None:
    job = json.loads(frame[1])
    time.sleep(SLOW)
    said += 1
    if said > DIES_AFTER:
        os._exit(3)
    tone = [int(9000 * math.sin(number / 15)) for number in range(24000)]
    pipe.send(b"S", struct.pack("<24000h", *tone))
    pipe.send(b".")
"""
TEXT = "Primera frase del texto entero. Segunda frase del texto entero. Tercera frase del texto entero."


@asynccontextmanager
async def running(
    home: Path, *, engine: VoiceEngine, slow: float = 0.0, dies_after: int = 1_000, idle_s: float = 300.0
) -> AsyncIterator[tuple[httpx.AsyncClient, Speaker]]:
    """A server whose Kokoro hums a second of sound for each sentence."""
    settings = settings_in(home, speech={"voice_engine": engine, "idle_s": idle_s})
    files = kokoro_files(settings)
    files.folder.mkdir(parents=True)
    for name in DIGESTS:
        (files.folder / name).touch()
    program = home / "hum.py"
    program.write_text(HUM.replace("SLOW", str(slow)).replace("DIES_AFTER", str(dies_after)), "utf-8")
    app = build_app(settings)
    async with app.router.lifespan_context(app):
        speaker: Speaker = app.state.speaker
        assert speaker.kokoro is not None
        speaker.kokoro.synthesiser.program = program
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as client:
            yield client, speaker


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_its_voices_speak_when_they_are_asked_for_and_the_headers_say_who(tmp_path: Path) -> None:
    async with running(tmp_path, engine="kokoro") as (http, _):
        answer = await http.post("/tts", json={"text": TEXT})
        assert (answer.json()["voice"], answer.headers["x-speech-engine"]) == ("es_dora", "kokoro")
        assert answer.json()["duration_s"] == pytest.approx(3.3, abs=0.8)
        named = await http.post("/v1/audio/speech", json={"input": TEXT, "voice": "es_lucia"})
        assert named.headers["x-speech-engine"] == "espeak-ng"
        alias = await http.post(
            "/v1/audio/speech", json={"input": "The weather is good now.", "voice": "onyx"}
        )
        assert alias.headers["x-speech-voice"] == "en_fenrir"
        voices = (await http.get("/voices")).json()
        assert voices["default"] == {"es": "es_dora", "en": "en_heart"}
        assert {voice["engine"] for voice in voices["voices"] if not voice["available"]} == {"coqui"}


async def test_where_it_is_not_installed_another_voice_speaks_and_says_so(tmp_path: Path) -> None:
    app = build_app(settings_in(tmp_path))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.post("/tts", json={"text": "hola", "voice_id": "es_alex"})
            assert (answer.status_code, answer.json()["voice"]) == (200, "es_mateo")
            assert "make voices" in answer.headers["x-speech-fallback"]
            listed = (await http.get("/voices")).json()["voices"]
            assert {voice["engine"] for voice in listed if not voice["available"]} == {"kokoro", "coqui"}


async def test_killed_in_the_middle_the_rest_comes_from_the_voice_that_is_always_there(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, engine="kokoro", dies_after=1) as (http, _):
        whole = await http.post("/tts", json={"text": TEXT})
        assert whole.status_code == 200
        assert whole.headers["x-speech-fallback"] == "kokoro: engine_gone"
        assert whole.json()["duration_s"] > 4
        body = {"input": TEXT + " Y una más.", "stream_format": "sse", "response_format": "pcm", "speed": 1.1}
        streamed = await http.post("/v1/audio/speech", json=body)
        assert streamed.headers["x-speech-engine"] == "kokoro"
        assert '"fallback":"kokoro: engine_gone"' in streamed.text.splitlines()[-2]


async def test_a_process_that_is_killed_from_outside_is_started_again_for_the_next_text(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, engine="kokoro") as (http, speaker):
        await http.post("/tts", json={"text": "Hola."})
        assert speaker.kokoro is not None
        process = speaker.kokoro.synthesiser.process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        answer = await http.post("/tts", json={"text": "Hola otra vez."})
        assert (answer.status_code, answer.headers["x-speech-engine"]) == (200, "kokoro")
        assert "x-speech-fallback" not in answer.headers


@pytest.mark.parametrize(("slow", "engine"), [(0.0, "kokoro"), (1.2, "espeak-ng")])
async def test_auto_measures_once_and_prefers_what_keeps_up(tmp_path: Path, slow: float, engine: str) -> None:
    async with running(tmp_path, engine="auto", slow=slow) as (http, speaker):
        first = await http.post("/tts", json={"text": "Hola."})
        assert first.headers["x-speech-engine"] == "espeak-ng", (
            "nothing is known yet, and nobody waits for it"
        )
        kokoro = speaker.kokoro
        assert kokoro is not None
        await until(lambda: kokoro.measuring is not None and kokoro.measuring.done())
        answer = await http.post("/tts", json={"text": "Hola otra vez."})
        assert answer.headers["x-speech-engine"] == engine
        said = (await http.get("/details")).json()["engines"]["kokoro"]
        assert said["keeps_up"] is (engine == "kokoro")
        assert said["real_time_factor"] == pytest.approx(slow, abs=0.5)
    assert (kokoro.files.folder / "measured.json").exists()


async def test_with_nothing_to_do_its_process_ends_and_the_next_text_starts_another(tmp_path: Path) -> None:
    async with running(tmp_path, engine="kokoro", idle_s=0.2) as (http, speaker):
        await http.post("/tts", json={"text": "Hola."})
        kokoro = speaker.kokoro
        assert kokoro is not None
        await until(lambda: kokoro.synthesiser.process is None)
        assert (await http.post("/tts", json={"text": "Sigo aquí."})).headers["x-speech-engine"] == "kokoro"


def test_files_of_other_content_are_refused_and_change_nothing(tmp_path: Path) -> None:
    draft, files = tmp_path / "draft", KokoroFiles(tmp_path / "kokoro")
    draft.mkdir()
    files.folder.mkdir()
    for name in DIGESTS:
        (draft / name).write_bytes(b"other")
    with pytest.raises(UpstreamFailed):
        place(draft, files)
    assert not files.complete


@pytest.mark.pure
def test_phonemes_are_the_models_letters_with_their_punctuation() -> None:
    words = clauses("Hello, joy now!")
    assert words == ["Hello", ",", " joy now", "!", ""]
    heard = phonemes(words, ["həlˈoʊ", "", "dʒˈɔɪ nˈaʊ", "", ""], "en")
    assert heard == "həlˈO, ʤˈY nˈW!"
    assert len(numbered(heard)) == len(heard)


@pytest.mark.pure
def test_what_is_longer_than_the_model_takes_is_cut_at_spaces() -> None:
    ids = ([50] * 9 + [SPACE]) * 130
    found = parts(ids)
    assert [one for part in found for one in part] == ids
    assert max(map(len, found)) <= MAX_IDS
    assert all(part[0] == SPACE for part in found[1:])
