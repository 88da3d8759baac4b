"""Named files: what a name leads to, what lies below a folder, opening without links."""

from pathlib import Path

import pytest

from tools.access.local_files import fixed_part, is_local, lies_below, named_path, open_unlinked

pytestmark = pytest.mark.pure


def test_what_has_no_address_is_local() -> None:
    assert all(map(is_local, ("/a", "a", "file:///a", "s3:/a", "HTTP://a", "")))
    assert not any(map(is_local, ("https://a", "http://a", "s3://a")))


@pytest.mark.parametrize("source", ["a\0b", "~nobody-of-this-name/x"])
def test_what_no_file_is_called_has_no_path(source: str) -> None:
    assert named_path(source) is None


@pytest.mark.parametrize(
    ("pattern", "fixed"), [("/a/b*/c", "/a"), ("/a/b", "/a/b"), ("/*", "/"), ("/a/[b]/*", "/a")]
)
def test_the_fixed_part_ends_before_the_first_mark(pattern: str, fixed: str) -> None:
    assert fixed_part(Path(pattern)) == Path(fixed)


def test_a_neighbour_whose_name_begins_alike_is_not_below(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert lies_below(root / "x" / "y", [root])
    assert lies_below(root, [root])
    assert not lies_below(tmp_path / "root-2" / "x", [root])
    assert not lies_below(root / ".." / "x", [root])
    assert not lies_below(root, [])


def test_a_root_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert lies_below(tmp_path / "root" / "x", [tmp_path / "root"])
    assert lies_below(tmp_path / "real" / "x", [tmp_path / "root"])


def test_only_regular_files_without_links_are_opened(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"text")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "file").symlink_to(tmp_path / "real" / "file")
    with open_unlinked(tmp_path / "real" / "file") as file:
        assert file.read() == b"text"
    for path in ("folder/file", "file", "real", "nothing"):
        with pytest.raises(OSError, match=path.partition("/")[0]):
            open_unlinked(tmp_path / path)
