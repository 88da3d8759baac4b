"""What a run decides: which files to read, which moved, how much to send at once, what left its sources."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.ingestion.changes import choose
from flows.ingestion.report import Report, missing_documents
from flows.ingestion.sending import Sent, next_size, split
from flows.ingestion.sources import Listing, SourceFile
from flows.ingestion.text import Unreadable
from tools.clients.bridge import Difference, StoredDocument
from tools.schema import Document, Origin

pytestmark = pytest.mark.pure


def _file(name: str) -> SourceFile:
    return SourceFile(name, Path(name), 10)


def test_batches_are_bounded_in_files_and_bytes() -> None:
    sizes = [600_000, 600_000, 10, 10, 10, 10, 10]
    assert [len(sizes[cut]) for cut in split(sizes, 3)] == [1, 3, 3]
    assert split([], 3) == []
    assert [len([5_000_000][cut]) for cut in split([5_000_000], 3)] == [1]


def _stored(name: str, *, origin: str = "", source: str = "") -> StoredDocument:
    return StoredDocument(
        id=name, title="", source="", language="es", chunks=1, content_hash="", extractors=[],
        metadata={}, origin=origin, source_uri=source,
    )  # fmt: skip


def _document(name: str) -> Document:
    return Document(id=name, text=".", origin=Origin(id=f"{name}.md"))


def test_the_report_says_what_became_of_each_document() -> None:
    report, names = Report(), ["new", "old", "same", "lost", "bad", "here"]
    sent = Sent([("bad", "is empty")], {"new"}, {"old"}, {"here": "there"})
    report.note([_document(name) for name in names], sent, {"lost.md": "new"})
    assert (report.added, report.changed, report.unchanged) == (["new", "lost"], ["old"], ["same"])
    assert (report.moved, report.failed) == (["here"], [("bad", "is empty")])
    assert "movido: here (there)" in report.ends("es")


def test_batches_grow_while_the_bridge_is_quick_and_shrink_while_it_is_slow() -> None:
    assert [next_size(8, took, 50) for took in (1.0, 10.0, 40.0)] == [16, 8, 4]
    assert (next_size(40, 1.0, 50), next_size(1, 900.0, 50)) == (50, 1)


def _differs(name: str, status: str, *elsewhere: str) -> Difference:
    return Difference(id=name, status=status, documents=[f"{name}#1"], hash="", elsewhere=list(elsewhere))


def test_a_new_file_with_the_content_of_one_that_left_has_moved() -> None:
    files = [_file(f"docs/{name}") for name in ("same", "moved", "copy", "also", "changed")]
    listing = Listing(files=files, roots=["docs/"], sources=["docs/"])
    known = {
        "docs/same": _differs("docs/same", "same"),
        "docs/moved": _differs("docs/moved", "new", "docs/gone", "other/gone"),
        "docs/copy": _differs("docs/copy", "new", "docs/same"),
        "docs/also": _differs("docs/also", "new", "docs/gone", "other/gone"),
        "docs/changed": _differs("docs/changed", "changed"),
    }
    changes = choose(files, known, listing)
    assert changes.same == ["docs/same#1"]
    assert {file.id: file.moved_from for file in changes.files} == {
        "docs/moved": "docs/gone",
        "docs/copy": "",
        "docs/also": "",
        "docs/changed": "",
    }
    incomplete = replace(listing, complete=False)
    assert [file.moved_from for file in choose(files, known, incomplete).files] == [""] * 4


def test_only_documents_of_a_listed_folder_can_be_gone() -> None:
    listing = Listing(
        files=[_file("docs/a")], roots=["docs/"], problems=[("docs/broken", Unreadable("empty"))]
    )
    known = {name: _stored(name) for name in ("docs/a", "docs/b", "docs/broken", "other/c")}
    assert missing_documents(listing, ["docs/a"], [], known) == (["docs/b"], 3)
    assert missing_documents(Listing(files=[_file("a")]), [], [], {"b": _stored("b")}) == ([], 0)
    pages = Listing(sources=["file:///srv/pages.urls"])
    brought = {"page": _stored("page", source="file:///srv/pages.urls"), "mine": _stored("mine")}
    assert missing_documents(pages, [], [], brought) == (["page"], 1)


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
