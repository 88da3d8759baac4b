"""What every agent's state holds: the conversation and the turn at hand. Agents add fields of their own.

Values are plain JSON, so that a checkpoint can be read without building objects.
"""

import operator
from typing import Annotated, Any

from typing_extensions import TypedDict

from tools.schema import Citation, Language

Message = dict[str, Any]
Update = dict[str, Any]


def merge(old: dict[str, float], new: dict[str, float] | None) -> dict[str, float]:
    """Stages of one turn gather; None starts a new turn."""
    return {} if new is None else {**old, **new}


class Turn(TypedDict):
    """`messages` is the conversation so far in OpenAI's shape; everything else belongs to the turn at hand.

    What is `asked` joins the conversation together with its answer, so a turn that fails leaves no trace.
    `scratch` holds the turn's tool calls and answers, `calls` those to make next, `touched` the tools used.
    """

    messages: Annotated[list[Message], operator.add]
    asked: list[Message]
    instructions: str
    language: Language
    route: dict[str, Any]
    sources: list[dict[str, Any]]
    cited: list[dict[str, Any]]
    degraded: list[str]
    answer: str
    model: str
    usage: dict[str, int]
    scratch: list[Message]
    calls: list[dict[str, Any]]
    step: int
    touched: list[str]
    timings: Annotated[dict[str, float], merge]


def fresh(messages: list[Message], *, instructions: str = "") -> dict[str, Any]:
    """The input of one turn: new messages of the conversation, the last one being the question."""
    return {
        "asked": messages,
        "instructions": instructions,
        "route": {},
        "sources": [],
        "cited": [],
        "degraded": [],
        "answer": "",
        "model": "",
        "usage": {},
        "scratch": [],
        "calls": [],
        "step": 0,
        "touched": [],
        "timings": None,
    }


def question_of(turn: Turn) -> str:
    """What the turn asks."""
    return text_of(turn["asked"][-1])


def before(turn: Turn) -> list[Message]:
    """The conversation that the question continues."""
    return [*turn["messages"], *turn["asked"][:-1]]


def sources_of(turn: Turn) -> list[Citation]:
    """The passages that the turn may cite."""
    return [Citation.model_validate(source) for source in turn["sources"]]


def closing(turn: Turn, answer: str) -> list[Message]:
    """What the turn adds to the conversation."""
    return [*turn["asked"], {"role": "assistant", "content": answer}]


def text_of(message: Message) -> str:
    """The text of an OpenAI message; parts that are not text are left out."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")
    return content or ""
