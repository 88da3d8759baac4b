"""DELETE VERTEX, EDGE and TAG, by keys that are written out or come through a pipe."""

from typing import Any

from servers.graph.engine.access.start_vertices import StartVertices, check_lengths, refuse_target
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.statements.fetch import EdgeKeys
from servers.graph.errors import SemanticError
from servers.graph.language import dml_statements as w


def plan_delete_vertices(statement: w.DeleteVertices, context: Context) -> Plan:
    """Plan DELETE VERTEX, WITH EDGE or leaving its edges. Raises `SemanticError`."""
    store, starts = context.store, StartVertices(statement.vids, context, refuse=refuse_target)
    with_edge = statement.with_edge

    def execute(run: Execution) -> Rows:
        keys = [(vid,) for vid in starts.vids(run)]
        check_lengths((vid for (vid,) in keys), store)
        with store.write(run.deadline) as connection:
            connection.executemany("DELETE FROM v WHERE vid = ?", keys)
            if with_edge:
                connection.executemany("DELETE FROM e WHERE src = ?", keys)
                connection.executemany("DELETE FROM e WHERE dst = ?", keys)
        return []

    return Plan("DeleteVertices", [], execute, writes=True)


def plan_delete_edges(statement: w.DeleteEdges, context: Context) -> Plan:
    """Plan DELETE EDGE. Raises `SemanticError`."""
    store = context.store
    definition = store.schema.edges.get(statement.edge)
    if definition is None:
        raise SemanticError(f"No schema found for `{statement.edge}'")
    keys, number = EdgeKeys(statement.keys, context), definition.id

    def execute(run: Execution) -> Rows:
        found: list[tuple[Any, ...]] = [(src, number, rank, dst) for src, rank, dst in keys.read(run)]
        check_lengths((vid for src, _, _, dst in found for vid in (src, dst)), store)
        with store.write(run.deadline) as connection:
            connection.executemany("DELETE FROM e WHERE src = ? AND type = ? AND rank = ? AND dst = ?", found)
        return []

    return Plan("DeleteEdges", [], execute, writes=True)


def plan_delete_tags(statement: w.DeleteTags, context: Context) -> Plan:
    """Plan DELETE TAG, of some tags or of all. Raises `SemanticError`."""
    store, starts = context.store, StartVertices(statement.vids, context, refuse=refuse_target)
    numbers: list[int] = []
    for name in statement.tags if statement.tags is not None else list(store.schema.tags):
        definition = store.schema.tags.get(name)
        if definition is None:
            raise SemanticError(f"No schema found for `{name}'")
        numbers.append(definition.id)

    def execute(run: Execution) -> Rows:
        keys = [(vid, number) for vid in starts.vids(run) for number in numbers]
        with store.write(run.deadline) as connection:
            connection.executemany("DELETE FROM v WHERE vid = ? AND tag = ?", keys)
        return []

    return Plan("DeleteTags", [], execute, writes=True)
