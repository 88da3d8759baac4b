"""Parses one message: the person's own words, what is asked, and what was pasted along with it.

Pure text work. It computes no feature and gives no weight; the patterns are in `patterns.py`.
"""

import re
from typing import NamedTuple

from servers.pool.routing import patterns
from tools.schema import Language
from tools.text.courtesy import without_courtesy
from tools.text.language import detect
from tools.text.words import fold

MAX_CHARS = 4_000
"""Of a longer message the beginning and the end are read: what is asked stands in one of them."""
MAX_LINE_CHARS = 300
LONG_TOKEN = re.compile(r"(\S{60})\S+")
"""Patterns cost most on endless words and lines; nobody's question needs them whole."""
MAX_INLINE_CHARS = 12
"""Code between backticks up to this length is a word of the sentence; longer it is a paste."""
MAX_ASK_WORDS = 45
"""A first paragraph of more words is no request that a text follows."""
SHOUTED = 0.9
"""The share of capitals from which a message was typed with the key stuck: case says nothing there."""


class ParsedQuestion(NamedTuple):
    """One message taken apart.

    `text`: the person's own words, folded, without courtesies; `raw_text`: as typed; `typed`: with them;
    `supplied`: text that came to be worked on (folded), which asks nothing; `pasted`: code that came along.
    Of `lines` lines (counts; fenced blocks apart) `code_lines` look like code and `log_lines` like a log's;
    `only_paste`: no words are the person's own.
    """

    text: str
    raw_text: str
    typed: str
    supplied: str
    pasted: str
    lines: int
    code_lines: int
    log_lines: int
    only_paste: bool
    has_fence: bool
    language: Language


def parse_question(message: str) -> ParsedQuestion:
    """Take one message apart; the cost is bounded whatever its length."""
    text = _lowered(_shortened(message))
    blocks = [block for found in patterns.FENCE.findall(text) for block in found]
    pasted = [block for block in blocks if len(block) > MAX_INLINE_CHARS or "\n" in block]
    lines = patterns.FENCE.sub(_inline_code, text).splitlines()
    logged = [line for line in lines if patterns.LOG_LINE.match(line)]
    code = [line for line in lines if line.strip() and line not in logged and _is_code(line[:MAX_LINE_CHARS])]
    apart = {*logged, *code}
    typed = "\n".join(line for line in lines if line not in apart)
    own, supplied = _split_supplied(without_courtesy(typed))
    asked = fold(own)
    if not pasted and not code and not patterns.INLINE_CODE.search(own) and patterns.TEXT_TASK.search(asked):
        asked = patterns.SUPPLIED_TEXT.sub(" ", asked)
    pasted += code
    return ParsedQuestion(
        text=asked.strip(),
        raw_text=own,
        typed=_split_supplied(typed)[0],
        supplied=fold("\n".join([supplied, *logged])).strip(),
        pasted="\n".join(pasted),
        lines=sum(bool(line.strip()) for line in lines),
        code_lines=len(code),
        log_lines=len(logged),
        only_paste=bool(pasted) and not asked.strip(),
        has_fence="```" in text,
        language=detect(typed if typed.strip() else text, default="es"),
    )


def _shortened(message: str) -> str:
    if len(message) > MAX_CHARS:
        message = f"{message[: MAX_CHARS * 2 // 3]}\n{message[-MAX_CHARS // 3 :]}"
    return LONG_TOKEN.sub(r"\1", message)


def _lowered(text: str) -> str:
    """`text`, in small letters when it was typed in capitals."""
    letters = [char for char in text if char.isalpha()]
    shouted = len(letters) > 12 and sum(map(str.isupper, letters)) >= SHOUTED * len(letters)
    return text.lower() if shouted else text


def _split_supplied(text: str) -> tuple[str, str]:
    """A message's own words and the text that came to be worked on: long quotations, and the paragraphs
    after a short first one, without a last one that asks."""
    quoted = [found[1] for found in patterns.LONG_QUOTE.finditer(text)]
    rest = patterns.LONG_QUOTE.sub(" «» ", text)
    if len(rest.split()) < 4 and quoted:
        return text, ""
    paragraphs = [part for part in re.split(r"\n\s*\n", rest) if part.strip()]
    if len(paragraphs) < 2 or len(paragraphs[0].split()) > MAX_ASK_WORDS:
        return rest, "\n".join(quoted)
    first, *middle = paragraphs
    last = [middle.pop()] if len(middle[-1].split()) <= MAX_ASK_WORDS and "?" in middle[-1] else []
    if len(" ".join(middle).split()) <= len(first.split()):
        return rest, "\n".join(quoted)
    return "\n\n".join([first, *last]), "\n".join([*middle, *quoted])


def _inline_code(found: re.Match[str]) -> str:
    """What stays in the sentence of a match of FENCE: a short word between backticks, else a line break."""
    word: str | None = found[2]
    return word if word and len(word) <= MAX_INLINE_CHARS else "\n"


def _is_code(line: str) -> bool:
    return bool(patterns.CODE_LINE.match(line)) and not patterns.ALGEBRA.match(line)
