"""Reads a conversation: which message is the question, what came before, and whether it goes on. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tools.text.language import courtesy
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import folded_words

Message = Mapping[str, Any]

PASSAGES = re.compile(r"<passages>.*?</passages>", re.DOTALL)
ASKED = re.compile(r"^\s*(?:pregunta|question)\s*:\s*", re.IGNORECASE)
GOES_ON = re.compile(
    r"^\W*(?:y|e|pero|entonces|ahora|tambien|ademas|otra|otro|mejor|vale|ok|si|no|and|but|so|then|now|"
    r"also|another|what about|how about|or|instead|same|again)\b|"
    r"\b(?:eso|esto|lo mismo|el mismo|la misma|lo anterior|de antes|otra vez|de nuevo|hazlo|ponlo|"
    r"pasalo|cambialo|explicalo|mejoralo|acortalo|sigue|continua|"
    r"it|that|this|those|the same|again|instead|the previous|the above|continue|go on|shorter|longer|"
    r"mas corto|mas largo|mas detalle|more detail)\b"
)
OWN_WORDS = 7
"""A message with more content words of its own than this stands by itself."""
TURNS = 3


def text_of(content: Any) -> str:
    """The text of a message's content, be it a string or OpenAI's parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(part for part in parts if isinstance(part, str))


def questions_of(messages: Sequence[Message]) -> list[str]:
    """The last user messages as text, without retrieved passages, newest first; at most TURNS + 1."""
    asked: list[str] = []
    for message in reversed(messages):
        if message.get("role") == "user":
            asked.append(ASKED.sub("", PASSAGES.sub("", text_of(message.get("content"))).strip()))
            if len(asked) > TURNS:
                break
    return asked


def has_passages(messages: Sequence[Message]) -> bool:
    """Whether retrieved passages came with the conversation."""
    return any("<passages>" in text_of(message.get("content")) for message in messages)


def length_of(messages: Sequence[Message]) -> int:
    """Characters of all messages."""
    return sum(len(text_of(message.get("content"))) for message in messages)


def goes_on(question: str) -> bool:
    """Whether a message needs what came before to be understood: short, and it points back."""
    if courtesy(question):
        return False
    said = folded_words(question[:400])
    own = [word for word in said if not any(word in stop for stop in QUESTION_STOP_WORDS.values())]
    if len(own) > OWN_WORDS:
        return False
    return len(own) <= 1 or bool(GOES_ON.search(" ".join(said)))
