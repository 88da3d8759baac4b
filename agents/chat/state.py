"""What the chat graph keeps beside the turn: what kind of message came and the query that stands for it."""

from typing import Literal

from agents.turn import Turn


class State(Turn):
    intent: Literal["talk", "question"]
    query: str
