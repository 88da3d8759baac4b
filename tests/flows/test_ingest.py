"""The ingest flow against a real bridge on the wire and a real Prefect server."""

import asyncio
from pathlib import Path

import pytest

from flows.ingest import ingest, split
from flows.ingestion.report import compare, missing_documents
from flows.ingestion.sources import Listing, SourceFile
from flows.ingestion.text import Unreadable
from tests.flows.fake_bridge import FakeBridge
from tools.clients.bridge import StoredDocument, open_bridge
from tools.settings import Settings


def _file(name: str) -> SourceFile:
    return SourceFile(name, Path(name), 10)


def test_batches_are_bounded_in_files_and_bytes() -> None:
    sizes = [600_000, 600_000, 10, 10, 10, 10, 10]
    assert [len(sizes[cut]) for cut in split(sizes, 3)] == [1, 3, 3]
    assert split([], 3) == []
    assert [len([5_000_000][cut]) for cut in split([5_000_000], 3)] == [1]


def _stored(name: str, *, when: int = 0, origin: str = "") -> StoredDocument:
    return StoredDocument(
        id=name, title="", source="", language="es", chunks=1, content_hash="", extractors=[],
        updated_at=str(when), metadata={"origin": origin} if origin else {},
    )  # fmt: skip


def _rows(**written: int) -> dict[str, StoredDocument]:
    return {name: _stored(name, when=when) for name, when in written.items()}


def test_a_document_that_the_store_does_not_show_was_not_ingested() -> None:
    sent = ["new", "old", "same", "lost", "bad"]
    report = compare(sent, _rows(old=1, same=1), _rows(new=1, old=2, same=1), [("bad", "is empty")])
    assert (report.added, report.changed, report.unchanged) == (["new"], ["old"], ["same"])
    assert [name for name, _ in report.failed] == ["bad", "lost"]


def test_only_documents_of_a_listed_folder_can_be_gone() -> None:
    listing = Listing(
        files=[_file("docs/a")], roots=["docs/"], problems=[("docs/broken", Unreadable("empty"))]
    )
    known = {name: _stored(name) for name in ("docs/a", "docs/b", "docs/broken", "other/c")}
    assert missing_documents(listing, ["docs/a"], [], known) == (["docs/b"], 3)
    assert missing_documents(Listing(files=[_file("a")]), [], [], {"b": _stored("b")}) == ([], 0)


def test_what_a_file_held_that_can_not_be_read_now_is_not_gone() -> None:
    origins = {
        "docs/a.zip/one.md": "",
        "docs/a.zip/two.jsonl#1": "",
        "own": "docs/b.jsonl",
        "docs/c.jsonl#3": "",
        "elsewhere": "others/b.jsonl",
    }
    known = {name: _stored(name, origin=origin) for name, origin in origins.items()}
    listing = Listing(roots=["docs/"])
    assert missing_documents(listing, [], ["docs/a.zip", "docs/b.jsonl"], known) == (["docs/c.jsonl#3"], 4)


async def test_running_twice_is_running_once(run, bridge: FakeBridge, folder: Path) -> None:
    first = await run(ingest, sources=[str(folder)])
    held, writes = dict(bridge.collections["capibara6"]), bridge.writes
    again = await run(ingest, sources=[str(folder)])
    assert first.is_completed()
    assert first.message == "2 añadidos, 0 cambiados, 0 iguales, 0 borrados, 0 fallidos"
    assert again.message == "0 añadidos, 0 cambiados, 2 iguales, 0 borrados, 0 fallidos"
    assert (bridge.collections["capibara6"], bridge.writes) == (held, writes)
    assert held["notes/es/uno.md"]["title"] == "Uno"


async def test_broken_files_are_named_and_the_rest_goes_in(run, bridge: FakeBridge, folder: Path) -> None:
    (folder / "empty.md").touch()
    (folder / "blob.md").write_bytes(b"\0\1\2")
    bridge.refused.add("notes/poison.txt")
    (folder / "poison.txt").write_text("poison")
    state = await run(ingest, sources=[str(folder), str(folder / "nothing")])
    report = await state.aresult()
    assert state.is_completed()
    assert sorted(report.added) == ["notes/es/uno.md", "notes/two.txt"]
    assert dict(report.failed) == {
        "notes/empty.md": "está vacío",
        "notes/blob.md": "es binario, no texto",
        "notes/poison.txt": "poison",
        str(folder / "nothing"): "no existe",
    }


async def test_a_store_that_is_away_for_a_while_is_waited_for(run, bridge: FakeBridge, folder: Path) -> None:
    bridge.away = 1
    state = await run(ingest, sources=[str(folder)])
    assert state.is_completed()
    assert bridge.requests == [2, 2]
    assert len(bridge.collections["capibara6"]) == 2


async def test_pruning_deletes_what_left_the_folder(run, bridge: FakeBridge, folder: Path) -> None:
    bridge.put("capibara6", {"id": "other/kept.md", "text": "of another folder"})
    await run(ingest, sources=[str(folder)])
    (folder / "two.txt").unlink()
    state = await run(ingest, sources=[str(folder)], prune=True, max_delete_share=0.5)
    assert (await state.aresult()).deleted == ["notes/two.txt"]
    assert sorted(bridge.collections["capibara6"]) == ["notes/es/uno.md", "other/kept.md"]


@pytest.mark.parametrize("others", [0, 2_500])
async def test_what_a_run_asks_of_the_store_does_not_grow_with_the_collection(
    run, bridge: FakeBridge, folder: Path, others: int
) -> None:
    for number in range(others):
        bridge.put("capibara6", {"id": f"elsewhere/{number}.md", "text": "of another folder"})
    record = {"id": "record", "text": "of a file", "metadata": {"origin": "notes/records.jsonl"}}
    bridge.put("capibara6", record)
    request = {"sources": [str(folder)], "prune": True, "max_delete_share": 1, "batch_size": 1}
    first = await run(ingest, **request)
    assert (await first.aresult()).deleted == ["record"]
    (folder / "two.txt").write_text("Changed.\n")
    again = await (await run(ingest, **request)).aresult()
    assert (again.changed, again.unchanged) == (["notes/two.txt"], ["notes/es/uno.md"])
    # each run: what two batches write, as it was before; both of them after; all that is in the folder
    assert [sorted(listed) for listed in (bridge.listings[:4], bridge.listings[4:])] == [
        [0, 0, 2, 3],
        [1, 1, 2, 2],
    ]
    assert len(bridge.collections["capibara6"]) == others + 2


async def test_many_ids_are_asked_for_in_addresses_that_servers_take(
    prefect: Settings, bridge: FakeBridge
) -> None:
    ids = [f"notes/{'ñ' * 80}/{number:03}.md" for number in range(30)] + [
        f"{number}" for number in range(250)
    ]
    for name in ids:
        bridge.put("capibara6", {"id": name, "text": "."})
    async with open_bridge(prefect) as client:
        rows = await client.documents(collection="capibara6", ids=[*ids, "nobody"])
    assert sorted(row["id"] for row in rows) == sorted(ids)
    assert max(bridge.listings) == 100, "as many as one listing may be asked for"
    assert min(bridge.listings[:2]) < 20, "fewer when they are long"


async def test_a_record_that_moves_to_another_file_is_changed_and_not_added(
    run, bridge: FakeBridge, folder: Path
) -> None:
    file = folder / "old.jsonl"
    file.write_text('{"id": "own", "text": "A record."}\n')
    await run(ingest, sources=[str(file)])
    file.write_text('{"id": "own", "text": "The same record, elsewhere."}\n')
    state = await run(ingest, sources=[str(file.rename(folder / "new.jsonl"))])
    assert (await state.aresult()).changed == ["own"]


async def test_a_mass_delete_needs_confirmation(run, bridge: FakeBridge, folder: Path) -> None:
    await run(ingest, sources=[str(folder)])
    (folder / "two.txt").unlink()
    state = await run(ingest, sources=[str(folder)], prune=True)
    assert state.is_failed()
    assert "max_delete_share=1" in state.message
    assert len(bridge.collections["capibara6"]) == 2


async def test_nothing_is_pruned_after_an_incomplete_listing(run, bridge: FakeBridge, folder: Path) -> None:
    await run(ingest, sources=[str(folder)])
    (folder / "two.txt").unlink()
    gone_too = str(folder.parent / "unmounted")
    state = await run(ingest, sources=[str(folder), gone_too], prune=True, max_delete_share=1)
    assert state.is_failed()
    assert len(bridge.collections["capibara6"]) == 2


async def test_no_more_than_two_runs_write_to_a_collection_at_once(
    run, bridge: FakeBridge, folder: Path
) -> None:
    bridge.meet, bridge.wait_s = 2, 0.5
    states = await asyncio.gather(*(run(ingest, sources=[str(folder)], collection="busy") for _ in range(3)))
    assert all(state.is_completed() for state in states)
    assert bridge.most_busy == 2
    assert len(bridge.requests) == 3


async def test_a_run_that_finds_nothing_fails(run, bridge: FakeBridge, tmp_path: Path) -> None:
    state = await run(ingest, sources=[str(tmp_path / "nothing")])
    assert state.is_failed()
    assert "no hay nada que ingerir" in state.message
