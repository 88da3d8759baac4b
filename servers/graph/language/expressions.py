"""Syntax trees of expressions.

Each node can say itself as Nebula does: it names a column without an alias.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from servers.graph.values.text import text_of_constant


@dataclass(slots=True)
class Expr(ABC):
    """A node of an expression. `text` is overridden by each and says nothing new there."""

    @abstractmethod
    def text(self) -> str:
        """The node as Nebula writes it."""


@dataclass(slots=True)
class Const(Expr):
    """A literal; `value` is what it means, or its slot in a template."""

    value: Any

    def text(self) -> str:
        return text_of_constant(self.value)


@dataclass(slots=True)
class Label(Expr):
    """A bare name: an alias, a loop variable, a property."""

    name: str

    def text(self) -> str:
        return self.name


@dataclass(slots=True)
class Attr(Expr):
    """`left.name`."""

    left: Expr
    name: str

    def text(self) -> str:
        return f"{self.left.text()}.{self.name}"


@dataclass(slots=True)
class Star(Expr):
    """`$-.*` or `$var.*`: all columns of an input."""

    left: Expr

    def text(self) -> str:
        return f"{self.left.text()}.*"


@dataclass(slots=True)
class Subscript(Expr):
    """`left[index]`."""

    left: Expr
    index: Expr

    def text(self) -> str:
        return f"{self.left.text()}[{self.index.text()}]"


@dataclass(slots=True)
class Slice(Expr):
    """`left[low..high]`, either end left out or not."""

    left: Expr
    low: Expr | None
    high: Expr | None

    def text(self) -> str:
        low = self.low.text() if self.low else ""
        high = self.high.text() if self.high else ""
        return f"{self.left.text()}[{low}..{high}]"


@dataclass(slots=True)
class Unary(Expr):
    """`-x`, `+x` and `!x`."""

    op: str
    operand: Expr

    def text(self) -> str:
        return f"{self.op}({self.operand.text()})"


@dataclass(slots=True)
class Cast(Expr):
    """`(type)x`."""

    type: str
    operand: Expr

    def text(self) -> str:
        return f"({self.type}){self.operand.text()}"


@dataclass(slots=True)
class Binary(Expr):
    """Arithmetic, comparison and logic; `op` is spelt as Nebula prints it."""

    op: str
    left: Expr
    right: Expr

    def text(self) -> str:
        gap = " " if self.op[0].isalpha() else ""
        return f"({self.left.text()}{gap}{self.op}{gap}{self.right.text()})"


@dataclass(slots=True)
class Test(Expr):
    """`IS [NOT] NULL` and `IS [NOT] EMPTY`."""

    operand: Expr
    what: str
    negated: bool

    def text(self) -> str:
        return f"{self.operand.text()} IS {'NOT ' if self.negated else ''}{self.what}"


@dataclass(slots=True)
class Call(Expr):
    """A call of a function or an aggregate; `star` is `count(*)`."""

    name: str
    arguments: list[Expr]
    distinct: bool = False
    star: bool = False

    def text(self) -> str:
        inner = "*" if self.star else ",".join(argument.text() for argument in self.arguments)
        name = "exists" if self.name.lower() == "exists" else self.name
        return f"{name}({'distinct ' if self.distinct else ''}{inner})"


@dataclass(slots=True)
class ListLiteral(Expr):
    """`[a, b]`."""

    items: list[Expr]

    def text(self) -> str:
        return f"[{','.join(item.text() for item in self.items)}]"


@dataclass(slots=True)
class SetLiteral(Expr):
    """`{a, b}`."""

    items: list[Expr]

    def text(self) -> str:
        return "{" + ",".join(item.text() for item in self.items) + "}"


@dataclass(slots=True)
class MapLiteral(Expr):
    """`{key: value}`."""

    entries: list[tuple[str, Expr]]

    def text(self) -> str:
        return "{" + ",".join(f"{key}:{value.text()}" for key, value in self.entries) + "}"


@dataclass(slots=True)
class Case(Expr):
    """CASE WHEN … THEN … ELSE … END, with a `subject` or without; `ternary` is `a ? b : c`."""

    subject: Expr | None
    branches: list[tuple[Expr, Expr]]
    otherwise: Expr | None
    ternary: bool = False

    def text(self) -> str:
        if self.ternary and self.otherwise:
            when, then = self.branches[0]
            return f"({when.text()} ? {then.text()} : {self.otherwise.text()})"
        parts = ["CASE", self.subject.text()] if self.subject else ["CASE"]
        parts += [f"WHEN {when.text()} THEN {then.text()}" for when, then in self.branches]
        if self.otherwise:
            parts.append(f"ELSE {self.otherwise.text()}")
        return " ".join([*parts, "END"])


@dataclass(slots=True)
class Predicate(Expr):
    """`all`, `any`, `single`, `none` over a list."""

    kind: str
    name: str
    items: Expr
    where: Expr

    def text(self) -> str:
        return f"{self.kind.lower()}({self.name} IN {self.items.text()} WHERE {self.where.text()})"


@dataclass(slots=True)
class Comprehension(Expr):
    """`[name IN items WHERE where | result]`."""

    name: str
    items: Expr
    where: Expr | None
    result: Expr | None

    def text(self) -> str:
        where = f" WHERE {self.where.text()}" if self.where else ""
        result = f" | {self.result.text()}" if self.result else ""
        return f"[{self.name} IN {self.items.text()}{where}{result}]"


@dataclass(slots=True)
class Reduce(Expr):
    """`reduce(total = initial, name IN items | result)`."""

    total: str
    initial: Expr
    name: str
    items: Expr
    result: Expr

    def text(self) -> str:
        start = f"{self.total} = {self.initial.text()}, {self.name} IN {self.items.text()}"
        return f"reduce({start} | {self.result.text()})"


@dataclass(slots=True)
class Variable(Expr):
    """`$name`: a parameter, or a statement's result when an attribute follows."""

    name: str

    def text(self) -> str:
        return f"${self.name}"


@dataclass(slots=True)
class Ref(Expr):
    """`$-`, `$^`, `$$`, and the words `vertex edge vertices edges path` of a YIELD."""

    what: str

    def text(self) -> str:
        return self.what


@dataclass(slots=True)
class PathExpr(Expr):
    """A pattern used as a value: the list of its paths; as a condition: whether there is one."""

    path: Any

    def text(self) -> str:
        return self.path.text()
