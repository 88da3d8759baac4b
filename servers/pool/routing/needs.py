"""What a request needs that not every model has: pictures seen, tools, an answer by a schema, room. Pure.

What a model can do stands in the catalogue (`abilities`), else its engine and arguments tell.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.catalog.kinds import Ability
from servers.pool.routing.conversation import Message, total_chars

CHARS_PER_TOKEN = 3.0
ANSWER_TOKENS = 512
"""A prompt is guessed at three characters a token, and room is left for an answer: rather too much."""
PART_TOKENS = 1_000
"""What a picture, a sound or a film counts as; an estimate, for each model cuts them its own way."""
PARTS: dict[str, Ability] = {
    "image_url": "images", "input_image": "images", "image": "images",
    "input_audio": "audio", "audio_url": "audio", "video_url": "video",
}  # fmt: skip
"""Content parts of OpenAI's wire and of vLLM's that are no text, and what they need."""
SHAPING = ("structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar")
"""vLLM's own fields for an answer of a given form."""


class Need(NamedTuple):
    """What a model must be able to do, and the request's field that asks for it."""

    ability: Ability
    field: str


class Needs(NamedTuple):
    """A model must be able to do all of `abilities`; without those in `optional` an answer is still right.
    `tokens`: an estimate of the prompt with its answer."""

    abilities: tuple[Need, ...] = ()
    optional: frozenset[Ability] = frozenset()
    tokens: float = 0.0


NOTHING = Needs()


def needed(messages: Sequence[Message], fields: Mapping[str, object]) -> Needs:
    """The needs of a chat request, by its messages and its other `fields`.

    Tools are optional where the model may choose to call none.
    """
    found = [Need(PARTS[kind], "messages") for kind in _parts(messages) if kind in PARTS]
    tokens = total_chars(messages) / CHARS_PER_TOKEN + PART_TOKENS * len(found)
    choice = fields.get("tool_choice")
    tools = fields.get("tools") if choice != "none" else None
    if tools:
        found.append(Need("tools", "tools"))
        tokens += len(json.dumps(tools, default=str)) / CHARS_PER_TOKEN
    elif any(message.get("tool_calls") or message.get("role") == "tool" for message in messages):
        found.append(Need("tools", "messages"))
    wanted = _object(fields.get("response_format")).get("type")
    if wanted not in (None, "text"):
        found.append(Need("schema", "response_format"))
    found += [Need("schema", name) for name in SHAPING if fields.get(name)]
    most = fields.get("max_completion_tokens") or fields.get("max_tokens")
    tokens += most if isinstance(most, int) else ANSWER_TOKENS
    optional: frozenset[Ability] = frozenset({"tools"} if choice in (None, "auto", "none") else ())
    return Needs(tuple(dict.fromkeys(found)), optional, tokens)


def lacking(spec: ModelSpec, needs: Needs, *, optional: bool = True) -> Need | None:
    """The first of `needs` that a model cannot meet, of the optional ones too unless told otherwise; None
    when it can meet them all."""
    asked = (need for need in needs.abilities if optional or need.ability not in needs.optional)
    return next((need for need in asked if need.ability not in abilities(spec)), None)


def abilities(spec: ModelSpec) -> frozenset[Ability]:
    """What a model can do: as the catalogue says, else what its backend can without being told."""
    if spec.abilities is not None:
        return spec.abilities
    match spec.backend:
        case "extractive":
            return frozenset()
        case "vllm":
            tools = spec.command or "--enable-auto-tool-choice" in spec.args
            return frozenset({"schema", "tools"} if tools else {"schema"})
        case _:
            return frozenset({"schema", "tools"})


def _parts(messages: Sequence[Message]) -> Iterator[str]:
    """The types of all content parts."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            yield from (str(_object(part).get("type")) for part in cast("list[object]", content))


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
