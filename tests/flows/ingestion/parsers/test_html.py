"""HTML: main text, tables, lists and code; and what of it stands inside Markdown."""

import pytest

from flows.ingestion.parsers.html.in_markdown import without_tags
from flows.ingestion.parsers.html.page import page, parse
from flows.ingestion.parsers.parts import Parsed

pytestmark = pytest.mark.pure


def text_of(body: str) -> str:
    return page(f"<body>{body}</body>").text


def test_a_page_keeps_headings_and_what_is_shown() -> None:
    found = page(
        "<title>Guía  rápida</title><style>p{}</style><h2>Uso &amp; más</h2><p>Una <b>sola</b> orden.</p>"
        "<script>alert(1)</script><p hidden>no</p><p style='display: "
        "none'>no</p><ul><li>uno</li><li>dos</li></ul>"
    )
    assert (found.title, found.text) == ("Guía rápida", "## Uso & más\n\nUna sola orden.\n\n- uno\n- dos")


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ('<meta charset="windows-1252"><p>La añada de Logroño</p>', "cp1252"),
        ("<p>La añada de Logroño</p>", "latin-1"),
        ("<p>La añada de Logroño</p>", "utf-16"),
        ('<meta charset="utf-8"><p>La añada de Logroño</p>', "utf-8"),
    ],
)
def test_a_page_of_any_encoding(data: str, encoding: str) -> None:
    [part] = parse(data.encode(encoding), ".html")
    assert isinstance(part, Parsed)
    assert part.text == "La añada de Logroño"


def test_cells_stay_apart_and_spans_are_filled() -> None:
    table = (
        "<table><tr><th>Acero</th><th>C</th><th>Mn</th></tr>"
        "<tr><td rowspan=2>SNB22</td><td>0.39 - 0.46</td><td>0.65</td></tr><tr><td colspan=2>según "
        "norma</td></tr></table>"
    )
    assert text_of(table).split("\n") == [
        "| Acero | C | Mn |", "|---|---|---|", "| SNB22 | 0.39 - 0.46 | 0.65 |", "| SNB22 | según norma |  |",
    ]  # fmt: skip


def test_two_rows_of_headers_are_one_name_a_column() -> None:
    table = (
        "<table><thead><tr><th rowspan=2>Año</th><th "
        "colspan=2>Ventas</th></tr><tr><th>Norte</th><th>Sur</th></tr></thead>"
        "<tbody><tr><td>2023</td><td>7</td><td>9</td></tr></tbody></table>"
    )
    assert text_of(table).startswith("| Año | Ventas Norte | Ventas Sur |\n|---|---|---|\n| 2023 | 7 | 9 |")


def test_a_table_inside_a_cell_keeps_its_cells_apart() -> None:
    inner = "<table><tr><td>I</td><td>II</td></tr><tr><td>III</td><td>IV</td></tr></table>"
    text = text_of(f"<table><tr><td>A1</td><td>B1</td></tr><tr><td>A2</td><td>{inner}</td></tr></table>")
    assert "| A2 | I, II; III, IV |" in text


def test_a_table_that_only_places_things_is_no_table() -> None:
    text = text_of(
        "<table role=presentation><tr><td><h1>Título</h1><p>Texto.</p></td><td><p>Al "
        "lado.</p></td></tr></table>"
    )
    assert text == "# Título\n\nTexto.\n\nAl lado."


def test_menus_stay_out() -> None:
    links = "".join(f'<li><a href="/{n}">Sección {n}</a></li>' for n in range(9))
    body = (
        f"<nav><ul>{links}</ul></nav><div class='left-menu'>Inicio</div><ul>{links}</ul>"
        f"<main><p>{'Lo que se busca está aquí. ' * 30}</p></main><footer>Aviso legal</footer>"
    )
    assert set(text_of(body).split(". ")) == {"Lo que se busca está aquí", "Lo que se busca está aquí."}


def test_code_keeps_its_lines() -> None:
    body = "<pre><span>def f():</span>\n    return 1\n</pre><p>usa <code>f()</code>, siempre</p>"
    assert text_of(body) == "```\ndef f():\n    return 1\n```\n\nusa f(), siempre"


def test_numbers_of_lists_and_terms_are_kept() -> None:
    assert (
        text_of("<ol start=3><li>tres<ul><li>dentro</li></ul></li><li>cuatro</li></ol>")
        == "3. tres\n  - dentro\n4. cuatro"
    )
    assert (
        text_of("<dl><dt>-a</dt><dd>muestra todo</dd><dt>-b:</dt><dd>nada</dd></dl>")
        == "-a: muestra todo\n\n-b: nada"
    )


def test_html_in_markdown_becomes_markdown_and_code_stays() -> None:
    text = (
        "# Precios\n\n<table><tr><th>Ciudad</th><th>Precio</th></tr><tr><td>Soria</td><td>410 "
        "€</td></tr></table>\n\n"
        "Una <b>línea</b><br>y otra&nbsp;más. List<T> y a < b.\n\n```html\n<td>código</td>\n```\n\n`<td>` "
        "también."
    )
    written = without_tags(text)
    assert "| Ciudad | Precio |\n|---|---|\n| Soria | 410 € |" in written
    assert "Una línea\ny otra\xa0más. List<T> y a < b." in written
    assert "```html\n<td>código</td>\n```" in written
    assert "`<td>` también." in written
