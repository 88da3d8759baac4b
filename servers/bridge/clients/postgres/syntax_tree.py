"""PostgreSQL's own parser (libpg_query): a statement as a tree whose nodes name their kind, and as words.

It judges nothing. The tree is read from the parser's JSON: protobuf for Python ends at a hundred levels,
which a sum of fifty columns has, and writing it takes three times the stack.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import orjson
from postgast import PgQueryError, scan
from postgast.errors import check_error
from postgast.native import lib
from postgast.pg_query_pb2 import DESCRIPTOR, Token

WRAPPED = "Node"
"""What the parser calls a field that may hold any kind: an object whose one key is the kind."""
UNKNOWN = "Unknown"
COMMENTS = frozenset({Token.SQL_COMMENT, Token.C_COMMENT})
AROUND = COMMENTS | {Token.ASCII_59}
OPENING = frozenset({Token.ASCII_40, Token.ASCII_91})
CLOSING = frozenset({Token.ASCII_41, Token.ASCII_93})
# What begins the next part of a flat list. A chain through one of these takes too many characters a level.
PARTING = frozenset({Token.ASCII_44, Token.AND, Token.OR, Token.WHEN})
MAX_CHAIN = 10_000
"""Words in a row, with those of the brackets around them, that a tree of one level each may be made of."""

KINDS = {
    kind: {
        field.json_name: field.message_type.name for field in message.fields if field.message_type is not None
    }
    for kind, message in DESCRIPTOR.message_types_by_name.items()
}
"""Every kind that the parser knows, and of which kind what its fields hold is."""


class Node(NamedTuple):
    """A kind of syntax and its fields as PostgreSQL names them; what is null, false or 0 is left out."""

    kind: str
    fields: dict[str, Any]


class Word(NamedTuple):
    """A token's kind, of `postgast.pg_query_pb2.Token`, and its place in characters: [start, end)."""

    kind: int
    start: int
    end: int


def parse(statement: str, *, most: int) -> list[Node | None]:
    """The statements of a text without NUL.

    Raises `PgQueryError` (`cursorpos` counts characters from 1) for what is not SQL, `ValueError` for what is
    not Unicode, is nested too deeply or has more than `most` nodes, or nearly so: `walk` counts exactly.
    """
    raw = statement.encode()
    if len(statement) > 2 * MAX_CHAIN and _chain(statement) > MAX_CHAIN:
        raise ValueError("nested too deeply")
    result = lib.pg_query_parse(raw)
    try:
        check_error(result)
        tree: bytes = result.parse_tree
    finally:
        lib.pg_query_free_parse_result(result)
    # A node opens two objects at most, its own and that of the field it is in; no text can hold this.
    if tree.count(b'":{"') > 2 * most + 2:
        raise ValueError("too large")
    return [unwrapped(one.get("stmt", {})) for one in orjson.loads(tree)["stmts"]]


def unwrapped(held: Any) -> Node | None:
    """The node in a field of any kind; None for an empty one. Raises `ValueError` for any other field."""
    if not held:
        return None
    ((kind, fields),) = held.items()
    return Node(kind, fields)


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node from `root` down, with its depth; a list is a level of its own, not a node.

    What the parser's own description does not name is a node of the kind `UNKNOWN`.
    """
    stack: list[tuple[Any, str, int]] = [(root.fields, root.kind, 0)]
    while stack:
        item, kind, depth = stack.pop()
        if type(item) is list:
            stack += [(part, kind, depth + 1) for part in cast("list[Any]", item)]
            continue
        if kind == WRAPPED:
            if not item:
                continue
            ((kind, item),) = item.items()
        if kind == "List":
            stack += [(part, WRAPPED, depth + 1) for part in item.get("items", ())]
            continue
        yield Node(kind, item), depth
        held = KINDS.get(kind, {})
        for name, value in item.items():
            if type(value) in (dict, list):
                stack.append((value, held.get(name, UNKNOWN), depth + 1))


def words(statement: str) -> list[Word]:
    """The tokens of a text without NUL, comments left out. Raises `PgQueryError` and `ValueError`."""
    tokens = [token for token in scan(statement).tokens if token.token not in COMMENTS]
    if statement.isascii():
        return [Word(token.token, token.start, token.end) for token in tokens]
    # The parser counts bytes.
    places = [place for place, letter in enumerate(statement) for _ in letter.encode()] + [len(statement)]
    return [Word(token.token, places[token.start], places[token.end]) for token in tokens]


def extent(statement: str) -> tuple[int, int]:
    """Where a parsed statement begins and ends without the comments and semicolons around it: [start, end) in
    characters."""
    tokens = scan(statement).tokens
    first = next(token for token in tokens if token.token not in AROUND)
    last = next(token for token in reversed(tokens) if token.token not in AROUND)
    if statement.isascii():
        return first.start, last.end
    raw = statement.encode()
    return len(raw[: first.start].decode()), len(raw[: last.end].decode())


def _chain(statement: str) -> int:
    """How deep a tree this text may become at most, or 0 for what the parser refuses anyway.

    The parser has no bound for `1+1+…`, and writing such a tree takes stack for each level: a long enough one
    would end the process.
    """
    try:
        tokens = scan(statement).tokens
    except PgQueryError:
        return 0
    open_runs: list[int] = []
    run = total = most = 0
    for kind in [token.token for token in tokens]:
        if kind in PARTING:
            total, run = total - run, 0
        elif kind in CLOSING and open_runs:
            total, run = total - run + 1, open_runs.pop() + 1
        else:
            total, run = total + 1, run + 1
            if kind in OPENING:
                open_runs.append(run)
                run = 0
            most = max(most, total)
    return most
