"""The states of threads, read and changed through the graph that ran in them. It starts no run and owns no
row; what a state is shown as is `agents/conversation/snapshots.py`'s.
"""

from collections.abc import Mapping

from agents.conversation import snapshots
from agents.graph_steps import Graph
from agents.registry import AGENTS
from agents.runtime import CompiledAgent
from servers.api.runs.tables import ThreadRow
from tools.errors import BadRequest
from tools.schema import JsonObject

WRITABLE = frozenset({"messages", "answer", "language", "summary"})
"""What a person may change by hand: what a run has read and may do is decided by runs alone."""


class States:
    """The states of threads by their rows; `agents` are the compiled ones by name."""

    def __init__(self, agents: Mapping[str, CompiledAgent]) -> None:
        self.agents = agents

    async def get(self, thread: ThreadRow, *, checkpoint_id: str | None = None) -> JsonObject:
        """The state at a checkpoint, or the newest. Raises `NotFound`."""
        return await snapshots.state(self._graph(thread), thread.thread_id, checkpoint_id=checkpoint_id)

    async def history(
        self,
        thread: ThreadRow,
        *,
        limit: int,
        before: str | None = None,
        checkpoint_id: str | None = None,
        metadata: JsonObject | None = None,
    ) -> list[JsonObject]:
        """States, newest first, before a checkpoint or from one on."""
        return await snapshots.history(
            self._graph(thread),
            thread.thread_id,
            limit=limit,
            before=before,
            checkpoint_id=checkpoint_id,
            metadata=metadata,
        )

    async def update(
        self,
        thread: ThreadRow,
        values: JsonObject | None,
        *,
        as_node: str | None = None,
        checkpoint_id: str | None = None,
    ) -> JsonObject:
        """Write values by hand; the new checkpoint's name. Raises `BadRequest` and `NotFound`."""
        refuse_unwritable(values)
        graph, key = self._graph(thread), thread.thread_id
        return await snapshots.update(graph, key, values, as_node=as_node, checkpoint_id=checkpoint_id)

    def _graph(self, thread: ThreadRow) -> Graph:
        """The graph that ran last in the thread; the conversation is kept alike by all."""
        name = thread.meta.get("graph_id")
        agent = self.agents.get(name) if isinstance(name, str) else None
        return (agent or self.agents[next(iter(AGENTS))]).threaded


def refuse_unwritable(values: JsonObject | None) -> None:
    """Raises `BadRequest` for a field of the state that nobody writes by hand."""
    other = sorted(set(values or {}) - WRITABLE)
    if other:
        raise BadRequest(
            f"{', '.join(other)} can not be written by hand; {', '.join(sorted(WRITABLE))} can",
            param="values",
            source="api",
            code="state_not_writable",
        )
