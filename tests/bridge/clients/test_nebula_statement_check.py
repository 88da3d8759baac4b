"""The nGQL door: whatever could write is refused to a reader, whatever only reads is not."""

from pathlib import Path

import pytest

from servers.bridge.clients.nebula.statement_check import check
from tools.errors import BadRequest, Capibara6Error

pytestmark = pytest.mark.pure


def corpus(name: str) -> list[str]:
    """One statement a line."""
    return (Path(__file__).parents[1] / "corpora" / f"ngql_{name}.txt").read_text("utf-8").splitlines()


WRITES = corpus("writes")
HIDDEN = [*corpus("hidden"), *corpus("elsewhere")]
ANSWERED = corpus("answered")
READS = [*corpus("reads"), *ANSWERED]
WRAPS = [
    "YIELD 1; {w}",
    "YIELD 1;{w}",
    "YIELD 1 | {w}",
    "$x = {w}",
    "$x = YIELD 1; {w}",
    "PROFILE {w}",
    'PROFILE FORMAT="row" {w}',
    "EXPLAIN {w}",
    "({w})",
    "YIELD 1 UNION {w}",
    "YIELD 1 UNION ALL {w}",
    "YIELD 1 UNION DISTINCT {w}",
    "YIELD 1 INTERSECT {w}",
    "YIELD 1 MINUS {w}",
    "/* x */ {w}",
    "# x\n{w}",
    "// x\n{w}",
    "YIELD 'a;b' AS `c`; {w}",
    'YIELD "\\""; {w}',
    "  \n\t{w}",
    "YIELD 1 /* ; */ ; /* y */ {w} # z",
    'GO FROM "a" OVER knows YIELD dst(edge) AS d | {w}',
    'YIELD "# no comment"; {w}',
    "YIELD 1 AS a;;{w}",
]
BROKEN = [
    'YIELD "not closed',
    "YIELD 'not closed",
    "YIELD 1 /* not closed",
    "YIELD `x",
    "",
    "   ",
    "# only",
    "\x00",
    'YIELD 1 # a comment\r\nDELETE VERTEX "b"',
    "YIELD 1 // a comment\n; DROP EDGE e",
    'DELETE\u00a0VERTEX "a"',
    'delete\nvertex\n"a"',
    '"x"',
    "123",
]
ATTACKS = [
    *WRITES,
    *HIDDEN,
    *(WRAPS[n % len(WRAPS)].format(w=write) for n, write in enumerate(WRITES[:52])),
    *BROKEN,
]


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(ATTACKS)) >= 300
    assert len(READS) >= 180


@pytest.mark.parametrize("query", ATTACKS)
def test_reader_may_not_write(query: str) -> None:
    with pytest.raises(Capibara6Error) as caught:
        check(query, write=False)
    assert caught.value.status in (400, 403)


@pytest.mark.parametrize("wrap", WRAPS)
def test_no_wrapping_hides_a_write(wrap: str) -> None:
    with pytest.raises(Capibara6Error):
        check(wrap.format(w='DELETE VERTEX "a"'), write=False)


@pytest.mark.parametrize("query", READS)
def test_reader_may_read(query: str) -> None:
    assert check(query, write=False) == query


OWN = [query for query in WRITES if {"VERTEX", "EDGE", "TAG"} & set(query.upper().split()[1:2])]


@pytest.mark.parametrize("query", OWN)
def test_writer_may_write(query: str) -> None:
    assert check(query, write=True) == query


@pytest.mark.parametrize("query", sorted(set(WRITES) - set(OWN)))
def test_writer_may_not_touch_spaces_users_or_hosts(query: str) -> None:
    with pytest.raises(Capibara6Error):
        check(query, write=True)


@pytest.mark.parametrize("query", ["USE other", "YIELD 1; USE other", "use `other`", "YIELD 1 | USE other"])
def test_nobody_changes_the_space_of_a_session(query: str) -> None:
    with pytest.raises(Capibara6Error):
        check(query, write=True)


TOO_MUCH = [
    "YIELD " + "(" * 2_000 + "1" + ")" * 2_000,
    "YIELD " + "[" * 129 + "]" * 129,
    "(" * 49_000,
    "MATCH (v) WHERE " + "({[" * 50 + "1" + "]})" * 50 + " RETURN v",
    ";".join(["YIELD 1"] * 600),
    "YIELD 1 AS a" + " | YIELD $-.a AS a" * 200,
    "YIELD 1 AS a" + " UNION ALL YIELD 1 AS a" * 200,
    "YIELD 1" + ";" * 200,
]


@pytest.mark.parametrize("query", TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_what_would_keep_the_server_busy_is_refused_and_says_why(query: str) -> None:
    for write in (False, True):
        with pytest.raises(BadRequest) as caught:
            check(query, write=write)
        assert caught.value.code == "query_too_complex"


def test_what_people_write_is_far_within_the_bounds() -> None:
    for query in (
        "YIELD " + "(" * 100 + "1" + ")" * 100,
        ";".join(["YIELD 1"] * 100),
        "RETURN [x IN [1] | x]",
    ):
        assert check(query, write=False) == query
