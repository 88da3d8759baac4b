"""Mail, manual pages, light markup, source code, XML, records: what a person reads in them."""

import json
import mailbox
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from flows.ingestion.encoding import decode
from flows.ingestion.parsers import mail, man_page, plain, records
from flows.ingestion.parsers.parts import Embedded, Malformed, Parsed, Part
from flows.ingestion.text import cut, headings_above, places_within
from flows.ingestion.unreadable import Unreadable

pytestmark = pytest.mark.pure


def text_of(parser: Callable[[bytes, str], Iterator[Part]], text: str, suffix: str = "") -> str:
    [part] = parser(text.encode(), suffix)
    assert isinstance(part, Parsed)
    return part.text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("El año de la «añada» – 5 €", "cp1252"),
        ("# können\n\näöüß", "latin-1"),
        ("Doylestown, PA", "utf-32"),
        ("Doylestown, PA", "utf-16-le"),
        ("Привет, как дела? Это простой текст на русском языке.", "cp1251"),
        ("日本語のテキストです。これは長い文章の例です。", "shift_jis"),
    ],
)
def test_bytes_of_any_encoding_become_text(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Unreadable):
        decode(b"\x00\x01\x02binary")


def message(subject: str, body: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Ada <ada@example.com>", "grace@example.com", subject
    made["Date"] = "Mon, 20 Jul 2015 00:01:07 -0700"
    made.set_content(body)
    return made


def test_a_mail_is_its_headers_and_body_and_its_attachments_are_files() -> None:
    made = message("Pedido de añada", "Necesitamos 140 garrafas antes del jueves.")
    made.add_alternative("<style>p{}</style><p>otra vez lo mismo</p>", subtype="html")
    made.add_attachment(
        b"art\xedculo;precio\ngarrafa;31,90\n", maintype="text", subtype="csv", filename="precios.csv"
    )
    parsed, attached = mail.parse(made.as_bytes(), ".eml")
    assert isinstance(parsed, Parsed)
    assert parsed.title == "Pedido de añada"
    assert "Correo de · Mail from: Ada <ada@example.com>" in parsed.text
    assert "Attachments: precios.csv" in parsed.text
    assert "140 garrafas" in parsed.text
    assert "otra vez" not in parsed.text
    assert isinstance(attached, Embedded)
    assert (attached.name, attached.data[:4]) == ("/precios.csv", b"art\xed")


def test_a_mail_of_html_alone_is_its_text() -> None:
    made = message("Aviso", "")
    made.set_content("<style>.x{font:1}</style><p>Hola.</p>", subtype="html")
    [parsed] = mail.parse(made.as_bytes(), ".eml")
    assert isinstance(parsed, Parsed)
    assert parsed.text.endswith("\n\nHola.")


def test_each_message_of_a_mailbox_is_a_document(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for subject in ("uno", "dos"):
        box.add(message(subject, "From aquí en adelante,\n\ntodo bien."))
    box.close()
    found = list(mail.parse_mbox((tmp_path / "box").read_bytes(), ".mbox"))
    assert [(part.name, part.title) for part in found if isinstance(part, Parsed)] == [
        ("#1", "uno"),
        ("#2", "dos"),
    ]
    assert all("From aquí en adelante," in part.text for part in found if isinstance(part, Parsed))


def test_a_message_of_outlook_that_is_none_is_named() -> None:
    with pytest.raises(Malformed):
        list(mail.parse_msg(b"nothing", ".msg"))


def test_a_manual_page_is_sections_options_and_examples() -> None:
    source = (
        '.\\" comentario\n.TH LS 1 "2023" GNU\n.SH NOMBRE\nls \\- lista\n.SH OPCIONES\n.TP\n\\fB\\-S\\fP, '
        "\\fB\\-\\-sort\\fP\n"
        "ordena por\ntamaño\n.IP \\(bu 2\npunto\n.nf\nls -l\n  total\n.fi\n.BR chmod (1)\n"
    )
    assert text_of(man_page.parse, source).split("\n\n") == [
        "## NOMBRE", "ls - lista", "## OPCIONES", "-S, --sort: ordena por tamaño", "• punto",
        "```\nls -l\n  total\n```", "chmod(1)",
    ]  # fmt: skip


def test_a_file_that_only_ends_like_a_manual_page_is_text() -> None:
    assert text_of(man_page.parse, "factura 1\n") == "factura 1\n"


def test_light_markup_keeps_its_headings() -> None:
    assert (
        text_of(plain.parse_rst, "Título\n======\n\nTexto.\n\nParte\n-----\n\nMás.")
        == "# Título\n\n\nTexto.\n\n\n## Parte\n\n\nMás."
    )
    assert (
        text_of(plain.parse_asciidoc, "= Guía\n:toc:\n\nTexto.\n\n----\ncódigo\n----")
        == "# Guía\n\n\nTexto.\n\n```\ncódigo\n```"
    )
    latex = (
        r"\documentclass{a}\title{Tesis}\begin{document}\section{Uno}Es \textbf{muy} claro~\cite{x}. % no"
        "\n"
        r"\begin{itemize}\item a\end{itemize}\end{document}"
    )
    assert text_of(plain.parse_latex, latex) == "## Uno\n\nEs muy claro .\n\n- a"


def test_source_code_is_under_the_names_of_its_definitions() -> None:
    source = "import os\n\n# suma\ndef add(a, b):\n    return a + b\n\nclass Box:\n    pass\n"
    assert text_of(plain.parse_code, source, ".py").split("\n\n") == [
        "```\nimport os\n```", "## add", "```\n# suma\ndef add(a, b):\n    return a + b\n```",
        "## Box", "```\nclass Box:\n    pass\n```",
    ]  # fmt: skip


def test_rtf_keeps_letters_and_cells() -> None:
    rows = r"\trowd\cellx1\cellx2 Eje\cell 12 Nm\cell\row \trowd Rueda\cell 30 Nm\cell\row"
    rtf = rf"{{\rtf1\ansi\ansicpg1252 A\'f1ada\par {rows} }}"
    text = text_of(plain.parse_rtf, rtf)
    assert "Añada" in text
    assert "| Rueda | 30 Nm |" in text


def test_xml_is_its_text_and_records_are_lines() -> None:
    xml = (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="urn:x"><intro>Hola <b>a todos</b>.</intro>'
        "<item><name>Soria</name><price>410</price></item></feed>"
    )
    assert text_of(plain.parse_tree, xml) == "Hola a todos.\n\nname: Soria\nprice: 410"
    with pytest.raises(Malformed):
        text_of(plain.parse_tree, "<open>")


def texts(rows: list[object], text_field: str = "") -> list[str]:
    data = "\n".join(json.dumps(row) for row in rows).encode()
    return [row.get("text") or row["key"] for row in records.parse("", ".jsonl", data, text_field)]


def test_the_text_of_a_record_is_found_by_its_name_or_said() -> None:
    rows: list[object] = [
        {"titulo": "Garantía", "texto": "Son 36 meses."}, {"question": "¿Cuánto?", "answer": "Dos."},
        {"ciudad": "Soria", "precio": 410}, {"id": 7}, ["no"],
    ]  # fmt: skip
    assert texts(rows) == [
        "Son 36 meses.",
        "¿Cuánto?\n\nDos.",
        "ciudad: Soria\nprecio: 410",
        "no_text",
        "no_text",
    ]
    assert texts([{"page": {"body": "Dentro."}}, {"page": 1}], "page.body") == ["Dentro.", "no_field"]
    [row] = records.parse("", ".json", b'{"titulo": "T", "texto": "x"}')
    assert (row["title"], row["name"]) == ("T", "#1")


def test_a_long_text_is_cut_at_its_headings_and_loses_nothing() -> None:
    text = "\n\n".join(f"# Parte {n}\n\n## Detalle {n}\n\n" + "palabra " * 200 for n in range(20))
    starts, pieces = zip(*cut(text, 5_000), strict=True)
    assert all(text[start:].startswith(piece) for start, piece in zip(starts, pieces, strict=True))
    assert all(len(piece) <= 5_000 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert headings_above("# A\n\n## B\n\n# C\n\n### D", ["# X"]) == ["# C", "### D"]


def test_a_piece_of_a_long_text_keeps_the_pages_that_it_is_of() -> None:
    pages = [{"start": 0, "page": 1}, {"start": 100, "page": 2}, {"start": 200, "page": 3}]
    assert places_within(pages, 150, 100, 10) == [{"start": 10, "page": 2}, {"start": 60, "page": 3}]
    assert places_within(pages, 200, 10, 0) == [{"start": 0, "page": 3}]
    assert places_within([], 0, 10, 0) == []
