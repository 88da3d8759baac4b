"""What the data graph keeps beside the turn: the schema, the query at hand, its result or what went wrong."""

from typing import Literal

from typing_extensions import TypedDict

from agents.conversation.state import Turn
from tools.clients.bridge import Table
from tools.schema import JsonObject


class Query(TypedDict):
    """A query to the tables (SQL) or to the graph (nGQL)."""

    language: Literal["sql", "ngql"]
    text: str


class State(Turn):
    """`question` is the turn's as it stands alone, `query` None when there is none, `failure`
    is what the store said of it, `result` its rows."""

    question: str
    schema: list[Table]
    query: Query | None
    failure: str
    attempts: int
    result: JsonObject
