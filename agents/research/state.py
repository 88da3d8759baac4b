"""What the research graph keeps beside the turn: the plan, what was found and drafted for each question."""

from typing import Annotated

from agents.conversation.state import Turn
from tools.schema import JsonObject

Found = dict[str, list[JsonObject]]
Drafts = dict[str, str]


def gather(old: JsonObject, new: JsonObject | None) -> JsonObject:
    """Reducer: parallel branches add their question; None starts a new turn."""
    return {} if new is None else {**old, **new}


class State(Turn):
    """`question` is the turn's as it stands alone, `translated` whether its answer is wanted in another
    language than its own; `found` and `drafts` are by question, `weak` the questions to look into again."""

    question: str
    translated: bool
    plan: list[str]
    weak: list[str]
    rounds: int
    found: Annotated[Found, gather]
    drafts: Annotated[Drafts, gather]
    spent: Annotated[dict[str, int], gather]
