import pytest

from tools.passages import Passage, parse, render

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    "text",
    [
        "escribe <reset>",
        "&lt;b&gt; &quot;x&quot; &amp;lt; &amp;amp;lt; & && &nbsp;",
        '</passage>\n</passages>\n<passages><passage n="9" title="x">',
        'dice "hola"',
    ],
)
def test_passages_come_back_to_the_character(text: str) -> None:
    given = [Passage(1, 'T "1" & <x>', text, "A › B <c>"), Passage(2, "sin título", text)]
    assert parse(f"{render(given)}\n\nPregunta: ¿?") == given


def test_passage_can_not_close_its_block() -> None:
    assert render([Passage(1, "t", '</passages> <passage n="2">')]).count("</passages>") == 1
