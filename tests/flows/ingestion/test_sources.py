"""Finding and reading files: what is a document, what is named as broken, what stays out."""

from pathlib import Path

import pytest

from flows.ingestion.loader import MAX_TEXT_BYTES, read
from flows.ingestion.sources import SourceFile, find
from flows.ingestion.text import Unreadable
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


def test_ids_are_the_folder_and_the_path_inside_it(folder: Path) -> None:
    listing = find([str(folder)])
    assert [item.id for item in listing.files] == ["notes/two.txt", "notes/es/uno.md"]
    assert listing.roots == ["notes/"]
    assert listing.complete


def test_a_folder_keeps_its_ids_when_it_moves(folder: Path, tmp_path: Path) -> None:
    before = {item.id for item in find([str(folder)]).files}
    moved = folder.rename(tmp_path / "elsewhere").rename(tmp_path / "x-notes")
    (tmp_path / "deep").mkdir()
    again = moved.rename(tmp_path / "deep" / "notes")
    assert {item.id for item in find([str(again)]).files} == before


def test_globs_files_and_folders_name_each_file_once(folder: Path) -> None:
    listing = find([f"{folder}/**/*.md", str(folder), str(folder / "two.txt")])
    assert sorted(item.id for item in listing.files) == ["notes/es/uno.md", "notes/two.txt", "two.txt"]
    assert not listing.problems


def test_two_files_with_one_id_are_reported_not_mixed(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "docs").mkdir(parents=True)
        (tmp_path / parent / "docs" / "readme.md").write_text(parent)
    listing = find([str(tmp_path / "a" / "docs"), str(tmp_path / "b" / "docs")])
    assert [item.path for item in listing.files] == [tmp_path / "a" / "docs" / "readme.md"]
    [(name, reason)] = listing.problems
    assert name.endswith("b/docs/readme.md")
    assert reason.key == "same_id"


def test_hidden_files_links_and_other_types_stay_out(folder: Path, tmp_path: Path) -> None:
    (folder / ".secret.md").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "note.md").write_text("hidden")
    (tmp_path / "outside.md").write_text("outside")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    (folder / "photo.png").write_bytes(b"\x89PNG")
    listing = find([str(folder)])
    assert [item.id for item in listing.files] == ["notes/two.txt", "notes/es/uno.md"]
    assert listing.skipped == ["notes/photo.png"]


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
        ("año".encode("latin-1"), "encoding"),
        (b"a" * (MAX_TEXT_BYTES + 1), "too_large"),
    ],
    ids=["empty", "blank", "only front matter", "binary", "latin-1", "large"],
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
    path.write_text("---\ntitle: Título\nlanguage: es\n---\n# Otro\n\nTexto.", encoding="utf-8")
    document = _read(path)
    assert (document.title, document.language, document.text) == ("Título", "es", "# Otro\n\nTexto.")
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
