"""Records, archives, pages and objects become documents with names that last; the broken ones are named."""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from flows.ingestion.download import suffix_of
from flows.ingestion.listing import list_sources
from flows.ingestion.loader import PART_CHARS, LoadResult, load
from flows.ingestion.sources import find
from flows.ingestion.text import Unreadable
from tests.conftest import free_ports, settings_in
from tests.serving import serving
from tools.schema import Document
from tools.settings import Settings


def loaded(path: Path, **changes: object):
    """What the file's documents are, by id, and why the others are none."""
    found = loaded_all(path, **changes)
    return {document.id: document for document in found.documents}, dict(found.failed)


def loaded_all(path: Path, **changes: object) -> LoadResult:
    """What the file holds; its ids begin with its name."""
    listing = find([str(path)], named={str(path): path.name})
    assert not listing.problems
    return load(listing.files, settings_in(path.parent, **changes))


def pack(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_each_line_of_a_jsonl_file_is_a_document(tmp_path: Path) -> None:
    file = tmp_path / "pages.jsonl"
    rows = [
        {"id": "own", "title": "T", "text": "uno", "source": "s", "language": "es", "metadata": {"a": 1}},
        {"text": "# Dos\n\ndos", "extra": "ignored"},
        {"title": "no text"},
        {"text": " "},
        {"id": 7, "text": "siete", "language": "fr"},
    ]
    file.write_text("\n".join([*map(json.dumps, rows), "", "{broken"]), encoding="utf-8")
    documents, failed = loaded(file)
    assert documents["pages.jsonl#id=own"].model_copy(update={"origin": None}) == Document(
        id="pages.jsonl#id=own", title="T", text="uno", source="s", language="es",
        metadata={"a": 1, "id": "own"}, formerly="own",
    )  # fmt: skip
    assert (documents["pages.jsonl#2"].title, documents["pages.jsonl#2"].source) == ("Dos", "pages.jsonl#2")
    assert documents["pages.jsonl#id=7"].language is None
    assert failed.keys() == {"pages.jsonl#3", "pages.jsonl#4", "pages.jsonl#7"}


@pytest.mark.parametrize(
    "value", [[{"text": "a"}, {"text": "b"}], {"documents": [{"text": "a"}, {"text": "b"}]}]
)
def test_a_json_file_is_a_list_of_records(value: object, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    file.write_text(json.dumps(value))
    assert sorted(loaded(file)[0]) == ["all.json#1", "all.json#2"]


def test_a_record_that_can_not_be_written_is_named_and_the_rest_goes_in(tmp_path: Path) -> None:
    file = tmp_path / "odd.jsonl"
    bad = [
        '{"id": "s", "text": "\\ud800"}',
        '{"id": "m", "text": "a", "metadata": {"k": "\\ud800"}}',
        '{"id": "\\ud800", "text": "a"}',
        "[" * 100_000,
    ]
    odd = ['{"id": "' + "x" * 300 + '", "text": "a"}', '{"id": "a\\nb c", "text": "a"}']
    file.write_text("\n".join([*bad, *odd, '{"id": "good", "text": "b"}']))
    documents, failed = loaded(file)
    assert list(documents)[1:] == ["odd.jsonl#id=a%0Ab%20c", "odd.jsonl#id=good"]
    assert [document.formerly for document in documents.values()] == [None, None, "good"]
    assert len(failed) == len(bad)


def test_records_of_two_files_may_call_themselves_the_same(tmp_path: Path) -> None:
    rows = '{"id": "2", "text": "%s"}\n{"text": "la segunda"}\n{"id": "2", "text": "otra"}'
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text(rows % name)
    listing = find([str(tmp_path)])
    result = load(listing.files, settings_in(tmp_path))
    base = f"file://{tmp_path}/"
    assert [document.id.removeprefix(base) for document in result.documents] == [
        f"{name}.jsonl#{part}" for name in ("one", "two") for part in ("id=2", "2", "id=2")
    ]


def test_a_long_record_that_names_itself_is_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text(json.dumps({"id": "own", "title": "T", "text": "palabra " * 200_000}))
    documents, _ = loaded(file)
    assert {key: document.formerly for key, document in documents.items()} == {
        "long.jsonl#id=own": "own",
        "long.jsonl#id=own#part-2": "long.jsonl#1#part-2",
    }


def test_an_archive_is_read_member_by_member_and_never_unpacked_to_disk(tmp_path: Path) -> None:
    members: dict[str, str | bytes] = {
        "guide/uno.md": "---\ntitle: Uno\nlanguage: es\n---\nTexto.",
        "page.html": "<title>Page</title><p>Text</p>",
        "rows.jsonl": '{"text": "fila"}',
        "photo.heic": b"\x89PNG",
        "../../escape.md": "out",
        "/etc/absolute.md": "out",
        "latin.txt": "año".encode("latin-1"),
        "noise.txt": bytes(range(128, 256)) * 4,
        "broken.pdf": b"%PDF-1.7 nothing",
    }
    file = pack(tmp_path / "all.zip", members)
    documents, failed = loaded(file)
    assert sorted(documents) == [
        "all.zip/guide/uno.md",
        "all.zip/latin.txt",
        "all.zip/page.html",
        "all.zip/rows.jsonl#1",
    ]
    assert (documents["all.zip/guide/uno.md"].title, documents["all.zip/guide/uno.md"].language) == (
        "Uno",
        "es",
    )
    assert failed.keys() == {
        "all.zip/../../escape.md",
        "all.zip//etc/absolute.md",
        "all.zip/noise.txt",
        "all.zip/broken.pdf",
    }
    assert list(tmp_path.iterdir()) == [file]


def test_an_archive_with_a_key_or_nothing_in_it_is_named(tmp_path: Path) -> None:
    file = pack(tmp_path / "locked.zip", {"a.md": "text"})
    data = bytearray(file.read_bytes())
    for mark in (b"PK\x01\x02", b"PK\x03\x04"):
        data[data.index(mark) + (8 if mark[2] == 1 else 6)] |= 1  # the bit that says: encrypted
    file.write_bytes(data)
    assert loaded(file) == ({}, {"locked.zip/a.md": loaded(file)[1]["locked.zip/a.md"]})
    empty = pack(tmp_path / "empty.zip", {"a.heic": b"x"})
    assert loaded(empty) == ({}, {"empty.zip": "está vacío"})


def test_what_is_attached_to_a_mail_is_a_document_of_its_own(tmp_path: Path) -> None:
    mail, inner = EmailMessage(), io.BytesIO()
    mail["Subject"] = "Pedido"
    mail.set_content("Van los precios.")
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("precios.csv", "artículo;precio\ngarrafa;31,90\n".encode("latin-1"))
        archive.writestr("viejo.doc", b"x")
        archive.writestr("foto.heic", b"x")
    mail.add_attachment(inner.getvalue(), maintype="application", subtype="zip", filename="todo.zip")
    file = tmp_path / "pedido.eml"
    file.write_bytes(mail.as_bytes())
    found = loaded_all(file)
    documents = {document.id: document for document in found.documents}
    assert list(documents) == ["pedido.eml", "pedido.eml/todo.zip/precios.csv"]
    assert documents["pedido.eml"].title == "Pedido"
    assert "| garrafa | 31,90 |" in documents["pedido.eml/todo.zip/precios.csv"].text
    assert documents["pedido.eml/todo.zip/precios.csv"].title == "precios"
    assert [name for name, _ in found.failed] == ["pedido.eml/todo.zip/viejo.doc"]
    assert found.skipped == ["pedido.eml/todo.zip/foto.heic"]


def test_a_long_text_is_several_documents_below_their_headings(tmp_path: Path) -> None:
    file = tmp_path / "libro.md"
    file.write_text("# Libro\n\n" + "Una frase de muchas.\n\n" * (PART_CHARS // 15))
    documents, failed = loaded(file)
    assert not failed
    assert list(documents) == ["libro.md", "libro.md#part-2"]
    assert documents["libro.md#part-2"].text.startswith("# Libro\n\nUna frase")
    assert {document.title for document in documents.values()} == {"Libro"}


@pytest.mark.parametrize("name", ["a\nb.md", "x" * 240 + ".md", "\x1b[31m.md", os.fsdecode(b"latin\xf1.md")])
def test_a_file_of_any_name_is_a_document(name: str, tmp_path: Path) -> None:
    root = tmp_path / "documents-of-mine"
    root.mkdir()
    (root / name).write_text("text")
    [document] = load(find([str(root)]).files, settings_in(tmp_path)).documents
    assert document.id.startswith("file:///")
    assert (document.id + document.title).isprintable()


@pytest.fixture
def site() -> Iterator[str]:
    """A small real site, on an address that the settings open."""
    app, [port] = FastAPI(), free_ports(1)

    @app.get("/guide")
    async def guide() -> Response:
        return Response("<title>Guía</title><h1>Uso</h1><p>Una orden.</p>", media_type="text/html")

    @app.get("/notes.md")
    async def notes() -> Response:
        return Response("# Notas\n\nTexto.", media_type="text/plain")

    @app.get("/photo")
    async def photo() -> Response:
        return Response(b"\x89PNG", media_type="image/png")

    @app.get("/inside")
    async def inside() -> Response:
        return Response(status_code=302, headers={"location": "http://169.254.169.254/latest/"})

    with serving(app, port):
        yield f"http://127.0.0.1:{port}"


def test_a_list_of_pages_becomes_documents_and_those_inside_are_refused(site: str, tmp_path: Path) -> None:
    file = tmp_path / "site.urls"
    names = ("guide", "notes.md", "photo", "inside", "missing")
    file.write_text("# our site\n" + "\n".join(f"{site}/{name}" for name in names))
    documents, failed = loaded(file, fetch={"allow": ("127.0.0.0/8",)})
    assert {key: document.title for key, document in documents.items()} == {
        f"{site}/guide": "Guía",
        f"{site}/notes.md": "Notas",
    }
    assert documents[f"{site}/guide"].text == "# Uso\n\nUna orden."
    assert failed.keys() == {f"{site}/{name}" for name in names[2:]}
    refused = load(find([f"{site}/guide"]).files, settings_in(tmp_path))
    assert (refused.documents, refused.failed[0][1]) == ([], "127.0.0.1 leads to an internal address")


@pytest.mark.parametrize(
    ("url", "kind", "suffix"),
    [
        ("http://a/x", "text/html", ".html"),
        ("http://a/x.md", "text/plain", ".md"),
        ("http://a/x.pdf", "application/octet-stream", ".pdf"),
        ("http://a/x.md", "text/html", ".html"),
        ("http://a/x", "text/plain", ".txt"),
    ],
)
def test_a_page_is_what_its_server_says_it_is(url: str, kind: str, suffix: str) -> None:
    assert suffix_of(url, kind) == suffix


def test_what_is_no_document_is_no_page() -> None:
    with pytest.raises(Unreadable):
        suffix_of("http://a/x.md", "image/png")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A real server of S3's wire with two objects; its address."""
    moto = pytest.importorskip("moto.server")
    from minio import Minio

    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    store = Minio(f"{host}:{port}", "key", "secret", secure=False)
    store.make_bucket("library")
    for name, text in {
        "docs/uno.md": "# Uno\n\nTexto.",
        "docs/two.txt": "Two.",
        "other/no.md": "No.",
    }.items():
        store.put_object("library", name, io.BytesIO(text.encode()), len(text.encode()))
    yield f"http://{host}:{port}"
    server.stop()


def stored(tmp_path: Path, endpoint: str) -> Settings:
    return settings_in(tmp_path, s3={"endpoint": endpoint, "access_key": "key", "secret_key": "secret"})


def test_a_prefix_of_a_bucket_is_a_folder(bucket: str, tmp_path: Path) -> None:
    settings = stored(tmp_path, bucket)
    listing = list_sources(["s3://library/docs"], settings, None)
    assert listing.roots == ["s3://library/docs/"]
    assert all(file.hash for file in listing.files)
    found = load(listing.files, settings)
    assert {document.id: document.title for document in found.documents} == {
        "s3://library/docs/uno.md": "Uno",
        "s3://library/docs/two.txt": "two",
    }
    missing = list_sources(["s3://nothing/here"], settings, None)
    assert (missing.complete, missing.roots) == (False, [])
    unset = list_sources(["s3://library/docs"], settings_in(tmp_path), None)
    assert "CAPIBARA6_S3__ENDPOINT" in unset.problems[0][1].say("es")


def test_a_store_that_is_not_there_makes_the_listing_incomplete(tmp_path: Path) -> None:
    settings = stored(tmp_path, f"http://127.0.0.1:{free_ports(1)[0]}")
    assert not list_sources(["s3://library/docs"], settings, None).complete
