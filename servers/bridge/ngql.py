"""Decides whether an nGQL text only reads: a tokenizer that knows strings and comments, and an allowlist.

Every segment counts: after `;`, `|`, UNION, in parentheses, in an assignment, behind PROFILE.
"""

import re
from collections.abc import Iterator

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
READS = frozenset(
    """
    GO FETCH LOOKUP MATCH OPTIONAL FIND GET YIELD SHOW DESC DESCRIBE RETURN UNWIND WITH LIMIT ORDER GROUP
    SAMPLE OFFSET SKIP
    """.split()
)
# Reserved words: outside quotes they can only be statements.
WRITES = frozenset("CREATE DROP ALTER INSERT UPDATE UPSERT DELETE USE REBUILD".split())
# Words that are statements only where one may begin.
DEEDS = WRITES | frozenset(
    """
    SUBMIT STOP RECOVER BALANCE GRANT REVOKE CHANGE ADD KILL CLEAR DOWNLOAD INGEST SIGN MERGE SET REMOVE
    RENAME DIVIDE REMOVE FLUSH COMPACT
    """.split()
)
SHOWN = frozenset("SPACES TAGS TAG EDGES EDGE STATS CREATE INDEXES".split())
JOINS = frozenset({"UNION", "INTERSECT", "MINUS", "ALL", "DISTINCT", "EXPLAIN", "PROFILE"})
STARTS = frozenset({"", ";", "|"})
MAX_CHARS = 100_000


def check(query: str, *, write: bool) -> str:
    """The query when the caller may run it. Raises Forbidden (`write_not_allowed`) or BadRequest."""
    if len(query) > MAX_CHARS or "\x00" in query:
        raise BadRequest("the query is too long or holds a NUL", param="query", source="nebula")
    found = list(_tokens(query))
    if not found:
        raise BadRequest("the query is empty", param="query", source="nebula")
    previous = ["", *(value for _, value in found)]
    for place, (kind, value) in enumerate(found):
        if kind == "word":
            _check_word(
                value.upper(), previous[place], previous[place - 1] if place else "", found, place, write
            )
        elif kind in ("string", "quoted", "number") and previous[place] in STARTS:
            raise BadRequest("a statement can not begin like this", param="query", source="nebula")
    return query


def _check_word(
    word: str, before: str, earlier: str, found: list[tuple[str, str]], place: int, write: bool
) -> None:
    if word == "USE" and before != ".":
        raise Forbidden("choose the space with `space`, not with USE", param="query", source="nebula")
    if write or before == ".":
        return
    starts = before in STARTS or before.upper() in JOINS
    if word in WRITES and not _is_shown(word, before, earlier):
        raise _refused(word)
    if starts and word not in READS | JOINS and before.upper() not in {"ALL", "DISTINCT"}:
        raise _refused(word)
    if before in ("(", "=", "{") and word in DEEDS:
        raise _refused(word)
    if word == "SHOW" and starts:
        following = found[place + 1][1].upper() if place + 1 < len(found) else ""
        if following not in SHOWN:
            raise _refused(f"SHOW {following}"[:40])


def _is_shown(word: str, before: str, earlier: str) -> bool:
    """`SHOW CREATE TAG` only reads."""
    return word == "CREATE" and before.upper() == "SHOW" and earlier in STARTS


def _refused(word: str) -> Forbidden:
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
