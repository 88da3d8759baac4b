"""Links never lead out of what was named, whoever names it and whenever they are made."""

import os
from pathlib import Path

import pytest

from flows.ingestion.loader import read
from flows.ingestion.sources import Listing, find
from flows.ingestion.text import Unreadable
from tools.schema import Document

pytestmark = pytest.mark.pure


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A folder with a page, beside a secret one that links in it lead to."""
    for folder in ("served", "secret"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.md").write_text(f"# {folder}")
    root = tmp_path / "served"
    (root / "file.md").symlink_to(tmp_path / "secret" / "page.md")
    (root / "chain.md").symlink_to(root / "file.md")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "relative.md").symlink_to("../secret/page.md")
    (root / "loop.md").symlink_to(root / "loop.md")
    (root / "inner").mkdir()
    (root / "inner" / "up").symlink_to("../../secret")
    (root / "list.urls").symlink_to(tmp_path / "secret" / "page.md")
    return root


def texts(listing: Listing) -> set[str]:
    found = [document for file in listing.files if not file.url for _, document in read(file)]
    return {document.text for document in found if isinstance(document, Document)}


@pytest.mark.parametrize(
    "name",
    [
        "file.md",
        "chain.md",
        "relative.md",
        "loop.md",
        "list.urls",
        "*.md",
        "*/*.md",
        "*/*/*.md",
        "*.urls",
        "**/*",
    ],
)
def test_a_named_file_or_pattern_brings_nothing_from_behind_a_link(served: Path, name: str) -> None:
    listing = find([str(served / name)])
    assert texts(listing) <= {"# served"}
    assert not listing.complete or name == "**/*", "what was left out is named"
    assert {reason.key for _, reason in listing.problems} <= {"link", "missing"}


def test_a_folder_brings_nothing_from_behind_a_link(served: Path) -> None:
    assert texts(find([str(served)])) == {"# served"}


def test_a_pattern_that_climbs_brings_nothing(served: Path) -> None:
    listing = find([f"{served}/*/../../secret/*.md", f"{served}/inner/[u]p/*.md"])
    assert texts(listing) == set()
    assert listing.problems


def test_a_link_within_what_was_named_counts_as_its_file(served: Path) -> None:
    (served / "again.md").symlink_to("page.md")
    assert [file.id for file in find([str(served / "again.md")]).files] == [f"file://{served}/again.md"]
    assert f"file://{served}/again.md" in [file.id for file in find([f"{served}/[a]*.md"]).files]


def test_a_folder_that_a_person_names_by_a_link_is_that_folder(served: Path, tmp_path: Path) -> None:
    (tmp_path / "shortcut").symlink_to(served)
    [file] = find([str(tmp_path / "shortcut")]).files
    assert file.id == f"file://{tmp_path}/shortcut/page.md"


@pytest.mark.parametrize(
    "name",
    ["{0}/folder", "{0}/folder/page.md", "{0}/folder/*.md", "{0}/../secret", "{0}/inner/up/page.md", "~/x"],
)
def test_within_its_roots_a_run_does_not_leave_them(served: Path, name: str) -> None:
    listing = find([name.format(served), str(served / "page.md")], within=[served])
    assert texts(listing) == {"# served"}
    assert [reason.key for _, reason in listing.problems] == ["outside"]


def test_without_any_root_a_run_reads_no_file(served: Path) -> None:
    assert find([str(served)], within=[]).files == []


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_link_that_takes_a_files_place_after_the_listing_is_not_followed(
    served: Path, swapped: str
) -> None:
    (served / "inner" / "late.md").write_text("# served")
    [file] = find([str(served / "inner" / "late.md")]).files
    if swapped == "file":
        (served / "inner" / "late.md").unlink()
        (served / "inner" / "late.md").symlink_to(served.parent / "secret" / "page.md")
    else:
        (served.parent / "secret" / "late.md").write_text("# secret")
        (served / "inner").rename(served / "moved")
        (served / "inner").symlink_to(served.parent / "secret")
    with pytest.raises(Unreadable) as caught:
        list(read(file))
    assert caught.value.key == "unreadable"


def test_a_pipe_in_a_folder_is_no_file_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    [file] = find([str(tmp_path)]).files
    with pytest.raises(Unreadable):
        list(read(file))
