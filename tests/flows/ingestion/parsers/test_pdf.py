"""PDF: reading order, columns, tables, hyphens, margins, forms, locks and broken pages."""

import io

import pypdf
import pytest
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    TextStringObject,
)

from flows.ingestion.parsers.parts import Parsed, Unread
from flows.ingestion.parsers.pdf.pages import parse
from flows.ingestion.unreadable import Unreadable
from tests.flows.ingestion.made_files import break_page, make_pdf, write_pdf

BODY = "Este texto corre por la hoja entera y llega hasta el margen derecho,"


def only(data: bytes) -> Parsed:
    [part] = parse(data, ".pdf")
    assert isinstance(part, Parsed)
    return part


def test_lines_become_a_paragraph_and_a_hyphen_at_their_end_goes() -> None:
    data = write_pdf(
        [[(50, 700, BODY), (50, 685, "y sigue en la segunda con una pala-"), (50, 670, "bra partida.")]]
    )
    assert only(data).text == f"{BODY} y sigue en la segunda con una palabra partida."


def test_columns_are_read_one_after_the_other() -> None:
    texts = [(50, 700, "Uno de la izquierda"), (50, 685, "dos de la izquierda."),
             (320, 700, "Uno de la derecha"), (320, 685, "dos de la derecha.")]  # fmt: skip
    text = only(write_pdf([texts])).text.replace("\n", " ")
    assert "Uno de la izquierda dos de la izquierda." in text
    assert "Uno de la derecha dos de la derecha." in text


def test_a_table_is_rows_of_cells_below_the_names_of_its_columns() -> None:
    rows = [
        ("Pieza", "Par", "Plazo"),
        ("Eje", "12 Nm", ""),
        ("Rueda", "30 Nm", "9 dias"),
        ("Tapa", "", "2 dias"),
    ]
    texts = [
        (50 + 150 * column, 700 - 15 * row, cell)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
        if cell
    ]
    assert only(write_pdf([texts])).text.split("\n") == [
        "| Pieza | Par | Plazo |",
        "|---|---|---|",
        "| Eje | 12 Nm |  |",
        "| Rueda | 30 Nm | 9 dias |",
        "| Tapa |  | 2 dias |",
    ]


def test_a_table_of_numbers_alone_takes_no_row_for_the_names_of_others() -> None:
    texts = [(50 + 90 * column, 700 - 15 * row, f"{row}{column}0") for row in range(4) for column in range(4)]
    text = only(write_pdf([texts])).text
    assert "| 100 | 110 | 120 | 130 |" in text
    assert "---" not in text
    assert "000: " not in text


def test_what_stands_on_every_page_is_kept_once_and_page_numbers_not_at_all() -> None:
    pages = [
        [(50, 780, "Manual de la empresa"), (50, 700, f"{BODY} hoja {name}."), (300, 20, str(number))]
        for number, name in enumerate(["alfa", "beta", "gamma", "delta"], start=1)
    ]
    found = only(write_pdf(pages))
    text = found.text
    assert text.count("Manual de la empresa") == 1
    assert [line for line in text.split("\n") if line.isdecimal()] == []
    assert [place["page"] for place in found.places] == [1, 2, 3, 4]
    assert all(text[place["start"] :].startswith((BODY, "Manual")) for place in found.places)


def test_a_heading_is_of_the_page_that_it_stands_on() -> None:
    page = [(50, 700, "Precios", 24), (50, 660, BODY), (50, 645, "y la tarifa es de 40 euros.")]
    found = only(write_pdf([page], title="(anonymous)"))
    assert found.text.startswith("# Precios\n\nEste texto")
    assert found.places == [{"start": 0, "page": 1}]
    assert found.title == "Precios"


def test_a_sentence_that_goes_on_over_the_page_is_whole() -> None:
    long = f"{BODY} y aun no se acaba cuando la hoja"
    text = only(write_pdf([[(50, 50, long)], [(50, 700, "termina en la siguiente.")]])).text
    assert f"{long} termina en la siguiente." in text


def test_letters_that_are_set_apart_are_words() -> None:
    texts, left = [], 50.0
    for char in "hola que tal estas":
        if char != " ":
            texts.append((left, 700, char))
        left += 11 if char != " " else 14
    assert "hola que tal estas" in only(write_pdf([texts])).text


def test_the_values_of_a_form_are_read() -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf("Formulario de pedido, parte primera.")))
    field = DictionaryObject({
        NameObject("/Type"): NameObject("/Annot"), NameObject("/Subtype"): NameObject("/Widget"),
        NameObject("/FT"): NameObject("/Tx"), NameObject("/T"): TextStringObject("pedido"),
        NameObject("/V"): TextStringObject("CAP-1226"),
        NameObject("/Rect"): ArrayObject([NumberObject(n) for n in (20, 100, 120, 120)]),
    })  # fmt: skip
    place = writer._add_object(field)
    writer.pages[0][NameObject("/Annots")] = ArrayObject([place])
    writer._root_object[NameObject("/AcroForm")] = DictionaryObject(
        {NameObject("/Fields"): ArrayObject([place])}
    )
    file = io.BytesIO()
    writer.write(file)
    assert "pedido: CAP-1226" in only(file.getvalue()).text


def test_a_file_that_anybody_may_open_is_read_and_one_with_a_password_is_refused() -> None:
    page = [[(50, 700, "Se puede leer sin clave.")]]
    assert "Se puede leer sin clave." in only(write_pdf(page, password="owner")).text
    with pytest.raises(Unreadable) as caught:
        list(parse(write_pdf(page, user="secret"), ".pdf"))
    assert caught.value.key == "locked"


def test_one_bad_page_does_not_lose_the_file() -> None:
    data = break_page(make_pdf("Primera pagina.", "Segunda pagina.", "Tercera pagina."), 1)
    parsed, unread = parse(data, ".pdf")
    assert isinstance(parsed, Parsed)
    assert isinstance(unread, Unread)
    assert "Primera pagina." in parsed.text
    assert "Tercera pagina." in parsed.text
    assert unread.name == " p. 2"


def test_a_sum_in_large_letters_is_text_and_no_heading() -> None:
    page = [(50, 700, "TOTAL 821,14", 24), (50, 660, BODY), (50, 645, "y asi hasta el final.")]
    assert "#" not in only(write_pdf([page])).text


def test_a_title_that_is_drawn_after_its_table_is_read_before_it() -> None:
    rows = [
        (50 + 120 * column, 600 - 15 * row, f"{name} {row}")
        for row in range(4)
        for column, name in enumerate("abc")
    ]
    drawn = [*rows, (50, 700, "Comprobaciones de 2015"), (50, 680, "Noviembre"), (50, 60, "Notas al pie")]
    text = only(write_pdf([drawn])).text
    assert text.index("Comprobaciones") < text.index("Noviembre") < text.index("a 0") < text.index("Notas")


def test_a_text_that_begins_higher_than_a_box_beside_it_is_not_torn() -> None:
    box = [(50, 600 - 15 * row, f"Recuadro {row}") for row in range(3)]
    body = [(50, 700 - 15 * row, f"Línea {row} del cuerpo") for row in range(12)]
    text = only(write_pdf([[*box, *body]])).text.replace("\n", " ")
    assert "Línea 6 del cuerpo Línea 7 del cuerpo" in " ".join(text.split())
