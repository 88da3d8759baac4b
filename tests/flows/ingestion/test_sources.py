"""Finding and reading files: what is a document, what is named as broken, what stays out."""

from pathlib import Path

import pytest

from flows.ingestion.loader import read
from flows.ingestion.sources import MAX_FILE_BYTES, SourceFile, find, names_of
from flows.ingestion.text import Unreadable
from tools.errors import BadRequest
from tools.schema import Document

pytestmark = pytest.mark.pure


def _found(path: Path) -> SourceFile:
    return SourceFile(path.name, path, path.stat().st_size)


def _read(path: Path) -> Document:
    """The one document of a file; raises the reason when it is none."""
    [(_, document)] = read(_found(path))
    if isinstance(document, Unreadable):
        raise document
    return document


def test_ids_are_the_addresses_of_the_files(folder: Path) -> None:
    listing = find([str(folder)])
    assert [item.id for item in listing.files] == [f"file://{folder}/two.txt", f"file://{folder}/es/uno.md"]
    assert [item.name for item in listing.files] == ["notes/two.txt", "notes/es/uno.md"]
    assert {item.source_uri for item in listing.files} == {f"file://{folder}/"}
    assert listing.roots == listing.sources == [f"file://{folder}/"]
    assert listing.complete


def test_a_named_folder_keeps_its_ids_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    moved = folder.rename(tmp_path / "deep" / "other")
    listing = find([str(moved)], named=names_of([str(moved)], tmp_path, "notes"))
    assert [item.id for item in listing.files] == ["notes/two.txt", "notes/es/uno.md"]
    assert listing.roots == ["notes/"]


def test_the_sample_knowledge_is_called_the_same_on_every_machine(folder: Path) -> None:
    named = names_of([], folder)
    assert [item.id for item in find([str(folder / "es")], named=named).files] == ["knowledge/es/uno.md"]
    assert find([str(folder)], named=named).roots == ["knowledge/"]


def test_a_name_is_for_one_folder(folder: Path) -> None:
    for sources in (["https://example.org/a"], [str(folder), str(folder)], [str(folder / "two.txt")]):
        with pytest.raises(BadRequest, match="one folder"):
            names_of(sources, folder, "notes")


def test_globs_files_and_folders_name_each_file_once(folder: Path) -> None:
    listing = find([f"{folder}/**/*.md", str(folder), str(folder / "two.txt")])
    wanted = [f"file://{folder}/es/uno.md", f"file://{folder}/two.txt"]
    assert sorted(item.id for item in listing.files) == wanted
    assert listing.sources == [f"file://{folder}/**/*.md", f"file://{folder}/", f"file://{folder}/two.txt"]
    assert listing.roots == [f"file://{folder}/"]
    assert not listing.problems


def test_folders_of_one_name_hold_documents_of_their_own(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "docs").mkdir(parents=True)
        (tmp_path / parent / "docs" / "readme.md").write_text(parent)
    listing = find([str(tmp_path / "a" / "docs"), str(tmp_path / "b" / "docs")])
    assert [item.id for item in listing.files] == [
        f"file://{tmp_path}/{parent}/docs/readme.md" for parent in ("a", "b")
    ]
    assert not listing.problems


def test_hidden_files_links_and_other_types_stay_out(folder: Path, tmp_path: Path) -> None:
    (folder / ".secret.md").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "note.md").write_text("hidden")
    (tmp_path / "outside.md").write_text("outside")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (folder / "voice.mp3").write_bytes(b"ID3")
    listing = find([str(folder)])
    assert [item.name for item in listing.files] == ["notes/two.txt", "notes/es/uno.md"]
    assert listing.skipped == [f"file://{folder}/voice.mp3"]


def test_a_source_that_does_not_exist_makes_the_listing_incomplete(tmp_path: Path) -> None:
    listing = find([str(tmp_path / "nothing"), str(tmp_path / "*.md")])
    assert [reason.key for _, reason in listing.problems] == ["missing", "missing"]
    assert not listing.complete


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"---\ntitle: x\n---\n\n", "empty"),
        (b"\x00\x01\x02binary", "binary"),
        (bytes(range(128, 256)) * 4, "encoding"),
        (b"a" * (MAX_FILE_BYTES + 1), "too_large"),
    ],
    ids=["empty", "blank", "only front matter", "binary", "no encoding", "large"],
)
def test_a_broken_file_says_what_is_wrong_in_both_languages(data: bytes, key: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.md"
    path.write_bytes(data)
    with pytest.raises(Unreadable) as caught:
        _read(path)
    assert caught.value.key == key
    assert caught.value.say("es") != caught.value.say("en")


def test_title_and_language_come_from_front_matter_then_heading_then_name(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("---\ntitle: Uno\nlanguage: es\n---\n# Otro\n\nTexto.", encoding="utf-8")
    document = _read(path)
    assert (document.title, document.language, document.text) == ("Uno", "es", "# Otro\n\nTexto.")
    path.write_text("# Heading #\n\nText.")
    assert _read(path).title == "Heading #"
    path.write_text("Just text.")
    assert _read(path).title == "page"


def test_front_matter_that_is_not_yaml_is_text(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("---\n: [\n---\nText.")
    assert _read(path).text.startswith("---")


def test_utf_16_with_its_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "page.txt"
    path.write_bytes("El año".encode("utf-16"))
    assert _read(path).text == "El año"


def test_a_file_named_in_one_word_is_called_by_its_words(tmp_path: Path) -> None:
    (tmp_path / "InformeAnualPDF2024.txt").write_text("Las ventas crecieron.")
    [(_, document)] = read(find([str(tmp_path)]).files[0])
    assert isinstance(document, Document)
    assert document.title == "Informe Anual PDF2024"


@pytest.mark.parametrize("stated", ["Title", "Untitled", "Documento sin título", "Presentación1", " "])
def test_a_title_that_a_program_left_is_none_and_the_files_name_counts(stated: str, tmp_path: Path) -> None:
    path = tmp_path / "TarifasDeAceite.md"
    path.write_text(f"---\ntitle: {stated}\n---\nEl aceite cuesta 4 euros.\n", encoding="utf-8")
    assert _read(path).title == "Tarifas De Aceite"
    path.write_text("---\ntitle: Title deeds\n---\nA house.\n", encoding="utf-8")
    assert _read(path).title == "Title deeds"
