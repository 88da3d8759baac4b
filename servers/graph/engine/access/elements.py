"""Names of graph elements in expressions: `edge.prop`, `$^.tag.prop`, `$$`, `vertex`, `edge`."""

from typing import Any

from servers.graph.engine.expression_walk import walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context
from servers.graph.engine.scope import UNKNOWN, Leaf, Scope
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.storage.schema import SchemaDef
from servers.graph.storage.space import SpaceStore
from servers.graph.values.types import EMPTY, NULL

SPECIAL = ("_src", "_dst", "_rank", "_type")
PROPERTY_TYPES = {
    "INT8": "INT",
    "INT16": "INT",
    "INT32": "INT",
    "INT64": "INT",
    "TIMESTAMP": "INT",
    "DOUBLE": "FLOAT",
    "FIXED_STRING": "STRING",
}


def property_type(definition: SchemaDef, name: str) -> str:
    prop = definition.by_name.get(name)
    return PROPERTY_TYPES.get(prop.type, prop.type) if prop else UNKNOWN


def vid_kind(store: SpaceStore) -> str:
    return "INT" if store.vid_type == "INT64" else "STRING"


class ElementScope(Scope):
    """A scope that knows a space's schema. `edges` maps the names in use to edge types."""

    store: SpaceStore
    edges: dict[str, SchemaDef]

    def bind(self, context: Context, edges: dict[str, SchemaDef] | None = None) -> "ElementScope":
        self.store = context.store
        self.edges = edges if edges is not None else {}
        return self

    def tag_named(self, name: str) -> SchemaDef:
        found = self.store.schema.tags.get(name)
        if found is None:
            raise SemanticError(f"TagNotFound: TagName `{name}`")
        return found

    def edge_property(self, owner: str, name: str) -> Leaf | None:
        """`owner.name` of the frame's edge; EMPTY when the edge is of another type."""
        definition = self.edges.get(owner)
        if definition is None:
            return None
        number = definition.id
        if name in SPECIAL:
            return _special(name, number)
        if name not in definition.by_name:
            raise SemanticError(f"`{owner}.{name}', not found the property `{name}'.")

        def read(frame: Frame) -> Any:
            edge = frame.edge
            return edge.props.get(name, NULL) if abs(edge.type) == number else EMPTY

        return read

    def tag_property(self, definition: SchemaDef, name: str, text: str, place: str) -> Leaf:
        """A property of the vertex at `place` (src, dst, vid); EMPTY when it lacks the tag."""
        if name not in definition.by_name:
            raise SemanticError(f"`{text}', not found the property `{name}'.")
        tag = definition.name
        empty: dict[str, Any] = {}

        def read(frame: Frame) -> Any:
            tags = frame.tags.tags(getattr(frame, place)) or empty
            props = tags.get(tag)
            return EMPTY if props is None else props.get(name, NULL)

        return read


def _special(name: str, number: int) -> Leaf:
    def guarded(read: Any) -> Leaf:
        def run(frame: Frame) -> Any:
            return read(frame.edge) if abs(frame.edge.type) == number else EMPTY

        return run

    return {
        "_src": guarded(lambda edge: edge.src),
        "_dst": guarded(lambda edge: edge.dst),
        "_rank": guarded(lambda edge: edge.rank),
        "_type": guarded(lambda edge: edge.type),
    }[name]


class TraverseScope(ElementScope):
    """GO's names: its edges, `$^`, `$$`, `edge`."""

    def special(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name):
                return self._edge(owner, name)
            case e.Attr(left=e.Attr(left=e.Ref(what="$^" | "$$" as what), name=tag), name=name):
                place = "src" if what == "$^" else "dst"
                return self.tag_property(self.tag_named(tag), name, node.text(), place)
            case e.Ref(what="EDGE"):
                return lambda frame: frame.edge
            case e.Ref(what="$^"):
                return lambda frame: frame.tags.vertex(frame.src)
            case e.Ref(what="$$"):
                return lambda frame: frame.tags.vertex(frame.dst)
        return None

    def _edge(self, owner: str, name: str) -> Leaf:
        found = self.edge_property(owner, name)
        if found is None:
            raise SemanticError(f"edge `{owner}' not found in over clause")
        return found

    def special_type(self, node: e.Expr) -> str:
        match node:
            case e.Attr(left=e.Label(), name="_src" | "_dst"):
                return vid_kind(self.store)
            case e.Attr(left=e.Label(), name="_rank" | "_type"):
                return "INT"
            case e.Attr(left=e.Label(name=owner), name=name) if owner in self.edges:
                return property_type(self.edges[owner], name)
            case e.Attr(left=e.Attr(left=e.Ref(), name=tag), name=name):
                definition = self.store.schema.tags.get(tag)
                return property_type(definition, name) if definition else UNKNOWN
            case e.Ref(what="EDGE"):
                return "EDGE"
            case e.Ref(what="$^" | "$$"):
                return "VERTEX"
        return UNKNOWN


class VertexScope(ElementScope):
    """FETCH's and LOOKUP's names on tags: `tag.prop`, `vertex`. `tags` are those that may be named."""

    tags: dict[str, SchemaDef]

    def special(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name):
                definition = self.tags.get(owner)
                if definition is None:
                    raise SemanticError(f"Schema name error: {owner}")
                return self.tag_property(definition, name, node.text(), "vid")
            case e.Ref(what="VERTEX"):
                return self.vertex
        return None

    @staticmethod
    def vertex(frame: Frame) -> Any:
        return frame.tags.vertex(frame.vid)

    def special_type(self, node: e.Expr) -> str:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name) if owner in self.tags:
                return property_type(self.tags[owner], name)
            case e.Ref(what="VERTEX"):
                return "VERTEX"
        return UNKNOWN


class EdgeScope(ElementScope):
    """FETCH's and LOOKUP's names on an edge type: `edge.prop`, `edge`."""

    def special(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name):
                found = self.edge_property(owner, name)
                if found is None:
                    raise SemanticError(f"Schema name error: {owner}")
                return found
            case e.Ref(what="EDGE"):
                return lambda frame: frame.edge
        return None

    special_type = TraverseScope.special_type


def shown(column: s.Column) -> str:
    """A column as messages quote it."""
    return f"{column.expr.text()} AS {column.alias}" if column.alias else column.expr.text()


def refuse_refs(node: Any, allowed: tuple[str, ...], text: str) -> None:
    """Refuse `vertex`, `edge`, `$^` and their kin where the statement has none. Raises `SemanticError`."""
    for part in walk(node):
        if isinstance(part, e.Ref) and part.what not in (*allowed, "$-"):
            raise SemanticError(f"illegal yield clauses `{text}'")
