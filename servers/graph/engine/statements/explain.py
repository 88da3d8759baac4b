"""EXPLAIN and PROFILE: the plan of a statement as nodes that Nebula's clients draw."""

import time
from dataclasses import dataclass

from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.plan import Context, Plan
from servers.graph.errors import SemanticError
from servers.graph.language import statements as s

FORMATS = ("row", "dot", "dot:struct", "tck")


@dataclass(slots=True)
class PlanNode:
    """A node of the shown plan; `depends` are ids of others.

    `rows` and `micros` (microseconds) are those of a PROFILE.
    """

    id: int
    name: str
    columns: list[str]
    depends: list[int]
    rows: int | None = None
    micros: int = 0


def plan_explain(statement: s.Explain, context: Context) -> Plan:
    """Plan EXPLAIN, which runs nothing, or PROFILE. Raises `SemanticError` for an unknown format."""
    if statement.format.lower() not in FORMATS:
        raise SemanticError(f"Invalid explain/profile format type: {statement.format}")
    inner = [context.plan(sentence, context) for sentence in statement.sentences]
    last = inner[-1]

    def execute(run: Execution) -> Rows:
        rows: Rows = []
        for item in inner if statement.profile else []:
            began = time.perf_counter_ns()
            rows = item.run(run)
            run.profile[id(item)] = (len(rows), (time.perf_counter_ns() - began) // 1000)
        return rows

    columns = last.columns if statement.profile else []
    made = Plan("Explain", columns, execute, last.types, inner, any(item.writes for item in inner))
    made.explained = True
    return made


def plan_nodes(plan: Plan, run: Execution) -> list[PlanNode]:
    """The plan's nodes, the outermost first."""
    made: list[PlanNode] = []

    def visit(item: Plan) -> int:
        number = len(made)
        node = PlanNode(number, item.name, item.columns, [])
        made.append(node)
        if id(item) in run.profile:
            node.rows, node.micros = run.profile[id(item)]
        node.depends = [visit(child) for child in item.inner]
        return number

    for item in reversed(plan.inner):
        visit(item)
    return made
