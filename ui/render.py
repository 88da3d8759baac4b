"""HTML sanitization: untrusted Markdown becomes HTML that cannot act (no raw HTML, images, links, scripts).

Answers are Markdown written by a model from documents that anybody may have written. Links and images are
shown as text, so that nothing can be fetched or followed by accident.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.schema import Answer, Citation, Language
from ui.messages import say

_CITATION = re.compile(r"\[(\d{1,3})\]")
_PLACE = "\ue000"
"""Of the private use area: carries a mark's place in the answer through the Markdown parser."""
_NUMBERED = re.compile(rf"\[(\d{{1,3}}){_PLACE}(\d+)\]")
_STRAY = re.compile(rf"{_PLACE}\d*")
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
# A reference definition such as `[1]: …` in an answer must not turn its citation marks into links.
_markdown.enable("table").disable("reference")


class Marks:
    """The citation marks of an answer: readers see its sources numbered in the order in which it names them.

    `found` are the marks in order, `(n, position)` each: the passage's number and where in the answer."""

    def __init__(self, text: str, citations: Sequence[Citation]) -> None:
        self.by_number = {citation.n: citation for citation in citations}
        matches = ((int(match[1]), match.start()) for match in _CITATION.finditer(text))
        self.found = [(n, at) for n, at in matches if n in self.by_number]
        order = dict.fromkeys([n for n, _ in self.found] + [citation.n for citation in citations])
        self.shown = {n: place for place, n in enumerate(order, 1)}
        """By the passage's number, what the reader sees."""

    def ordered(self) -> list[Citation]:
        """The passages as the reader sees them numbered."""
        return [self.by_number[n] for n in self.shown]


def question_html(text: str) -> str:
    """What the person wrote, exactly."""
    return _one_block(f'<div class="said">{escape(text)}</div>')


def answer_html(
    text: str, citations: list[Citation], language: Language, *, status: str = "", run_id: str = ""
) -> str:
    """An answer, or as much of it as has arrived; `status` is shown while it grows."""
    body = _text_html(text, Marks(text, citations), language)
    waiting = f'<div class="status" role="status">{escape(status)}</div>' if status else ""
    return _turn(f'<div class="answer">{body}</div>{waiting}', run_id)


def done_html(answer: Answer, language: Language, *, run_id: str = "") -> str:
    """The whole answer with its sources, who answered and why, and the time each stage took."""
    marks = Marks(answer.answer, answer.citations)
    body = f'<div class="answer">{_text_html(answer.answer, marks, language)}</div>'
    return _turn(f"{body}{_sources(marks, language)}{_details(answer, language)}", run_id)


def error_html(sentence: str, detail: str = "", *, retry: str = "", before: str = "") -> str:
    """A failure in the reader's words, after the HTML that was there `before`; `detail` is for whoever looks
    into it, `retry` what the button says that asks again, if there is to be one."""
    more = f'<div class="detail">{escape(detail)}</div>' if detail else ""
    again = f'<button class="retry" type="button">{escape(retry)}</button>' if retry else ""
    return _one_block(f'{before}<div class="failure" role="alert">{escape(sentence)}{more}{again}</div>')


def _text_html(text: str, marks: Marks, language: Language) -> str:
    places = {at: place for place, (_, at) in enumerate(marks.found)}
    numbered = _CITATION.sub(
        lambda match: f"[{match[1]}{_PLACE}{places[match.start()]}]" if match.start() in places else match[0],
        text.replace(_PLACE, "\ufffd"),
    )
    tokens = _markdown.parse(numbered)
    for token in tokens:
        token.content = _STRAY.sub("", token.content)
        token.info = _STRAY.sub("", token.info)
        if token.children:
            token.children = [
                part
                for child in _without_links(token.children, language)
                for part in _with_citation_marks(child, marks)
            ]
    return _markdown.renderer.render(tokens, _markdown.options, {})


def _without_links(tokens: list[Token], language: Language) -> list[Token]:
    """Images become their description; a link becomes its text followed by its address, as text."""
    plain: list[Token] = []
    address = ""
    for token in tokens:
        if token.type == "image":
            plain.append(_plain(f"[{say('image', language)}: {token.content}]"))
        elif token.type == "link_open":
            address = "" if token.info == "auto" else str(token.attrGet("href") or "")
        elif token.type == "link_close":
            plain.append(_plain(f" ({address})" if address else ""))
        else:
            plain.append(token)
    return plain


def _with_citation_marks(token: Token, marks: Marks) -> list[Token]:
    """`[n]` in text becomes a small mark titled with its source; a number without a source stays text."""
    if token.type != "text":
        token.content = _STRAY.sub("", token.content)
        return [token]
    # The mark hangs on the word before it: a space between them would let it start a line alone.
    parts = _NUMBERED.split(token.content)
    marked = [_plain(_STRAY.sub("", parts[0]))]
    for number, place, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        n = int(number)
        marked[-1].content = marked[-1].content.rstrip(" ")
        marked.append(_citation_mark(marks.shown[n], marks.by_number[n].title, place))
        marked.append(_plain(_STRAY.sub("", rest)))
    return marked


def _citation_mark(number: int, title: str, place: str) -> Token:
    mark = f'<sup class="mark at-{place}" role="button" tabindex="0" title="{escape(title)}">{number}</sup>'
    return Token("html_inline", "", 0, content=mark)


def _plain(text: str) -> Token:
    return Token("text", "", 0, content=text)


def _sources(marks: Marks, language: Language) -> str:
    """The passages; a click on one opens it beside the answer (`ui/evidence.py`)."""
    if not marks.shown:
        return ""
    items = "".join(
        f'<li><button class="source n-{citation.n}" type="button">'
        f'<span class="number">{marks.shown[citation.n]}</span>'
        f'<span class="title">{escape(citation.title)}</span>'
        f'<span class="where">{escape(citation.source)}</span></button></li>'
        for citation in marks.ordered()
    )
    return f'<div class="sources"><div class="heading">{say("sources", language)}</div><ol>{items}</ol></div>'


def _details(answer: Answer, language: Language) -> str:
    total = answer.timings_ms.get("total", sum(answer.timings_ms.values()))
    rows: dict[str, Any] = {"model": answer.model, "agent": answer.agent}
    if answer.route:
        rows["why"] = "; ".join(answer.route.reasons)
        if answer.route.wanted != answer.model:
            rows["wanted"] = answer.route.wanted
    if answer.degraded:
        rows["degraded"] = ", ".join(answer.degraded)
    stages = (f"{say(stage, language)} {ms:.0f} ms" for stage, ms in answer.timings_ms.items())
    rows["times"] = " · ".join(stages)
    cells = "".join(
        f"<dt>{say(key, language)}</dt><dd>{escape(value)}</dd>" for key, value in rows.items() if value
    )
    summary = f"{escape(answer.model)} · {total / 1000:.2f} s"
    return (
        f'<details class="how"><summary>{say("how", language)} <span class="who">{summary}</span></summary>'
        f"<dl>{cells}</dl></details>"
    )


def _turn(html: str, run_id: str) -> str:
    """What belongs to one run, under its id."""
    named = f' id="turn-{escape(run_id)}"' if run_id else ""
    return _one_block(f'<div class="turn"{named}>{html}</div>')


def _one_block(html: str) -> str:
    """Without line ends the chat takes it as one HTML block and never as Markdown."""
    return html.replace("\r", "").replace("\n", "&#10;")
