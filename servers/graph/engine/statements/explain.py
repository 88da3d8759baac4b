"""EXPLAIN and PROFILE: the plan of a statement as Nebula's clients draw it."""

import time
from dataclasses import dataclass

from servers.graph.engine.frame import Rows, Run
from servers.graph.engine.plan import Context, Plan
from servers.graph.errors import SemanticError
from servers.graph.language import statements as s

FORMATS = ("row", "dot", "dot:struct", "tck")


@dataclass(slots=True)
class Node:
    """A line of the drawn plan. `rows` and `micros` are those of a PROFILE."""

    id: int
    name: str
    columns: list[str]
    depends: list[int]
    rows: int | None = None
    micros: int = 0


def plan_explain(statement: s.Explain, context: Context) -> Plan:
    if statement.format.lower() not in FORMATS:
        raise SemanticError(f"Invalid explain/profile format type: {statement.format}")
    inner = [context.plan(sentence, context) for sentence in statement.sentences]
    last = inner[-1]

    def execute(run: Run) -> Rows:
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


def nodes_of(plan: Plan, run: Run) -> list[Node]:
    """The plan's lines, the outermost first."""
    made: list[Node] = []

    def visit(item: Plan) -> int:
        number = len(made)
        node = Node(number, item.name, item.columns, [])
        made.append(node)
        if id(item) in run.profile:
            node.rows, node.micros = run.profile[id(item)]
        node.depends = [visit(child) for child in item.inner]
        return number

    for item in reversed(plan.inner):
        visit(item)
    return made
