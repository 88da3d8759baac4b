"""Threads of the Agent Protocol and of LangGraph's API as models: requests, and rows as readers see them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue, field_validator

from agents.conversation.ownership import thread_id_of
from servers.api.http.dependencies import Limit, Offset, StorableObject, ThreadId
from servers.api.http.protocol.messages import InputMessage, WrittenValues
from servers.api.http.protocol.run_requests import Checkpoint, CheckpointId, ClientMetadata, StrictRequest
from servers.api.runs.tables import RunRow, ThreadRow
from servers.api.runs.threads import ThreadQuery
from tools.errors import NotSupported
from tools.schema import JsonObject

ThreadStatus = Literal["idle", "busy", "interrupted", "error"]
Select = Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=64)] | None
"""Which fields of each row are told; None for all."""


class TimeToLive(StrictRequest):
    """Minutes after its last change in which a thread ends."""

    ttl: float = Field(gt=0, le=10_000_000)
    strategy: Literal["delete"] = "delete"


Ttl = TimeToLive | Annotated[float, Field(gt=0, le=10_000_000)] | None


def minutes_of(ttl: Ttl) -> float | None:
    """A time to live in minutes."""
    return ttl.ttl if isinstance(ttl, TimeToLive) else ttl


class ThreadCreate(StrictRequest):
    """A thread to create."""

    thread_id: ThreadId | None = None
    metadata: ClientMetadata = Field(default={})
    if_exists: Literal["raise", "do_nothing"] = "raise"
    ttl: Ttl = None
    supersteps: JsonValue = None

    @field_validator("supersteps")
    @classmethod
    def _refused(cls, value: JsonValue) -> JsonValue:
        if value is not None:
            raise NotSupported("write the state after creating the thread", param="supersteps", source="api")
        return value


class ThreadCopy(StrictRequest):
    """How much of a thread to copy: what came before a run, or all of it."""

    before: Annotated[str, Field(max_length=128)] | None = None


class ThreadFind(StrictRequest):
    """Words to look for in questions and answers."""

    text: Annotated[str, Field(min_length=1, max_length=500)]
    limit: Limit = 50


class FoundThread(BaseModel):
    """A thread that speaks of what was looked for, and where."""

    thread_id: str
    excerpt: str


class StateUpdate(StrictRequest):
    """Values to write as if a node (`as_node`) had, on top of a checkpoint or the newest."""

    values: WrittenValues | None = None
    as_node: Annotated[str, Field(max_length=128)] | None = None
    checkpoint: Checkpoint | None = None
    checkpoint_id: CheckpointId | None = None

    @property
    def at(self) -> str | None:
        """The checkpoint's id."""
        return (self.checkpoint.checkpoint_id if self.checkpoint else None) or self.checkpoint_id


class ThreadPatch(StrictRequest):
    """Metadata to merge into a thread's own; messages and values to add to its state."""

    metadata: ClientMetadata = Field(default={})
    ttl: Ttl = None
    checkpoint: Checkpoint | None = None
    values: WrittenValues | None = None
    messages: Annotated[list[InputMessage], Field(max_length=1_000)] | None = None

    @property
    def written(self) -> JsonObject | None:
        """The values to write, messages among them."""
        if self.messages is None:
            return self.values
        return {**(self.values or {}), "messages": [one.plain() for one in self.messages]}


class ThreadFilter(StrictRequest):
    """Threads whose metadata and values contain these."""

    metadata: ClientMetadata = Field(default={})
    values: StorableObject = Field(default={})
    status: ThreadStatus | None = None
    ids: Annotated[list[ThreadId], Field(max_length=1_000)] | None = None

    def query(self, **order: Any) -> ThreadQuery:
        """For `Threads.search`."""
        return ThreadQuery(
            ids=self.ids, metadata=self.metadata, values=self.values, status=self.status, **order
        )


class ThreadSearch(ThreadFilter):
    """A page of threads, with the fields to tell of each."""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: Literal["thread_id", "status", "created_at", "updated_at"] = "updated_at"
    sort_order: Literal["asc", "desc"] = "desc"
    select: Select = None


class Prune(StrictRequest):
    """Threads to delete."""

    thread_ids: Annotated[list[ThreadId], Field(min_length=1, max_length=1_000)]
    strategy: Literal["delete"] = "delete"


class StateRead(StrictRequest):
    """The state at a checkpoint; graphs here have no graphs inside, so `subgraphs` adds none."""

    checkpoint: Checkpoint
    subgraphs: bool = False
    select: Select = None


class HistorySearch(StrictRequest):
    """States of a thread before the checkpoint `before`, from `checkpoint` on."""

    limit: Limit = 10
    before: CheckpointId | Checkpoint | dict[Literal["configurable"], Checkpoint] | None = None
    metadata: StorableObject = Field(default={})
    checkpoint: Checkpoint | None = None

    @property
    def earlier_than(self) -> str | None:
        """The id in `before`, however it was written."""
        before = self.before["configurable"] if isinstance(self.before, dict) else self.before
        return before.checkpoint_id if isinstance(before, Checkpoint) else before


class ThreadView(BaseModel):
    """A thread's row; times are ISO 8601. `values` is its newest state, `interrupts` are by task."""

    thread_id: str
    status: str
    metadata: JsonObject
    created_at: str
    updated_at: str
    state_updated_at: str
    config: JsonObject = {}
    values: JsonObject = {}
    interrupts: JsonObject = {}
    messages: list[JsonObject] = []
    ttl: JsonObject | None = None

    @classmethod
    def of(cls, row: ThreadRow, state: JsonObject | None = None) -> "ThreadView":
        """A row as its readers see it, with its state when it was read."""
        state = state or {}
        values, tasks = state.get("values", {}), state.get("tasks", [])
        expires = row.expires_at and {
            "ttl_minutes": row.ttl_minutes,
            "expires_at": row.expires_at.isoformat(),
        }
        return cls(
            thread_id=thread_id_of(row.thread_id),
            status=row.status,
            metadata=row.meta,
            created_at=row.created_at.isoformat(),
            updated_at=row.updated_at.isoformat(),
            state_updated_at=state.get("created_at") or row.updated_at.isoformat(),
            values=values,
            interrupts={task["id"]: task["interrupts"] for task in tasks if task["interrupts"]},
            messages=values.get("messages", []),
            ttl=expires or None,
        )


class RunView(BaseModel):
    """A run's row; times are ISO 8601, `thread_id` is None for a run without a thread."""

    run_id: str
    thread_id: str | None
    agent_id: str
    assistant_id: str
    status: str
    metadata: JsonObject
    attempt: int
    multitask_strategy: str | None = None
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, row: RunRow) -> "RunView":
        """A row as its readers see it."""
        return cls(
            run_id=row.run_id,
            thread_id=None if row.stateless else thread_id_of(row.thread_id),
            agent_id=row.agent_id,
            assistant_id=row.agent_id,
            status=row.status,
            metadata=row.meta,
            attempt=row.attempt,
            multitask_strategy=row.request.get("strategy"),
            created_at=row.created_at.isoformat(),
            updated_at=row.updated_at.isoformat(),
        )


def selected(view: BaseModel | JsonObject, select: Select) -> JsonObject:
    """The fields of a view that were asked for; `values.messages` is one of its values alone."""
    whole = view if isinstance(view, dict) else view.model_dump()
    if select is None:
        return whole
    found = {name: whole[name] for name in select if name in whole}
    inner = [name.partition(".")[2] for name in select if name.startswith("values.")]
    if inner and "values" not in found:
        values = whole.get("values", {})
        found["values"] = {name: values[name] for name in inner if name in values}
    return found
