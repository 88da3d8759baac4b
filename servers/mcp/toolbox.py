"""What an MCP tool is here, and the bounds that all keep: strict arguments, small schemas, short pages.

Annotations say what is enforced: a tool that needs no more than `read` can not change anything.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from mcp.types import ContentBlock, ToolAnnotations
from mcp.types import Tool as ToolView
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from servers.mcp.clients import Clients
from tools.access.identity import Scope
from tools.errors import BadRequest
from tools.mcp.options import Toolset
from tools.schema import JsonObject

MAX_OFFSET = 100_000
"""How far a cursor leads; what lies behind is asked for with a narrower question."""
UNTOLD = ("title", "minLength", "maxLength", "maxItems", "pattern", "items", "additionalProperties")
Cursor = Annotated[str | None, Field(max_length=64)]


class Arguments(BaseModel):
    """The arguments of a tool; one that is unknown is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Call:
    """One call: what it may ask, whether its caller writes, and how it tells how far it is."""

    clients: Clients
    writes: bool
    progress: Callable[[str], Awaitable[None]]


Answer = BaseModel | list[ContentBlock]
"""Structured, as the tool's schema says, or content that has no structure, such as sound."""


@dataclass(frozen=True)
class Tool:
    """`run` takes `arguments`; its docstring is what a model reads. `writing` are the arguments for who may
    write, where they are others: the tool then changes something. `open_world`: it reaches other machines."""

    run: Callable[[Any, Call], Awaitable[Answer]]
    arguments: type[Arguments]
    title: str
    toolset: Toolset
    scope: Scope = "read"
    answers: type[BaseModel] | None = None
    writing: type[Arguments] | None = None
    open_world: bool = False

    @property
    def name(self) -> str:
        """What a model calls it by."""
        return self.run.__name__

    def changes(self, *, writes: bool) -> bool:
        """Whether a call may change something."""
        return self.scope != "read" or (writes and self.writing is not None)

    def view(self, *, writes: bool) -> ToolView:
        """What `tools/list` says of it."""
        return self._writing_view if writes and self.writing else self._view

    def read(self, given: JsonObject, *, writes: bool) -> Arguments:
        """The arguments of a call. Raises BadRequest, which names every one at fault."""
        model = self.writing if writes and self.writing else self.arguments
        try:
            return model.model_validate(given)
        except ValidationError as exc:
            raise BadRequest("; ".join(_fault(error, model) for error in exc.errors()[:5])) from exc

    @cached_property
    def _view(self) -> ToolView:
        return self._described(self.arguments, changes=self.scope != "read")

    @cached_property
    def _writing_view(self) -> ToolView:
        return self._described(self.writing or self.arguments, changes=True)

    def _described(self, arguments: type[Arguments], *, changes: bool) -> ToolView:
        hints = (
            ToolAnnotations(destructive_hint=self.scope != "read", open_world_hint=self.open_world)
            if changes
            else ToolAnnotations(read_only_hint=True, open_world_hint=self.open_world)
        )
        return ToolView(
            name=self.name,
            title=self.title,
            description=" ".join((self.run.__doc__ or "").split()),
            input_schema=input_schema(arguments),
            output_schema=output_schema(self.answers) if self.answers else None,
            annotations=hints,
        )


def input_schema(model: type[BaseModel]) -> JsonObject:
    """A model's schema in few words: without titles and without bounds that no model would come near, which
    hold all the same. Pure."""
    schema = model.model_json_schema()
    properties = {name: _short(one) for name, one in schema.get("properties", {}).items()}
    required = {"required": schema["required"]} if schema.get("required") else {}
    return {"type": "object", "properties": properties, **required, "additionalProperties": False}


def output_schema(model: type[BaseModel]) -> JsonObject:
    """The names and types of the fields that an answer always has, and of its cursor. Pure."""
    schema = model.model_json_schema()
    always = {*schema.get("required", ()), "next"}
    fields = {name: one for name, one in schema.get("properties", {}).items() if name in always}
    return {"type": "object", "properties": {name: _type(one) for name, one in fields.items()}}


def page(cursor: str | None) -> int:
    """Where a page begins. Pure. Raises BadRequest for a cursor that is none of ours."""
    if cursor is None:
        return 0
    try:
        offset = int(base64.urlsafe_b64decode(cursor.encode()).decode())
    except (ValueError, binascii.Error) as exc:
        raise BadRequest("this is no cursor of ours", param="cursor", source="mcp") from exc
    if not 0 <= offset <= MAX_OFFSET:
        raise BadRequest("the cursor leads too far: ask for less", param="cursor", source="mcp")
    return offset


def cursor_at(offset: int, *, more: bool) -> str | None:
    """The cursor of the page that begins at `offset`, if there is more. Pure."""
    return base64.urlsafe_b64encode(str(offset).encode()).decode() if more else None


def _short(schema: JsonObject) -> JsonObject:
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(kinds) == 1:
        schema = {**kinds[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    dropped = {*UNTOLD, *(["default"] if not schema.get("default") else [])}
    return {key: value for key, value in schema.items() if key not in dropped}


def _type(schema: JsonObject) -> JsonObject:
    kinds = [one for one in schema.get("anyOf", (schema,)) if one.get("type") != "null"]
    return {"type": kinds[0].get("type", "object")} if len(kinds) == 1 else {}


def _fault(error: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "arguments"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown argument; there are: {', '.join(model.model_fields)}"
    return f"{where}: {error['msg']}"
