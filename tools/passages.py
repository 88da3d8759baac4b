"""The prompt format of retrieved passages and of the question below them: written into a prompt, and parsed
from it.

The agents write passages with `render`; a model that has no weights reads them back with `parse`.
Passage text is data: it can not close its own element or open another.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from tools.schema import Language

_WISHES: dict[Language, str] = {"es": "(Responde en español.)", "en": "(Answer in English.)"}

_PASSAGE = re.compile(
    r'<passage n="(\d+)" title="([^"]*)"(?: heading="([^"]*)")?>\n(.*?)\n</passage>', re.DOTALL
)
_ESCAPED = re.compile(r"&((?:amp;)*)(lt|quot);")


class Passage(NamedTuple):
    """A passage as a prompt shows it; an answer cites it as `[n]`. `heading` is its place in its document
    (`A › B`)."""

    n: int
    title: str
    text: str
    heading: str = ""


def render(passages: Iterable[Passage]) -> str:
    """One `<passages>` block; empty when there are none, which tells the model that nothing was found."""
    body = "\n".join(
        f'<passage n="{passage.n}"{_place(passage)}>\n{_text(passage.text)}\n</passage>'
        for passage in passages
    )
    return f"<passages>\n{body}\n</passages>" if body else "<passages>\n</passages>"


def parse(prompt: str) -> list[Passage] | None:
    """The passages of the last block in `prompt`; None when it has no block at all."""
    start = prompt.rfind("<passages>")
    if start < 0:
        return None
    end = prompt.find("</passages>", start)
    block = prompt[start : end if end >= 0 else None]
    return [
        Passage(int(n), _unescape(title), _unescape(text), _unescape(heading))
        for n, title, heading, text in _PASSAGE.findall(block)
    ]


def with_wish(question: str, language: Language) -> str:
    """A question whose answer is wanted in a language, as any model reads it."""
    return f"{question} {_WISHES[language]}"


def wish_of(question: str) -> tuple[str, Language | None]:
    """The question without its wish, and the language in which its answer is wanted, if it says one."""
    for language, wish in _WISHES.items():
        if question.endswith(wish):
            return question.removesuffix(wish).strip(), language
    return question, None


def _place(passage: Passage) -> str:
    heading = f' heading="{_attribute(passage.heading)}"' if passage.heading else ""
    return f' title="{_attribute(passage.title)}"{heading}'


def _attribute(title: str) -> str:
    return _text(title).replace('"', "&quot;").replace("\n", " ")


def _text(text: str) -> str:
    """The text as it may stand in a block; what already looks escaped is escaped once more, so that
    `_unescape` gives every character back."""
    return re.sub(r"<(?=/?passages?\b)", "&lt;", re.sub(r"&(?=(?:amp;)*(?:lt|quot);)", "&amp;", text))


def _unescape(text: str) -> str:
    return _ESCAPED.sub(_plain, text)


def _plain(found: re.Match[str]) -> str:
    more, name = found.groups()
    return f"&{more.removeprefix('amp;')}{name};" if more else {"lt": "<", "quot": '"'}[name]
