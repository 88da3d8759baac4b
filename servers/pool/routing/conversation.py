"""Reads a conversation for the router: which message is the question, and whether it is a follow-up. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tools.text.content import content_text
from tools.text.language import courtesy
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import folded_words

Message: TypeAlias = Mapping[str, object]
"""A chat message on OpenAI's wire: `role` and `content` are read, the rest is another's."""

PASSAGE_BLOCK = re.compile(r"<passages>.*?</passages>", re.DOTALL)
QUESTION_LABEL = re.compile(r"^\s*(?:pregunta|question)\s*:\s*", re.IGNORECASE)
BACK_REFERENCE = re.compile(
    r"^\W*(?:y|e|pero|entonces|ahora|tambien|ademas|otra|otro|mejor|vale|ok|si|no|and|but|so|then|now|"
    r"also|another|what about|how about|or|instead|same|again)\b|"
    r"\b(?:eso|esto|lo mismo|el mismo|la misma|lo anterior|de antes|otra vez|de nuevo|hazlo|ponlo|"
    r"pasalo|cambialo|explicalo|mejoralo|acortalo|sigue|continua|"
    r"it|that|this|those|the same|again|instead|the previous|the above|continue|go on|shorter|longer|"
    r"mas corto|mas largo|mas detalle|more detail)\b"
)
MAX_FOLLOW_UP_WORDS = 7
"""A message with more content words of its own than this stands by itself."""
FOLLOW_UP_CHARS = 400
"""So much of a message is read to tell a follow-up."""
HISTORY_TURNS = 3
"""So many earlier questions are looked at."""


def user_questions(messages: Sequence[Message]) -> list[str]:
    """The last user messages as text, without retrieved passages, newest first; at most HISTORY_TURNS + 1."""
    questions: list[str] = []
    for message in reversed(messages):
        if message.get("role") == "user":
            text = PASSAGE_BLOCK.sub("", content_text(message.get("content"))).strip()
            questions.append(QUESTION_LABEL.sub("", text))
            if len(questions) > HISTORY_TURNS:
                break
    return questions


def has_passages(messages: Sequence[Message]) -> bool:
    """Whether retrieved passages came with the conversation."""
    return any("<passages>" in content_text(message.get("content")) for message in messages)


def total_chars(messages: Sequence[Message]) -> int:
    """Characters of the text of all messages."""
    return sum(len(content_text(message.get("content"))) for message in messages)


def is_follow_up(question: str) -> bool:
    """Whether a message needs what came before to be understood: it is short, and it points back.

    Thanks and greetings are none. Not learnt; the cases that it must get right are in
    `tests/pool/routing/test_choose.py`.
    """
    if courtesy(question):
        return False
    standing = self_standing(question)
    if standing > 1:
        return False
    all_words = folded_words(question[:FOLLOW_UP_CHARS])
    return len(_content_words(all_words)) <= 1 or bool(BACK_REFERENCE.search(" ".join(all_words)))


def self_standing(question: str) -> float:
    """How far a message stands by itself: its content words against MAX_FOLLOW_UP_WORDS; above 1 it does."""
    return len(_content_words(folded_words(question[:FOLLOW_UP_CHARS]))) / MAX_FOLLOW_UP_WORDS


def _content_words(all_words: Sequence[str]) -> list[str]:
    stop_words = QUESTION_STOP_WORDS["es"] | QUESTION_STOP_WORDS["en"]
    return [word for word in all_words if word not in stop_words]
