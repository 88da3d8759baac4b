"""A path pattern made ready: where to start, which way to walk, what to bind."""

from dataclasses import dataclass, field
from typing import Any

from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.match.scope import EDGE, EDGES, NODE, PATH, VALUE, MatchScope
from servers.graph.engine.plan import Context
from servers.graph.errors import SemanticError
from servers.graph.language import statements as s

FAR = 1_000_000
"""The upper bound of `*`: a walk that repeats no edge ends long before."""


@dataclass(slots=True)
class Node:
    """`bound` is the place of an alias that earlier patterns bound; `place` where a new one goes."""

    pattern: s.NodePattern
    labels: list[str]
    props: list[tuple[str | None, str, Evaluate]]
    bound: int | None = None
    place: int | None = None
    twins: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Link:
    """An edge of the pattern. `low` and `high` are None for exactly one edge."""

    types: list[int]
    everything: bool
    direction: str
    props: list[tuple[str, Evaluate]]
    low: int | None
    high: int
    bound: int | None = None
    place: int | None = None


@dataclass(slots=True)
class Pattern:
    nodes: list[Node]
    links: list[Link]
    path_place: int | None
    shortest: str
    width: int = 0


def prepare(path: s.PathPattern, scope: MatchScope, context: Context) -> Pattern:
    """Compile a pattern and add its new aliases to the scope. Raises `SemanticError`."""
    known = dict(scope.kinds)
    before = scope.copy()
    nodes = [_node(node, scope, before, known, context) for node in path.nodes]
    links: list[Link] = []
    for edge in path.edges:
        links.append(_link(edge, scope, before, known, context))
    _twins(path, nodes)
    place = None
    if path.alias is not None:
        if path.alias in scope.places:
            raise SemanticError(f"`{path.alias}': Redefined alias")
        place = scope.add(path.alias, PATH)
    return Pattern(nodes, links, place, path.shortest)


def _node(
    node: s.NodePattern, scope: MatchScope, before: MatchScope, known: dict[str, str], context: Context
) -> Node:
    labels = [name for name, _ in node.labels]
    for name in labels:
        if name not in context.schema.tags:
            raise SemanticError(f"`{name}': Unknown tag")
    props: list[tuple[str | None, str, Evaluate]] = []
    first = labels[0] if labels else None
    for owner, literal in [*node.labels, (first, node.props)]:
        for key, value in literal.entries if literal else []:
            props.append((owner, key, compile_expr(value, before)))
    made = Node(node, labels, props)
    name = node.alias
    if name is None:
        return made
    if name in known:
        if known[name] not in (NODE, VALUE):
            raise SemanticError(f"Alias `{name}' should be Node.")
        made.bound = scope.places[name]
    elif name not in scope.places:
        made.place = scope.add(name, NODE)
    elif scope.kinds[name] != NODE:
        raise SemanticError(f"`{name}': Redefined alias in a single path pattern.")
    return made


def _twins(path: s.PathPattern, nodes: list[Node]) -> None:
    """Nodes of one path that share an alias are one vertex."""
    for at, node in enumerate(path.nodes):
        if node.alias is not None:
            others = [index for index, other in enumerate(path.nodes) if other.alias == node.alias]
            nodes[at].twins = [index for index in others if index != at]


def _link(
    edge: s.EdgePattern, scope: MatchScope, before: MatchScope, known: dict[str, str], context: Context
) -> Link:
    edges = context.schema.edges
    types: list[int] = []
    for name in edge.types:
        if name not in edges:
            raise SemanticError(f"`{name}': Unknown edge type")
        types.append(edges[name].id)
    props = [(key, compile_expr(value, before)) for key, value in edge.props.entries] if edge.props else []
    low, high = _bounds(edge.hops)
    everything = not types
    made = Link(types or [item.id for item in edges.values()], everything, edge.direction, props, low, high)
    name = edge.alias
    if name is None:
        return made
    if name in known:
        if known[name] not in (EDGE, EDGES, VALUE):
            raise SemanticError(f"Alias `{name}' should be Edge.")
        made.bound = scope.places[name]
    elif name in scope.places:
        raise SemanticError(f"`{name}': Redefined alias in a single path pattern.")
    else:
        made.place = scope.add(name, EDGE if low is None else EDGES)
    return made


def _bounds(hops: tuple[Any, Any] | None) -> tuple[int | None, int]:
    if hops is None:
        return None, 1
    low, high = hops
    if high is None:
        return low, FAR
    if low > high:
        raise SemanticError(f"Max hop must be greater equal than min hop: {high} vs. {low}")
    return low, high
