"""What the data graph keeps beside the turn: the schema, the query at hand, its result or what went wrong."""

from typing import Any

from agents.conversation.state import Turn


class State(Turn):
    """`query` is `{language: sql|ngql, text}` or empty; `failure` is what the store said of it."""

    schema: list[dict[str, Any]]
    query: dict[str, str]
    failure: str
    attempts: int
    result: dict[str, Any]
