"""`capibara6 say` and `capibara6 voices` against a running server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from servers.__main__ import app
from servers.speech.main import build_app
from servers.speech.voices import VOICES
from tests.conftest import settings_in
from tests.serving import serving
from tests.speech.decoding import decode

run = CliRunner()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    settings = settings_in(tmp_path_factory.mktemp("cli"))
    with serving(build_app(settings), settings.ports.speech):
        yield settings.environment()


@pytest.mark.parametrize(("suffix", "container"), [("mp3", "mp3"), ("ogg", "ogg"), ("flac", "flac")])
def test_say_writes_the_format_of_the_files_name(
    environment: dict[str, str], tmp_path: Path, suffix: str, container: str
) -> None:
    out = tmp_path / f"voz.{suffix}"
    words = ["say", "Hola a todo el mundo.", "--voice", "es_mateo", "--out", str(out)]
    done = run.invoke(app, words, env=environment)
    assert done.exit_code == 0, done.output
    assert "es_mateo" in done.output
    heard = decode(out.read_bytes())
    assert heard.container == container
    assert 0.8 < heard.seconds < 3


def test_say_leaves_the_file_of_before_when_the_voice_is_refused(
    environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "voz.mp3"
    out.write_text("antes", "utf-8")
    done = run.invoke(app, ["say", "hola", "--voice", "nadie", "--out", str(out)], env=environment)
    assert done.exit_code == 1
    assert out.read_text("utf-8") == "antes"
    assert run.invoke(app, ["say", "hola", "--out", "voz.exe"], env=environment).exit_code == 2


def test_voices_lists_them_with_the_default_and_what_is_missing(environment: dict[str, str]) -> None:
    done = run.invoke(app, ["voices"], env=environment)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert any("es_lucia" in line and "por omisión" in line for line in lines)
    assert any("es_dora" in line and "make voices" in line for line in lines)
    assert any("es_coqui" in line and "make tts" in line for line in lines)


def test_voices_introduce_themselves_in_a_folder(environment: dict[str, str], tmp_path: Path) -> None:
    done = run.invoke(app, ["voices", "--samples", str(tmp_path / "voces")], env=environment)
    assert done.exit_code == 0, done.output
    files = {file.stem: decode(file.read_bytes()) for file in (tmp_path / "voces").iterdir()}
    assert set(files) == {voice.id for voice in VOICES}
    assert all(heard.container == "mp3" and 4 < heard.seconds < 12 for heard in files.values())
