"""Checks an nGQL statement: whether it only reads, or writes no more than its scope allows.

A tokenizer that knows strings and comments, and an allowlist. Every segment counts: after `;`, `|`, UNION, in
parentheses, in an assignment, behind PROFILE. It opens no session.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, pairwise

from tools.errors import BadRequest, Forbidden

TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<quoted>`[^`]*`)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<sign>\$\$|\$\^|\$-|<>|[=!<>]=|=~|->|<-|--|.)""",
    re.VERBOSE | re.DOTALL,
)
READ_WORDS = frozenset(
    """
    GO FETCH LOOKUP MATCH OPTIONAL FIND GET YIELD SHOW DESC DESCRIBE RETURN UNWIND WITH LIMIT ORDER GROUP
    SAMPLE OFFSET SKIP
    """.split()
)
# Reserved words: outside quotes they can only be statements.
WRITE_WORDS = frozenset("CREATE DROP ALTER INSERT UPDATE UPSERT DELETE USE REBUILD".split())
# Words that are statements only where one may begin.
STATEMENT_WORDS = WRITE_WORDS | frozenset(
    """
    SUBMIT STOP RECOVER BALANCE GRANT REVOKE CHANGE ADD KILL CLEAR DOWNLOAD INGEST SIGN MERGE SET REMOVE
    RENAME DIVIDE REMOVE FLUSH COMPACT
    """.split()
)
# What the write scope may do to its own space; spaces, users, jobs and hosts are the platform's.
ALLOWED_WRITES = {
    **dict.fromkeys(("INSERT", "UPDATE", "UPSERT"), ("VERTEX", "EDGE")),
    **dict.fromkeys(("CREATE", "ALTER", "REBUILD"), ("TAG", "EDGE")),
    "DELETE": ("VERTEX", "EDGE", "TAG"),
    "DROP": ("TAG", "EDGE", "("),  # ALTER TAG t DROP (a)
}
SHOW_TARGETS = frozenset("SPACES TAGS TAG EDGES EDGE STATS CREATE INDEXES".split())
# Verbs that also read what is not data: configurations, users, jobs.
READ_TARGETS = {"GET": ("SUBGRAPH",), **dict.fromkeys(("DESC", "DESCRIBE"), ("TAG", "EDGE", "SPACE"))}
PREFIXES = frozenset({"EXPLAIN", "PROFILE"})
CONNECTIVES = PREFIXES | {"UNION", "INTERSECT", "MINUS"}
MAX_CHARS, CACHED_CHARS = 100_000, 2_000
MAX_DEPTH, MAX_STATEMENTS = 128, 128
"""Brackets in brackets; statements of a query, those behind pipes and set operations too."""


def check(query: str, *, write: bool) -> str:
    """The query when the caller may run it. Raises Forbidden (`write_not_allowed`) or BadRequest."""
    return _checked_short(query, write) if len(query) <= CACHED_CHARS else _checked(query, write)


def _checked(query: str, write: bool) -> str:
    if len(query) > MAX_CHARS or "\x00" in query:
        raise BadRequest("the query is too long or holds a NUL", param="query", source="nebula")
    found = list(_tokens(query))
    if not found:
        raise BadRequest("the query is empty", param="query", source="nebula")
    words = [value.upper() if kind == "word" else value for kind, value in found]
    begins = _beginnings(words)
    if _depth(words) > MAX_DEPTH or begins.count(True) > MAX_STATEMENTS:
        why = f"more than {MAX_STATEMENTS} statements, or brackets nested deeper than {MAX_DEPTH}"
        raise BadRequest(why, param="query", source="nebula", code="query_too_complex")
    for place, (kind, _) in enumerate(found):
        before = words[place - 1] if place else ""
        if kind == "word" and before != ".":
            _check_word(words, place, begins=begins[place], before=before, write=write)
        elif kind in ("string", "quoted", "number") and begins[place]:
            raise BadRequest("a statement can not begin like this", param="query", source="nebula")
    return query


_checked_short = lru_cache(maxsize=256)(_checked)


def shape(query: str) -> str:
    """The query's words without its literals, for logs; an unfinished string ends it."""
    parts: list[str] = []
    try:
        parts.extend("?" if kind in ("string", "number") else value for kind, value in _tokens(query))
    except BadRequest:
        parts.append("…")
    return " ".join(parts)


def asks_for_spaces(query: str) -> bool:
    """Whether it names or lists spaces: other tenants' names are among them."""
    words = [value.upper() if kind == "word" else "" for kind, value in _tokens(query)]
    verbs = ("SHOW", "DESC", "DESCRIBE", "CREATE")
    return any(word in ("SPACE", "SPACES") and before in verbs for before, word in pairwise(words))


def _depth(words: list[str]) -> int:
    """How deep brackets are nested at most."""
    steps = ((word in ("(", "[", "{")) - (word in (")", "]", "}")) for word in words)
    return max(accumulate(steps), default=0)


def _beginnings(words: list[str]) -> list[bool]:
    """Where a statement may begin. `|` inside a list comprehension or a reduce() is no pipe."""
    found: list[bool] = []
    lists: list[bool] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else ";"
        earlier = words[place - 2] if place > 1 else ";"
        found.append(
            before == ";"
            or (before == "|" and not (lists and lists[-1]))
            or (before in CONNECTIVES and word not in ("ALL", "DISTINCT", "FORMAT"))
            or (before in ("ALL", "DISTINCT") and earlier in CONNECTIVES)
            or (
                earlier == "=" and place > 3 and words[place - 3] == "FORMAT" and words[place - 4] in PREFIXES
            )
        )
        if word in ("[", "("):
            lists.append(word == "[" or before == "REDUCE")
        elif word in ("]", ")") and lists:
            lists.pop()
    return found


def _check_word(words: list[str], place: int, *, begins: bool, before: str, write: bool) -> None:
    word = words[place]
    if word == "USE":
        raise Forbidden("choose the space with `space`, not with USE", param="query", source="nebula")
    following = words[place + 1] if place + 1 < len(words) else ""
    shown = before == "SHOW" and word == "CREATE"
    if word in WRITE_WORDS and not shown and not (write and following in ALLOWED_WRITES[word]):
        raise _refused(word, following, write=write)
    if begins and word not in READ_WORDS | PREFIXES | ALLOWED_WRITES.keys():
        raise _refused(word, following, write=write)
    # A vertex, a map's key or an attribute may be called like a statement; that names what it is done to.
    if (
        before in ("(", "=", "{")
        and word in STATEMENT_WORDS - WRITE_WORDS
        and (following[:1].isalpha() or word == "INGEST")
    ):
        raise _refused(word, following, write=write)
    # Clauses of other graph languages that change what MATCH found.
    if not write and word in ("SET", "REMOVE") and _names_part(words[place + 1 : place + 3]):
        raise _refused(word, following, write=write)
    if word == "SHOW" and following not in SHOW_TARGETS:
        raise _refused(word, following, write=write)
    if (begins or before in ("(", "=", "{")) and following not in READ_TARGETS.get(word, (following,)):
        raise _refused(word, following, write=write)


def _names_part(words: list[str]) -> bool:
    return len(words) == 2 and words[0][:1].isalpha() and words[1] in (".", ":")


def _refused(word: str, following: str, *, write: bool) -> Forbidden:
    if write or word == "SHOW":
        verb = f"{word} {following}"[:40]
        return Forbidden(f"{verb} is not done through this door", param="query", source="nebula")
    return Forbidden(
        f"{word} needs a key with the write scope", param="query", source="nebula", code="write_not_allowed"
    )


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(query):
        found = TOKEN.match(query, place)
        assert found is not None and found.lastgroup is not None, "the last sign matches anything"
        if found.lastgroup == "sign" and found[0] in "\"'`":
            raise BadRequest("a string is not closed", param="query", source="nebula", code="syntax_error")
        if found[0].startswith("/") and query.startswith("/*", place) and found.lastgroup == "sign":
            raise BadRequest("a comment is not closed", param="query", source="nebula", code="syntax_error")
        if found.lastgroup != "space":
            yield found.lastgroup, found[0]
        place = found.end()
