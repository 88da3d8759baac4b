"""The file of a graph: built by a child, known when it is spoilt, its failure told and not repeated."""

import asyncio
import gc
import weakref
from pathlib import Path

import pytest

from servers.bridge.embedding import graph_file, minilm_weights
from servers.bridge.embedding.graph_file import ensure_graph, whole_graph, write_graph
from servers.bridge.embedding.minilm import MiniLM
from tools.errors import UpstreamFailed

NAME = minilm_weights.GRAPH


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def test_a_file_that_was_cut_short_or_changed_is_found_out_and_removed(tmp_path: Path) -> None:
    file = write_graph(tmp_path, NAME, b"a whole graph")
    assert whole_graph(tmp_path, NAME) == file
    for spoilt in (b"a whole", b"a whole grapH", b""):
        file.write_bytes(spoilt)
        assert whole_graph(tmp_path, NAME) is None
        assert list(tmp_path.iterdir()) == []


def test_half_a_file_has_another_name(tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.123").write_bytes(b"half a gr")
    assert whole_graph(tmp_path, NAME) is None


async def test_a_spoilt_graph_is_built_again_and_serves(folder: Path) -> None:
    first = await MiniLM(folder).embed(["a river in Spain"], "query")
    (file,) = folder.glob("*.onnx")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    again = await MiniLM(folder).embed(["a river in Spain"], "query")
    assert (first == again).all()
    assert file.read_bytes() == whole
    assert list(folder.iterdir()) == [file]


async def test_many_who_ask_at_once_load_it_once_and_one_who_leaves_takes_it_from_nobody(
    folder: Path,
) -> None:
    embedder = MiniLM(folder)
    leaving, *staying = [asyncio.create_task(embedder.load()) for _ in range(3)]
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(*staying)
    assert embedder.queue is not None
    assert len(list(folder.iterdir())) == 1


async def test_nothing_of_an_embedder_stays_when_nobody_has_it(folder: Path) -> None:
    embedder = MiniLM(folder)
    await embedder.embed(["a river"], "query")
    gone = weakref.ref(embedder)
    gc.disable()  # a session in a cycle would wait for the collector, which sees few objects in it
    try:
        del embedder
        assert gone() is None
    finally:
        gc.enable()


async def test_a_graph_that_can_not_be_built_says_why_and_is_not_tried_at_every_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    embedder = MiniLM(tmp_path / "models")
    with pytest.raises(UpstreamFailed, match="can not be built"):
        await embedder.load()
    monkeypatch.setattr(graph_file, "BUILDERS", {})
    (tmp_path / "models").unlink()
    with pytest.raises(UpstreamFailed, match="can not be built"):
        await embedder.load()
    assert not (tmp_path / "models").exists()


async def test_the_child_ends_with_who_asked_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_file, "DEADLINE_S", 0.01)
    with pytest.raises(UpstreamFailed, match="can not be built"):
        await ensure_graph(tmp_path, NAME)
    assert list(tmp_path.glob("*.onnx")) == []
