"""The state that every agent's graph begins with: the conversation and the turn at hand. Agents add fields.

Values are plain JSON, so that a checkpoint can be read without building objects.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from typing_extensions import TypedDict

from tools.schema import Citation, JsonObject, Language
from tools.text.content import content_text

Message: TypeAlias = JsonObject
"""A chat message in OpenAI's shape; `id` names it for those who keep a copy of the conversation."""
Update: TypeAlias = JsonObject
"""What a node returns: fields of the state with their new values."""


def merge(old: dict[str, float], new: dict[str, float] | None) -> dict[str, float]:
    """Reducer of `timings`: stages of one turn gather; None starts a new turn."""
    return {} if new is None else {**old, **new}


def join(old: list[Message], new: list[Message]) -> list[Message]:
    """Reducer of `messages`: one whose id is known takes the place of the one before, others come after."""
    joined, places = list(old), {one["id"]: at for at, one in enumerate(old) if one.get("id")}
    for message in new:
        at = places.get(message.get("id") or "")
        if at is None:
            joined.append(message)
        else:
            joined[at] = message
    return joined


class Turn(TypedDict):
    """`messages` is the conversation so far in OpenAI's shape; everything else belongs to the turn at hand.

    What is `asked` joins the conversation together with its answer, so a turn that fails leaves no trace.
    `scratch` holds the turn's tool calls and answers, `calls` those to make next (`ToolCall`s), `touched` the
    tools used, `handed` the calls that the caller is to make (OpenAI's `tool_calls`). `answerable` is an
    `Answerability`, {} where nothing was searched. `route` is a `Route`,
    `sources` and `cited` are `Citation`s; `timings` are milliseconds. `previous` is the model that answered
    the turn before; `sentences` are `SupportedSentence`s, `accepted` those that a model found to follow from
    a passage; `notes`, `finish` and `reasoning` are `Answer`'s.
    """

    messages: Annotated[list[Message], join]
    asked: list[Message]
    instructions: str
    answerable: JsonObject
    language: Language
    route: JsonObject
    sources: list[JsonObject]
    cited: list[JsonObject]
    degraded: list[str]
    answer: str
    model: str
    usage: dict[str, int]
    scratch: list[Message]
    calls: list[JsonObject]
    step: int
    touched: list[str]
    handed: list[JsonObject]
    previous: str
    sentences: list[JsonObject]
    accepted: list[str]
    notes: list[str]
    finish: Literal["stop", "length", "tool_calls"]
    reasoning: str
    timings: Annotated[dict[str, float], merge]


def new_turn(
    messages: list[Message],
    *,
    instructions: str = "",
    scratch: Sequence[Message] = (),
    touched: Sequence[str] = (),
) -> Update:
    """The graph's input for one turn: new messages of the conversation, the last one being the question;
    after it, in `scratch`, the calls that the caller has made for it and what they gave."""
    return {
        "asked": messages,
        "instructions": instructions,
        "answerable": {},
        "route": {},
        "sources": [],
        "cited": [],
        "degraded": [],
        "answer": "",
        "model": "",
        "usage": {},
        "scratch": list(scratch),
        "calls": [],
        "step": 0,
        "touched": list(touched),
        "handed": [],
        "sentences": [],
        "accepted": [],
        "notes": [],
        "finish": "stop",
        "reasoning": "",
        "timings": None,
    }


def question_of(turn: Turn) -> str:
    """What the turn asks."""
    return text_of(turn["asked"][-1])


def earlier_messages(turn: Turn) -> list[Message]:
    """The conversation that the question continues."""
    return [*turn["messages"], *turn["asked"][:-1]]


def sources_of(turn: Turn) -> list[Citation]:
    """The passages that the turn may cite."""
    return [Citation.model_validate(source) for source in turn["sources"]]


def closing_messages(turn: Turn, answer: str, *, run_id: str) -> list[Message]:
    """What the turn adds to the conversation: what was asked, and the answer."""
    return [*turn["asked"], {"role": "assistant", "content": answer, "id": answer_id(run_id)}]


def answer_id(run_id: str) -> str:
    """The id of the message that a run answers with, known while it is written."""
    return f"run-{run_id}"


def wire(messages: Sequence[Message]) -> list[Message]:
    """Messages as models take them: a model is told no ids."""
    return [{name: value for name, value in message.items() if name != "id"} for message in messages]


def text_of(message: Message) -> str:
    """The text of an OpenAI message; parts that are not text are left out."""
    return content_text(message.get("content"))
