import re

import pytest

from tools.schema import Answer, Citation, Route
from ui.render import answer_html, done_html, error_html, question_html

pytestmark = pytest.mark.pure

TITLED = [Citation(n=1, title='Guía "uno" <b>', source="a.md", document_id="a", text="x < y\n\nfin")]
ALLOWED = re.compile(
    r"</?(?:div|p|strong|em|code|pre|h[1-6]|ul|ol|li|blockquote|table|thead|tbody|tr|th|td|br|hr|sup|span|"
    r"details|summary|dl|dt|dd)(?: (?:class|title|role|start|style)=\"[^\"<>]*\")*(?: /)?>"
)


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![a](http://evil.example/x.png)",
        "![a](data:image/svg+xml;base64,PHN2Zz4=)",
        "[a](javascript:alert(1)) [b](http://evil.example)",
        "<http://evil.example>",
        "[1]: http://evil.example\n\n[1]",
        '```"><script>\nx\n```',
        "```js onload=x\n</code></pre><iframe src=x>\n```",
        "| <svg onload=x> |\n|---|\n| ![](http://evil.example) |",
        '[a](http://e.example "title onmouseover=x")',
        "&lt;script&gt; &#60;script&#62;",
        "<details open ontoggle=alert(1)>",
        "[![a](http://evil.example/1.png)](http://evil.example/2)",
    ],
)
@pytest.mark.parametrize("where", ["answer", "question", "passage", "error", "reason"])
def test_untrusted_text_never_becomes_an_active_element(attack, where):
    cited = [Citation(n=1, title=attack, source=attack, document_id="d", text=attack)]
    route = Route(wanted="x", model="m", confidence=1, reasons=[attack])
    html = {
        "answer": answer_html(attack, cited, "es", status=attack),
        "question": question_html(attack),
        "passage": done_html(Answer(answer="a [1]", citations=cited, model=attack, agent=attack), "es"),
        "error": error_html(attack, attack),
        "reason": done_html(Answer(answer=attack, model="m", agent="a", route=route), "es"),
    }[where]
    assert "<" not in ALLOWED.sub("", html)
    assert "\n" not in html


def test_marks_carry_the_title_of_their_source_and_unknown_numbers_stay_text():
    html = answer_html("Tres [1], cuatro [9] y `lista[1]`.", TITLED, "es")
    assert 'Tres<sup class="mark" title="Guía &quot;uno&quot; &lt;b&gt;">1</sup>, cuatro [9]' in html
    assert "<code>lista[1]</code>" in html


def test_a_link_shows_its_text_and_its_address():
    assert "la guía (http://a.example/b)" in answer_html("[la guía](http://a.example/b)", [], "es")


def test_a_whole_answer_shows_sources_route_and_times_in_the_language_of_the_page():
    route = Route(wanted="phi4_fast", model="extractive", confidence=0.8, reasons=["short question"])
    answer = Answer(
        answer="Tres [1]",
        citations=TITLED,
        model="extractive",
        agent="capibara6",
        route=route,
        timings_ms={"retrieve": 20.4, "total": 1_234.0},
        degraded=["graph"],
    )
    spanish, english = done_html(answer, "es"), done_html(answer, "en")
    for shown in (
        "Fuentes",
        "a.md",
        "<p>x &lt; y</p>",
        "short question",
        "phi4_fast",
        "graph",
        "1.23 s",
    ):
        assert shown in spanish
    assert "buscar 20 ms · total 1234 ms" in spanish
    assert "search 20 ms" in english
    assert "Sources" in english


def test_an_answer_without_sources_has_no_heading_for_them():
    assert "Fuentes" not in done_html(Answer(answer="No lo sé.", model="m", agent="a"), "es")
