"""Files that need a parser become text; hostile and broken ones are named and hurt nobody."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from flows.ingestion.loader import read
from flows.ingestion.parsers.parts import ZIP_ERRORS, Malformed, parsing
from flows.ingestion.sandbox import cpu_s
from flows.ingestion.sources import SourceFile
from flows.ingestion.unreadable import Unreadable
from tests.flows.ingestion.made_files import make_docx, make_pdf, write_pdf
from tools.schema import Document

PEAK = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
"""


def peak_of(arguments: list[str]) -> tuple[int, int]:
    """Exit status and most resident megabytes of a Python process. A small one starts it: what counts as a
    child's peak is at least its parent's size when it was forked."""
    command = [sys.executable, "-S", "-c", PEAK, *arguments]
    status, megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(status), int(megabytes)


def _read(path: Path, data: bytes) -> Document:
    path.write_bytes(data)
    [(_, document)] = read(SourceFile(path.name, path, len(data)))
    if isinstance(document, Unreadable):
        raise document
    return document


def test_a_pdf_keeps_its_title_and_pages(tmp_path: Path) -> None:
    document = _read(tmp_path / "manual.pdf", make_pdf("El puente escucha.", "Page two."))
    assert document.title == "Manual"
    assert [place.page for place in document.places] == [1, 2]
    assert document.text == "El puente escucha.\n\nPage two."


def test_a_docx_keeps_headings_and_paragraphs(tmp_path: Path) -> None:
    body = (
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>El riego</w:t></w:r></w:p>'
        "<w:p><w:r><w:t>Una </w:t></w:r><w:r><w:t>frase.</w:t></w:r></w:p><w:p/>"
    )
    document = _read(tmp_path / "carta.docx", make_docx(body))
    assert (document.title, document.text) == ("El riego", "# El riego\n\nUna frase.")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("not.pdf", b"%PDF-1.7 nothing more"),
        ("not.docx", b"PK nothing"),
        ("other.docx", make_docx("<unclosed>")),
        ("bomb.docx", make_docx("a" * (65 * 2**20))),
        ("empty.html", b"<p>" * 10),
        ("blank.pdf", make_pdf("")),
    ],
)
def test_a_file_that_is_not_what_it_says_is_named(name: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as caught:
        _read(tmp_path / name, data)
    assert caught.value.key in ("malformed", "empty", "scan")
    assert caught.value.say("es")


def test_a_member_whose_packing_is_broken_is_named_whatever_packed_it(tmp_path: Path) -> None:
    for kind in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", kind) as archive:
            archive.writestr("a.txt", "hola mundo " * 50)
        data = bytearray(packed.getvalue())
        data[39:49] = bytes(10)  # behind the local header and the name
        with pytest.raises(Malformed), parsing(*ZIP_ERRORS), zipfile.ZipFile(io.BytesIO(data)) as archive:
            archive.read("a.txt")


def test_a_long_pdf_takes_bounded_memory_and_has_time_for_its_size(tmp_path: Path) -> None:
    line = "El contrato {} dura dos meses y se prorroga si nadie lo denuncia antes de acabar."
    path = tmp_path / "largo.pdf"
    path.write_bytes(
        write_pdf([[(40, 780 - 20 * row, line.format(row)) for row in range(30)] for _ in range(40)])
    )
    status, megabytes = peak_of(["-m", "flows.ingestion.sandbox", str(path)])
    assert status == 0
    assert megabytes < 150
    assert cpu_s(6 * 2**20) == 2 * cpu_s(0)
