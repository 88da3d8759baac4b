"""Chunking: passages that can be read alone, nothing lost, nothing mixed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.bridge.text.chunking import MAX_TOKENS, estimated_tokens, normalised, split
from tools.schema import Place

pytestmark = pytest.mark.pure

PAGE = """# Modelos

El servidor mantiene tres modelos cargados.

## Descarga

Un modelo se descarga tras 300 segundos sin peticiones.

```python
# this is no heading
load("phi4_fast")
```

# Puertos

| servicio | puerto |
|---|---|
| api | 5000 |
"""


def test_headings_become_the_path_of_each_passage() -> None:
    assert [chunk.heading for chunk in split(PAGE)] == ["Modelos", "Modelos › Descarga", "Puertos"]


def test_a_hash_inside_code_is_no_heading() -> None:
    assert "# this is no heading" in split(PAGE)[1].text


def test_a_short_document_is_one_passage() -> None:
    assert [chunk.text for chunk in split("Una frase. Otra frase.")] == ["Una frase. Otra frase."]


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    text = " ".join(f"Sentence number {n} says something about topic {n}." for n in range(200))
    chunks = split(text)
    assert len(chunks) > 5
    assert all(chunk.text.endswith(".") and estimated_tokens(chunk.text) <= MAX_TOKENS for chunk in chunks)


def test_neighbours_share_a_sentence_so_that_no_reference_dangles() -> None:
    text = " ".join(f"Sentence number {n} says something about topic {n}." for n in range(200))
    first, second = split(text)[:2]
    assert second.text.split(".")[0] in first.text


def test_a_word_without_end_is_still_bounded() -> None:
    assert all(len(chunk.text) <= MAX_TOKENS * 300 for chunk in split("x" * 1_000_000))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=2_000))
def test_any_text_splits_into_bounded_passages_in_order(text: str) -> None:
    chunks = split(text)
    assert [chunk.position for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text.strip() for chunk in chunks)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc dé.", min_size=3, max_size=80), max_size=20))
def test_every_word_survives(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    kept = " ".join(chunk.text for chunk in split(text)).split()
    assert set(text.split()) <= set(kept) | {""}


SHAPES = [
    *(
        "",
        "",
        "  ",
        "# Uno",
        "## Dos",
        "###### p. 3",
        "```",
        "~~~",
        "- un punto",
        "  - otro",
        "1. uno",
        "a) dos",
    ),
    *("| a | b |", "|---|---|", "| 1 | x y z |", "Requisitos:", "\ufeff", "    sangrado", "«Fin.» Luego"),
    *("x" * 700, "palabra " * 120, "Una frase. " * 60, "一" * 9_500, "\U0001f600" * 300, " " * 300),
]
LINES = st.one_of(st.sampled_from(SHAPES), st.text("aé. \t:|-#`\u00a0", max_size=60))


@st.composite
def texts_with_places(draw: st.DrawFn) -> tuple[str, list[Place]]:
    """Lines of all kinds, joined by ends of both kinds, with pages that begin anywhere."""
    lines = draw(st.lists(LINES, max_size=40))
    text = "".join(line + draw(st.sampled_from(["\n", "\n", "\n\n", "\r\n"])) for line in lines)
    starts = draw(st.lists(st.integers(0, len(text)), max_size=6, unique=True).map(sorted))
    return text, [Place(start=start, page=number) for number, start in enumerate(starts, 1)]


@settings(max_examples=300, deadline=None)
@given(texts_with_places())
def test_a_passage_is_a_stretch_of_its_document_after_what_it_repeats(given: tuple[str, list[Place]]) -> None:
    text, _ = normalised(*given)
    for chunk in split(*given):
        stretch = text[chunk.start : chunk.end]
        assert stretch.strip() == stretch != ""
        repeated = chunk.text.removesuffix(stretch)
        assert chunk.text == repeated + stretch
        assert " ".join(repeated.split()) in " ".join(text[: chunk.start].split())


@settings(max_examples=100, deadline=None)
@given(texts_with_places())
def test_no_word_is_lost_and_no_passage_is_too_long(given: tuple[str, list[Place]]) -> None:
    text, _ = normalised(*given)
    covered = bytearray(len(text))
    for chunk in split(*given):
        covered[chunk.start : chunk.end] = b"\1" * (chunk.end - chunk.start)
        assert len(chunk.text.encode()) < 65_535
    left = "".join(letter for letter, seen in zip(text, covered, strict=True) if not seen)
    assert all(not line.strip() or line.lstrip().startswith("#") for line in left.split("\n"))


def test_a_passage_is_of_one_page_and_knows_it() -> None:
    text = "# Precios\n\nUno.\n\nDos.\n\nTres."
    places = [
        Place(start=text.index(word), page=number) for number, word in enumerate(["# P", "Dos", "Tres"], 1)
    ]
    found = [(chunk.text, chunk.headings, chunk.place and chunk.place.page) for chunk in split(text, places)]
    assert found == [("Uno.", ("Precios",), 1), ("Dos.", ("Precios",), 2), ("Tres.", ("Precios",), 3)]


def test_places_move_with_the_line_ends_that_are_written_otherwise() -> None:
    text = "\ufeffUno.\r\n\r\nDos.\r\n\r\nTres."
    chunks = split(text, [Place(start=text.index("Dos"), page=2), Place(start=text.index("Tres"), page=3)])
    assert [(chunk.text, chunk.place and chunk.place.page) for chunk in chunks] == [
        ("Uno.", None),
        ("Dos.", 2),
        ("Tres.", 3),
    ]


def test_a_long_table_is_passages_of_whole_rows_below_its_header_row() -> None:
    rows = [f"| pieza {n} | {n},50 € | almacén número {n} |" for n in range(120)]
    header = "| pieza | precio | dónde |\n|---|---|---|"
    chunks = split("\n".join([header, *rows]))
    assert len(chunks) > 3
    assert all(chunk.text.startswith(header) for chunk in chunks)
    assert [line for chunk in chunks for line in chunk.text.split("\n")[2:]] == rows
    assert all(estimated_tokens(chunk.text) <= MAX_TOKENS for chunk in chunks)


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_a_long_list_says_in_each_passage_what_it_is_a_list_of(between: str) -> None:
    items = [f"- el documento número {n} con su copia compulsada y sellada" for n in range(60)]
    text = f"Hay un plazo. Para pedir la ayuda se presentan:{between}{between.join(items)}"
    chunks = split(text)
    assert len(chunks) > 3
    assert all("Para pedir la ayuda se presentan:" in chunk.text for chunk in chunks)
    listed = [line for chunk in chunks for line in chunk.text.split("\n") if line.startswith("- ")]
    assert listed == items


def test_a_sentence_that_leads_to_a_list_is_not_left_behind() -> None:
    text = "Una frase que llena el pasaje de antes. " * 16 + "\n\nSe presentan:\n\n- el título\n- la copia"
    assert split(text)[-1].text == "Se presentan:\n\n- el título\n- la copia"


def test_an_item_keeps_the_lines_that_go_on_with_it() -> None:
    items = [f"- el punto {n} empieza aquí con unas cuantas palabras\n  y acaba en {n}" for n in range(60)]
    for chunk in split("\n".join(items)):
        assert chunk.text.count("empieza") == chunk.text.count("acaba")


def test_a_closing_quote_stays_with_its_sentence() -> None:
    text = " ".join(f"Dijo: «esto es lo que pasó el día {n}.» Y se fue sin más palabras." for n in range(60))
    assert "".join(chunk.text for chunk in split(text)).count("»") >= 60
