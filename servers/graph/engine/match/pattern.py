"""Compiles a MATCH path pattern: tags, edge types, hops, properties, and the columns that aliases bind.

Its text is parsed in `language/transformer/pattern_rules`; where to start is `start_finder`'s.
"""

from dataclasses import dataclass, field
from typing import Any

from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.expression_tree import is_constant, walk
from servers.graph.engine.match.bindings import EDGE, EDGES, NODE, PATH, VALUE, MatchScope
from servers.graph.engine.plan import Context
from servers.graph.engine.type_check import constant, fold
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import patterns as p
from servers.graph.values.types import BAD_TYPE

FAR = 1_000_000
"""The upper bound of `*`, in hops: a path that repeats no edge ends long before."""


@dataclass(slots=True)
class Node:
    """A node of the pattern. `same_alias` are other nodes that must be the same vertex.

    `props` are (tag, property, value). `bound` is the column of an alias that earlier patterns bound;
    `column` where a new one goes.
    """

    pattern: p.NodePattern
    labels: list[str]
    props: list[tuple[str | None, str, Evaluate]]
    bound: int | None = None
    column: int | None = None
    same_alias: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Link:
    """An edge of the pattern; `types` are ids. `low` and `high` are hops, `low` None for exactly one edge.

    `bound` and `column` are as a node's.
    """

    types: list[int]
    all_types: bool
    direction: str
    props: list[tuple[str, Evaluate]]
    low: int | None
    high: int
    bound: int | None = None
    column: int | None = None


@dataclass(slots=True)
class Pattern:
    """A compiled path pattern.

    `path_column` is where its own alias goes; `shortest` is "", "one" or "all".
    """

    nodes: list[Node]
    links: list[Link]
    path_column: int | None
    shortest: str
    width: int = 0


def prepare(path: p.PathPattern, scope: MatchScope, context: Context) -> Pattern:
    """Compile a pattern and add its new aliases to the scope. Raises `SemanticError`."""
    known = dict(scope.kinds)
    before = scope.copy()
    # In the order of the text: RETURN * gives the columns so.
    nodes = [_node(path.nodes[0], scope, before, known, context)]
    links: list[Link] = []
    for edge, node in zip(path.edges, path.nodes[1:], strict=True):
        links.append(_link(edge, scope, before, known, context))
        nodes.append(_node(node, scope, before, known, context))
    _note_same_alias(path, nodes)
    column = None
    if path.alias is not None:
        if path.alias in scope.aliases:
            raise SemanticError(f"`{path.alias}': Redefined alias")
        column = scope.add(path.alias, PATH)
    made = Pattern(nodes, links, column, path.shortest)
    if path.shortest:
        check_shortest(made)
    return made


def check_shortest(pattern: Pattern) -> None:
    """Raises `SemanticError` for a pattern that has no shortest path."""
    if len(pattern.links) != 1:
        raise SemanticError("`shortestPath(...)' only support pattern like (start)-[edge*..hop]-(end)")
    low = pattern.links[0].low
    if low is not None and low > 1:
        raise SemanticError("The minimal number of steps for shortestPath() must be either 0 or 1.")
    first, last = (node.pattern.alias for node in pattern.nodes)
    if first is not None and first == last:
        raise SemanticError(
            "The shortest path algorithm does not work when the start and end nodes are the same"
        )


def _node(
    node: p.NodePattern, scope: MatchScope, before: MatchScope, known: dict[str, str], context: Context
) -> Node:
    labels = [name for name, _ in node.labels]
    for name in labels:
        if name not in context.schema.tags:
            raise SemanticError(f"`{name}': Unknown tag")
    props = _node_props(node, labels, before)
    made = Node(node, labels, props)
    name = node.alias
    if name is None:
        return made
    if name in known:
        if known[name] not in (NODE, VALUE):
            raise SemanticError(_bound_otherwise(name, "Node", known[name]))
        made.bound = scope.aliases[name]
    elif name not in scope.aliases:
        made.column = scope.add(name, NODE)
    elif scope.kinds[name] != NODE:
        raise SemanticError(f"`{name}': Redefined alias in a single path pattern.")
    return made


def wanted(value: e.Expr) -> e.Expr:
    """A property's value, folded. Raises `SemanticError` for a constant that is none."""
    folded = fold(value)
    if is_constant(folded) and not _parameters(folded) and constant(folded) is BAD_TYPE:
        raise SemanticError(f"Type error `{value.text()}'")
    return folded


def _parameters(value: e.Expr) -> bool:
    return any(isinstance(part, e.Variable) for part in walk(value))


def _node_props(
    node: p.NodePattern, labels: list[str], before: MatchScope
) -> list[tuple[str | None, str, Evaluate]]:
    """(tag, property, wanted value) of the maps in a node's pattern."""
    if node.props is not None and node.props.entries and not labels:
        text = ",".join(f"{key}:{value.text()}" for key, value in node.props.entries)
        raise SemanticError(f"`{text}': No tag found for property.")
    first = labels[0] if labels else None
    return [
        (owner, key, compile_expr(wanted(value), before))
        for owner, literal in [*node.labels, (first, node.props)]
        for key, value in (literal.entries if literal else [])
    ]


def _note_same_alias(path: p.PathPattern, nodes: list[Node]) -> None:
    """Nodes of one path that share an alias are one vertex."""
    for at, node in enumerate(path.nodes):
        if node.alias is not None:
            others = [index for index, other in enumerate(path.nodes) if other.alias == node.alias]
            nodes[at].same_alias = [index for index in others if index != at]


def _link(
    edge: p.EdgePattern, scope: MatchScope, before: MatchScope, known: dict[str, str], context: Context
) -> Link:
    edges = context.schema.edges
    types: list[int] = []
    for name in edge.types:
        if name not in edges:
            raise SemanticError(f"`{name}': Unknown edge type")
        types.append(edges[name].id)
    entries = edge.props.entries if edge.props else []
    props = [(key, compile_expr(wanted(value), before)) for key, value in entries]
    low, high = _bounds(edge.hops)
    all_types = not types
    made = Link(types or [item.id for item in edges.values()], all_types, edge.direction, props, low, high)
    name = edge.alias
    if name is None:
        return made
    if name in known:
        if known[name] not in (EDGE if low is None else EDGES, VALUE):
            raise SemanticError(_bound_otherwise(name, "Edge" if low is None else "EdgeList", known[name]))
        made.bound = scope.aliases[name]
    elif name in scope.aliases:
        raise SemanticError(f"`{name}': Redefined alias in a single path pattern.")
    else:
        made.column = scope.add(name, EDGE if low is None else EDGES)
    return made


KIND_NAMES = {NODE: "Node", EDGE: "Edge", EDGES: "EdgeList", PATH: "Path"}


def _bound_otherwise(name: str, wanted: str, kind: str) -> str:
    return f"{name} binding to different type: {wanted} vs {KIND_NAMES[kind]}"


def _bounds(hops: tuple[Any, Any] | None) -> tuple[int | None, int]:
    if hops is None:
        return None, 1
    low, high = hops
    if high is None:
        return low, FAR
    if low > high:
        raise SemanticError(f"Max hop must be greater equal than min hop: {high} vs. {low}")
    return low, high
