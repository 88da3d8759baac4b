"""MATCH's names: what each alias is bound to, and where in a row."""

from typing import Any

from servers.graph.engine.access.attributes import attribute
from servers.graph.engine.frame import Frame
from servers.graph.engine.scope import UNKNOWN, Leaf, Scope
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.values.types import NULL, Empty, Null, Vertex

NODE, EDGE, EDGES, PATH, VALUE = "NODE", "EDGE", "EDGES", "PATH", "VALUE"
TYPES = {NODE: "VERTEX", EDGE: "EDGE", EDGES: "LIST", PATH: "PATH"}


class MatchScope(Scope):
    """Aliases by name: place in the row, kind, and deduced type. `patterns` compiles patterns."""

    def __init__(self, parameters: dict[str, Any], patterns: Any = None, **outer: Any) -> None:
        super().__init__(parameters=parameters, **outer)
        self.places: dict[str, int] = {}
        self.kinds: dict[str, str] = {}
        self.deduced: dict[str, str] = {}
        self.patterns = patterns
        self.base = 0

    def add(self, name: str, kind: str, deduced: str = UNKNOWN) -> int:
        """The place of a new alias."""
        self.places[name] = len(self.places)
        self.kinds[name] = kind
        self.deduced[name] = TYPES.get(kind, deduced)
        return self.places[name]

    def copy(self) -> "MatchScope":
        made = self.with_local("\0")
        assert isinstance(made, MatchScope)
        made.places, made.kinds, made.deduced = dict(self.places), dict(self.kinds), dict(self.deduced)
        return made

    def special(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Label(name=name):
                return self._alias(name)
            case e.Attr(left=e.Attr(left=e.Label(name=name), name=tag), name=prop) if self._is(
                name, NODE, VALUE
            ):
                return self._tag_property(name, tag, prop)
            case e.Attr(left=e.Label(name=name)) if self._is(name, NODE):
                if node.name == "_vid":
                    return None
                raise SemanticError(
                    f"To get the property of the vertex in `{node.text()}', "
                    "should use the format `var.tag.prop'"
                )
            case e.PathExpr():
                return self.patterns(node, self)
        return None

    def _is(self, name: str, *kinds: str) -> bool:
        return name not in self.locals and self.kinds.get(name) in kinds

    def _alias(self, name: str) -> Leaf:
        place = self.places.get(name)
        if place is None:
            raise SemanticError(f"Alias used but not defined: `{name}'")
        return lambda frame: frame.row[place]

    def _tag_property(self, name: str, tag: str, prop: str) -> Leaf:
        place = self.places[name]

        def read(frame: Frame) -> Any:
            value = frame.row[place]
            if type(value) is Vertex:
                props = value.tags.get(tag)
                return NULL if props is None else props.get(prop, NULL)
            return _of_value(value, tag, prop)

        return read

    def special_type(self, node: e.Expr) -> str:
        match node:
            case e.Label(name=name):
                return self.deduced.get(name, UNKNOWN)
        return UNKNOWN


def _of_value(value: Any, first: str, second: str) -> Any:
    if isinstance(value, Null | Empty):
        return NULL
    return attribute(attribute(value, first), second)
