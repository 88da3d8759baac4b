"""The expression compiler: an expression becomes a function of a frame. Names are the scope's business."""

from collections.abc import Callable
from typing import Any

from servers.graph.engine.frame import Frame
from servers.graph.engine.scope import Scope
from servers.graph.errors import SemanticError
from servers.graph.functions.conversions import cast
from servers.graph.functions.graph_elements import exists
from servers.graph.functions.registry import find_function
from servers.graph.language import expressions as e
from servers.graph.values.attributes import attribute, subscript
from servers.graph.values.comparison import equal
from servers.graph.values.operators import (
    BINARY,
    QUANTIFIERS,
    UNARY,
    logical_and,
    logical_or,
    logical_xor,
    truth,
)
from servers.graph.values.types import BAD_TYPE, NULL, Empty, NSet, Null

Evaluate = Callable[[Frame], Any]


def compile_expr(node: e.Expr, scope: Scope) -> Evaluate:
    """The function that gives the expression's value for a frame.

    Raises `SemanticError` for unknown names.
    """
    if type(node) is e.Const:
        value = node.value
        return lambda _: value
    resolved = scope.resolve(node)
    return resolved if resolved is not None else _COMPILERS[type(node)](node, scope)


def _label(node: e.Label, scope: Scope) -> Evaluate:
    raise SemanticError(f"Invalid label identifiers: {node.name}")


def _attribute(node: e.Attr, scope: Scope) -> Evaluate:
    left, name = compile_expr(node.left, scope), node.name
    return lambda frame: attribute(left(frame), name)


def _subscript(node: e.Subscript, scope: Scope) -> Evaluate:
    left, index = compile_expr(node.left, scope), compile_expr(node.index, scope)
    return lambda frame: subscript(left(frame), index(frame))


def _slice(node: e.Slice, scope: Scope) -> Evaluate:
    left = compile_expr(node.left, scope)
    low = compile_expr(node.low, scope) if node.low else None
    high = compile_expr(node.high, scope) if node.high else None

    def run(frame: Frame) -> Any:
        start = low(frame) if low else 0
        end = high(frame) if high else None
        return _cut(left(frame), start, end)

    return run


def _cut(value: Any, start: Any, end: Any) -> Any:
    if isinstance(value, Null) or isinstance(start, Null) or isinstance(end, Null):
        return NULL
    if type(value) is not list or type(start) is not int or (end is not None and type(end) is not int):
        return BAD_TYPE
    return value[start:end]


def _unary(node: e.Unary, scope: Scope) -> Evaluate:
    operand, run = compile_expr(node.operand, scope), UNARY[node.op]
    return lambda frame: run(operand(frame))


def _cast(node: e.Cast, scope: Scope) -> Evaluate:
    operand, kind = compile_expr(node.operand, scope), node.type
    return lambda frame: cast(kind, operand(frame))


def _binary(node: e.Binary, scope: Scope) -> Evaluate:
    left, right = compile_expr(node.left, scope), compile_expr(node.right, scope)
    logic = _LOGIC.get(node.op)
    if logic is not None:
        return logic(left, right)
    run = BINARY[node.op]
    return lambda frame: run(left(frame), right(frame))


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    def run(frame: Frame) -> Any:
        first = left(frame)
        if first is False:
            return False
        return logical_and(truth(first), truth(right(frame)))

    return run


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    def run(frame: Frame) -> Any:
        first = left(frame)
        if first is True:
            return True
        return logical_or(truth(first), truth(right(frame)))

    return run


_LOGIC: dict[str, Callable[[Evaluate, Evaluate], Evaluate]] = {
    "AND": _and,
    "OR": _or,
    "XOR": lambda left, right: lambda frame: logical_xor(truth(left(frame)), truth(right(frame))),
}


def _test(node: e.Test, scope: Scope) -> Evaluate:
    operand, negated = compile_expr(node.operand, scope), node.negated
    kind = Null if node.what == "NULL" else Empty
    return lambda frame: (type(operand(frame)) is kind) != negated


def _existence(node: e.Attr | e.Subscript, scope: Scope) -> Evaluate:
    """`exists(x.name)`, `exists(x[name])`: of what is NULL, NULL."""
    value, container = compile_expr(node, scope), compile_expr(node.left, scope)

    def run(frame: Frame) -> Any:
        return NULL if type(container(frame)) is Null else exists(value(frame))

    return run


def _call(node: e.Call, scope: Scope) -> Evaluate:
    match node:
        case e.Call(name=name, arguments=[e.Attr() | e.Subscript() as part]) if name.lower() == "exists":
            if scope.resolve(part) is None:
                return _existence(part, scope)
    function = find_function(node.name, len(node.arguments))
    if function is None:
        raise SemanticError(f"Invalid use of aggregating function `{node.text()}'.")
    run = function.run
    arguments = [compile_expr(argument, scope) for argument in node.arguments]
    if len(arguments) == 1:
        only = arguments[0]
        return lambda frame: run(only(frame))
    return lambda frame: run(*[argument(frame) for argument in arguments])


def _list(node: e.ListLiteral, scope: Scope) -> Evaluate:
    items = [compile_expr(item, scope) for item in node.items]
    return lambda frame: [item(frame) for item in items]


def _set(node: e.SetLiteral, scope: Scope) -> Evaluate:
    items = [compile_expr(item, scope) for item in node.items]
    return lambda frame: NSet(item(frame) for item in items)


def _map(node: e.MapLiteral, scope: Scope) -> Evaluate:
    entries = [(key, compile_expr(value, scope)) for key, value in node.entries]
    return lambda frame: {key: value(frame) for key, value in entries}


def _case(node: e.Case, scope: Scope) -> Evaluate:
    subject = compile_expr(node.subject, scope) if node.subject else None
    branches = [(compile_expr(when, scope), compile_expr(then, scope)) for when, then in node.branches]
    otherwise = compile_expr(node.otherwise, scope) if node.otherwise else (lambda _: NULL)

    def run(frame: Frame) -> Any:
        value = subject(frame) if subject else True
        for when, then in branches:
            found = when(frame)
            if (equal(found, value) if subject else found) is True:
                return then(frame)
        return otherwise(frame)

    return run


def _items(value: Any) -> list[Any] | Null:
    """What a loop goes over, or the NULL it answers."""
    if isinstance(value, list | NSet):
        return list(value)
    if isinstance(value, dict):
        return list(value)
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE


def _predicate(node: e.Predicate, scope: Scope) -> Evaluate:
    items, inner = compile_expr(node.items, scope), scope.with_local(node.name)
    where, name, decide = compile_expr(node.where, inner), node.name, QUANTIFIERS[node.kind.lower()]

    def run(frame: Frame) -> Any:
        found = _items(items(frame))
        if isinstance(found, Null):
            return found
        return decide(truth(where(frame)) for frame.locals[name] in _ticking(frame, found))

    return run


def _ticking(frame: Frame, items: list[Any]) -> Any:
    for item in items:
        frame.run.tick()
        yield item


def _comprehension(node: e.Comprehension, scope: Scope) -> Evaluate:
    items, inner, name = compile_expr(node.items, scope), scope.with_local(node.name), node.name
    where = compile_expr(node.where, inner) if node.where else None
    result = compile_expr(node.result, inner) if node.result else None

    def run(frame: Frame) -> Any:
        found = _items(items(frame))
        if isinstance(found, Null):
            return found
        made = []
        for item in found:
            frame.run.tick()
            frame.locals[name] = item
            if where is None or truth(where(frame)) is True:
                made.append(result(frame) if result else item)
                frame.run.account_growth(len(made), made[-1])
        return made

    return run


def _reduce(node: e.Reduce, scope: Scope) -> Evaluate:
    initial, items = compile_expr(node.initial, scope), compile_expr(node.items, scope)
    inner, total, name = scope.with_local(node.total).with_local(node.name), node.total, node.name
    result = compile_expr(node.result, inner)

    def run(frame: Frame) -> Any:
        found = _items(items(frame))
        if isinstance(found, Null):
            return found
        value = initial(frame)
        for item in found:
            frame.run.tick()
            frame.locals[total], frame.locals[name] = value, item
            value = result(frame)
            if isinstance(value, str | list):
                frame.run.check_bytes(len(value) * 8)
        return value

    return run


def _unresolved(node: Any, _scope: Scope) -> Evaluate:
    raise SemanticError(f"Invalid expression `{node.text()}'")


_COMPILERS: dict[type, Callable[[Any, Scope], Evaluate]] = {
    e.Label: _label,
    e.Attr: _attribute,
    e.Subscript: _subscript,
    e.Slice: _slice,
    e.Unary: _unary,
    e.Cast: _cast,
    e.Binary: _binary,
    e.Test: _test,
    e.Call: _call,
    e.ListLiteral: _list,
    e.SetLiteral: _set,
    e.MapLiteral: _map,
    e.Case: _case,
    e.Predicate: _predicate,
    e.Comprehension: _comprehension,
    e.Reduce: _reduce,
    e.Variable: _unresolved,
    e.Ref: _unresolved,
    e.Star: _unresolved,
    e.PathExpr: _unresolved,
}
