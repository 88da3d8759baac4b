"""HTML, PDF, DOCX and CSV become text; hostile and broken ones are named and hurt nobody."""

import io
import zipfile
from pathlib import Path

import pypdf
import pytest
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from flows.ingestion.formats import ZIP_ERRORS, Malformed, csv_table, html, parsing
from flows.ingestion.loader import read
from flows.ingestion.sources import SourceFile
from flows.ingestion.text import Unreadable
from tools.schema import Document

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def _read(path: Path, data: bytes) -> Document:
    path.write_bytes(data)
    [(_, document)] = read(SourceFile(path.name, path, len(data)))
    if isinstance(document, Unreadable):
        raise document
    return document


def make_pdf(*texts: str) -> bytes:
    """A small PDF with one line of text a page."""
    writer = pypdf.PdfWriter()
    writer.add_metadata({"/Title": "Manual"})
    for text in texts:
        page = writer.add_blank_page(300, 300)
        font = DictionaryObject(
            {NameObject("/" + key): NameObject("/" + value) for key, value in FONT.items()}
        )
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


FONT = {"Type": "Font", "Subtype": "Type1", "BaseFont": "Helvetica", "Encoding": "WinAnsiEncoding"}


def make_docx(body: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f"<w:document {WORD}><w:body>{body}</w:body></w:document>")
    return file.getvalue()


def test_html_keeps_headings_and_what_is_shown() -> None:
    page = (
        "<title>Guía  rápida</title><style>p{}</style><h2>Uso &amp; más</h2>"
        "<p>Una <b>sola</b> orden.</p><script>alert(1)</script><ul><li>uno</li><li>dos</li></ul>"
    )
    assert html(page.encode()) == ("Guía rápida", "## Uso & más\n\nUna sola orden.\n\nuno\n\ndos")


def test_a_table_says_the_column_of_each_value() -> None:
    assert csv_table(b"modelo;puerto\npool;8082\nbridge;\n") == (
        "",
        "modelo: pool; puerto: 8082\n\nmodelo: bridge",
    )


def test_a_pdf_keeps_its_title_and_pages(tmp_path: Path) -> None:
    document = _read(tmp_path / "manual.pdf", make_pdf("El puente escucha.", "Page two."))
    assert document.title == "Manual"
    assert document.text == "## p. 1\n\nEl puente escucha.\n\n## p. 2\n\nPage two."


def test_a_docx_keeps_headings_and_paragraphs(tmp_path: Path) -> None:
    body = (
        '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Título</w:t></w:r></w:p>'
        "<w:p><w:r><w:t>Una </w:t></w:r><w:r><w:t>frase.</w:t></w:r></w:p><w:p/>"
    )
    document = _read(tmp_path / "carta.docx", make_docx(body))
    assert (document.title, document.text) == ("Título", "# Título\n\nUna frase.")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("not.pdf", b"%PDF-1.7 nothing more"),
        ("not.docx", b"PK nothing"),
        ("other.docx", make_docx("<unclosed>")),
        ("bomb.docx", make_docx("a" * (65 * 2**20))),
        ("latin.html", "año".encode("latin-1")),
        ("deep.html", b"<p>" * 10),
        ("blank.pdf", make_pdf("")),
    ],
)
def test_a_file_that_is_not_what_it_says_is_named(name: str, data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as caught:
        _read(tmp_path / name, data)
    assert caught.value.key in ("malformed", "empty")
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
