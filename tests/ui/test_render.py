import re
from datetime import UTC, datetime, timedelta

import pytest

from tools.clients.bridge import StoredDocument
from tools.schema import Answer, Citation, Hit, Route, SearchResponse, Turn
from ui.history import groups, list_html
from ui.rendering.evidence import panel_html
from ui.rendering.turn import answer_html, done_html, error_html, question_html
from ui.tabs.knowledge import documents_html, results_html
from ui.turns.why import why_html

pytestmark = pytest.mark.pure

TITLED = [Citation(n=1, title='Guía "uno" <b>', source="a.md", document_id="a", text="x < y\n\nfin")]
ALLOWED = re.compile(
    r"</?(?:div|p|strong|em|code|pre|h[1-6]|ul|ol|li|blockquote|table|thead|tbody|tr|th|td|br|hr|sup|span|"
    r"details|summary|dl|dt|dd|button|mark|aside|header|nav|section|article|a|input|small|form|label|b|"
    r"math|mrow|mi|mn|mo|mtext|mfrac|msqrt|msub|msup|msubsup|munderover|mtable|mtr|mtd|mstyle)"
    r"(?: (?:(?:class|title|role|start|id|type|tabindex|lang|placeholder|scope|display|name|value|maxlength|"
    r"aria-(?:label|current|pressed)|data-(?:run|at|act|id|rated|files|collection|sure|title|most|uploading|uploaded|"
    r"refused|too-large|too-long|sending|reading|failed|live))=\"[^\"<>]*\"|style=\"width:\d+%\"|href=\"/\?c=[^\"<>]*\"|"
    r"hidden|disabled))*(?: /)?>"
)
ICON = re.compile(r'<i class="icon i-[a-z]+" aria-hidden="true"></i>')
NOW = datetime(2026, 12, 1, 0, 30, tzinfo=UTC)


def turn(answer):
    return Turn(run_id="r", status="success", question="?", created_at="", answer=answer)


def row(title):
    return {"thread_id": "t", "metadata": {"title": title}, "updated_at": NOW.isoformat()}


def told(text):
    """Events of a run in which everything that another wrote is `text`."""
    passage = {"n": 2, "title": text, "score": 0.5, "legs": {"graph": {"rank": 1, "score": 1, "words": text}}}
    return [
        {"event": "progress", "stage": "rewritten", "detail": {"question": text}},
        {"event": "progress", "stage": text, "detail": {text: text}, "at_ms": 1.0},
        {"event": "retrieved", "query": text, "citations": [passage]},
        {"event": "tool_started", "tool": text, "arguments": {text: text}},
        {"event": "tool_finished", "tool": text, "ok": False, "result": text},
    ]


def found(text):
    legs = {"graph": {"rank": 1, "score": 0.2, "words": text}}
    hit = Hit(id=text, document_id=text, title=text, source=text, text=text, score=0.5, legs=legs)
    return SearchResponse(results=[hit], degraded=[text])


def stored(text: str) -> StoredDocument:
    named = {"id": text, "title": text, "source": text, "language": text, "content_hash": text}
    return StoredDocument(**named, chunks=1, updated_at=text, metadata={}, extractors=[])  # type: ignore[typeddict-item]


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
        "<svg/onload=alert(1)>",
        "</div><iframe srcdoc=x>",
        r"$\text{<script>alert(1)</script>}$ \(\href{javascript:alert(1)}{x}\)",
        '$$\n\\style{background:url(http://evil.example)}{x} \\color{red" onload=x}{y}\n$$',
        "```python\n<script>alert(1)</script>\n```",
        "```<script>\nx\n```",
        "<!-- x -->",
        "<IMG SRC=x>",
        "`<b>`",
        "<\u200bscript>alert(1)",
        "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
        "<a href='&#106;avascript:alert(1)'>x</a>",
        "<style>@import 'http://evil.example'</style>",
        "<form action=http://evil.example><input>",
        "<base href=//evil.example>",
    ],
)
@pytest.mark.parametrize(
    "where", ["answer", "question", "passage", "error", "reason", "panel", "list", "why", "hits", "documents"]
)
def test_untrusted_text_never_becomes_an_active_element(attack, where):
    cited = [Citation(n=1, title=attack, source=attack, document_id="d", text=attack)]
    route = Route(wanted="x", model="m", confidence=1, reasons=[attack])
    whole = Answer(
        answer="a [1]", citations=cited, model=attack, agent=attack, route=route, timings_ms={attack: 2.0}
    )
    html = {
        "answer": answer_html(attack, cited, "es", status=attack),
        "question": question_html(attack, "es", run_id=attack),
        "passage": done_html(whole, "es", run_id=attack),
        "why": why_html(turn(whole), told(attack), "es"),
        "hits": results_html(found(attack), "es"),
        "documents": documents_html([stored(attack)], attack, 1, "es"),
        "error": error_html(attack, attack),
        "panel": panel_html(turn(Answer(answer="a [1]", citations=cited, model="m", agent="a")), "es", at=0),
        "list": list_html([row(attack)], NOW, timedelta(), "es", current="t"),
        "reason": done_html(Answer(answer=attack, model="m", agent="a", route=route), "es"),
    }[where]
    assert html
    assert "<" not in ALLOWED.sub("", ICON.sub("", html))


def test_marks_carry_the_title_of_their_source_and_unknown_numbers_stay_text():
    html = answer_html("Tres [1], cuatro [9] y `lista[1]`.", TITLED, "es")
    assert 'title="Guía &quot;uno&quot; &lt;b&gt;" aria-label="Fuente 1: Guía' in html
    assert ">1</button></sup>, cuatro [9]" in html
    assert 'Tres<sup><button class="mark at-0" ' in html
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


def test_sources_are_numbered_in_the_order_in_which_the_answer_names_them():
    cited = [
        Citation(n=n, title=f"T{n}", source=f"{n}.md", document_id=str(n), text="x") for n in (1, 2, 3, 4)
    ]
    html = done_html(Answer(answer="A [4]. B [1]. C [4].", citations=cited, model="m", agent="a"), "es")
    assert re.findall(r'title="(T\d)"[^>]*>(\d)</button>', html) == [("T4", "1"), ("T1", "2"), ("T4", "1")]
    listed = re.findall(r'source n-(\d).*?number">(\d)<', html)
    assert listed == [("4", "1"), ("1", "2"), ("2", "3"), ("3", "4")]


def test_marks_keep_their_places_when_code_holds_some_too():
    html = answer_html("Tres `lista[1]` y [1].\n\n```\n[1]\n```\n\nFin [1]", TITLED, "es")
    assert re.findall(r"mark at-(\d)", html) == ["1", "3"]
    assert "<code>lista[1]</code>" in html
    assert "\ue000" not in html


def aged(name, ago):
    return {"thread_id": name, "metadata": {"title": name}, "updated_at": (NOW - ago).isoformat()}


def test_conversations_are_grouped_by_the_readers_own_calendar():
    rows = [aged("a", timedelta(minutes=20)), aged("b", timedelta(hours=1)), aged("c", timedelta(days=5))]
    rows.append(aged("d", timedelta(days=40)))
    in_utc = [(key, [one["thread_id"] for one in found]) for key, found in groups(rows, NOW, timedelta())]
    assert in_utc == [("today", ["a"]), ("yesterday", ["b"]), ("week", ["c"]), ("earlier", ["d"])]
    west = groups(rows, NOW, timedelta(hours=-5))
    assert [(key, len(found)) for key, found in west] == [("today", 2), ("week", 1), ("earlier", 1)]


def test_the_list_marks_the_open_conversation_and_offers_the_way_back():
    html = list_html([aged("a", timedelta())], NOW, timedelta(), "en", current="a", undo="b")
    assert 'href="/?c=a" title="a" aria-current="page"' in html
    assert "rama de otra" not in html
    assert 'data-act="undo" data-id="b"' in html
    assert "Your conversations will appear here." in list_html([], NOW, timedelta(), "en")
