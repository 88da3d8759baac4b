"""Long-term memory of a person: facts asked to be remembered, kept between threads, apart from others'.

Also how a question asks to remember or to recall; the store itself is `persistence`'s.
"""

import re
from dataclasses import dataclass
from uuid import uuid4

from langgraph.store.base import BaseStore

from agents.conversation.ownership import facts_namespace
from tools.access.identity import Principal
from tools.text.language import detect
from tools.text.words import terms

MOST_FACTS = 500
_REMEMBER = re.compile(
    r"^\W*(?:por favor,?\s+|please,?\s+)?(?:recuerda|recuérdame|apunta|anota|remember|note)"
    r"(?:\s+(?:que|that)\b|\s*:)\s*(.{3,2000})$",
    re.IGNORECASE | re.DOTALL,
)
_RECALL = re.compile(
    r"\b(?:qué|que)\s+(?:te\s+)?(?:he dicho|dije|he contado|conté|recuerdas|sabes de mí)\b|"
    r"\bwhat\s+(?:did|have)\s+i\s+(?:say|said|tell|told|mention)|\bwhat do you (?:remember|know) about me\b",
    re.IGNORECASE,
)
_FRAME = re.compile(rf"(?:{_RECALL.pattern})|\b(?:sobre|acerca de|de mí|about|you)\b|[¿?]", re.IGNORECASE)


def to_remember(question: str) -> str | None:
    """What the user asks to be remembered (`recuerda que…`), or None."""
    found = _REMEMBER.match(question.strip())
    return found[1].strip() if found else None


def asks_to_recall(question: str) -> bool:
    """Whether the question is about what the user said before (`¿qué he dicho sobre…?`)."""
    return bool(_RECALL.search(question))


def recall_query(question: str) -> str:
    """What the user wants recalled, without the words that ask for it."""
    return " ".join(_FRAME.sub(" ", question).split())


@dataclass(frozen=True)
class UserMemory:
    """The facts of one person in the store; `about` parts them, for programs that ask for several people.

    `about` is what such a program says: it never leads to what another person owns."""

    store: BaseStore
    owner: Principal
    about: str | None = None

    @property
    def namespace(self) -> tuple[str, ...]:
        """Where the store keeps them."""
        return facts_namespace(self.owner, self.about)

    async def remember(self, text: str) -> None:
        """Store one fact; it is there for the user's next thread."""
        await self.store.aput(self.namespace, uuid4().hex, {"text": text}, index=False)

    async def recall(self, query: str, *, most: int) -> list[str]:
        """The facts that share most words with `query`; the newest when it names nothing."""
        items = await self.store.asearch(self.namespace, limit=MOST_FACTS)
        texts = [item.value["text"] for item in sorted(items, key=lambda item: item.updated_at, reverse=True)]
        return closest(query, texts, most=most)


def closest(query: str, texts: list[str], *, most: int) -> list[str]:
    """Texts by the share of the query's words they hold; those that hold none are left out."""
    wanted = set(terms(query, detect(query)))
    if not wanted:
        return texts[:most]
    scored = [(len(wanted & set(terms(text, detect(query)))), text) for text in texts]
    return [text for score, text in sorted(scored, key=lambda one: -one[0]) if score][:most]
