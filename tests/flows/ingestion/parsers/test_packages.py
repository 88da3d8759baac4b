"""Slides, OpenDocument and EPUB, as the parts of a ZIP archive that they are."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from flows.ingestion.parsers import epub
from flows.ingestion.parsers.office import opendocument, slides
from flows.ingestion.parsers.parts import Malformed, Parsed
from flows.ingestion.unreadable import Unreadable
from tests.flows.ingestion.made_files import pack

pytestmark = pytest.mark.pure
Parser = Callable[[bytes, str], Iterator[Parsed]]

DRAWING = 'xmlns:a="urn:a" xmlns:p="urn:p" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
OPEN = (
    'xmlns:office="urn:office" xmlns:text="urn:text" xmlns:table="urn:table" xmlns:draw="urn:draw" '
    'xmlns:presentation="urn:presentation" xmlns:dc="urn:dc"'
)


def only(parser: Parser, members: Mapping[str, str | bytes]) -> Parsed:
    [part] = parser(pack(members), "")
    return part


def shape(*lines: str, kind: str = "") -> str:
    paragraphs = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    mark = f'<p:ph type="{kind}"/>' if kind else ""
    return f"<p:sp><p:nvSpPr><p:nvPr>{mark}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"


def relations(**targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="urn:rels">{rows}</Relationships>'


def presentation(*slides_: str, notes: str = "") -> dict[str, str | bytes]:
    """Slides in the opposite order of their names."""
    count = len(slides_)
    order = "".join(f'<p:sldId id="{256 + n}" r:id="r{n}"/>' for n in range(count))
    places = {f"r{n}": ("slide", f"slides/slide{count - n}.xml") for n in range(count)}
    members: dict[str, str | bytes] = {
        "ppt/presentation.xml": f"<p:all {DRAWING}><p:sldIdLst>{order}</p:sldIdLst></p:all>",
        "ppt/_rels/presentation.xml.rels": relations(**places),
    }
    for n, slide in enumerate(slides_):
        members[f"ppt/slides/slide{count - n}.xml"] = f"<p:sld {DRAWING}>{slide}</p:sld>"
    if notes:
        members[f"ppt/slides/_rels/slide{count}.xml.rels"] = relations(
            n=("notesSlide", "../notesSlides/notes1.xml")
        )
        members["ppt/notesSlides/notes1.xml"] = f"<p:notes {DRAWING}>{notes}</p:notes>"
    return members


def test_slides_come_in_their_order_with_titles_tables_and_notes() -> None:
    cells = "".join(
        f"<a:tc><a:txBody><a:p><a:r><a:t>{c}</a:t></a:r></a:p></a:txBody></a:tc>" for c in ("Soria", "410")
    )
    head = cells.replace("Soria", "Ciudad").replace("410", "Precio")
    table = f"<p:graphicFrame><a:tbl><a:tr>{head}</a:tr><a:tr>{cells}</a:tr></a:tbl></p:graphicFrame>"
    first = shape("Apertura", kind="title") + shape("Hola a todos") + shape("7", kind="sldNum")
    found = only(
        slides.parse,
        presentation(
            first, shape("Precios", kind="title") + table, notes=shape("Saludar antes", kind="body")
        ),
    )
    assert found.text.split("\n\n") == [
        "## 1. Apertura", "Hola a todos", "### Notas · Notes", "Saludar antes",
        "## 2. Precios", "| Ciudad | Precio |\n|---|---|\n| Soria | 410 |",
    ]  # fmt: skip
    assert found.metadata == {"slides": 2}
    second = found.text.index("## 2. Precios")
    assert found.places == [{"start": 0, "slide": 1}, {"start": second, "slide": 2}]


def odt(body: str) -> dict[str, str | bytes]:
    return {"content.xml": f"<office:all {OPEN}><office:body>{body}</office:body></office:all>"}


def test_an_opendocument_text_keeps_headings_lists_tables_and_notes() -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    rows = "".join(
        f"<table:table-row>{cell.format(a)}{cell.format(b)}</table:table-row>"
        for a, b in (("Pieza", "Par"), ("Eje", "12 Nm"))
    )
    body = (
        "<text:tracked-changes><text:p>borrado</text:p></text:tracked-changes><text:h "
        'text:outline-level="2">Montaje</text:h>'
        "<text:p>Apriete<text:tab/>fuerte<text:note><text:note-citation>1</text:note-citation>"
        "<text:note-body><text:p>Sin pasarse."
        "</text:p></text:note-body></text:note>.</text:p><text:list><text:list-item>"
        "<text:p>uno</text:p></text:list-item></text:list>"
        f"<table:table>{rows}</table:table>"
    )
    assert only(opendocument.parse, odt(body)).text.split("\n\n") == [
        "## Montaje", "Apriete fuerte[1].", "- uno", "| Pieza | Par |\n|---|---|\n| Eje | 12 Nm |",
        "[1]: Sin pasarse.",
    ]  # fmt: skip


def test_an_opendocument_presentation_has_slides_and_notes() -> None:
    def frame(text: str, kind: str = "") -> str:
        box = f"<draw:text-box><text:p>{text}</text:p></draw:text-box>"
        return f'<draw:frame presentation:class="{kind}">{box}</draw:frame>'

    notes = f"<presentation:notes>{frame('Sonreír.')}</presentation:notes>"
    page = f"<draw:page>{frame('Ventas', 'title')}{frame('Suben.')}{notes}</draw:page>"
    assert only(opendocument.parse, odt(page)).text.split("\n\n") == [
        "## 1. Ventas",
        "Suben.",
        "### Notas · Notes",
        "Sonreír.",
    ]


def test_an_opendocument_with_a_password_says_so() -> None:
    with pytest.raises(Unreadable) as caught:
        only(
            opendocument.parse, {"META-INF/manifest.xml": "<m><encryption-data/></m>", "content.xml": "noise"}
        )
    assert caught.value.key == "locked"


def test_a_book_is_its_chapters_in_reading_order() -> None:
    members: dict[str, str | bytes] = {
        "META-INF/container.xml": '<c xmlns="urn:c"><rootfile full-path="OEBPS/book.opf"/></c>',
        "OEBPS/book.opf": (
            '<package xmlns="urn:opf" xmlns:dc="urn:dc"><dc:title>El '
            "libro</dc:title><dc:creator>Ada</dc:creator><manifest>"
            '<item id="b" href="dos.xhtml" media-type="application/xhtml+xml"/><item id="a" '
            'href="uno%201.xhtml" '
            'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="a"/><itemref '
            'idref="b"/></spine></package>'
        ),
        "OEBPS/uno 1.xhtml": "<html><body><h1>Capítulo 1</h1><p>Empieza.</p></body></html>",
        "OEBPS/dos.xhtml": "<html><body><h1>Capítulo 2</h1><p>Acaba.</p></body></html>",
    }
    found = only(epub.parse, members)
    assert found.title == "El libro"
    assert found.text == "El libro\nAda\n\n# Capítulo 1\n\nEmpieza.\n\n# Capítulo 2\n\nAcaba."


@pytest.mark.parametrize("parser", [slides.parse, opendocument.parse, epub.parse])
def test_an_archive_that_is_something_else_is_named(parser: Parser) -> None:
    with pytest.raises(Malformed):
        only(parser, {"other.txt": "x"})
