"""The lexer: cuts nGQL into the grammar's tokens — keywords, names, literals, the `(` of a pattern.

It also finds the literals of a statement, so that statements that differ only in them share one parse.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lark import Token
from lark.lexer import Lexer

from servers.graph.errors import NgqlSyntaxError, SemanticError

KEYWORDS = frozenset(
    """
    ADD ALL ALTER AND ANY AS ASC ASCENDING ATOMIC_EDGE BIDIRECT BOOL BOTH BY CASE CHANGE CHARSET COLLATE
    COLLATION COMMENT CONTAINS CREATE DATE DATETIME DEFAULT DELETE DESC DESCENDING DESCRIBE DISTINCT DOUBLE
    DROP DURATION EDGE EDGES ELSE EMPTY END ENDS EXISTS EXPLAIN FALSE FETCH FIND FIXED_STRING FLOAT FORMAT
    FROM GEOGRAPHY GET GO GROUP IF IGNORE_EXISTED_INDEX IN INDEX INDEXES INSERT INT INT16 INT32 INT64 INT8
    INTERSECT INTO IS LIMIT LOOKUP MATCH MINUS NOLOOP NONE NOT NULL OF OFFSET ON OPTIONAL OR ORDER OUT OVER
    OVERWRITE PARTITION_NUM PATH PROFILE PROP REBUILD REDUCE REPLICA_FACTOR RETURN REVERSELY SAMPLE SET
    SHORTEST SHOW SINGLE SKIP SPACE SPACES STARTS STATS STATUS STEP STEPS STRING SUBGRAPH TAG TAGS THEN TIME
    TIMESTAMP TO TRUE TTL_COL TTL_DURATION UNION UNWIND UPDATE UPSERT UPTO USE USING VALUES VERTEX VERTICES
    VID_TYPE WHEN WHERE WITH XOR YIELD SHORTESTPATH ALLSHORTESTPATHS JOB JOBS SUBMIT CLEAR HOSTS SESSIONS
    SESSION KILL QUERIES QUERY PARTS META GRAPH STORAGE CONFIGS ROLES USERS USER SNAPSHOTS COLLATIONS LOCAL
    GRANT REVOKE ROLE PASSWORD SNAPSHOT
    """.split()
)
"""Every word the grammar spells. Those that may also be names are listed in the grammar's `name`."""

LOWERED = frozenset(
    """
    ACCOUNT ADMIN AUTO BASIC BIG BYTES CLIENTS DATA DBA DIVIDE DRAINER DRAINERS ELASTICSEARCH FORCE FULLTEXT
    FUZZY GOD GROUPS GUEST HDFS HOST IP LEADER LISTENER MERGE PART PLAN PREFIX READ REGEXP RENAME
    RESET RESOURCE SEARCH SERVICE SIGN TEXT TEXT_SEARCH TOP UUID VALUE VALUE WILDCARD ZONE ZONES
    """.split()
)
"""Words of Nebula's grammar that are names here: they are read in lower case, as there."""

SYMBOLS = {
    "..": "_DOTDOT",
    ".": "_DOT",
    "==": "_EQ",
    "!=": "_NE",
    "<>": "_NE",
    "<=": "_LE",
    ">=": "_GE",
    "<": "_LT",
    ">": "_GT",
    "=~": "_REG",
    "=": "_ASSIGN",
    "+": "_PLUS",
    "-": "_DASH",
    "*": "STAR",
    "/": "_SLASH",
    "%": "_PERCENT",
    "!": "_BANG",
    "&&": "AND",
    "||": "OR",
    "->": "_RARROW",
    "<-": "_LARROW",
    "$-": "INPUT_REF",
    "$^": "SRC_REF",
    "$$": "DST_REF",
    "|": "_PIPE",
    "?": "_QM",
    ":": "_COLON",
    ";": "_SEMICOLON",
    ",": "_COMMA",
    "@": "_AT",
    "(": "_LPAR",
    ")": "_RPAR",
    "[": "_LSQB",
    "]": "_RSQB",
    "{": "_LBRACE",
    "}": "_RBRACE",
}

STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
FLOAT = r"\d+\.(?![.\w])|\d+\.\d+(?:[eE][+-]?\d+)?|\d+\.[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+"
INTEGER = r"0[xX][0-9a-fA-F]+|\d+"
ARROWS = r"(?:-\s*\[|<-\s*[\[-]|-\s*->\s*\(|-\s*-\s*\()"
TOKEN = re.compile(
    rf"""
    (?P<space>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
  | (?P<string>{STRING})
  | (?P<slot>\0[sif])
  | (?P<quoted>`[^`]*`)
  | (?P<ip>\d+\.\d+\.\d+\.\d+)
  | (?P<float>(?:{FLOAT})(?![\w.]))
  | (?P<integer>(?:{INTEGER})(?!\w))
  | (?P<variable>\$[^\W\d]\w*)
  | (?P<word>[^\W\d]\w*)
  | (?P<symbol>\.\.|==|!=|<>|<=|>=|=~|&&|\|\||->|<-(?=\s*[\[\->])|\$-|\$\^|\$\$|[.<>=+\-*/%!|?:;,@()\[\]{{}}])
    """,
    re.VERBOSE | re.DOTALL,
)
NODE = re.compile(
    rf"\(\s*(?:`[^`]*`|\w+)?\s*(?::|\{{|\))(?<=[:{{)])(?:(?<=\))|(?:[^()\"'`]|`[^`]*`|{STRING})*\))\s*{ARROWS}",
    re.DOTALL,
)
"""A `(` from which a whole node and the start of an edge can be read: a pattern inside an expression."""

OVER_LIST = re.compile(r"\w+\s*\(\s*(?:`[^`]*`|\w+)\s+IN\b", re.IGNORECASE)
AHEAD = {
    "_LPAR": ("_PLPAR", NODE),
    "REDUCE": ("REDUCE", re.compile(r"\w+\s*\(\s*(?:`[^`]*`|\w+)\s*=", re.IGNORECASE)),
    **{word: ("PREDICATE", OVER_LIST) for word in ("ALL", "ANY", "SINGLE", "NONE")},
}
"""Words that mean something only before a certain text."""

CONTAINER = re.compile(r"(?:list(?=\[)|set(?=\{)|map(?=\{))", re.IGNORECASE)
"""`list[…]`, `set{…}` and `map{…}` are the literals that follow."""

LITERAL = re.compile(
    rf"({STRING}|`[^`]*`|\#[^\n]*|//[^\n]*|/\*.*?\*/|(?<![\w.$])(?:(?:{FLOAT})(?![\w.])|(?:\d+)(?![\w.])))",
    re.DOTALL,
)

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "a": "\a", "v": "\v"}
ESCAPE = re.compile(r"\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
MAX_INT = 2**63 - 1
MAX_DEPTH = 512
"""Levels of an expression, as in the cluster; of brackets too, which cost as much to parse."""
MAX_STATEMENTS = 512
"""Of one request, as in the cluster; those behind pipes and set operations count."""
TOO_DEEP = f"The above expression's depth exceeds the maximum depth:{MAX_DEPTH}"
OPENING = frozenset({"_LPAR", "_PLPAR", "_LSQB", "_LBRACE"})
CLOSING = frozenset({"_RPAR", "_RSQB", "_RBRACE"})
PARTING = frozenset({"_SEMICOLON", "_PIPE", "UNION", "INTERSECT", "MINUS"})
SLOT_KINDS = {"\0s": "STRING_VALUE", "\0i": "INTEGER", "\0f": "DOUBLE_VALUE"}


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of the n-th literal in a statement's template."""

    index: int


class NgqlLexer(Lexer):
    """The grammar's lexer: one pass of one regular expression."""

    def __init__(self, _conf: Any) -> None:
        pass

    def lex(self, data: Any) -> Iterator[Token]:  # type: ignore[override] - Lark gives a lexer of one's own the text
        """Lark's entry; as `tokens`, within the bounds. Raises `SemanticError` beyond them."""
        return bounded(tokens(str(data)))


def bounded(found: Iterator[Token]) -> Iterator[Token]:
    """The same tokens, unless they nest deeper or are more statements than a request may hold."""
    depth, statements = 0, 1
    for token in found:
        if token.type in OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                raise NgqlSyntaxError(TOO_DEEP)
        elif token.type in CLOSING:
            depth -= 1
        elif token.type in PARTING:
            statements += 1
            if statements > MAX_STATEMENTS:
                raise SemanticError("The maximum number of statements allowed has been exceeded")
        yield token


def tokens(text: str) -> Iterator[Token]:
    """Lark tokens whose values are ready: strings unescaped, numbers parsed. Raises `NgqlSyntaxError`."""
    position, end, slots = 0, len(text), 0
    while position < end:
        found = TOKEN.match(text, position)
        if found is None:
            raise NgqlSyntaxError(f"syntax error near `{text[position : position + 8]}'")
        start, position = position, found.end()
        if found.lastgroup == "slot":
            yield _made(SLOT_KINDS[found[0]], found, Slot(slots))
            slots += 1
        elif found.lastgroup != "space" and not CONTAINER.match(text, start):
            if found.lastgroup == "quoted" and "." in found[0]:
                dot = text.index(".", start)
                raise NgqlSyntaxError(f"Don't allow DOT in label: near `{text[dot : dot + 8]}'")
            token = _token(found, text, start)
            if token.type == "INTEGER" and token.value > MAX_INT and not text[:start].rstrip().endswith("-"):
                raise NgqlSyntaxError(f"Out of range: near `{found[0]}'")
            yield token


def _token(found: re.Match[str], text: str, start: int) -> Token:
    raw = found[0]
    kind, value = _READERS[found.lastgroup or ""](raw)
    if kind in AHEAD:
        spelt, followed = AHEAD[kind]
        kind = spelt if followed.match(text, start) else _otherwise(kind)
    return _made(kind, found, value)


def _made(kind: str, found: re.Match[str], value: Any) -> Token:
    token = Token(kind, found[0], start_pos=found.start(), end_pos=found.end())
    token.value = value
    return token


def _otherwise(kind: str) -> str:
    return "NAME" if kind == "REDUCE" else kind


def _word(raw: str) -> tuple[str, Any]:
    upper = raw.upper()
    if upper in KEYWORDS:
        return upper, raw
    return "NAME", raw.lower() if upper in LOWERED else raw


def _integer(raw: str) -> tuple[str, Any]:
    number = int(raw, 16) if raw[:2] in ("0x", "0X") else _decimal(raw)
    if number > MAX_INT + 1:
        raise NgqlSyntaxError(f"Out of range: near `{raw}'")
    return "INTEGER", number


def _decimal(raw: str) -> int:
    return int(raw, 8) if len(raw) > 1 and raw[0] == "0" and raw.strip("01234567") == "" else int(raw)


_READERS = {
    "string": lambda raw: ("STRING_VALUE", unescape(raw)),
    "quoted": lambda raw: ("NAME", raw[1:-1]),
    "ip": lambda raw: ("IPV4", raw),
    "float": lambda raw: ("DOUBLE_VALUE", float(raw)),
    "integer": _integer,
    "variable": lambda raw: ("VARIABLE", raw[1:]),
    "word": _word,
    "symbol": lambda raw: (SYMBOLS[raw], raw),
}


def unescape(raw: str) -> str:
    """The text that a quoted literal means."""
    inner = raw[1:-1]
    return ESCAPE.sub(_escaped, inner) if "\\" in inner else inner


def _escaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 8))
    digits = found[2] or found[3]
    return chr(int(digits, 16)) if digits else ESCAPES.get(found[4], found[4])


def split_literals(text: str) -> tuple[str, list[str]] | None:
    """`(skeleton, literals)`: the text with a mark for each literal. None where that is unsafe."""
    parts = LITERAL.split(text)
    literals = parts[1::2]
    marks = []
    for literal in literals:
        first = literal[0]
        if first in "\"'":
            marks.append("\0s")
        elif first in "`#/":
            return None
        else:
            marks.append("\0i" if literal.isdigit() else "\0f")
    pieces: list[str] = [""] * len(parts)
    pieces[::2], pieces[1::2] = parts[::2], marks
    return "".join(pieces), literals
