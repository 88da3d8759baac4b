"""How a graph is driven, in LangGraph's words: where it stops, from where it goes on, what is told of it."""

from dataclasses import dataclass, field
from typing import Literal

from langchain_core.runnables import RunnableConfig
from pydantic import TypeAdapter

from tools.schema import JsonObject

StreamMode = Literal[
    "values",
    "updates",
    "messages",
    "messages-tuple",
    "custom",
    "events",
    "tasks",
    "checkpoints",
    "debug",
]
Nodes = tuple[str, ...] | Literal["*"]


@dataclass(frozen=True)
class GraphOptions:
    """Options of one run; the fields of stored runs, by name.

    `modes` are told as parts beside the run's own events. The run stops before and after the named nodes,
    and begins at `checkpoint_id`, or where the thread was left. With `resumes` it takes no input and goes on.
    `update` and `goto` are those of LangGraph's `Command`.
    """

    modes: tuple[StreamMode, ...] = ()
    interrupt_before: Nodes = ()
    interrupt_after: Nodes = ()
    checkpoint_id: str | None = None
    resumes: bool = False
    update: JsonObject | None = None
    goto: tuple[str, ...] = ()
    durability: Literal["sync", "async", "exit"] = "sync"
    recursion_limit: int | None = None
    tags: tuple[str, ...] = ()
    metadata: JsonObject = field(default_factory=dict)

    @property
    def stops(self) -> bool:
        """Whether the run may end before its answer because it was asked to."""
        return bool(self.interrupt_before or self.interrupt_after)

    def config(self, thread_key: str, run_id: str) -> RunnableConfig:
        """LangGraph's configuration of a run on a thread."""
        config: RunnableConfig = {
            "configurable": {"thread_id": thread_key},
            "metadata": {**self.metadata, "run_id": run_id},
        }
        if self.checkpoint_id is not None:
            config["configurable"] = {**config.get("configurable", {}), "checkpoint_id": self.checkpoint_id}
        if self.recursion_limit is not None:
            config["recursion_limit"] = self.recursion_limit
        if self.tags:
            config["tags"] = list(self.tags)
        return config


_options: TypeAdapter[GraphOptions] = TypeAdapter(GraphOptions)


def options_of(stored: JsonObject) -> GraphOptions:
    """Options as a stored run's JSON gives them back."""
    return _options.validate_python(stored)
