"""The prompt format of retrieved passages: written into a prompt, and parsed from it.

The agents write passages with `render`; a model that has no weights reads them back with `parse`.
Passage text is data: it can not close its own element or open another.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_PASSAGE = re.compile(r'<passage n="(\d+)" title="([^"]*)">\n(.*?)\n</passage>', re.DOTALL)


class Passage(NamedTuple):
    """A passage as a prompt shows it; an answer cites it as `[n]`."""

    n: int
    title: str
    text: str


def render(passages: Iterable[Passage]) -> str:
    """One `<passages>` block; empty when there are none, which tells the model that nothing was found."""
    body = "\n".join(
        f'<passage n="{passage.n}" title="{_attribute(passage.title)}">\n{_text(passage.text)}\n</passage>'
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
    return [Passage(int(n), _unescape(title), _unescape(text)) for n, title, text in _PASSAGE.findall(block)]


def _attribute(title: str) -> str:
    return _text(title).replace('"', "&quot;").replace("\n", " ")


def _text(text: str) -> str:
    return re.sub(r"<(?=/?passages?\b)", "&lt;", text.replace("&lt;", "&amp;lt;"))


def _unescape(text: str) -> str:
    return text.replace("&quot;", '"').replace("&lt;", "<").replace("&amp;lt;", "&lt;")
