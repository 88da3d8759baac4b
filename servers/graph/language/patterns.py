"""Syntax trees of MATCH's path patterns: nodes, edges and the path they make."""

from dataclasses import dataclass
from typing import Any

from servers.graph.language.expressions import MapLiteral


@dataclass(slots=True)
class NodePattern:
    """`(alias:label{props} {props})` of a path pattern."""

    alias: str | None
    labels: list[tuple[str, MapLiteral | None]]
    props: MapLiteral | None

    def text(self) -> str:
        """The pattern as Nebula writes it."""
        labels = "".join(f":{name}{props.text() if props else ''}" for name, props in self.labels)
        return f"({self.alias or ''}{labels}{self.props.text() if self.props else ''})"


@dataclass(slots=True)
class EdgePattern:
    """`-[alias:types*hops {props}]->` of a path pattern; `direction` is out, in or both.

    `hops` is None for exactly one edge, else (low, high) with None for no upper bound.
    """

    alias: str | None
    types: list[str]
    hops: tuple[Any, Any] | None
    props: MapLiteral | None
    direction: str = "both"

    def text(self) -> str:
        """The pattern as Nebula writes it."""
        types = ":" + "|".join(self.types) if self.types else ""
        hops = ""
        if self.hops is not None:
            low, high = self.hops
            hops = f"*{low}..{'' if high is None else high}"
        inner = f"{self.alias or ''}{types}{hops}{self.props.text() if self.props else ''}"
        body = f"-[{inner}]-" if inner else "--"
        return {"out": f"{body}>", "in": f"<{body}"}.get(self.direction, body)


@dataclass(slots=True)
class PathPattern:
    """A path pattern of MATCH. `shortest` is "", "one" or "all"."""

    nodes: list[NodePattern]
    edges: list[EdgePattern]
    alias: str | None = None
    shortest: str = ""

    def text(self) -> str:
        """The pattern as Nebula writes it."""
        parts = [self.nodes[0].text()]
        for edge, node in zip(self.edges, self.nodes[1:], strict=True):
            parts += [edge.text(), node.text()]
        return "".join(parts)
