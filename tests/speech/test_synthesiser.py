"""espeak-ng speaks in a process of its own, which may die at any moment and does not outlive the server."""

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from servers.speech.main import build_app
from servers.speech.speaker import Speaker, open_speaker
from servers.speech.synthesiser import Synthesiser
from servers.speech.voices import VOICES
from tests.conftest import settings_in
from tools.errors import Unavailable, UpstreamSilent, VoiceNotFound

LIBRARY = "libespeak-ng"
ORPHANING = """
import os, signal
from servers.speech.synthesiser import Synthesiser
speaks = Synthesiser()
speaks.start()
print(speaks.process.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def speaks() -> Iterator[Synthesiser]:
    one = Synthesiser()
    with contextlib.closing(one):
        yield one


def say(speaks: Synthesiser, text: str = "hola", stopped: Callable[[], bool] = lambda: False) -> bytes:
    return speaks.speak(text, voice="es", rate=165, pitch_range=55, stopped=stopped)


def pid_of(speaks: Synthesiser) -> int:
    assert speaks.process is not None
    return speaks.process.pid


def unread(speaks: Synthesiser) -> int:
    """Bytes that were sent to the process and that it has not taken."""
    assert speaks.process is not None
    assert speaks.process.stdin is not None
    count = array("i", [0])
    fcntl.ioctl(speaks.process.stdin, termios.FIONREAD, count)
    return count[0]


def maps(pid: int | str) -> str:
    return Path(f"/proc/{pid}/maps").read_text("utf-8")


def wait_until(true: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def running(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return False


@pytest.fixture
async def app(tmp_path):
    built = build_app(settings_in(tmp_path))
    async with built.router.lifespan_context(built):
        yield built


async def test_the_server_itself_holds_nothing_of_espeak(app) -> None:
    speaker: Speaker = app.state.speaker
    await speaker.speak("hola", voice=VOICES[0])
    assert LIBRARY not in maps("self")
    assert LIBRARY in maps(pid_of(speaker.espeak.synthesiser))


async def test_a_process_killed_while_it_speaks_is_replaced_and_nobody_hears_of_it(app) -> None:
    speaker: Speaker = app.state.speaker
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        os.kill(first := pid_of(speaker.espeak.synthesiser), signal.SIGSTOP)
        lost = asyncio.create_task(client.post("/tts", json={"text": "hola"}))
        await asyncio.to_thread(wait_until, lambda: unread(speaker.espeak.synthesiser) > 0)
        os.kill(first, signal.SIGKILL)
        answer = await lost
        assert (answer.status_code, answer.json()["voice"]) == (200, "es_lucia")
        assert answer.json()["duration_s"] > 0.2
        assert (await client.post("/tts", json={"text": "hola"})).status_code == 200
    assert pid_of(speaker.espeak.synthesiser) != first


async def test_a_process_that_hangs_is_silent_at_the_deadline_and_is_replaced() -> None:
    async with open_speaker(deadline_s=0.1) as speaker:
        os.kill(first := pid_of(speaker.espeak.synthesiser), signal.SIGSTOP)
        with pytest.raises(UpstreamSilent):
            await speaker.speak("hola", voice=VOICES[0])
        speaker.espeak.deadline_s = 20
        assert (await speaker.speak("hola", voice=VOICES[0])).duration_s > 0
        assert not running(first)


async def test_the_process_ends_with_the_server() -> None:
    async with open_speaker() as speaker:
        pid = pid_of(speaker.espeak.synthesiser)
    assert not running(pid)


def test_the_process_ends_with_a_server_that_is_killed() -> None:
    server = subprocess.run([sys.executable, "-c", ORPHANING], stdout=subprocess.PIPE, check=False)
    assert server.returncode == -signal.SIGKILL
    wait_until(lambda: not running(int(server.stdout)))


def test_a_process_that_died_meanwhile_is_replaced_unseen(speaks: Synthesiser) -> None:
    say(speaks)
    os.kill(first := pid_of(speaks), signal.SIGKILL)
    wait_until(lambda: not running(first))
    assert say(speaks)
    assert pid_of(speaks) != first


def test_a_stop_ends_the_job_early_and_the_next_is_whole(speaks: Synthesiser) -> None:
    whole = len(say(speaks, "uno dos tres"))
    long = "palabra " * 300
    assert len(say(speaks, long, stopped=lambda: True)) < len(say(speaks, long)) / 2
    assert len(say(speaks, "uno dos tres")) == pytest.approx(whole, rel=0.05)


@pytest.mark.parametrize("text", ["😀" * 10_000, "a\0b", "\ud800 hola", "{}\n\n" * 2_500, "<speak>&amp;"])
def test_any_text_goes_through_the_pipe(speaks: Synthesiser, text: str) -> None:
    say(speaks, text, stopped=lambda: True)
    assert say(speaks)


def test_a_voice_that_the_library_lacks_is_named_and_the_process_goes_on(speaks: Synthesiser) -> None:
    speaks.start()
    first = pid_of(speaks)
    with pytest.raises(VoiceNotFound, match="klingon-9"):
        speaks.choose("klingon-9")
    assert say(speaks)
    assert pid_of(speaks) == first


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "import os; os.write(1, b'F\\0\\0\\0\\2no')"])
def test_a_program_that_does_not_start_is_unavailable(tmp_path: Path, program: str) -> None:
    (tmp_path / "sick.py").write_text(program, "utf-8")
    sick = Synthesiser(tmp_path / "sick.py")
    with pytest.raises(Unavailable):
        sick.start()
    assert sick.process is None
