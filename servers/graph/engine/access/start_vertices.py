"""Start vertices of a traversal: vids from constants, pipes and `$variables`, checked."""

from collections.abc import Callable, Iterable
from typing import Any

from servers.graph.engine.evaluate import compile_expr
from servers.graph.engine.execution import Execution
from servers.graph.engine.frame import Frame
from servers.graph.engine.plan import Context, Shape, rows_of, scope_of
from servers.graph.engine.scope import UNKNOWN
from servers.graph.engine.type_check import constant, deduce
from servers.graph.errors import ExecutionError, NgqlSyntaxError, SemanticError, StorageError
from servers.graph.language import expressions as e
from servers.graph.storage.space import SpaceStore
from servers.graph.values.types import Empty, Null, type_name

Refuse = Callable[[e.Expr, SpaceStore, str], SemanticError]
"""What makes the refusal of a start: the expression, the space, the type it has."""


class StartVertices:
    """Compiled start vertices. `source` names the rows they are read from, None for constants.

    `refuse` words the refusal of a wrong type.
    """

    def __init__(self, exprs: list[e.Expr], context: Context, *, refuse: Refuse | None = None) -> None:
        self._refuse = refuse or _wrong_kind
        self.source, self.shape = context.source(exprs)
        self._store = context.store
        self._constants: list[Any] = []
        self._column: Any = None
        if self.source is None:
            self._constants = [self._constant(expr, context) for expr in exprs]
        elif len(exprs) > 1:
            raise NgqlSyntaxError(f"syntax error near `{exprs[1].text()}'")
        else:
            self._compile(exprs, context, self.shape)

    def _constant(self, expr: e.Expr, context: Context) -> Any:
        if isinstance(expr, e.Variable):
            kind = "Parameter" if expr.name in context.parameters else "Variable"
            raise NgqlSyntaxError(f"{kind} is not supported in vid near `{expr.text()}'")
        if any(isinstance(part, e.Label | e.Ref | e.Attr) for part in [expr]):
            raise SemanticError(f"`{expr.text()}' is not an evaluable expression.")
        value = constant(expr, context.parameters)
        if not is_vid(value, self._store):
            raise self._refuse(expr, self._store, type_name(value))
        return value

    def _compile(self, exprs: list[e.Expr], context: Context, shape: Shape | None) -> None:
        scope = scope_of(context, self.source, shape)
        if not is_column(exprs[0]):
            raise SemanticError(f"`{exprs[0].text()}' is not an evaluable expression.")
        compiled = compile_expr(exprs[0], scope)
        kind = deduce(exprs[0], scope)
        wanted = "INT" if self._store.vid_type == "INT64" else "STRING"
        if kind not in (wanted, UNKNOWN, "NULL", "VERTEX") and kind:
            raise self._refuse(exprs[0], self._store, kind)
        self._column = compiled

    def vids(self, run: Execution) -> list[Any]:
        """Distinct vids, in the order they came. Raises `ExecutionError` for what is no vid."""
        return list(dict.fromkeys(vid for vid, _ in self.pairs(run)))

    def all_vids(self, run: Execution) -> list[Any]:
        """As `vids`, repeated ones too."""
        return [vid for vid, _ in self.pairs(run)]

    def pairs(self, run: Execution) -> list[tuple[Any, Any]]:
        """`(vid, the row it came from)` for each start, the row None for constants.

        Raises `ExecutionError`.
        """
        if self.source is None:
            return [(vid, None) for vid in self._constants]
        frame, made = Frame(run), []
        for row in rows_of(run, self.source):
            frame.row = row
            vid = self._column(frame)
            if isinstance(vid, Null | Empty):
                continue
            self._check(vid)
            made.append((vid, row))
        return made

    def _check(self, vid: Any) -> None:
        if not is_vid(vid, self._store):
            raise ExecutionError(f"Vid should be a {vid_type_text(self._store)}")


def vid_type_text(store: SpaceStore) -> str:
    """The type of a space's vids as messages spell it: FIXED_STRING(8), INT64."""
    return f"FIXED_STRING({store.vid_length})" if store.vid_type == "FIXED_STRING" else "INT64"


def is_vid(value: Any, store: SpaceStore) -> bool:
    """Whether the value is of the type of the space's vids; its length is not looked at."""
    return type(value) is (int if store.vid_type == "INT64" else str)


def check_vid(value: Any, expr: e.Expr, store: SpaceStore) -> None:
    """Refuse a vid that is not of the space's type. Raises `SemanticError`."""
    if not is_vid(value, store):
        raise _wrong_kind(expr, store, type_name(value))


def _wrong_kind(expr: e.Expr, store: SpaceStore, kind: str) -> SemanticError:
    wanted = store.vid_type
    return SemanticError(f"`{expr.text()}', the srcs should be type of {wanted}, but was`{kind}'")


def is_column(node: e.Expr) -> bool:
    """Whether it is a column of `$-` or of a `$variable`, perhaps a part of it; a vid has no other way in."""
    match node:
        case e.Attr(left=e.Ref(what="$-")) | e.Attr(left=e.Variable()):
            return True
        case e.Subscript(left=left) | e.Attr(left=left):
            return is_column(left)
    return False


def refuse_target(expr: e.Expr, store: SpaceStore, kind: str) -> SemanticError:
    """The refusal of a vertex to delete whose type is wrong."""
    wanted = "INT" if store.vid_type == "INT64" else "STRING"
    return SemanticError(f"The vid `{expr.text()}' should be type of `{wanted}', but was `{kind}'")


def check_lengths(vids: Iterable[Any], store: SpaceStore) -> None:
    """Refuse vids that the space could not hold. Raises `StorageError`."""
    if not all(is_storable_vid(vid, store) for vid in vids):
        raise StorageError(VID_TOO_LONG)


VID_TOO_LONG = "The VID must be a 64-bit integer or a string fitting space vertex id length limit."


def is_storable_vid(value: Any, store: SpaceStore) -> bool:
    """Whether the vid may be stored: of the type, and not more UTF-8 bytes than the space allows."""
    return is_vid(value, store) and (type(value) is int or len(value.encode()) <= store.vid_length)
