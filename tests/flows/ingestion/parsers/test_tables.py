"""Spreadsheets and delimited text: cells stay apart, rows stay with the names of their columns."""

import datetime
import io
import zipfile
from collections.abc import Sequence

import openpyxl
import pytest

from flows.ingestion.parsers import markdown
from flows.ingestion.parsers.office.spreadsheet import delimiter_of, parse, parse_delimited, shown
from flows.ingestion.parsers.parts import Malformed, Parsed
from servers.bridge.text import chunking
from tests.flows.ingestion.made_files import pack
from tools.schema import Place

pytestmark = pytest.mark.pure


def table_of(data: bytes, suffix: str = ".csv") -> str:
    [part] = parse_delimited(data, suffix)
    assert isinstance(part, Parsed)
    return part.text


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def sheets_of(data: bytes, suffix: str = ".xlsx") -> str:
    [part] = parse(data, suffix)
    assert isinstance(part, Parsed)
    return part.text


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16", "utf-16-be", "utf-32"]
)
def test_a_table_of_any_encoding(encoding: str) -> None:
    text = "Código;Descripción;Precio\r\nA-100;Cañería;0,35\r\n"
    assert table_of(text.encode(encoding)).split("\n") == [
        "| Código | Descripción | Precio |", "|---|---|---|", "| A-100 | Cañería | 0,35 |",
    ]  # fmt: skip


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_a_table_of_any_delimiter(sign: str) -> None:
    assert "| pool | 8082 |" in table_of(f"modelo{sign}puerto\npool{sign}8082\n".encode())


def test_commas_inside_cells_do_not_part_them() -> None:
    assert delimiter_of("sed, do;eiusmod;tempor\nut labore;et, dolore;magna, aliqua\n") == ";"
    assert delimiter_of("precio: 3,5\ncosa\n") == ","


def test_one_column_is_a_list_below_its_name() -> None:
    assert table_of(b"name\nAda\nGrace\n") == "name:\n- Ada\n- Grace"


def test_a_row_with_more_cells_than_the_header_keeps_them() -> None:
    assert "| a | b | c | d | e |" in table_of(b"1,2,3,4\na,b,c,d,e\n")


def test_what_excel_says_of_its_delimiter_is_no_row() -> None:
    assert "sep" not in table_of(b"sep=;\nuno;dos\n1;2\n")


def test_a_long_table_is_blocks_of_whole_rows_that_know_their_place_and_repeat_the_header() -> None:
    rows = [["Producto", "Precio"], *([f"producto número {n}", n] for n in range(2, 102))]
    [part] = parse(workbook(Tarifa=rows), ".xlsx")
    assert isinstance(part, Parsed)
    heading, *tables = part.text.split("\n\n")
    assert heading == "# Tarifa"
    assert part.places[0] == {"start": 0, "sheet": "Tarifa"}
    places = [Place(**place) for place in part.places]
    assert places[1].rows == (2, 1 + tables[0].count("producto número"))
    assert places[-1].rows == ((places[-2].rows or (0, 0))[1] + 1, 101)
    assert len(tables) > 3
    assert all(block.startswith("| Producto | Precio |\n|---|---|\n") for block in tables)
    chunks = chunking.split(part.text, places)
    assert [chunk.text for chunk in chunks] == tables
    assert [chunk.place for chunk in chunks] == places[1:]
    assert {chunk.place and chunk.place.sheet for chunk in chunks} == {"Tarifa"}
    assert sum(block.count("producto número") for block in tables) == 100


def test_titles_above_a_table_and_tables_below_each_other() -> None:
    rows = [["Informe 2023"], [], ["Ciudad", "Alquiler"], ["Soria", 410], [], ["Lugo", 455]]
    text = sheets_of(workbook(Hoja1=rows))
    assert "Informe 2023" in text
    assert text.split("\n\n")[-1].split("\n") == ["| Ciudad | Alquiler |", "|---|---|", "| Lugo | 455 |"]


def test_values_are_written_as_people_write_them() -> None:
    assert [shown(value) for value in (11.0, 0.1 + 0.2, True, None, "#REF!", "x")] == [
        "11",
        "0.3",
        "TRUE",
        "",
        "",
        "x",
    ]
    assert shown(datetime.datetime(2024, 11, 5)) == "2024-11-05"
    assert shown(datetime.datetime(2024, 11, 5, 7, 30)) == "2024-11-05 07:30"


def test_a_formula_is_the_value_that_was_saved() -> None:
    data = workbook(H=[["a", "b"], [1, 2]])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    sheet = members["xl/worksheets/sheet1.xml"].decode()
    members["xl/worksheets/sheet1.xml"] = sheet.replace("<v>2</v>", "<f>A2*21</f><v>42</v>").encode()
    assert "| 1 | 42 |" in sheets_of(pack(members))


def test_a_row_too_long_for_a_passage_is_values_with_their_names() -> None:
    long = " ".join(["palabra"] * 200)
    blocks = markdown.table([["Nombre", "Nota"], ["Ada", long]])
    assert blocks[0].startswith("Nombre: Ada")
    assert "Nota: palabra" in blocks[0]


def test_a_workbook_that_is_none_is_named() -> None:
    with pytest.raises(Malformed):
        list(parse(b"PK nothing", ".xlsx"))


def test_a_delimited_file_has_rows_and_no_sheet() -> None:
    [part] = parse_delimited(b"modelo,puerto\npool,8082\napi,5000\n", ".csv")
    assert isinstance(part, Parsed)
    assert part.places == [{"start": 0, "rows": (2, 3)}]
