"""UPDATE and UPSERT: read, decide and write inside one transaction, so that no update is lost."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from servers.graph.engine.access.element_scope import property_type
from servers.graph.engine.access.property_values import MISMATCH, coerce, default_value
from servers.graph.engine.access.reader import GraphReader
from servers.graph.engine.access.start_vertices import StartVertices, check_lengths
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import rewrite, walk
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.scope import Leaf, Scope
from servers.graph.engine.statements.fetch import EdgeKeys
from servers.graph.engine.statements.insert import evaluator
from servers.graph.engine.statements.projection import compile_projection
from servers.graph.engine.type_check import checked_filter, deduce, fold
from servers.graph.errors import SemanticError, StorageError
from servers.graph.language import dml_statements as w
from servers.graph.language import expressions as e
from servers.graph.storage.codec import encode
from servers.graph.storage.schema import SchemaDef
from servers.graph.values.types import NULL, UNKNOWN_PROP, Parameters, Props

NO_DEFAULT = "Invalid field value: may be the filed is not NULL or without default value or wrong schema."


class UpdateScope(Scope):
    """Names of the element at hand: plain properties, `$^.tag.prop`, `edge.prop`."""

    def __init__(self, definition: SchemaDef, parameters: Parameters) -> None:
        super().__init__(parameters=parameters)
        self.definition = definition

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        name = self._property(node)
        if name is None:
            return None
        if name.startswith("_") and self.definition.kind == "EDGE":
            return lambda frame: frame.props.get(name, NULL)
        if name not in self.definition.by_name:
            if self.definition.kind == "EDGE":
                raise SemanticError(f"`{self.definition.name}.{name}', not found the property `{name}'.")
            raise SemanticError(f"`{node.text()}', not exist prop `{name}'")
        return lambda frame: frame.props.get(name, NULL)

    def _property(self, node: e.Expr) -> str | None:
        match node:
            case e.Label(name=name):
                return name
            case (
                e.Attr(left=e.Attr(left=e.Ref(what="$^"), name=owner), name=name)
                | e.Attr(left=e.Label(name=owner), name=name)
            ):
                if owner != self.definition.name:
                    raise SemanticError(f"Schema name error: {owner}")
                return name
        return None

    def quoted(self, node: e.Expr) -> str:
        """An expression as refusals quote it: properties by their full names."""
        owner = e.Attr(e.Ref("$^"), self.definition.name) if self.definition.kind == "TAG" else None
        if owner is None:
            return node.text()
        return rewrite(
            node, lambda part: e.Attr(owner, part.name) if isinstance(part, e.Label) else None
        ).text()

    def own_type(self, node: e.Expr) -> str:
        name = self._property(node)
        return property_type(self.definition, name) if name else super().own_type(node)


def _refuse_wrong(statement: w.UpdateVertex | w.UpdateEdge, definition: SchemaDef) -> None:
    """Refuse expressions that read another element. Raises `SemanticError`."""
    exprs = [assign.expr for assign in statement.assigns]
    exprs += [statement.when] if statement.when else []
    exprs += [column.expr for column in statement.output.columns] if statement.output else []
    allowed = {"$^"} if definition.kind == "TAG" else set[str]()
    for expr in exprs:
        if any(isinstance(part, e.Ref) and part.what not in allowed for part in walk(expr)):
            raise SemanticError(f"Has wrong expr in `{expr.text()}'")


class Target(NamedTuple):
    """One element: how its stored properties are read and written, and what expressions see beside them."""

    read: Callable[[Execution, sqlite3.Connection], Props | None]
    write: Callable[[sqlite3.Connection, str], None]
    extra: Props


class PreparedUpdate:
    """A compiled change of one tag or edge: WHEN, SET, YIELD. Raises `SemanticError`, `StorageError`."""

    def __init__(
        self, statement: w.UpdateVertex | w.UpdateEdge, definition: SchemaDef, context: Context
    ) -> None:
        self.definition, self.insertable = definition, statement.insertable
        scope = UpdateScope(definition, context.parameters)
        _refuse_wrong(statement, definition)
        self.sets: list[tuple[str, Evaluate]] = []
        for assign in statement.assigns:
            if assign.name not in definition.by_name:
                raise StorageError(f"{definition.kind.title()} prop not found.")
            folded = fold(assign.expr)
            deduce(folded, scope)
            self.sets.append((assign.name, compile_expr(folded, scope)))
        when = statement.when
        self.when = None
        if when is not None:
            quoted = scope.quoted(when)
            self.when = compile_expr(checked_filter(when, scope, text=quoted), scope)
        self.output = compile_projection(statement.output.columns, scope) if statement.output else None
        self.evaluate = evaluator(context)

    def apply(self, stored: Props | None, run: Execution, extra: Props) -> tuple[Props | None, Props]:
        """`(what to store or None, what YIELD sees)`. `extra` are `_vid`, `_src` … Raises `StorageError`."""
        if stored is None and not self.insertable:
            raise StorageError("Vertex or edge not found.")
        frame = Frame(run)
        fresh = stored is None
        props = self._defaults() if stored is None else dict(stored)
        frame.props = {**props, **extra}
        if not fresh and self.when is not None and self.when(frame) is not True:
            return None, frame.props
        for name, value in self.sets:
            made = value(frame)
            if fresh and made is UNKNOWN_PROP:
                raise StorageError(NO_DEFAULT)
            props[name] = self._coerced(name, made)
            frame.props = {**props, **extra}
        return props, frame.props

    def _coerced(self, name: str, value: Any) -> Any:
        try:
            return coerce(self.definition.by_name[name], value)
        except StorageError as exc:
            if exc.message.endswith(MISMATCH):
                raise StorageError("Invalid data, may be wrong value type.") from None
            raise

    def _defaults(self) -> Props:
        """What a new element starts from; UNKNOWN_PROP stands where SET must give the value."""
        given, made = {name for name, _ in self.sets}, {}
        for prop in self.definition.props:
            bare = prop.default is None and not prop.nullable
            if bare and prop.name not in given:
                raise StorageError(NO_DEFAULT)
            made[prop.name] = UNKNOWN_PROP if bare else default_value(prop, self.evaluate)
        return made

    def encoded(self, props: Props) -> str:
        """The stored text of the properties."""
        made: list[Any] = [NULL] * self.definition.next_position
        for prop in self.definition.props:
            made[prop.position] = props[prop.name]
        return encode(made)

    def yield_rows(self, seen: Props, run: Execution) -> Rows:
        """YIELD's row of one element, or none without YIELD."""
        if self.output is None:
            return []
        frame = Frame(run)
        frame.props = seen
        return [self.output.row(frame)]

    @property
    def columns(self) -> list[str]:
        """The names of YIELD's columns."""
        return self.output.names if self.output else []


def plan_update_vertex(statement: w.UpdateVertex, context: Context) -> Plan:
    """Plan UPDATE or UPSERT VERTEX. Raises `SemanticError`, `StorageError`."""
    store, name = context.store, statement.tag or ""
    definition = store.schema.tags.get(name)
    if definition is None:
        raise SemanticError(f"No schema found for `{name}'")
    starts = StartVertices(statement.vids, context)
    update = PreparedUpdate(statement, definition, context)

    def target(vid: Any) -> Target:
        def read(run: Execution, connection: sqlite3.Connection) -> Props | None:
            tags = GraphReader(run, store, connection).tags(vid)
            return tags.get(name) if tags else None

        def write(connection: sqlite3.Connection, text: str) -> None:
            connection.execute("INSERT OR REPLACE INTO v VALUES (?, ?, ?)", (vid, definition.id, text))

        return Target(read, write, {"_vid": vid})

    def execute(run: Execution) -> Rows:
        vids = starts.vids(run)
        check_lengths(vids, store)
        return _apply_update(update, run, context, map(target, vids))

    return Plan("UpdateVertex", update.columns, execute, writes=True)


def plan_update_edge(statement: w.UpdateEdge, context: Context) -> Plan:
    """Plan UPDATE or UPSERT EDGE. Raises `SemanticError`, `StorageError`."""
    store = context.store
    definition = store.schema.edges.get(statement.edge)
    if definition is None:
        raise SemanticError(f"No schema found for `{statement.edge}'")
    keys = EdgeKeys(statement.keys, context)
    update = PreparedUpdate(statement, definition, context)

    def target(key: tuple[Any, Any, Any]) -> Target:
        src, rank, dst = key

        def read(run: Execution, connection: sqlite3.Connection) -> Props | None:
            edge = GraphReader(run, store, connection).edge_by_key(src, definition.id, rank, dst)
            return edge.props if edge else None

        def write(connection: sqlite3.Connection, text: str) -> None:
            row = (src, definition.id, rank, dst, text)
            connection.execute("INSERT OR REPLACE INTO e VALUES (?, ?, ?, ?, ?)", row)

        return Target(read, write, {"_src": src, "_dst": dst, "_rank": rank, "_type": definition.id})

    def execute(run: Execution) -> Rows:
        wanted = dict.fromkeys(keys.read(run))
        check_lengths((vid for src, _, dst in wanted for vid in (src, dst)), store)
        return _apply_update(update, run, context, map(target, wanted))

    return Plan("UpdateEdge", update.columns, execute, writes=True)


def _apply_update(
    update: PreparedUpdate, run: Execution, context: Context, targets: Iterable[Target]
) -> Rows:
    """All of `targets` or, when one fails, none."""
    rows: Rows = []
    with context.store.write(run.deadline) as connection:
        for target in targets:
            props, seen = update.apply(target.read(run, connection), run, target.extra)
            if props is not None:
                target.write(connection, update.encoded(props))
            rows += update.yield_rows(seen, run)
    return rows
