"""What a document is called: by the address of what it came from, and of nothing else."""

import pytest

from flows.ingestion.identity import MAX_CHARS, identity, part_of, source_uri

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/srv/docs/tarifa.md", "file:///srv/docs/tarifa.md"),
        ("/srv/docs/../año 2026/nº 1 #2 100%.md", "file:///srv/año%202026/nº%201%20%232%20100%25.md"),
        ("/srv/line\nbreak.md", "file:///srv/line%0Abreak.md"),
        ("/srv/a\udcf1o.md", "file:///srv/a%F1o.md"),
        ("HTTPS://Ana:secreto@Www.Example.org:443/a?b=1#c", "https://www.example.org/a?b=1"),
        ("http://example.org", "http://example.org/"),
        ("http://example.org:8080/a%20b", "http://example.org:8080/a%20b"),
        ("s3://bucket/2026/acta nº 1.pdf", "s3://bucket/2026/acta%20nº%201.pdf"),
        ("mid:<abc.1@example.org>", "mid:abc.1@example.org"),
    ],
)
def test_a_document_is_called_by_its_absolute_address(place: str, expected: str) -> None:
    assert identity(place) == expected


def test_two_folders_of_one_name_hold_different_documents() -> None:
    assert identity("/a/docs/tarifa.md") != identity("/b/docs/tarifa.md")


def test_what_lies_below_a_named_folder_is_called_the_same_on_every_machine() -> None:
    for clone in ("/home/ana/capibara6", "/opt/c6"):
        named = {f"{clone}/knowledge": "knowledge"}
        assert identity(f"{clone}/knowledge/es/modelos.md", named) == "knowledge/es/modelos.md"
        assert source_uri(f"{clone}/knowledge", named, folder=True) == "knowledge/"
        assert identity(f"{clone}/README.md", named) == f"file://{clone}/README.md"
    assert identity("/srv/a/b/c.md", {"/srv/a": "a", "/srv/a/b": "inner"}) == "inner/c.md"


def test_a_long_address_stays_readable_at_both_ends_and_one_of_a_kind() -> None:
    one, other = (identity(f"/srv/{'carpeta/' * 60}{end}/ficha.md") for end in ("x" * 150, "y" + "x" * 150))
    assert len(one) <= MAX_CHARS
    assert one != other
    assert one.startswith("file:///srv/carpeta/")
    assert "/ficha.md~" in one


def test_parts_are_called_after_their_whole() -> None:
    whole = identity("/srv/papers.zip")
    assert part_of(whole, "") == whole
    assert part_of(whole, "/in side.md#part-2") == "file:///srv/papers.zip/in%20side.md#part-2"
    assert len(part_of(whole, "/" + "x" * 400)) <= MAX_CHARS


def test_a_relative_path_is_nobodys_identity() -> None:
    with pytest.raises(ValueError, match="no absolute path"):
        identity("docs/tarifa.md")
