"""Parses one message: the person's own words, the sentence that asks, and what was pasted along with it.

Pure text work. It computes no feature and gives no weight; the patterns are in `patterns.py`.
"""

import re
from typing import NamedTuple

from servers.pool.routing import patterns
from tools.schema import Language
from tools.text.language import detect
from tools.text.words import fold

MAX_CHARS = 4_000
"""Of a longer message the beginning and the end are read: what is asked stands in one of them."""
MAX_LINE_CHARS = 300
LONG_TOKEN = re.compile(r"(\S{60})\S+")
"""Patterns cost most on endless words and lines; nobody's question needs them whole."""
MAX_INLINE_CHARS = 12
"""Code between backticks up to this length is a word of the sentence; longer it is a paste."""


class ParsedQuestion(NamedTuple):
    """One message taken apart.

    `text`: the person's own words, folded, without a greeting; `raw_text`: the same as typed, with greeting;
    `question_sentence`: the sentence of `text` that asks; `pasted`: code that came along. Of `lines` lines
    (counts; fenced blocks apart) `code_lines` look like code; `only_paste`: no words are the person's own.
    """

    text: str
    raw_text: str
    question_sentence: str
    pasted: str
    lines: int
    code_lines: int
    only_paste: bool
    has_greeting: bool
    has_fence: bool
    language: Language


def parse_question(message: str) -> ParsedQuestion:
    """Take one message apart; the cost is bounded whatever its length."""
    text = _shortened(message)
    blocks = [block for found in patterns.FENCE.findall(text) for block in found]
    pasted = [block for block in blocks if len(block) > MAX_INLINE_CHARS or "\n" in block]
    lines = [line for line in patterns.FENCE.sub(_inline_code, text).splitlines() if line.strip()]
    is_code = [_is_code(line[:MAX_LINE_CHARS]) for line in lines]
    raw_text = "\n".join(line for line, code in zip(lines, is_code, strict=True) if not code)
    pasted += [line for line, code in zip(lines, is_code, strict=True) if code]
    plain = fold(raw_text)
    greeting = patterns.GREETING.match(plain)
    own = plain[greeting.end() :] if greeting and greeting.end() < len(plain) - 2 else plain
    if not pasted and not patterns.INLINE_CODE.search(raw_text) and patterns.TEXT_TASK.search(own):
        own = patterns.SUPPLIED_TEXT.sub(" ", own)
    return ParsedQuestion(
        text=own,
        raw_text=raw_text,
        question_sentence=_question_sentence(own),
        pasted="\n".join(pasted),
        lines=len(lines),
        code_lines=sum(is_code),
        only_paste=bool(pasted) and not own.strip(),
        has_greeting=greeting is not None,
        has_fence="```" in text,
        language=detect(raw_text or text, default="es"),
    )


def _shortened(message: str) -> str:
    if len(message) > MAX_CHARS:
        message = f"{message[: MAX_CHARS * 2 // 3]}\n{message[-MAX_CHARS // 3 :]}"
    return LONG_TOKEN.sub(r"\1", message)


def _inline_code(found: re.Match[str]) -> str:
    """What stays in the sentence of a match of FENCE: a short word between backticks, else a line break."""
    word: str | None = found[2]
    return word if word and len(word) <= MAX_INLINE_CHARS else "\n"


def _is_code(line: str) -> bool:
    return bool(patterns.CODE_LINE.match(line)) and not patterns.ALGEBRA.match(line)


def _question_sentence(text: str) -> str:
    """The last question, else the first sentence."""
    sentences: list[str] = patterns.SENTENCE.findall(text)
    if not sentences:
        return text
    questions = [sentence for sentence in sentences if "?" in sentence]
    return (questions[-1] if questions else sentences[0]).strip()
