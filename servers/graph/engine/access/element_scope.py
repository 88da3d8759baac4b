"""Names of vertices and edges in expressions: `edge.prop`, `$^.tag.prop`, `$$`, `vertex`, `edge`.

Scopes of GO, FETCH and LOOKUP; MATCH's is in `match/bindings`.
"""

from typing import Any

from servers.graph.engine.expression_tree import walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context
from servers.graph.engine.scope import UNKNOWN, Leaf, Scope
from servers.graph.errors import ExecutionError, SemanticError
from servers.graph.language import expressions as e
from servers.graph.language import statements as s
from servers.graph.storage.schema import SchemaDef
from servers.graph.storage.space import SpaceStore
from servers.graph.values.types import EMPTY, NULL

EDGE_KEYS = ("_src", "_dst", "_rank", "_type")
PROPERTY_TYPES = {
    "INT8": "INT",
    "INT16": "INT",
    "INT32": "INT",
    "INT64": "INT",
    "TIMESTAMP": "INT",
    "DOUBLE": "FLOAT",
    "FIXED_STRING": "STRING",
    **dict.fromkeys(("LIST_STRING", "LIST_INT", "LIST_FLOAT"), "LIST"),
    **dict.fromkeys(("SET_STRING", "SET_INT", "SET_FLOAT"), "SET"),
}


def property_type(definition: SchemaDef, name: str) -> str:
    """The deduced type of a property of a tag or edge type; UNKNOWN when it has none of that name."""
    prop = definition.by_name.get(name)
    return PROPERTY_TYPES.get(prop.type, prop.type) if prop else UNKNOWN


def vid_kind(store: SpaceStore) -> str:
    """The deduced type of a space's vids: INT or STRING."""
    return "INT" if store.vid_type == "INT64" else "STRING"


class ElementScope(Scope):
    """A scope that knows a space's schema. `edges` maps the names in use to edge types."""

    store: SpaceStore
    edges: dict[str, SchemaDef]

    def bind(self, context: Context, edges: dict[str, SchemaDef] | None = None) -> "ElementScope":
        """Set the space and the edge types that may be named; the scope itself."""
        self.store = context.store
        self.edges = edges if edges is not None else {}
        return self

    def tag_named(self, name: str) -> SchemaDef:
        """The tag of that name. Raises `ExecutionError`."""
        found = self.store.schema.tags.get(name)
        if found is None:
            raise ExecutionError(f"TagNotFound: TagName `{name}`")
        return found

    def edge_property(self, owner: str, name: str) -> Leaf | None:
        """`owner.name` of the frame's edge; EMPTY when the edge is of another type.

        None for an unknown edge type.
        """
        definition = self.edges.get(owner)
        if definition is None:
            return None
        number = definition.id
        if name in EDGE_KEYS:
            return _edge_key(name, number)
        if name not in definition.by_name:
            raise SemanticError(f"`{owner}.{name}', not found the property `{name}'.")

        def read(frame: Frame) -> Any:
            edge = frame.edge
            return edge.props.get(name, NULL) if abs(edge.type) == number else EMPTY

        return read

    def tag_property(self, definition: SchemaDef, name: str, text: str, place: str) -> Leaf:
        """A property of the vertex whose vid is in the frame's `place`; EMPTY when it lacks the tag."""
        if name not in definition.by_name:
            raise SemanticError(f"`{text}', not found the property `{name}'.")
        tag = definition.name
        empty: dict[str, Any] = {}

        def read(frame: Frame) -> Any:
            tags = frame.reader.tags(getattr(frame, place)) or empty
            props = tags.get(tag)
            return EMPTY if props is None else props.get(name, NULL)

        return read


def _edge_key(name: str, number: int) -> Leaf:
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

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name):
                return self._edge(owner, name)
            case e.Attr(left=e.Attr(left=e.Ref(what="$^" | "$$" as what), name=tag), name=name):
                place = "src" if what == "$^" else "dst"
                return self.tag_property(self.tag_named(tag), name, node.text(), place)
            case e.Ref(what="EDGE"):
                return lambda frame: frame.edge
            case e.Ref(what="$^"):
                return lambda frame: frame.reader.vertex(frame.src)
            case e.Ref(what="$$"):
                return lambda frame: frame.reader.vertex(frame.dst)
        return None

    def _edge(self, owner: str, name: str) -> Leaf:
        found = self.edge_property(owner, name)
        if found is None:
            raise SemanticError(f"edge `{owner}' not found in over clause")
        return found

    def own_type(self, node: e.Expr) -> str:
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

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name):
                definition = self.tags.get(owner)
                if definition is None and owner not in self.store.schema.tags:
                    raise ExecutionError(f"TagNotFound: TagName `{owner}`")
                if definition is None:
                    raise SemanticError(f"Schema name error: {owner}")
                return self.tag_property(definition, name, node.text(), "vid")
            case e.Ref(what="VERTEX"):
                return self.vertex
        return None

    @staticmethod
    def vertex(frame: Frame) -> Any:
        """The frame's vertex."""
        return frame.reader.vertex(frame.vid)

    def own_type(self, node: e.Expr) -> str:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name) if owner in self.tags:
                return property_type(self.tags[owner], name)
            case e.Ref(what="VERTEX"):
                return "VERTEX"
        return UNKNOWN


class EdgeScope(ElementScope):
    """FETCH's and LOOKUP's names on an edge type: `edge.prop`, `edge`."""

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        match node:
            case e.Attr(left=e.Label(name=owner), name=name):
                found = self.edge_property(owner, name)
                if found is None and owner not in self.store.schema.edges:
                    raise ExecutionError(f"EdgeNotFound: EdgeName `{owner}`")
                if found is None:
                    raise SemanticError(f"Schema name error: {owner}")
                return found
            case e.Ref(what="EDGE"):
                return lambda frame: frame.edge
        return None

    own_type = TraverseScope.own_type


def column_text(column: s.Column) -> str:
    """A column as Nebula's messages quote it."""
    return f"{column.expr.text()} AS {column.alias}" if column.alias else column.expr.text()


def refuse_refs(node: Any, allowed: tuple[str, ...], text: str) -> None:
    """Refuse `vertex`, `edge`, `$^` and their kin where the statement has none. Raises `SemanticError`."""
    for part in walk(node):
        if isinstance(part, e.Ref) and part.what not in (*allowed, "$-"):
            raise SemanticError(f"illegal yield clauses `{text}'")
