"""OpenAI's chat completion request as an agent takes it; an invalid one is refused here, by field."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from agents.answering.json_schema import read_shape
from agents.context import RunConfig
from agents.registry import AGENTS
from servers.api.http.dependencies import StorableObject, ThreadId
from servers.api.http.openai.fields import OpenAIObject, Refusal
from servers.api.http.openai.messages import Asked, ChatMessage, ToolName, instructions_of, read_conversation
from servers.api.http.openai_requests import MAX_MESSAGES, Metadata, Text
from tools.errors import BadRequest
from tools.schema import JsonObject
from tools.settings import Limits

MOST_TOOLS = 128
MOST_BIASED = 1_024
ENGINE = "an agent's words are edited after the model; ask one of the pool's models by its name"
NO_EFFECT = frozenset(
    {
        *("user", "safety_identifier", "service_tier", "prediction", "verbosity", "store"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
"""What only moves costs and places at OpenAI, or hints: an answer here is the same without it."""


class OpenMetadata(Metadata):
    """Metadata whose other fields are kept, to be named."""

    model_config = ConfigDict(extra="allow")


class StreamOptions(OpenAIObject):
    """`include_usage` asks for a last chunk with the tokens used."""

    include_usage: bool = False


class FunctionTool(OpenAIObject):
    """A function that the caller offers; `strict` is for the engine to heed."""

    name: ToolName
    description: Text | None = None
    parameters: StorableObject | None = None
    strict: bool | None = None


class ChatTool(OpenAIObject):
    """A tool that the caller offers. OpenAI's own kinds are refused."""

    type: Literal["function"]
    function: FunctionTool


class NamedFunction(OpenAIObject):
    """The function that must be called."""

    name: ToolName


class NamedTool(OpenAIObject):
    """The tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class Sampling(OpenAIObject):
    """What goes to the model as it is; what is `None` is left to it."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=131_072)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: Annotated[dict[str, float], Field(max_length=MOST_BIASED)] | None = None
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: Annotated[str, Field(max_length=256)] | list[Annotated[str, Field(max_length=256)]] | None = Field(
        default=None, max_length=256
    )


class ChatRequest(Sampling):
    """`POST /v1/chat/completions` for an agent."""

    without_effect = NO_EFFECT
    refused: ClassVar = {
        "audio": Refusal("agents answer with text; POST /v1/audio/speech speaks it"),
        "modalities": Refusal("agents answer with text", (["text"], [])),
        "functions": Refusal("give them as tools", ([],)),
        "function_call": Refusal("say it with tool_choice", ("auto", "none")),
        "logprobs": Refusal(ENGINE, (False,)),
        "top_logprobs": Refusal(ENGINE, (0,)),
        "moderation": Refusal("nothing here moderates"),
        "web_search_options": Refusal("agents search the documents that were ingested, not the web"),
    }

    model: Annotated[str, Field(min_length=1, max_length=256)] = "capibara6"
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool = False
    stream_options: StreamOptions | None = None
    metadata: OpenMetadata | None = None
    thread_id: ThreadId | None = None
    conversation: ThreadId | None = None
    n: int = Field(default=1, ge=1, le=1)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=131_072)
    reasoning_effort: Annotated[str, Field(max_length=32)] | None = None
    tools: list[ChatTool] | None = Field(default=None, max_length=MOST_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: StorableObject | None = None

    @property
    def ignored(self) -> list[str]:
        """The fields that were given and have no effect."""
        unread = (self.metadata.model_extra or {}) if self.metadata else {}
        return [*super().ignored, *(f"metadata.{name}" for name in unread)]

    @property
    def thread(self) -> str | None:
        """The thread's id, in whichever of the three fields the client put it."""
        return self.thread_id or self.conversation or (self.metadata and self.metadata.thread_id) or None

    @property
    def instructions(self) -> str:
        """What goes to the model beside the agent's own prompt."""
        return instructions_of(self.messages)

    def asked(self, limits: Limits) -> Asked:
        """The conversation; with a thread only what is new in it. Raises what `read_conversation` raises."""
        return read_conversation(self.messages, limits, threaded=self.thread is not None)

    def wishes(self, agent: str) -> RunConfig:
        """The caller's choices for a run of `agent`. Raises BadRequest for a schema or a choice of tool that
        is none."""
        return (self.metadata or Metadata()).wishes(
            options_of(self, {*Sampling.model_fields, "max_completion_tokens", "reasoning_effort"}),
            calling=self._calling(agent),
            response_format=checked_format(self.response_format, agent),
        )

    def _calling(self, agent: str) -> JsonObject:
        calling = self.model_dump(
            include={"tools", "tool_choice", "parallel_tool_calls"}, exclude_none=True, mode="json"
        )
        return check_tools(calling, agent)


def options_of(request: OpenAIObject, names: set[str]) -> JsonObject:
    """The fields of these names that were given, for the model."""
    return request.model_dump(include=names, exclude_none=True)


def checked_format(response_format: JsonObject | None, agent: str) -> JsonObject | None:
    """OpenAI's `response_format`; None for plain text. Raises BadRequest."""
    if read_shape(response_format) is None:
        return None
    if not AGENTS[agent].for_programs:
        raise _only_some("response_format", agent, "writes its report as text")
    return response_format


def check_tools(calling: JsonObject, agent: str) -> JsonObject:
    """`calling` as it was given; empty without tools. Raises BadRequest."""
    names = [tool["function"]["name"] for tool in calling.get("tools") or ()]
    choice: Any = calling.get("tool_choice")
    if len(set(names)) < len(names):
        raise BadRequest("two tools have the same name", param="tools", source="api", code="invalid_value")
    wanted = choice["function"]["name"] if isinstance(choice, dict) else None
    if (wanted is not None and wanted not in names) or (choice == "required" and not names):
        raise BadRequest(
            "tool_choice names no tool of tools", param="tool_choice", source="api", code="invalid_value"
        )
    if not names:
        return {}
    if not AGENTS[agent].for_programs:
        raise _only_some("tools", agent, "calls only tools of the platform")
    return calling


def _only_some(param: str, agent: str, why: str) -> BadRequest:
    able = ", ".join(name for name, one in AGENTS.items() if one.for_programs)
    return BadRequest(
        f"{param}: {agent} {why}; ask {able}, or a model of the pool by its name",
        param=param,
        source="api",
        code="unsupported_parameter",
    )
