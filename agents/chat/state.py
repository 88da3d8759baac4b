"""What the chat graph keeps beside the turn: what kind of message came, and what became of older ones."""

from typing import Literal

from agents.conversation.state import Turn


class State(Turn):
    """`summary` stands for the first `summarized` messages; `ratio` is the model's characters per token.

    These three last from turn to turn.
    """

    intent: Literal["talk", "question", "remember", "recall"]
    query: str
    summary: str
    summarized: int
    ratio: float
