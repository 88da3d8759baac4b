"""Poison documents: each is named with its reason, and reading it takes bounded memory, time and disk."""

import io
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdf
import pytest
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject

from flows.ingestion.loader import load
from flows.ingestion.sources import MAX_FILE_BYTES, find
from tests.conftest import settings_in

GROWTH = 256 * 2**20
MEASURE = """
import json, resource, sys
from flows.ingestion.loader import load
from flows.ingestion.sources import find
from tools.settings import Settings

def used():
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return max(mine.ru_maxrss, theirs.ru_maxrss), theirs.ru_utime + theirs.ru_stime

before = used()
found = load(find([sys.argv[1]]).files, Settings(home="/nowhere", _env_file=None))
after = used()
print(json.dumps({"failed": found.failed, "documents": len(found.documents),
                  "growth": (after[0] - before[0]) * 1024, "cpu_s": after[1]}))
"""


def bomb(path: Path) -> None:
    """Many zeros in few bytes, and an archive inside that is the same again."""
    inner = io.BytesIO()
    for target, name in ((inner, "zeros.md"), (path, "inner.zip")):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("big.md", "w", force_zip64=True) as stream:
                for _ in range(128):
                    stream.write(bytes(2**20))
            if target is path:
                archive.writestr(name, inner.getvalue())


def many_members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(10_001):
            archive.writestr(f"{number}.md", "x")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def promises_pages(path: Path) -> None:
    """A PDF that says it has a million pages."""
    writer = pypdf.PdfWriter()
    writer.add_blank_page(10, 10)
    tree = writer._pages.get_object()
    assert isinstance(tree, DictionaryObject)
    tree[NameObject("/Count")] = NumberObject(1_000_000)
    writer.write(path)


def repeats_pages(path: Path) -> None:
    """A PDF that says nothing, and has one page a million times."""
    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(10, 10).indirect_reference
    tree = writer._pages.get_object()
    assert isinstance(tree, DictionaryObject)
    for _ in range(3):  # 100 times 100 times 100
        level = DictionaryObject(
            {NameObject("/Type"): NameObject("/Pages"), NameObject("/Count"): NumberObject(1)}
        )
        level[NameObject("/Kids")] = ArrayObject([page] * 100)
        page = writer._add_object(level)
    tree[NameObject("/Kids")], tree[NameObject("/Count")] = ArrayObject([page]), NumberObject(1)
    writer.write(path)


def deep_json(path: Path) -> None:
    path.write_bytes(b"[" * 4_000_000 + b"]" * 4_000_000)


def wide_json(path: Path) -> None:
    """A small file whose values take forty times as much once they are read."""
    path.write_bytes(b"[" + b"{}," * 9_000_000 + b"{}]")


def laughing_docx(path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    body = f'<!DOCTYPE d [<!ENTITY e0 "ja">{entities}]><d>&e11;</d>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", body)


def broken_text(path: Path) -> None:
    path.write_bytes(b"caf\xc3\x28 \xff\xfe\x00\x01" * 100_000)


POISON = {
    "bomb.zip": bomb,
    "members.zip": many_members,
    "sparse.md": sparse,
    "sparse.pdf": sparse,
    "promises.pdf": promises_pages,
    "repeats.pdf": repeats_pages,
    "deep.json": deep_json,
    "wide.json": wide_json,
    "laughs.docx": laughing_docx,
    "broken.txt": broken_text,
}


@pytest.mark.parametrize("name", POISON)
def test_poison_is_named_and_takes_little(name: str, tmp_path: Path) -> None:
    file = tmp_path / "in" / name
    file.parent.mkdir()
    POISON[name](file)
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(file)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert seen["documents"] == 0
    assert seen["failed"]
    assert all(reason for _, reason in seen["failed"])
    assert seen["growth"] < GROWTH
    assert seen["cpu_s"] < 40
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_healthy_file_beside_poison_is_read(tmp_path: Path) -> None:
    sparse(tmp_path / "huge.pdf")
    (tmp_path / "good.md").write_text("# Good\n\nText.")
    found = load(find([str(tmp_path)]).files, settings_in(tmp_path))
    assert [document.title for document in found.documents] == ["Good"]
    assert [name for name, _ in found.failed] == [f"file://{tmp_path}/huge.pdf"]
    assert str(MAX_FILE_BYTES) in found.failed[0][1]


def test_the_limits_are_of_the_child_alone() -> None:
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
