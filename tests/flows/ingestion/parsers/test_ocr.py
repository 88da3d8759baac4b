"""Pictures and scans: Spanish and English as they are written, rows as rows, columns one after the other."""

import io
from pathlib import Path

import pypdf
import pypdfium2
import pytest
from PIL import Image

from flows.ingestion import formats
from flows.ingestion.loader import read
from flows.ingestion.parsers.ocr import picture, recognition
from flows.ingestion.parsers.ocr.boxes import Box, lines_of
from flows.ingestion.parsers.parts import Malformed, Parsed, Unread
from flows.ingestion.parsers.pdf import pages
from flows.ingestion.parsers.pdf.lines import Line
from flows.ingestion.sources import SourceFile
from flows.ingestion.unreadable import Unreadable
from tests.flows.ingestion.made_files import make_pdf, write_pdf
from tools.schema import Document

SPANISH = ["El señor Núñez pagó la cañería en Logroño.", "¿Cuánto cuesta? La garantía es de 36 meses."]
ENGLISH = ["The warranty covers damage for 36 months.", "Written notice is due after 45 days."]
needs_reader = pytest.mark.skipif(not recognition.is_installed(), reason="no rapidocr: make ocr")


def drawn(lines: list[str], *, format: str = "PNG") -> bytes:
    """A picture of these lines, in a font that has accents: PDFium's own."""
    written = [(40.0, 160.0 - 50 * number, line, 20) for number, line in enumerate(lines)]
    page = pypdfium2.PdfDocument(write_pdf([written]))[0]
    page.set_cropbox(0, 0, 560, 200)
    file = io.BytesIO()
    page.render(scale=2).to_pil().save(file, format)
    return file.getvalue()


def scan(*written: list[str]) -> bytes:
    """A PDF whose pages are pictures."""
    images = [Image.open(io.BytesIO(drawn(lines))) for lines in written]
    file = io.BytesIO()
    images[0].save(file, "PDF", save_all=True, append_images=images[1:])
    return file.getvalue()


@pytest.mark.pure
def test_boxes_of_one_height_are_a_row_of_cells() -> None:
    boxes = [
        Box("142/88", 300, 400, 78, 50),
        Box("Tensión", 20, 150, 80, 50),
        Box("ALTA", 500, 580, 79, 51),
        Box("Pulso", 20, 120, 40, 10),
        Box("72", 300, 330, 40, 12),
    ]
    first, second = lines_of(boxes)
    assert (first.text, len(first.cells)) == ("Tensión 142/88 ALTA", 3)
    assert second.text == "Pulso 72"


@pytest.mark.pure
def test_columns_of_text_are_read_one_after_the_other_below_what_is_over_both() -> None:
    long = "una línea de texto que corre de lado a lado"
    sides = [
        Box(f"{side}{n} {long}", left, left + 450, 900 - 40 * n, 872 - 40 * n)
        for n in range(5)
        for side, left in (("I", 20), ("D", 530))
    ]
    title = Box("Un título sobre las dos columnas de la hoja", 100, 900, 980, 940)
    assert [line.text[:2] for line in lines_of([*sides, title])] == [
        "Un", "I0", "I1", "I2", "I3", "I4", "D0", "D1", "D2", "D3", "D4",
    ]  # fmt: skip


@pytest.mark.pure
def test_a_larger_writing_is_larger_and_small_differences_are_none() -> None:
    heights = (28, 30, 27, 60, 29)
    boxes = [Box("texto", 20, 200, 500 - 90 * n, 500 - 90 * n - high) for n, high in enumerate(heights)]
    sizes = [line.size for line in lines_of(boxes)]
    assert sizes[0] == sizes[1] == sizes[2] == sizes[4] < sizes[3]


@pytest.mark.pure
def test_without_the_reader_a_picture_is_refused_and_the_way_to_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(formats.REMEDIES, ".png", "ocr")
    reason = formats.remedy("factura.png")
    assert reason is not None
    assert "make ocr" in reason.say("es")
    assert "make ocr" in reason.say("en")


@pytest.mark.pure
def test_without_the_reader_a_scan_is_refused_and_the_way_to_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "is_installed", lambda: False)
    with pytest.raises(Unreadable) as caught:
        list(pages.parse(scan(SPANISH, ENGLISH), ".pdf"))
    assert caught.value.key == "scan"
    assert "make ocr" in caught.value.say("es")


@needs_reader
def test_a_picture_is_read_in_the_sandbox_within_bounds_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "foto.tiff"
    path.write_bytes(drawn([*SPANISH, *ENGLISH], format="TIFF"))
    [(_, document)] = read(SourceFile(path.name, path, path.stat().st_size))
    assert isinstance(document, Document), document
    assert all(line in document.text for line in (*SPANISH, *ENGLISH)), document.text


@needs_reader
def test_a_scanned_pdf_is_read_page_by_page() -> None:
    [part] = pages.parse(scan(SPANISH, ENGLISH), ".pdf")
    assert isinstance(part, Parsed)
    assert all(line in part.text for line in SPANISH)
    english = part.places[1]
    assert english["page"] == 2
    assert part.text[english["start"] :].startswith("The warranty")
    assert part.metadata == {"pages": 2, "ocr": True}


@needs_reader
def test_a_picture_without_writing_says_so() -> None:
    with pytest.raises(Unreadable) as caught:
        list(picture.parse(drawn([]), ".png"))
    assert caught.value.key == "no_writing"


@pytest.mark.pure
def test_a_picture_that_is_none_or_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed):
        list(picture.parse(b"\x89PNG nothing more", ".png"))
    monkeypatch.setattr(picture, "MAX_PIXELS", 1_000)
    with pytest.raises(Malformed):
        list(picture.parse(drawn(SPANISH), ".png"))


@pytest.mark.pure
def test_the_pages_that_are_too_many_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "is_installed", lambda: True)
    monkeypatch.setattr(pages, "MAX_SCANS", 0)
    whole = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf("Una hoja que lleva bastante texto.")))
    whole.append(io.BytesIO(scan(SPANISH)))
    file = io.BytesIO()
    whole.write(file)
    found, unread = pages.parse(file.getvalue(), ".pdf")
    assert isinstance(found, Parsed)
    assert isinstance(unread, Unread)
    assert (unread.name, unread.reason.key) == (" p. 2", "many_scans")


@pytest.mark.pure
def test_a_scanned_page_among_others_is_no_page_of_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line("Una línea escaneada que no es título.", 100, 900, 500, 31.0, cells=((0, 100, 900),))
    monkeypatch.setattr(pages, "is_installed", lambda: True)
    monkeypatch.setattr(pages, "read_picture", lambda picture, scale: [line])
    whole = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf("Una hoja que lleva bastante texto.")))
    whole.append(io.BytesIO(scan(SPANISH)))
    file = io.BytesIO()
    whole.write(file)
    [found] = pages.parse(file.getvalue(), ".pdf")
    assert isinstance(found, Parsed)
    assert line.text in found.text
    assert "#" not in found.text
