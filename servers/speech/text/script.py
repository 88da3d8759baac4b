"""A text as what is to be spoken one after the other, each piece in its own language. Pure."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from servers.speech.text.expand import expand
from servers.speech.text.markup import MAX_CHARS, nothing_to_say, speakable
from servers.speech.text.sentences import FIRST_CHARS, split
from servers.speech.text.ssml import Span, is_ssml, parse
from tools.errors import TooLarge
from tools.schema import Language
from tools.text.language import detect

TELLING_WORDS: Final = 4
"""Fewer words than this keep the language of the text around them."""


class Line(NamedTuple):
    """Words for one voice at `rate` times the asked speed; `pause_s` seconds of silence follow."""

    text: str
    language: Language
    pause_s: float = 0.0
    rate: float = 1.0


def script(text: str, language: Language, *, first_chars: int = FIRST_CHARS) -> Iterator[Line]:
    """The lines of `text`: plain, Markdown or SSML. `language` is that of sentences that do not tell theirs.

    Raises `TooLarge` over the bound, `BadRequest` when nothing is said or the SSML is not understood."""
    if not is_ssml(text):
        return _lines(speakable(text, language), language, first_chars)
    if len(text) > MAX_CHARS:
        raise TooLarge(f"the text may have {MAX_CHARS} characters", param="text", source="speech")
    lines = [line for span in parse(text, language) for line in _span(span, language)]
    if not any(line.text for line in lines):
        raise nothing_to_say()
    return iter(lines)


def _lines(text: str, language: Language, first_chars: int = FIRST_CHARS) -> Iterator[Line]:
    """Each put in words when it is its turn: the first one does not wait for the last."""
    spoken = language
    for piece in split(text, first_chars=first_chars):
        if len(piece.text.split()) >= TELLING_WORDS:
            spoken = detect(piece.text, default=language)
        yield Line(expand(piece.text, spoken), spoken, piece.pause_s)


def _span(span: Span, language: Language) -> list[Line]:
    if not any(character.isalnum() for character in span.text):
        return [Line("", language, span.pause_s)] if span.pause_s else []
    if span.literal:
        return [Line(span.text, language, span.pause_s, span.rate)]
    return [line._replace(rate=span.rate) for line in _lines(" ".join(span.text.split()), language)]
