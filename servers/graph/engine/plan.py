"""Query plans: the columns that a statement will give and what makes its rows; and the planning context."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from servers.graph.engine.administration_protocol import Administration
from servers.graph.engine.execution import Execution, Rows
from servers.graph.engine.expression_tree import inputs, is_aggregate, walk
from servers.graph.engine.scope import Scope
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.language.statements import Statement
from servers.graph.storage.catalog import Catalog
from servers.graph.storage.schema import Schema, SchemaDef
from servers.graph.storage.space import SpaceStore
from servers.graph.values.types import Parameters


@dataclass(slots=True)
class Plan:
    """A planned statement; `run` makes the rows, `columns` and `types` are empty where it gives no table.

    `name` is the plan node's, as EXPLAIN shows it; `types` are deduced; `inner` are the plans it is made of.
    """

    name: str
    columns: list[str]
    run: Callable[[Execution], Rows]
    types: list[str] = field(default_factory=list)
    inner: list["Plan"] = field(default_factory=list)
    writes: bool = False
    explained: bool = False


def alone(store: SpaceStore, execute: Callable[[Execution], Rows]) -> Callable[[Execution], Rows]:
    """A plan's `run` during which nobody else changes the schema: it reads one and writes another, and two at
    once would each lose what the other made."""

    def run(execution: Execution) -> Rows:
        with store.changing_schema(execution.deadline):
            return execute(execution)

    return run


@dataclass(slots=True)
class Shape:
    """The columns, and their deduced types, of rows that another statement makes."""

    columns: list[str]
    types: list[str]


@dataclass(slots=True)
class Context:
    """What a statement is planned against. `space` is the session's; `input` the shape of what a pipe brings.

    `plan` and `parse` plan and parse an inner statement; `variables` are the shapes of `$x = …` so far.
    """

    catalog: Catalog
    space: str | None
    parameters: Parameters
    plan: Callable[[Statement, "Context"], Plan]
    parse: Callable[[str], list[Statement]]
    administration: Administration
    variables: dict[str, Shape] = field(default_factory=dict)
    input: Shape | None = None

    @property
    def store(self) -> SpaceStore:
        """The space in use. Raises `SemanticError` when none is chosen, `SpaceDamaged`."""
        if self.space is None:
            raise SemanticError("Space was not chosen.")
        return self.catalog.store(self.space)

    @property
    def schema(self) -> Schema:
        """The schema of the space in use, as it is now."""
        return self.store.schema

    def with_input(self, left: Plan) -> "Context":
        """The context of a pipe's right side. Raises `SemanticError` for duplicate columns."""
        return replace(self, input=refuse_duplicates(Shape(left.columns, left.types)))

    def tag(self, name: str) -> SchemaDef:
        """The tag of that name. Raises `SemanticError`."""
        found = self.schema.tags.get(name)
        if found is None:
            raise SemanticError(f"No schema found for `{name}'")
        return found

    def edge(self, name: str) -> SchemaDef:
        """The edge type of that name. Raises `SemanticError`."""
        found = self.schema.edges.get(name)
        if found is None:
            raise SemanticError(f"No schema found for `{name}'")
        return found

    def source(self, *nodes: Any) -> tuple[str | None, Shape | None]:
        """Which rows the expressions read: `$-`, a variable's name, or None; with their shape.

        Raises `SemanticError` for more than one.
        """
        uses_input, names = inputs(*nodes)
        names -= self.parameters.keys()
        if uses_input and names:
            raise SemanticError(f"Not support both input and variable{_where(nodes)}.")
        if len(names) > 1:
            raise SemanticError("Only one variable allowed to use.")
        if names:
            name = names.pop()
            if name not in self.variables:
                raise SemanticError(f"`{_first_use(name, nodes)}', not exist variable `{name}'")
            return name, refuse_duplicates(self.variables[name])
        return ("$-", self.input) if uses_input else (None, None)

    def scope(self, *nodes: Any) -> Scope:
        """A scope over the rows that the expressions read."""
        source, shape = self.source(*nodes)
        return scope_of(self, source, shape)


def refuse_duplicates(shape: Shape) -> Shape:
    """The shape, unless columns cannot be told apart. Raises `SemanticError`."""
    for at, name in enumerate(shape.columns):
        if name in shape.columns[:at]:
            raise SemanticError(f"Duplicate Column Name : `{name}'")
    return shape


def _where(nodes: Any) -> str:
    return " in GroupBy sentence" if any(is_aggregate(part) for node in nodes for part in walk(node)) else ""


def _first_use(name: str, nodes: Any) -> str:
    for node in nodes:
        for part in walk(node):
            match part:
                case e.Attr(left=e.Variable(name=used)) | e.Star(left=e.Variable(name=used)) if used == name:
                    return part.text()
    return f"${name}"


def scope_of(context: Context, source: str | None, shape: Shape | None, kind: type[Scope] = Scope) -> Scope:
    """A scope of a kind over the rows of `source`."""
    return kind(
        columns=shape.columns if shape else None,
        types=shape.types if shape else None,
        source=source or "$-",
        parameters=context.parameters,
    )


def rows_of(run: Execution, source: str | None) -> Rows:
    """The rows of `$-` or of the variable `source`; those of the pipe for None."""
    return run.variables[source] if source and source != "$-" else run.input
