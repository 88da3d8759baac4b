"""The registry of tools that an agent may be given, and what each may touch.

A tool is a plain typed function; `bind` gives it the clients it names and a schema that a model can read.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from tools.errors import BadRequest
from tools.graph import query_graph
from tools.schema import JsonObject
from tools.search import search_knowledge
from tools.speak import speak
from tools.sql import query_sql

Effect = Literal["none", "write", "outward"]


@dataclass(frozen=True)
class Tool:
    """`private` reads what is only the owner's, `untrusted` returns text that others wrote.

    `effect`: `write` changes something here, `outward` sends something elsewhere; unless it `asks` for
    nobody's yes, a person confirms it first.
    """

    function: Callable[..., Awaitable[Any]]
    private: bool = False
    untrusted: bool = False
    effect: Effect = "none"
    asks: bool = True

    @property
    def name(self) -> str:
        """Its function's name."""
        return self.function.__name__


@dataclass(frozen=True)
class BoundTool:
    """A tool with its clients: what a model is told of it, and `call`."""

    tool: Tool
    clients: Mapping[str, object]
    arguments: type[BaseModel]

    @property
    def name(self) -> str:
        """What a model calls it by."""
        return self.tool.name

    @property
    def schema(self) -> JsonObject:
        """OpenAI's shape of a function tool; the docstring is its description."""
        about = inspect.cleandoc(self.tool.function.__doc__ or "")
        parameters = self.arguments.model_json_schema()
        return {
            "type": "function",
            "function": {"name": self.name, "description": about, "parameters": parameters},
        }

    async def call(self, arguments: JsonObject) -> Any:
        """The tool's answer as JSON. Raises `BadRequest` naming the argument at fault."""
        try:
            given = self.arguments.model_validate(arguments)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadRequest(f"{self.name}: {where}: {first['msg']}", param=where, source="agent") from exc
        values = {name: getattr(given, name) for name in self.arguments.model_fields}
        answer = await self.tool.function(**values, **self.clients)
        return TypeAdapter(Any).dump_python(answer, mode="json")


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(search_knowledge, untrusted=True),
        Tool(query_graph, untrusted=True),
        Tool(query_sql, private=True, untrusted=True),
        Tool(speak),
    )
}


def bind(clients: Mapping[str, object], tools: Mapping[str, Tool] | None = None) -> dict[str, BoundTool]:
    """Every tool whose clients are all in `clients`, by name; `tools` stands in for the registry's."""
    bound = (_bind(tool, clients) for tool in (TOOLS if tools is None else tools).values())
    return {one.name: one for one in bound if one is not None}


def _bind(tool: Tool, clients: Mapping[str, object]) -> BoundTool | None:
    """Keyword-only parameters without a default are clients; the others are the model's to fill in."""
    parameters = inspect.signature(tool.function, eval_str=True).parameters.values()
    needs = {one.name for one in parameters if _is_client(one)}
    if not needs <= clients.keys():
        return None
    fields: dict[str, Any] = {
        one.name: (one.annotation, ... if one.default is one.empty else one.default)
        for one in parameters
        if one.name not in needs
    }
    strict = ConfigDict(extra="forbid", allow_inf_nan=False)
    model = create_model(tool.name, __config__=strict, **fields)
    return BoundTool(tool, {name: clients[name] for name in needs}, model)


def _is_client(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
