"""OpenAI's request for a response, as agents and the pool's models take it; refused here, by field."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from agents.context import RunConfig
from servers.api.http.dependencies import StorableObject, ThreadId
from servers.api.http.openai.chat_request import MOST_TOOLS, OpenMetadata, check_tools, checked_format
from servers.api.http.openai.fields import OpenAIObject, Refusal
from servers.api.http.openai.messages import ToolName
from servers.api.http.openai.response_items import Input, InputItem, Named, items_of
from servers.api.http.openai_requests import Metadata, Text
from tools.errors import BadRequest
from tools.schema import JsonObject

UNKNOWN = "no part of this platform"
LOGPROBS = "message.output_text.logprobs"


class ResponseTool(OpenAIObject):
    """A function that the caller offers. OpenAI's own tools are refused."""

    type: Literal["function"]
    name: ToolName
    description: Text | None = None
    parameters: StorableObject | None = None
    strict: bool | None = None

    def for_chat(self) -> JsonObject:
        """As chat completions have it."""
        function = self.model_dump(exclude_none=True, exclude={"type"}, mode="json")
        return {"type": "function", "function": function}


class ChosenTool(OpenAIObject):
    """The tool that must be called."""

    type: Literal["function"]
    name: ToolName


class Reasoning(OpenAIObject):
    """How much a model is to think."""

    without_effect = frozenset({"summary", "generate_summary"})

    effort: Annotated[str, Field(max_length=32)] | None = None
    summary: Text | None = None
    generate_summary: Text | None = None


class TextOptions(OpenAIObject):
    """The shape of the answer."""

    without_effect = frozenset({"verbosity"})

    format: StorableObject | None = None
    verbosity: Text | None = None


class ResponseRequest(OpenAIObject):
    """`POST /v1/responses`."""

    without_effect = frozenset(
        {
            *("user", "safety_identifier", "service_tier", "max_tool_calls", "include", "truncation"),
            *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "stream_options"),
        }
    )
    refused: ClassVar = {
        "background": Refusal(
            "responses are answered at once; a run of a thread goes on by itself", (False,)
        ),
        "background_options": Refusal(UNKNOWN),
        "prompt": Refusal("there are no stored prompts here"),
        "top_logprobs": Refusal("an answer is edited after the model", (0,)),
        "context_management": Refusal(UNKNOWN),
        "access_programs": Refusal(UNKNOWN),
        "moderation": Refusal("nothing here moderates"),
        "image": Refusal("answers are text"),
    }

    model: Annotated[str, Field(min_length=1, max_length=256)] = "capibara6"
    input: Input
    instructions: Text | None = None
    previous_response_id: Annotated[str, Field(max_length=128)] | None = None
    conversation: ThreadId | Named | None = None
    store: bool = True
    stream: bool = False
    metadata: OpenMetadata | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_output_tokens: int | None = Field(default=None, ge=1, le=131_072)
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    tools: list[ResponseTool] = Field(default=[], max_length=MOST_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    user: Text | None = None
    safety_identifier: Text | None = None
    service_tier: Text | None = None
    max_tool_calls: int | None = None
    include: list[Text] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    prompt_cache_key: Text | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Text | None = None
    stream_options: Any = None

    @model_validator(mode="after")
    def _one_past(self) -> "ResponseRequest":
        if self.conversation is not None and self.previous_response_id is not None:
            raise ValueError("give either conversation or previous_response_id")
        if LOGPROBS in (self.include or ()):
            raise ValueError(f"include: {LOGPROBS}: an answer is edited after the model")
        return self

    @property
    def items(self) -> list[InputItem]:
        """The input as items."""
        return list(items_of(self.input))

    @property
    def thread(self) -> str | None:
        """The thread that the answer belongs to."""
        return self.conversation.id if isinstance(self.conversation, Named) else self.conversation

    def wishes(self, agent: str | None) -> RunConfig:
        """The caller's choices; what `agent` does not take is refused for it. Raises BadRequest."""
        calling, wanted = self._calling(), self._format()
        if agent is not None:
            calling, wanted = check_tools(calling, agent), checked_format(wanted, agent)
        options: JsonObject = {"temperature": self.temperature, "top_p": self.top_p}
        options["max_tokens"] = self.max_output_tokens
        options["reasoning_effort"] = self.reasoning and self.reasoning.effort
        given = {name: value for name, value in options.items() if value is not None}
        return (self.metadata or Metadata()).wishes(given, calling=calling, response_format=wanted)

    def _calling(self) -> JsonObject:
        if not self.tools:
            return {}
        choice: Any = self.tool_choice
        if isinstance(choice, ChosenTool):
            choice = {"type": "function", "function": {"name": choice.name}}
        calling = {"tool_choice": choice, "parallel_tool_calls": self.parallel_tool_calls}
        given = {name: value for name, value in calling.items() if value is not None}
        return {"tools": [tool.for_chat() for tool in self.tools], **given}

    def _format(self) -> JsonObject | None:
        """`text.format` as chat completions have it."""
        wanted = self.text.format if self.text else None
        if wanted is None or wanted.get("type") != "json_schema":
            return wanted
        schema = {name: value for name, value in wanted.items() if name != "type"}
        return {"type": "json_schema", "json_schema": schema}

    def shown(self) -> JsonObject:
        """What a response repeats of its request."""
        return {
            "model": self.model,
            "instructions": self.instructions,
            "previous_response_id": self.previous_response_id,
            "conversation": {"id": self.thread} if self.thread else None,
            "store": self.store,
            "metadata": self.metadata.model_dump(exclude_unset=True, mode="json") if self.metadata else {},
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_output_tokens": self.max_output_tokens,
            "reasoning": {"effort": self.reasoning.effort if self.reasoning else None, "summary": None},
            "text": {"format": (self.text.format if self.text else None) or {"type": "text"}},
            "tools": [tool.model_dump(exclude_unset=True, mode="json") for tool in self.tools],
            "tool_choice": self.model_dump(mode="json")["tool_choice"] or "auto",
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "truncation": "disabled",
        }


def unsupported(param: str, why: str) -> BadRequest:
    """A field, or what it asks for, that is not to be had here."""
    return BadRequest(f"{param}: {why}", param=param, source="api", code="unsupported_parameter")
