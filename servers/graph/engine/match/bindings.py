"""MATCH's names: which alias is bound to what, and in which column of a row."""

from collections.abc import Callable
from typing import Any

from servers.graph.engine.frame import Frame
from servers.graph.engine.scope import UNKNOWN, Leaf, Scope
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.values.attributes import attribute
from servers.graph.values.types import NULL, Empty, Null, Parameters, Vertex

NODE, EDGE, EDGES, PATH, VALUE = "NODE", "EDGE", "EDGES", "PATH", "VALUE"
TYPES = {NODE: "VERTEX", EDGE: "EDGE", EDGES: "LIST", PATH: "PATH"}


class MatchScope(Scope):
    """Aliases by name: column in the row, kind, and deduced type.

    `patterns` compiles patterns in expressions; `begun` is False where no clause could bind a name.
    """

    def __init__(self, parameters: Parameters, patterns: "CompilePattern") -> None:
        super().__init__(parameters=parameters)
        self.aliases: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.deduced: dict[str, str] = {}
        self.patterns = patterns
        self.begun = True

    def add(self, name: str, kind: str, deduced: str = UNKNOWN) -> int:
        """The column of a new alias."""
        self.aliases[name] = len(self.aliases)
        self.kinds[name] = kind
        self.deduced[name] = TYPES.get(kind, deduced)
        return self.aliases[name]

    def copy(self) -> "MatchScope":
        """A scope of its own: aliases added to it are not added here."""
        made = self.with_local("\0")
        assert isinstance(made, MatchScope)
        made.aliases, made.kinds, made.deduced = dict(self.aliases), dict(self.kinds), dict(self.deduced)
        return made

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Label(name=name):
                return self._alias(name)
            case e.Attr(left=e.Attr(left=e.Label(name=name), name=tag), name=prop) if self._is(
                name, NODE, VALUE
            ):
                return self._tag_property(name, tag, prop)
            case e.Attr(left=e.Attr(left=e.Ref(what="$^" | "$$"))):
                raise SemanticError(f"Expression {node.text()} is not allowed to use in cypher")
            case e.PathExpr():
                return self.patterns(node, self)
        return None

    def _is(self, name: str, *kinds: str) -> bool:
        return name not in self.locals and self.kinds.get(name) in kinds

    def _alias(self, name: str) -> Leaf:
        column = self.aliases.get(name)
        if column is None and not self.begun:
            raise SemanticError(f"Invalid label identifiers: {name}")
        if column is None:
            raise SemanticError(f"Alias used but not defined: `{name}'")
        return lambda frame: frame.row[column]

    def _tag_property(self, name: str, tag: str, prop: str) -> Leaf:
        column = self.aliases[name]

        def read(frame: Frame) -> Any:
            value = frame.row[column]
            if type(value) is Vertex:
                props = value.tags.get(tag)
                return NULL if props is None else props.get(prop, NULL)
            return _of_value(value, tag, prop)

        return read

    def own_type(self, node: e.Expr) -> str:
        match node:
            case e.Label(name=name):
                return self.deduced.get(name, UNKNOWN)
        return UNKNOWN


CompilePattern = Callable[[e.PathExpr, MatchScope], Leaf]


def _of_value(value: Any, first: str, second: str) -> Any:
    if isinstance(value, Null | Empty):
        return NULL
    return attribute(attribute(value, first), second)
