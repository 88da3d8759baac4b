import pytest

from tools.schema import Answer, Citation, Span, SupportedSentence, Turn
from ui.rendering.evidence import cited, marked, panel_html

pytestmark = pytest.mark.pure

SENTENCES = [
    SupportedSentence(start=0, end=10, kind="claim", supported=True, spans=[Span(n=2, start=5, end=9)]),
    SupportedSentence(start=15, end=25, kind="claim", supported=True, spans=[Span(n=1, start=0, end=3)]),
]


@pytest.mark.parametrize(("n", "position", "found"), [(2, 8, (5, 9)), (2, 11, (5, 9)), (1, 20, (0, 3))])
def test_a_mark_points_to_what_bears_out_its_own_sentence(n, position, found):
    assert cited(SENTENCES, n, position) == [found]


def test_a_mark_whose_sentence_rests_on_nothing_points_to_nothing():
    assert cited(SENTENCES, 3, 20) == []


def test_what_is_marked_is_the_documents_own_text():
    text = "a < b. C & d. E"
    assert marked(text, [(7, 13), (0, 6)]) == "<mark>a &lt; b.</mark> <mark>C &amp; d.</mark> E"
    assert marked(text, [(0, 6), (2, 9), (90, 99)]) == "<mark>a &lt; b.</mark><mark> C </mark>&amp; d. E"
    assert marked(text, []) == "a &lt; b. C &amp; d. E"


def test_the_panel_says_where_in_its_file_the_passage_stands():
    passage = Citation(
        n=1,
        title="Precios",
        source="precios.xlsx",
        document_id="p",
        text="x",
        headings=["Anexo", "Tarifas"],
        page=3,
        sheet="2026",
        rows=(4, 9),
    )
    answer = Answer(answer="A [1]", citations=[passage], model="m", agent="a")
    turn = Turn(run_id="r", status="success", question="?", created_at="", answer=answer)
    html = panel_html(turn, "es", n=1)
    assert "Anexo › Tarifas" in html
    assert "página 3 · hoja 2026 · filas 4-9 · precios.xlsx" in html
    assert panel_html(turn, "es", n=7) == panel_html(turn, "es", at=5) == panel_html(turn, "es") == ""
