"""Text normalisation for speech: markup, emoji and control characters removed, links and code named."""

import re
import unicodedata

from tools.errors import BadRequest, TooLarge
from tools.schema import Language

MAX_CHARS = 10_000
OMITTED: dict[Language, tuple[str, str]] = {
    "es": ("código omitido", "enlace"),
    "en": ("code omitted", "link"),
}

_FENCE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,500})\]\([^()\n]{0,2000}\)")
_CITATION = re.compile(r"[ \t]?\[\d{1,3}\](?!\()")
_TAG = re.compile(r"</?[a-zA-Z!][^<>\n]{0,500}>")
_URL = re.compile(r"(?:https?://|www\.)[^\s<>()]+[^\s<>().,;:!?]")
_RULE = re.compile(r"^[ \t]*(?:[-=*_|:][ \t]*){3,}$", re.MULTILINE)
_LEAD = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+)+(.*)$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|(.*?)\|?[ \t]*$", re.MULTILINE)
_EMPHASIS = re.compile(r"[*`~|]+|(?<!\w)_+|_+(?!\w)")
_TERMINAL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ENDS = ".,;:!?…"
# Symbols that are read aloud, unlike pictures of the same Unicode category.
_SPOKEN_SYMBOLS = frozenset("°©®™№℃℉")


def speakable(text: str, language: Language) -> str:
    """`text` as it should be heard. Raises `TooLarge` over the bound, `BadRequest` when nothing remains."""
    if len(text) > MAX_CHARS:
        raise TooLarge(f"the text may have {MAX_CHARS} characters", param="text", source="speech")
    code, link = OMITTED[language]
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _TERMINAL.sub("", text)
    text = _FENCE.sub(f"{code}.", text)
    text = _CITATION.sub("", _LINK.sub(r"\1", text))
    text = _URL.sub(link, _TAG.sub(" ", text))
    text = _ROW.sub(_cells, _LEAD.sub(_sentence, _RULE.sub("", text)))
    text = _EMPHASIS.sub(" ", text)
    text = "".join(_spoken(character) for character in text)
    text = re.sub(r"\s*\n\s*\n\s*", "\n\n", text)
    text = re.sub(r"[ \t\n]+(?=[.,;:!?])|(?<=\S)[ \t]+", _space, text).strip()
    if not any(character.isalnum() for character in text):
        raise nothing_to_say()
    return text


def nothing_to_say() -> BadRequest:
    """The error for a text without a letter or a digit."""
    return BadRequest("the text has nothing to say", param="text", source="speech", code="nothing_to_say")


def _sentence(found: re.Match[str]) -> str:
    """A heading or list item ends like a sentence, so that the voice pauses after it."""
    line = found[1].rstrip()
    return line if not line or line[-1] in _ENDS else f"{line}."


def _cells(found: re.Match[str]) -> str:
    return ", ".join(cell.strip() for cell in found[1].split("|") if cell.strip()) + "."


def _space(found: re.Match[str]) -> str:
    following = found.string[found.end() : found.end() + 1]
    return "" if following in tuple(".,;:!?") else " "


def _spoken(character: str) -> str:
    category = unicodedata.category(character)
    if character == "\n" or character in _SPOKEN_SYMBOLS:
        return character
    if category[0] == "Z" or character == "\t":
        return " "
    if category[0] == "C" or category in ("So", "Sk") or "\ufe00" <= character <= "\ufe0f":
        return ""
    return character
