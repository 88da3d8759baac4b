"""UPDATE and UPSERT: read, decide and write inside one transaction, so that no update is lost."""

import sqlite3
from collections.abc import Callable
from typing import Any

from servers.graph.engine.access.elements import property_type
from servers.graph.engine.access.property_values import default_of, fitted
from servers.graph.engine.access.reader import Access
from servers.graph.engine.access.start_vertices import Places
from servers.graph.engine.evaluate import Evaluate, compile_expr
from servers.graph.engine.expression_walk import walk
from servers.graph.engine.frame import Frame, Rows, Run
from servers.graph.engine.plan import Context, Plan
from servers.graph.engine.scope import Leaf, Scope
from servers.graph.engine.statements.fetch import Keys
from servers.graph.engine.statements.insert import evaluator
from servers.graph.engine.statements.output import build_output
from servers.graph.engine.type_check import checked_filter, deduce, fold
from servers.graph.errors import SemanticError, StorageError
from servers.graph.language import expressions as e
from servers.graph.language import writing as w
from servers.graph.storage.codec import encode
from servers.graph.storage.schema import SchemaDef
from servers.graph.values.types import NULL, UNKNOWN_PROP

Props = dict[str, Any]
NO_DEFAULT = "Invalid field value: may be the filed is not NULL or without default value or wrong schema."


class UpdateScope(Scope):
    """Names of the element at hand: plain properties, `$^.tag.prop`, `edge.prop`."""

    def __init__(self, definition: SchemaDef, parameters: dict[str, Any]) -> None:
        super().__init__(parameters=parameters)
        self.definition = definition

    def special(self, node: e.Expr) -> Leaf | None:
        name = self._property(node)
        if name is None:
            return None
        if name.startswith("_") and self.definition.kind == "EDGE":
            return lambda frame: frame.owner.get(name, NULL)
        if name not in self.definition.by_name:
            raise SemanticError(f"`{node.text()}', not exist prop `{name}'")
        return lambda frame: frame.owner.get(name, NULL)

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

    def special_type(self, node: e.Expr) -> str:
        name = self._property(node)
        return property_type(self.definition, name) if name else super().special_type(node)


def _refuse_wrong(statement: w.UpdateVertex | w.UpdateEdge, definition: SchemaDef) -> None:
    """Refuse expressions that read another element. Raises `SemanticError`."""
    exprs = [assign.expr for assign in statement.assigns]
    exprs += [statement.when] if statement.when else []
    exprs += [column.expr for column in statement.output.columns] if statement.output else []
    allowed = {"$^"} if definition.kind == "TAG" else set[str]()
    for expr in exprs:
        if any(isinstance(part, e.Ref) and part.what not in allowed for part in walk(expr)):
            raise SemanticError(f"Has wrong expr in `{expr.text()}'")


class Change:
    """A prepared change of one tag or edge: WHEN, SET, YIELD."""

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
        self.when = compile_expr(checked_filter(when, scope), scope) if when else None
        self.output = build_output(statement.output.columns, scope) if statement.output else None
        self.evaluate = evaluator(context)

    def apply(self, stored: Props | None, run: Run, extra: Props) -> tuple[Props | None, Props]:
        """(what to store or None, what YIELD sees). Raises `StorageError`."""
        if stored is None and not self.insertable:
            raise StorageError("Vertex or edge not found.")
        frame = Frame(run)
        fresh = stored is None
        props = self._defaults() if stored is None else dict(stored)
        frame.owner = {**props, **extra}
        if not fresh and self.when is not None and self.when(frame) is not True:
            return None, frame.owner
        for name, value in self.sets:
            made = value(frame)
            if fresh and made is UNKNOWN_PROP:
                raise StorageError(NO_DEFAULT)
            props[name] = fitted(self.definition.by_name[name], made)
            frame.owner = {**props, **extra}
        return props, frame.owner

    def _defaults(self) -> Props:
        """What a new element starts from; UNKNOWN_PROP stands where SET must give the value."""
        given, made = {name for name, _ in self.sets}, {}
        for prop in self.definition.props:
            bare = prop.default is None and not prop.nullable
            if bare and prop.name not in given:
                raise StorageError(NO_DEFAULT)
            made[prop.name] = UNKNOWN_PROP if bare else default_of(prop, self.evaluate)
        return made

    def encoded(self, props: Props) -> str:
        made: list[Any] = [NULL] * self.definition.next_position
        for prop in self.definition.props:
            made[prop.position] = props[prop.name]
        return encode(made)

    def answer(self, seen: Props, run: Run) -> Rows:
        if self.output is None:
            return []
        frame = Frame(run)
        frame.owner = seen
        return [self.output.row(frame)]

    @property
    def columns(self) -> list[str]:
        return self.output.names if self.output else []


def plan_update_vertex(statement: w.UpdateVertex, context: Context) -> Plan:
    store, name = context.store, statement.tag or ""
    definition = store.schema.tags.get(name)
    if definition is None:
        raise SemanticError(f"No schema found for `{name}'")
    places = Places([statement.vid], context)
    change = Change(statement, definition, context)

    def execute(run: Run) -> Rows:
        vid = places.vids(run)[0]

        def read(connection: sqlite3.Connection) -> Props | None:
            tags = Access(run, store, connection).tags(vid)
            return tags.get(name) if tags else None

        def write(connection: sqlite3.Connection, text: str) -> None:
            connection.execute("INSERT OR REPLACE INTO v VALUES (?, ?, ?)", (vid, definition.id, text))

        return _change(change, run, context, read, write, {"_vid": vid})

    return Plan("UpdateVertex", change.columns, execute, writes=True)


def plan_update_edge(statement: w.UpdateEdge, context: Context) -> Plan:
    store = context.store
    definition = store.schema.edges.get(statement.edge)
    if definition is None:
        raise SemanticError(f"No schema found for `{statement.edge}'")
    keys = Keys([statement.key], context)
    change = Change(statement, definition, context)

    def execute(run: Run) -> Rows:
        src, rank, dst = keys.read(run)[0]

        def read(connection: sqlite3.Connection) -> Props | None:
            edge = Access(run, store, connection).one_edge(src, definition.id, rank, dst)
            return edge.props if edge else None

        def write(connection: sqlite3.Connection, text: str) -> None:
            row = (src, definition.id, rank, dst, text)
            connection.execute("INSERT OR REPLACE INTO e VALUES (?, ?, ?, ?, ?)", row)

        extra = {"_src": src, "_dst": dst, "_rank": rank, "_type": definition.id}
        return _change(change, run, context, read, write, extra)

    return Plan("UpdateEdge", change.columns, execute, writes=True)


def _change(
    change: Change,
    run: Run,
    context: Context,
    read: Callable[[sqlite3.Connection], Props | None],
    write: Callable[[sqlite3.Connection, str], None],
    extra: Props,
) -> Rows:
    with context.store.write(run.deadline) as connection:
        props, seen = change.apply(read(connection), run, extra)
        if props is not None:
            write(connection, change.encoded(props))
    return change.answer(seen, run)
