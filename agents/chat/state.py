"""What the chat graph keeps beside the turn: what kind of message came, and what became of older ones."""

from typing import Literal

from agents.conversation.state import Turn


class State(Turn):
    """`question` stands alone, `query` is what is searched for it. `summary` stands for the first
    `summarized` messages; `ratio` is the model's characters per token.

    The last three last from turn to turn.
    """

    intent: Literal["talk", "question", "remember", "recall", "housekeeping"]
    query: str
    question: str
    summary: str
    summarized: int
    ratio: float
