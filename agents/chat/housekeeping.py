"""Housekeeping prompts of chat pages (title, tags, follow-ups, search queries, completion): recognised and
answered by rule, never searched. Pure.

They are those that Open WebUI, LibreChat and n8n send as if a person had written them.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agents.conversation.phrases import object_of
from agents.conversation.rewriting import rewrite
from agents.conversation.state import Message, text_of
from tools.schema import Language
from tools.text.language import courtesy, detect
from tools.text.stopwords import QUESTION_STOP_WORDS
from tools.text.words import fold, words

Kind = Literal["title", "tags", "follow_ups", "queries", "text"]
MOST_TITLE_WORDS = 5
MOST_TAGS = 3
_KINDS: dict[Kind, re.Pattern[str]] = {
    "title": re.compile(
        r"### Task:\s+Generate a concise,? .{0,20}title\b|\bProvide a concise, 5-word-or-less title for the "
        r"conversation\b|"
        r"\bAnalyze this conversation and provide:.{0,120}\bconcise title\b|"
        r"\bgenerate a concise(?:, descriptive)? title .{0,60}\b(?:conversation|chat)\b",
        re.IGNORECASE | re.DOTALL,
    ),
    "tags": re.compile(r"### Task:\s+Generate 1-3 broad tags\b", re.IGNORECASE),
    "follow_ups": re.compile(r"### Task:\s+Suggest 3-5 relevant follow-up questions\b", re.IGNORECASE),
    "queries": re.compile(
        r"### Task:\s+Analyze the chat history to determine the necessity of generating search queries\b",
        re.IGNORECASE,
    ),
    "text": re.compile(r"### Task:\s+You are an autocompletion system\b", re.IGNORECASE),
}
_HISTORY = re.compile(r"<chat_history>\s*(.*?)\s*</chat_history>|(?:^|\n)Conversation:\s*\n(.*)$", re.DOTALL)
_TURN = re.compile(r"^(USER|ASSISTANT|User|AI|Human|Assistant):\s*", re.MULTILINE)
_LANGUAGES: dict[Language, str] = {"es": "Spanish", "en": "English"}
_NEXT: dict[Language, tuple[str, ...]] = {
    "es": (
        "¿Qué más dicen los documentos sobre {0}?",
        "¿Por qué es importante {0}?",
        "¿Puedes resumirlo en una frase?",
    ),
    "en": (
        "What else do the documents say about {0}?",
        "Why does {0} matter?",
        "Can you sum it up in one sentence?",
    ),
}
_UNTITLED: dict[Language, str] = {"es": "Conversación nueva", "en": "New Conversation"}


@dataclass(frozen=True)
class Housekeeping:
    """What a chat page wants of a conversation (`talk`), and its own words (`prompt`)."""

    kind: Kind
    prompt: str
    talk: tuple[Message, ...]

    @property
    def asked(self) -> list[str]:
        """What the person asked, oldest first; courtesy is no question."""
        texts = [text_of(message).strip() for message in self.talk if message["role"] == "user"]
        return [text for text in texts if text and not courtesy(text)]

    @property
    def language(self) -> Language:
        """The conversation's."""
        return detect(" ".join(self.asked), default="es")


def recognise(
    question: str, instructions: str = "", conversation: Sequence[Message] = ()
) -> Housekeeping | None:
    """The housekeeping that a message, or the system prompt above it, asks for; None for a person's own
    words."""
    for text, rest in ((question, ()), (instructions, ({"role": "user", "content": question},))):
        kind: Kind | None = next((one for one, pattern in _KINDS.items() if pattern.search(text)), None)
        if kind is not None:
            written = _history(text)
            return Housekeeping(kind, text, tuple(written or [*conversation, *rest]))
    return None


def reply(task: Housekeeping) -> str:
    """The answer in the shape that was asked for."""
    match task.kind:
        case "title":
            return _title_reply(task)
        case "tags":
            return _json(tags=_tags(task) or ["General"])
        case "follow_ups":
            return _json(follow_ups=_follow_ups(task))
        case "queries":
            return _json(
                queries=[rewrite(text_of(task.talk[-1]), task.talk[:-1]).query] if task.asked else []
            )
        case "text":
            return _json(text="")


def _title_reply(task: Housekeeping) -> str:
    title = _title(task)
    if "detected language" in task.prompt:
        return _json(language=_LANGUAGES[task.language], title=title)
    titled = f"💬 {title}" if "emoji" in task.prompt else title
    return _json(title=titled) if re.search(r"\{\s*\"title\"", task.prompt) else titled


def _title(task: Housekeeping) -> str:
    """The words that the first question is about."""
    stop = QUESTION_STOP_WORDS[task.language]
    about = [word for word in words(task.asked[0] if task.asked else "") if fold(word) not in stop]
    text = " ".join(about[:MOST_TITLE_WORDS])
    return f"{text[:1].upper()}{text[1:]}" if text else _UNTITLED[task.language]


def _tags(task: Housekeeping) -> list[str]:
    """The words that the questions use most, names first where they are even."""
    stop = QUESTION_STOP_WORDS[task.language]
    used = [
        word for text in task.asked for word in words(text) if fold(word) not in stop and not word.isdigit()
    ]
    spelled = {fold(word): word for word in reversed(used)}
    counted = Counter(fold(word) for word in used).most_common()
    ranked = sorted(counted, key=lambda one: (-one[1], not spelled[one[0]][:1].isupper()))
    return [f"{spelled[word][:1].upper()}{spelled[word][1:]}" for word, _ in ranked[:MOST_TAGS]]


def _follow_ups(task: Housekeeping) -> list[str]:
    about = object_of(rewrite(task.asked[-1], task.talk[:-1]).query) if task.asked else ""
    every = _NEXT[task.language]
    return [text.format(about) for text in every] if about else [every[-1]]


def _history(prompt: str) -> list[Message]:
    """The conversation as the page wrote it into its prompt."""
    found = _HISTORY.search(prompt)
    if not found:
        return []
    parts = _TURN.split(found[1] or found[2] or "")
    turns = zip(parts[1::2], parts[2::2], strict=True)
    return [
        {"role": "user" if who.lower() in ("user", "human") else "assistant", "content": said.strip()}
        for who, said in turns
    ]


def _json(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)
