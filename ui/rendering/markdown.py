"""HTML sanitization: untrusted Markdown becomes HTML that cannot act (no raw HTML, images, links, scripts).

Answers are Markdown written by a model from documents that anybody may have written. Links and images are
shown as text, so that nothing can be fetched or followed by accident.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from tools.schema import Citation, Language
from ui.messages import say
from ui.rendering.maths import formula_html

COLOURED_CHARS: Final = 20_000
"""Longer code stays of one colour: an answer is drawn again with every piece of it that arrives."""
_CITATION = re.compile(r"\[(\d{1,3})\]")
_PLACE = "\ue000"
"""Of the private use area: carries a mark's place in the answer through the Markdown parser."""
_NUMBERED = re.compile(rf"\[(\d{{1,3}}){_PLACE}(\d+)\]")
_STRAY = re.compile(rf"{_PLACE}\d*")
_MATHS = frozenset({"math_inline", "math_inline_double", "math_block"})
_markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
# A reference definition such as `[1]: …` in an answer must not turn its citation marks into links.
_markdown.enable("table").disable("reference")
_markdown.use(texmath_plugin, delimiters="brackets")
_markdown.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
_colours: HtmlFormatter[str] = HtmlFormatter(nowrap=True)


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


def text_html(text: str, marks: Marks, language: Language) -> str:
    """Markdown with its citation marks, formulas and coloured code."""
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
                for part in _with_citation_marks(child, marks, language)
            ]
    return _markdown.renderer.render(tokens, _markdown.options, {"language": language})


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


def _with_citation_marks(token: Token, marks: Marks, language: Language) -> list[Token]:
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
        marked.append(_citation_mark(marks.shown[n], marks.by_number[n].title, place, language))
        marked.append(_plain(_STRAY.sub("", rest)))
    return marked


def _citation_mark(number: int, title: str, place: str, language: Language) -> Token:
    named = escape(f"{say('source', language)} {number}: {title}")
    mark = (
        f'<sup><button class="mark at-{place}" type="button" title="{escape(title)}" aria-label="{named}">'
        f"{number}</button></sup>"
    )
    return Token("html_inline", "", 0, content=mark)


def _plain(text: str) -> Token:
    return Token("text", "", 0, content=text)


def _code_html(self: RendererHTML, tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    """A block of code in colours, with a button that copies it."""
    code, name = tokens[at].content, tokens[at].info.strip().partition(" ")[0][:40]
    coloured = escape(code, quote=False)
    if name and len(code) <= COLOURED_CHARS:
        try:
            coloured = highlight(code, get_lexer_by_name(name, stripnl=False), _colours)
        except ClassNotFound:
            name = ""
    copy = escape(say("copy_code", env["language"]))
    return (
        f'<div class="code"><header><span>{escape(name)}</span>'
        f'<button class="copy-code" type="button">{copy}</button></header>'
        f'<pre tabindex="0"><code>{coloured}</code></pre></div>\n'
    )


def _formula(self: RendererHTML, tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    """A formula, in its line or in one of its own."""
    token = tokens[at]
    if token.type == "math_block":
        return f'<p class="formula-block">{formula_html(token.content, block=True)}</p>\n'
    return formula_html(token.content, block=token.type == "math_inline_double")


for kind in ("fence", "code_block"):
    _markdown.add_render_rule(kind, _code_html)
for kind in sorted(_MATHS):
    _markdown.add_render_rule(kind, _formula)
