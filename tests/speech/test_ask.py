"""`capibara6 ask --speak`: the file grows with the answer, through the real API and the real voices."""

import json
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from servers.__main__ import app
from servers.api.main import build_app as build_api
from servers.speech.main import build_app as build_speech
from tests.agents.peers import Knobs, build_bridge, build_pool
from tests.conftest import settings_in
from tests.serving import serving

QUESTION = "¿Cuántos modelos puede tener cargados a la vez el servidor?"
run = CliRunner()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Knobs]]:
    settings, knobs = settings_in(tmp_path_factory.mktemp("ask")), Knobs()
    with (
        serving(build_pool(knobs), settings.ports.pool),
        serving(build_bridge(knobs), settings.ports.bridge),
        serving(build_speech(settings), settings.ports.speech),
        serving(build_api(settings), settings.ports.api),
    ):
        yield settings.environment(), knobs


def test_the_first_sentence_can_be_heard_while_the_answer_is_written(
    served: tuple[dict[str, str], Knobs], tmp_path: Path
) -> None:
    environment, knobs = served
    pieces = ["Son tres modelos [1]. ", "Cada uno tiene ", "su puerto [1]. ", "Nada ", "más."]
    knobs.script, knobs.token_s = [[{"content": piece} for piece in pieces]], 0.4
    out, sizes = tmp_path / "voz.wav", set[int]()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            if out.exists():
                sizes.add(out.stat().st_size)

    watching = threading.Thread(target=watch)
    watching.start()
    done = run.invoke(app, ["ask", QUESTION, "--speak", str(out)], env=environment)
    ended.set()
    watching.join()
    assert done.exit_code == 0, done.output
    assert "Son tres modelos [1]." in done.stdout
    assert "es_lucia" in done.stdout
    assert len(sizes - {0, 44}) > 1, "it was written in one piece"
    with wave.open(str(out)) as sound:
        assert sound.getframerate() == 24_000
        assert 3 < sound.getnframes() / sound.getframerate() < 9
        assert out.stat().st_size == 44 + 2 * sound.getnframes()


def test_json_comes_with_the_file_and_an_answer_that_fails_leaves_the_file_of_before(
    served: tuple[dict[str, str], Knobs], tmp_path: Path
) -> None:
    environment, knobs = served
    knobs.reset()
    out = tmp_path / "voz.wav"
    done = run.invoke(app, ["ask", QUESTION, "--json", "--speak", str(out)], env=environment)
    assert "tres modelos" in json.loads(done.stdout)["answer"]
    before = out.read_bytes()
    assert before[:4] == b"RIFF"
    assert run.invoke(app, ["ask", " ", "--speak", str(out)], env=environment).exit_code == 1
    assert out.read_bytes() == before
