"""Name resolution: what a name means where an expression stands. A name becomes a function of the frame."""

from collections.abc import Callable
from typing import Any

from servers.graph.engine.frame import Frame
from servers.graph.errors import SemanticError
from servers.graph.language import expressions as e
from servers.graph.values.types import Parameters, type_name

UNKNOWN = "__EMPTY__"
"""The deduced type of what only running can tell."""

Leaf = Callable[[Frame], Any]


class Scope:
    """Loop variables, parameters, and the columns of an input; subclasses add their statement's names.

    `columns` and `types` describe the rows of the pipe or of the `$variable` named `source`. What overrides
    `resolve_own` and `own_type` says nothing new.
    """

    def __init__(
        self,
        *,
        columns: list[str] | None = None,
        types: list[str] | None = None,
        source: str = "$-",
        parameters: Parameters | None = None,
    ) -> None:
        self.columns = columns
        self.types = types or []
        self.source = source
        self.parameters = parameters or {}
        self.locals: frozenset[str] = frozenset()

    def with_local(self, name: str) -> "Scope":
        """The same scope with one more loop variable."""
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        made.locals = self.locals | {name}
        return made

    def resolve(self, node: e.Expr) -> Leaf | None:
        """A function that reads the name from a frame; None leaves the node to the compiler.

        Raises `SemanticError`.
        """
        match node:
            case e.Label(name=name) if name in self.locals:
                return lambda frame: frame.locals[name]
            case e.Attr(left=e.Label(name=name)) if name in self.locals:
                return None
            case e.Variable(name=name) if name in self.parameters:
                value = self.parameters[name]
                return lambda _: value
            case e.Attr(left=e.Ref(what="$-"), name=name):
                return self._column("$-", name)
            case e.Attr(left=e.Variable(name=name)) if name in self.parameters:
                return None
            case e.Attr(left=e.Variable(name=variable), name=name):
                return self._column(variable, name)
        return self.resolve_own(node)

    def resolve_own(self, node: e.Expr) -> Leaf | None:
        """As `resolve`, for the names that only this kind of statement has."""
        return None

    def type_of(self, node: e.Expr) -> str:
        """The deduced type of a name, UNKNOWN when only running can tell."""
        match node:
            case e.Label(name=name) if name in self.locals:
                return UNKNOWN
            case e.Variable(name=name) if name in self.parameters:
                return type_name(self.parameters[name])
            case e.Attr(left=e.Ref(what="$-"), name=name) | e.Attr(left=e.Variable(), name=name):
                return self._column_type(name)
        return self.own_type(node)

    def own_type(self, node: e.Expr) -> str:
        """As `type_of`, for the names that only this kind of statement has."""
        return UNKNOWN

    def _column_type(self, name: str) -> str:
        if not self.columns or name not in self.columns or not self.types:
            return UNKNOWN
        return self.types[self.columns.index(name)]

    def _column(self, source: str, name: str) -> Leaf:
        label = source if source == "$-" else f"${source}"
        if source not in ("$-", self.source):
            raise SemanticError(f"`{label}.{name}', not exist variable `{source}'")
        if self.columns is None or source != self.source or name not in self.columns:
            raise SemanticError(f"`{label}.{name}', not exist prop `{name}'")
        index = self.columns.index(name)
        return lambda frame: frame.row[index]
