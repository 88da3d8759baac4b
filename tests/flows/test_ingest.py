"""The ingest flow against a real bridge on the wire and a real Prefect server."""

import asyncio
from pathlib import Path

import pytest

from flows.ingest import ingest
from tests.flows.fake_bridge import FakeBridge
from tools.clients.bridge import open_bridge
from tools.clients.prefect import INCOMPLETE
from tools.settings import Settings


async def test_running_twice_is_running_once(run, bridge: FakeBridge, folder: Path) -> None:
    first = await run(ingest, sources=[str(folder)])
    held, writes = dict(bridge.collections["capibara6"]), bridge.writes
    again = await run(ingest, sources=[str(folder)])
    assert first.is_completed()
    assert (
        first.message == "2 añadidos, 0 cambiados, 0 movidos, 0 iguales, 0 borrados, 0 rechazados, 0 omitidos"
    )
    assert (
        again.message == "0 añadidos, 0 cambiados, 0 movidos, 2 iguales, 0 borrados, 0 rechazados, 0 omitidos"
    )
    assert (bridge.collections["capibara6"], bridge.writes) == (held, writes)
    assert held[f"file://{folder}/es/uno.md"]["title"] == "Uno"
    assert bridge.requests == [2], "what is the same is neither parsed nor sent"


async def test_broken_files_are_named_and_the_rest_goes_in(run, bridge: FakeBridge, folder: Path) -> None:
    (folder / "empty.md").touch()
    (folder / "blob.md").write_bytes(b"\0\1\2")
    bridge.refused.add(f"file://{folder}/poison.txt")
    (folder / "poison.txt").write_text("poison")
    state = await run(ingest, sources=[str(folder), str(folder / "nothing")])
    report = await state.aresult()
    assert state.is_completed()
    assert state.name == INCOMPLETE
    assert sorted(report.added) == [f"file://{folder}/es/uno.md", f"file://{folder}/two.txt"]
    assert dict(report.failed) == {
        f"file://{folder}/empty.md": "está vacío",
        f"file://{folder}/blob.md": "es binario, no texto",
        f"file://{folder}/poison.txt": "poison",
        str(folder / "nothing"): "no existe",
    }


async def test_every_file_is_named_with_its_end(run, bridge: FakeBridge, folder: Path) -> None:
    await run(ingest, sources=[str(folder)])
    (folder / "two.txt").write_text("Changed.\n")
    (folder / "gone.txt").write_text("x")
    bridge.put("capibara6", {"id": f"file://{folder}/left.md", "text": "its file is gone"})
    for name in ("voz.mp3", "acta.doc", "vacio.md"):
        (folder / name).touch()
    (folder / "tabla.csv").write_bytes("Código;Precio\nA;0,35\n".encode("latin-1"))
    state = await run(ingest, sources=[str(folder)], prune=True, max_delete_share=1)
    report = await state.aresult()
    assert sorted(line.replace(f"file://{folder}", "notes") for line in report.ends("es")) == [
        "añadido: notes/gone.txt",
        "añadido: notes/tabla.csv",
        "borrado: notes/left.md",
        "cambiado: notes/two.txt",
        "igual: notes/es/uno.md",
        "omitido: notes/voz.mp3 (tipo de archivo no admitido)",
        "rechazado: notes/acta.doc (es un formato antiguo o cerrado; guárdalo como docx, pptx, odt o pdf)",
        "rechazado: notes/vacio.md (está vacío)",
    ]
    assert len(list(report.ends("en"))) == 8


async def test_the_text_of_records_can_be_named(run, bridge: FakeBridge, folder: Path) -> None:
    file = folder / "rows.jsonl"
    file.write_text('{"nota": "Son 36 meses.", "text": "otra cosa"}')
    await run(ingest, sources=[str(file)], text_field="nota")
    assert bridge.collections["capibara6"][f"file://{file}#1"]["text"] == "Son 36 meses."


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
    assert (await state.aresult()).deleted == [f"file://{folder}/two.txt"]
    assert sorted(bridge.collections["capibara6"]) == [f"file://{folder}/es/uno.md", "other/kept.md"]


@pytest.mark.parametrize("others", [0, 2_500])
async def test_what_a_run_asks_of_the_store_does_not_grow_with_the_collection(
    run, bridge: FakeBridge, folder: Path, others: int
) -> None:
    for number in range(others):
        bridge.put("capibara6", {"id": f"elsewhere/{number}.md", "text": "of another folder"})
    record = {"id": "record", "text": "of a file", "metadata": {"origin": f"file://{folder}/records.jsonl"}}
    bridge.put("capibara6", record)
    request = {"sources": [str(folder)], "prune": True, "max_delete_share": 1, "batch_size": 1}
    first = await run(ingest, **request)
    assert (await first.aresult()).deleted == ["record"]
    (folder / "two.txt").write_text("Changed.\n")
    again = await (await run(ingest, **request)).aresult()
    assert (again.changed, again.unchanged) == (
        [f"file://{folder}/two.txt"],
        [f"file://{folder}/es/uno.md"],
    )
    # each run: one question for all files, one write a batch; what is in the folder, and what it brought
    assert (bridge.comparisons, bridge.requests) == ([2, 2], [1, 1, 1])
    assert bridge.listings == [3, 2, 2, 2]
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


async def test_records_of_two_files_that_call_themselves_the_same_are_two_documents(
    run, bridge: FakeBridge, folder: Path
) -> None:
    """What was called by that name alone, before ids were addresses, is the one with its text."""
    bridge.put("capibara6", {"id": "own", "text": "The second."})
    for name in ("first", "second"):
        (folder / f"{name}.jsonl").write_text(f'{{"id": "own", "text": "The {name}."}}\n')
    report = await (await run(ingest, sources=[str(folder / "*.jsonl")])).aresult()
    first, second = (f"file://{folder}/{name}.jsonl#id=own" for name in ("first", "second"))
    assert (report.added, report.former) == ([first], {second: "own"})
    (folder / "first.jsonl").rename(folder / "third.jsonl")
    report = await (await run(ingest, sources=[str(folder)])).aresult()
    assert report.former == {f"file://{folder}/third.jsonl#id=own": first}


async def test_a_mass_delete_is_refused_beyond_the_share_that_was_set(
    run, bridge: FakeBridge, folder: Path
) -> None:
    await run(ingest, sources=[str(folder)])
    (folder / "two.txt").unlink()
    state = await run(ingest, sources=[str(folder)], prune=True, max_delete_share=0.2)
    assert state.is_failed()
    assert "max_delete_share=1" in state.message
    assert len(bridge.collections["capibara6"]) == 2


async def test_nothing_is_pruned_for_an_empty_source(run, bridge: FakeBridge, folder: Path) -> None:
    await run(ingest, sources=[str(folder)])
    for file in ("two.txt", "es/uno.md"):
        (folder / file).unlink()
    state = await run(ingest, sources=[str(folder)], prune=True)
    assert state.is_failed()
    assert "¿está montado?" in state.message
    assert len(bridge.collections["capibara6"]) == 2


async def test_a_file_that_is_called_otherwise_is_one_document_as_before(
    run, bridge: FakeBridge, folder: Path
) -> None:
    await run(ingest, sources=[str(folder)])
    (folder / "two.txt").rename(folder / "second.txt")
    report = await (await run(ingest, sources=[str(folder)])).aresult()
    assert report.former == {f"file://{folder}/second.txt": f"file://{folder}/two.txt"}
    assert sorted(bridge.collections["capibara6"]) == [
        f"file://{folder}/es/uno.md",
        f"file://{folder}/second.txt",
    ]


async def test_documents_of_before_are_taken_over(run, bridge: FakeBridge, folder: Path) -> None:
    text = (folder / "es" / "uno.md").read_text()
    bridge.put("capibara6", {"id": "notes/es/uno.md", "text": text})
    bridge.put("capibara6", {"id": "notes/two.txt", "text": "Of another folder of that name."})
    report = await (await run(ingest, sources=[str(folder)])).aresult()
    assert report.former == {f"file://{folder}/es/uno.md": "notes/es/uno.md"}
    assert report.added == [f"file://{folder}/two.txt"]
    assert sorted(bridge.collections["capibara6"]) == [
        f"file://{folder}/es/uno.md",
        f"file://{folder}/two.txt",
        "notes/two.txt",
    ]


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
    assert len(bridge.requests) == 2, "the third finds everything there"


async def test_a_run_that_finds_nothing_fails(run, bridge: FakeBridge, tmp_path: Path) -> None:
    state = await run(ingest, sources=[str(tmp_path / "nothing")])
    assert state.is_failed()
    assert "no hay nada que ingerir" in state.message
