"""What a request needs that not every model can do: images, tools, an answer by a schema. Pure.

The length of the text is `policy.py`'s. What a model can do stands in the catalogue (`abilities`), else its
engine and arguments tell.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from servers.pool.catalog.catalog import ModelSpec
from servers.pool.routing.conversation import Message

Need: TypeAlias = Literal["images", "tools", "schema"]
IMAGE_PARTS = frozenset({"image_url", "input_image", "image"})


def needed(messages: Sequence[Message], fields: Mapping[str, object]) -> tuple[Need, ...]:
    """The needs of a chat request, by its messages and its other `fields` (`tools`, `response_format`)."""
    found: list[Need] = []
    if any(_has_image(message.get("content")) for message in messages):
        found.append("images")
    if fields.get("tools") and fields.get("tool_choice") != "none":
        found.append("tools")
    wanted = fields.get("response_format")
    kind: object = wanted.get("type") if isinstance(wanted, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    if kind in ("json_schema", "json_object"):
        found.append("schema")
    return tuple(found)


def lacking(spec: ModelSpec, needs: Sequence[Need]) -> Need | None:
    """The first of `needs` that a model cannot meet; None when it can meet them all."""
    return next((need for need in needs if need not in abilities(spec)), None)


def abilities(spec: ModelSpec) -> frozenset[str]:
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


def _has_image(content: object) -> bool:
    if not isinstance(content, list):
        return False
    parts: list[object] = content  # pyright: ignore[reportUnknownVariableType]
    return any(isinstance(part, Mapping) and part.get("type") in IMAGE_PARTS for part in parts)  # pyright: ignore[reportUnknownMemberType]
