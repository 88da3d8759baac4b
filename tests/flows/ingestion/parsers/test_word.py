"""Word: tables, tabs, boxes, changes, notes, headers, comments, numbers of lists, Strict."""

import pytest

from flows.ingestion.parsers.office.word import parse
from flows.ingestion.parsers.parts import Parsed
from flows.ingestion.unreadable import Unreadable
from tests.flows.ingestion.made_files import STRICT, make_docx, paragraph

pytestmark = pytest.mark.pure


def text_of(body: str, **parts: str) -> str:
    [part] = parse(make_docx(body, **parts), ".docx")
    assert isinstance(part, Parsed)
    return part.text


def cell(text: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"


def test_tabs_and_breaks_part_words() -> None:
    texts = "<w:t>Total</w:t><w:tab/><w:t>45</w:t><w:br/><w:t>IVA</w:t><w:tab/><w:t>21</w:t>"
    assert text_of(f"<w:p><w:r>{texts}</w:r></w:p>") == "Total 45\nIVA 21"


def test_a_table_is_rows_of_cells_merged_ones_repeated_downwards() -> None:
    down = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = [
        cell("Pieza") + cell("Par") + cell("Plazo"),
        cell("Eje", down[0]) + cell("12 Nm") + cell("3 días"),
        cell("", down[1]) + cell("30 Nm", '<w:gridSpan w:val="2"/>'),
    ]
    body = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert text_of(body).split("\n") == [
        "| Pieza | Par | Plazo |", "|---|---|---|", "| Eje | 12 Nm | 3 días |", "| Eje | 30 Nm |  |",
    ]  # fmt: skip


def test_a_text_box_is_read_once() -> None:
    box = f"<w:txbxContent>{paragraph('En la caja')}</w:txbxContent>"
    body = (
        '<w:p xmlns:mc="urn:mc"><w:r><w:t>Fuera</w:t><mc:AlternateContent><mc:Choice><w:drawing>'
        f"{box}</w:drawing></mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
        f"</mc:AlternateContent></w:r></w:p>"
    )
    assert text_of(body) == "Fuera\n\nEn la caja"


def test_what_was_deleted_or_moved_away_is_no_text() -> None:
    body = (
        "<w:p><w:r><w:t>Queda </w:t></w:r><w:del><w:r><w:delText>se va</w:delText></w:r></w:del>"
        "<w:moveFrom><w:r><w:t>estaba aquí</w:t></w:r></w:moveFrom><w:ins><w:r><w:t>y "
        "entra</w:t></w:r></w:ins></w:p>"
    )
    assert text_of(body) == "Queda y entra"


def test_footnotes_headers_and_comments_are_read() -> None:
    body = '<w:p><w:r><w:t>Dura dos años</w:t><w:footnoteReference w:id="2"/></w:r></w:p>'
    text = text_of(
        body,
        footnotes='<w:footnote w:id="0" w:type="separator"><w:p/></w:footnote>'
        f'<w:footnote w:id="2">{paragraph("Salvo preaviso de 45 días.")}</w:footnote>',
        header1=paragraph("Contrato 2024/17"),
        footer1=paragraph("3"),
        footer2=paragraph("Página de la sede"),
        comments=f'<w:comment w:id="0" w:author="Ada">{paragraph("¿Y si se prorroga?")}</w:comment>',
    )
    assert text.split("\n\n") == [
        "Encabezado · Header: Contrato 2024/17",
        "Dura dos años[2]",
        "Pie de página · Footer: Página de la sede",
        "[2]: Salvo preaviso de 45 días.",
        "Ada: ¿Y si se prorroga?",
    ]


def test_lists_show_the_numbers_that_word_shows() -> None:
    def level(depth: int, form: str, pattern: str, start: int = 1) -> str:
        return (
            f'<w:lvl w:ilvl="{depth}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>'
            f'<w:lvlText w:val="{pattern}"/></w:lvl>'
        )

    def item(text: str, depth: int) -> str:
        return paragraph(text, f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="1"/></w:numPr>')

    kind = level(0, "decimal", "%1.", 4) + level(1, "lowerLetter", "%1.%2)") + level(2, "bullet", "•")
    number = '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num>'
    numbering = f'<w:abstractNum w:abstractNumId="7">{kind}</w:abstractNum>{number}'
    body = item("Objeto", 0) + item("Alcance", 1) + item("Nota", 2) + item("Precio", 0) + item("Pago", 1)
    assert text_of(body, numbering=numbering).split("\n") == [
        "4. Objeto", "  4.a) Alcance", "    - Nota", "5. Precio", "  5.a) Pago",
    ]  # fmt: skip


def test_a_numbered_heading_keeps_its_number() -> None:
    numbering = (
        '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt '
        'w:val="upperRoman"/>'
        '<w:lvlText w:val="%1."/></w:lvl></w:abstractNum><w:num w:numId="1"><w:abstractNumId '
        'w:val="0"/></w:num>'
    )
    style = '<w:pStyle w:val="Heading1"/><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
    body = paragraph("Objeto", style) + paragraph("Uno.") + paragraph("Precio", style) + paragraph("Dos.")
    assert text_of(body, numbering=numbering) == "# I. Objeto\n\nUno.\n\n# II. Precio\n\nDos."


def test_a_heading_without_text_below_it_is_not_lost() -> None:
    style = '<w:pStyle w:val="Ttulo2"/>'
    body = paragraph("Sin texto", style) + paragraph("Con texto", style) + paragraph("Aquí.")
    assert text_of(body) == "Sin texto\n\n## Con texto\n\nAquí."


def test_strict_documents_are_read_too() -> None:
    [part] = parse(make_docx(paragraph("Este documento está en OOXML estricto."), word=STRICT), ".docx")
    assert isinstance(part, Parsed)
    assert part.text == "Este documento está en OOXML estricto."


def test_a_document_with_a_password_says_so() -> None:
    with pytest.raises(Unreadable) as caught:
        list(parse(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ".docx"))
    assert caught.value.key == "locked"
