"""Rewrites a follow-up (`¿y en inglés?`, `why?`, `¿y la pool?`) as a question that stands alone, by rules.
Pure.

Spanish and English. What it stands for is what the question before stood for: a chain of follow-ups is read
from its beginning. The phrases themselves are `phrases`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agents.conversation.phrases import (
    ABOUT_THE_ANSWER,
    ANOTHER_LANGUAGE,
    ASKING_ALONE,
    ELLIPSIS,
    REASON,
    as_question,
    asks,
    contracted,
    filled,
    lacks_a_thing,
    object_of,
    replaced,
    topic_of,
)
from agents.conversation.state import Message, text_of
from tools.passages import with_wish
from tools.schema import Language
from tools.text.language import courtesy, detect
from tools.text.words import fold, terms

Kind = Literal["alone", "language", "reason", "asking", "ellipsis", "reference", "instruction"]
LONGEST_FOLLOW_UP = 6
"""A question with more content words of its own than this stands by itself."""
LONGEST_STATEMENT = 25
"""Words of an answer that `why?` is asked of; of a longer one only the topic is known."""


@dataclass(frozen=True)
class Rewritten:
    """`question` stands alone, `query` is what is searched for it; `language` is the one that was asked
    for."""

    question: str
    query: str
    kind: Kind = "alone"
    language: Language | None = None


def rewrite(question: str, conversation: Sequence[Message]) -> Rewritten:
    """The last question of a conversation, standing alone."""
    before: Rewritten | None = None
    said = ""
    if courtesy(question):
        return Rewritten(question, question)
    for message in conversation:
        if message.get("role") == "user":
            before = _stand_alone(text_of(message), before, said)
        elif message.get("role") == "assistant":
            said = text_of(message)
    return _stand_alone(question, before, said)


def _stand_alone(question: str, before: Rewritten | None, said: str) -> Rewritten:
    """`question` after one that stood for `before` and was answered with `said`."""
    asked = question.strip()
    if before is None or courtesy(asked):
        return before or Rewritten(asked, asked)
    folded = fold(asked).strip(" ¿?¡!.,")
    switched = ANOTHER_LANGUAGE.match(folded)
    if switched:
        return _in_language(before, "en" if switched["language"] in ("ingles", "english") else "es")
    if ABOUT_THE_ANSWER.match(folded):
        return Rewritten(f"{before.query} ({asked.strip(' ¿?')})", before.query, "instruction")
    reason = REASON.match(folded)
    if reason or ASKING_ALONE.match(folded):
        stated = _statement(said) if reason else ""
        return _same(as_question(asked, stated or topic_of(before.query)), "reason" if reason else "asking")
    return _completed(asked, before.query)


def _completed(asked: str, before: str) -> Rewritten:
    """A question in which something is left out, or stands for something said before."""
    content = terms(asked, detect(asked, default=detect(before, default="es")))
    if len(content) > LONGEST_FOLLOW_UP:
        return Rewritten(asked, asked)
    thing, left = object_of(before), ELLIPSIS.match(asked.strip(" ¿?¡!."))
    if left:
        rest = filled(left["rest"], thing) if thing else left["rest"]
        if rest != left["rest"] and asks(rest):
            return _same(f"{before[: before.find('¿') + 1]}{rest[:1].upper()}{rest[1:]}?", "ellipsis")
        return _same(replaced(before, rest), "ellipsis")
    whole = filled(asked, thing) if thing else asked
    if whole != asked:
        return _same(contracted(whole), "reference")
    if len(content) < 2 and thing and lacks_a_thing(asked):
        return _same(contracted(f"{asked.rstrip(' ?')} {thing}?"), "reference")
    return Rewritten(asked, asked)


def _in_language(before: Rewritten, language: Language) -> Rewritten:
    return Rewritten(with_wish(before.query, language), before.query, "language", language)


def _same(question: str, kind: Kind) -> Rewritten:
    return Rewritten(question, question, kind)


def _statement(said: str) -> str:
    """The first sentence of an answer, where it is short and says something."""
    first = re.split(r"(?<=[.!?])\s", re.sub(r"\s*\[\d+\]", "", said).strip())[0].strip(" .")
    refused = re.search(r"\bno (?:contienen|he encontrado)|\bdo not hold|\bfound nothing", fold(first))
    return "" if refused or not 3 <= len(first.split()) <= LONGEST_STATEMENT else first
