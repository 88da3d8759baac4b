"""HTML sanitization: untrusted Markdown becomes HTML that cannot act (no raw HTML, images, links, scripts).

Answers are Markdown written by a model from documents that anybody may have written. Links and images are
shown as text, so that nothing can be fetched or followed by accident.
"""

import re
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tools.schema import Answer, Citation, Language
from ui.messages import say

QUOTE_CHARS = 1_200
_CITATION = re.compile(r"\[(\d{1,3})\]")
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
# A reference definition such as `[1]: …` in an answer must not turn its citation marks into links.
_markdown.enable("table").disable("reference")


def question_html(text: str) -> str:
    """What the person wrote, exactly."""
    return _one_block(f'<div class="said">{escape(text)}</div>')


def answer_html(text: str, citations: list[Citation], language: Language, *, status: str = "") -> str:
    """An answer, or as much of it as has arrived; `status` is shown while it grows."""
    titles = {citation.n: citation.title for citation in citations}
    body = _text_html(text, titles, language)
    waiting = f'<div class="status" role="status">{escape(status)}</div>' if status else ""
    return _one_block(f'<div class="answer">{body}</div>{waiting}')


def done_html(answer: Answer, language: Language) -> str:
    """The whole answer with its sources, who answered and why, and the time each stage took."""
    titles = {citation.n: citation.title for citation in answer.citations}
    body = f'<div class="answer">{_text_html(answer.answer, titles, language)}</div>'
    return _one_block(f"{body}{_sources(answer.citations, language)}{_details(answer, language)}")


def error_html(sentence: str, detail: str = "") -> str:
    """A failure in the reader's words; `detail` is for whoever looks into it."""
    more = f'<div class="detail">{escape(detail)}</div>' if detail else ""
    return _one_block(f'<div class="failure" role="alert">{escape(sentence)}{more}</div>')


def _text_html(text: str, titles: dict[int, str], language: Language) -> str:
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.children:
            token.children = [
                part
                for child in _without_links(token.children, language)
                for part in _with_citation_marks(child, titles)
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


def _with_citation_marks(token: Token, titles: dict[int, str]) -> list[Token]:
    """`[n]` in text becomes a small mark titled with its source; a number without a source stays text."""
    if token.type != "text":
        return [token]
    # The mark hangs on the word before it: a space between them would let it start a line alone.
    parts = _CITATION.split(token.content)
    marked = [_plain(parts[0])]
    for number, rest in zip(parts[1::2], parts[2::2], strict=True):
        title = titles.get(int(number))
        if title is None:
            marked.append(_plain(f"[{number}]"))
        else:
            marked[-1].content = marked[-1].content.rstrip(" ")
            marked.append(_citation_mark(number, title))
        marked.append(_plain(rest))
    return marked


def _citation_mark(number: str, title: str) -> Token:
    return Token("html_inline", "", 0, content=f'<sup class="mark" title="{escape(title)}">{number}</sup>')


def _plain(text: str) -> Token:
    return Token("text", "", 0, content=text)


def _sources(citations: list[Citation], language: Language) -> str:
    if not citations:
        return ""
    items = "".join(
        f'<details class="source"><summary><span class="number">{citation.n}</span>'
        f'<span class="title">{escape(citation.title)}</span>'
        f'<span class="where">{escape(citation.source)}</span></summary>'
        f"<blockquote>{_text_html(_truncated(citation.text), {}, language)}</blockquote></details>"
        for citation in citations
    )
    return f'<div class="sources"><div class="heading">{say("sources", language)}</div>{items}</div>'


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


def _truncated(text: str) -> str:
    return text if len(text) <= QUOTE_CHARS else f"{text[:QUOTE_CHARS].rstrip()}…"


def _one_block(html: str) -> str:
    """Without line ends the chat takes it as one HTML block and never as Markdown."""
    return html.replace("\r", "").replace("\n", "&#10;")
