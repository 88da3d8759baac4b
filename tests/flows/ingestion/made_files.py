"""Small files of office formats, written by the tests that read them."""

import io
import zipfile
from collections.abc import Mapping, Sequence

import pypdf
from pypdf.generic import ArrayObject, DecodedStreamObject, DictionaryObject, NameObject

WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
STRICT = 'xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"'
FONT = {"Type": "Font", "Subtype": "Type1", "BaseFont": "Helvetica", "Encoding": "WinAnsiEncoding"}

Placed = tuple[float, float, str]
"""Left, up from the page's lower edge, and a text; 12 points high unless the page says otherwise."""


def pack(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def write_pdf(pages: Sequence[Sequence[Placed | tuple[float, float, str, int]]], **options: str) -> bytes:
    """Pages of placed texts; `options`: title, password (the owner's), user (what opens it)."""
    writer = pypdf.PdfWriter()
    if "title" in options:
        writer.add_metadata({"/Title": options["title"]})
    for texts in pages:
        page = writer.add_blank_page(600, 800)
        font = DictionaryObject(
            {NameObject("/" + key): NameObject("/" + value) for key, value in FONT.items()}
        )
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        shown = [
            f"BT /F1 {size[0] if size else 12} Tf {left} {up} Td ({text}) Tj ET"
            for left, up, text, *size in texts
        ]
        stream.set_data("\n".join(shown).encode("cp1252"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    if "password" in options or "user" in options:
        writer.encrypt(options.get("user", ""), options.get("password", "owner"), algorithm="AES-256")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def make_pdf(*texts: str) -> bytes:
    """A small PDF called Manual with one line of text a page."""
    return write_pdf([[(20, 200, text)] for text in texts], title="Manual")


def break_page(data: bytes, number: int) -> bytes:
    """The same file with one page whose object is no page."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    tree = writer._pages.get_object()
    assert isinstance(tree, DictionaryObject)
    kids = tree["/Kids"]
    assert isinstance(kids, ArrayObject)
    kids[number] = writer._add_object(ArrayObject())
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def make_docx(body: str, *, word: str = WORD, **parts: str) -> bytes:
    """A Word document of this body; `parts` are others in `word/` (`footnotes`, `numbering`, `header1`)."""
    members: dict[str, str | bytes] = {
        "word/document.xml": f"<w:document {word}><w:body>{body}</w:body></w:document>"
    }
    members |= {
        f"word/{name}.xml": f"<w:{root_of(name)} {word}>{xml}</w:{root_of(name)}>"
        for name, xml in parts.items()
    }
    return pack(members)


def root_of(part: str) -> str:
    return {"header1": "hdr", "header2": "hdr", "footer1": "ftr"}.get(part, part)


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of Word's; `style` is XML of its properties."""
    return f"<w:p><w:pPr>{style}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
