"""The SQL door's allowlist: a corpus of attacks of which none may pass, and of questions that all must.

The oracle of the attacks that a database could run is in `test_oracle.py`; here nothing is executed.
"""

from pathlib import Path

import pytest

from servers.bridge.clients.postgres import syntax_tree
from servers.bridge.clients.postgres.allowlist import NODES
from servers.bridge.clients.postgres.statement_check import check
from tools.errors import BadRequest, Forbidden

pytestmark = pytest.mark.pure


def corpus(name: str) -> list[str]:
    """One statement a line."""
    return (Path(__file__).parents[1] / "corpora" / f"sql_{name}.txt").read_text("utf-8").splitlines()


WRITES = corpus("writes")
HIDDEN_WRITES = corpus("hidden_writes")
FUNCTIONS = corpus("functions")
PLACES = [
    "SELECT {f}",
    "SELECT * FROM {f}",
    "SELECT 1 WHERE ({f})::text = 'a'",
    "SELECT * FROM ROWS FROM ({f}, generate_series(1, 2)) AS x",
    "SELECT * FROM documents d, LATERAL {f} AS x",
    "SELECT CASE WHEN true THEN ({f})::text ELSE '' END",
    "SELECT 1 ORDER BY ({f})",
    "SELECT count(*) FILTER (WHERE ({f}) IS NULL) FROM documents",
    "WITH x AS (SELECT {f} AS a) SELECT * FROM x",
    "SELECT 1 GROUP BY ({f})",
    "SELECT 1 LIMIT (SELECT length(({f})::text))",
    "SELECT array[({f})::text]",
    "EXPLAIN SELECT {f}",
    "SELECT sum(1) OVER (ORDER BY ({f})) FROM documents",
    "VALUES (({f}))",
    "SELECT 1 UNION ALL SELECT ({f})::int",
]

TABLES = corpus("tables")
TRICKS = [*corpus("tricks"), *corpus("elsewhere")]
ANSWERED = corpus("answered")
BENIGN = [*corpus("benign"), *ANSWERED]
CALLED = [
    place.format(f=call) for n, call in enumerate(FUNCTIONS) for place in (PLACES[0], PLACES[n % len(PLACES)])
]
ATTACKS = [*WRITES, *HIDDEN_WRITES, *CALLED, *TABLES, *TRICKS]


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(ATTACKS)) >= 800
    assert len(BENIGN) >= 260


@pytest.mark.parametrize("statement", ATTACKS)
def test_attack_is_refused(statement: str) -> None:
    with pytest.raises((BadRequest, Forbidden)) as caught:
        check(statement)
    assert caught.value.code in ("forbidden_statement", "syntax_error", "forbidden")


@pytest.mark.parametrize("statement", BENIGN)
def test_question_is_allowed(statement: str) -> None:
    assert check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "(SELECT " * 3_000 + "1" + ")" * 3_000,
        "SELECT " + " + ".join(["1"] * 30_000),
        "SELECT " + "NOT " * 3_000 + "true",
        "SELECT 1 WHERE " + " AND ".join(["true"] * 30_000),
        "SELECT '" + "x" * 200_000 + "'",
        "SELECT 1\x00",
        "",
        ";",
        "   ",
        "-- only a comment",
        # Each of these once took the whole process with it: a level of stack for every two characters.
        "SELECT " + "1+" * 49_000 + "1",
        "SELECT 1" + "::int" * 18_000,
        "SELECT a" + " isnull" * 14_000,
        "SELECT 1" + " UNION SELECT 1" * 6_500,
        "SELECT '" + "é" * 100 + "'||" + "(a||" * 9_000 + "1" + ")" * 9_000,
        "SELECT (1)" + "+(1,1)" * 16_000,
        "SELECT '\ud800'",
    ],
)
def test_shapes_made_to_break_the_parser_are_refused(statement: str) -> None:
    with pytest.raises(BadRequest):
        check(statement)


@pytest.mark.parametrize("times", [46, 60, 140])
@pytest.mark.parametrize(
    ("begin", "more", "end"),
    [("SELECT ", "a + ", "b"), ("SELECT 1", " UNION SELECT 1", ""), ("SELECT a", "::text", "")],
)
def test_what_people_write_in_a_row_is_not_too_deep(begin: str, more: str, end: str, times: int) -> None:
    assert check(begin + more * times + end)


def test_a_syntax_error_is_placed_in_characters() -> None:
    for statement, place in (("SELECT 'ñandú 😀' FRM t x", 21), ("SELECT 'é' FROM", 15)):
        with pytest.raises(BadRequest, match=f"position {place}$"):
            check(statement)


def test_what_is_around_the_statement_is_cut_and_positions_stay() -> None:
    assert check("/* ñ 😀 */ SELECT 'é';  -- ü") == " " * 10 + "SELECT 'é'"


def test_kinds_that_the_parser_does_not_describe_are_refused() -> None:
    strange = syntax_tree.Node("SelectStmt", {"op": "SETOP_NONE", "newThing": {"FuncCall": {"funcname": []}}})
    assert {node.kind for node, _ in syntax_tree.walk(strange)} == {"SelectStmt", syntax_tree.UNKNOWN}
    assert syntax_tree.UNKNOWN not in NODES
    assert set(syntax_tree.KINDS) >= NODES
