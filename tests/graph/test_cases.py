"""The table of statements: what each must answer, written by hand from nGQL's documented meaning.

Case files: `? expression => value` or `? expression ! error`; `> statement` followed by `! error`, by `.`
for no table, or by `= columns` and a line `- values` a row. `order` before a `>` wants rows in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nebula3.data.ResultSet import ResultSet
from nebula3.gclient.net import ConnectionPool

from tests.graph.conftest import PASSWORD
from tests.graph.render import render

CASES = Path(__file__).parent / "cases"


@dataclass
class Case:
    statement: str
    error: str | None = None
    columns: list[str] | None = None
    rows: list[str] = field(default_factory=list)
    ordered: bool = False


def read(name: str) -> Iterator[Case]:
    """The cases of a file."""
    current, ordered = None, False
    for line in (CASES / name).read_text(encoding="utf-8").splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "?":
            yield _expression(rest)
        elif mark == "order":
            ordered = True
        elif mark == ">":
            if current:
                yield current
            current, ordered = Case(rest, ordered=ordered), False
        elif current and mark == "!":
            current.error = rest
        elif current and mark == "=":
            current.columns = rest.split(" | ")
        elif current and mark == "-":
            current.rows.append(rest)
    if current:
        yield current


def _expression(text: str) -> Case:
    body, arrow, value = text.partition(" => ")
    if arrow:
        return Case(f"YIELD {body} AS r", columns=["r"], rows=[value])
    body, _, error = text.rpartition(" ! ")
    return Case(f"YIELD {body} AS r", error=error)


def check(session: Any, case: Case) -> None:
    answer: ResultSet = session.execute(case.statement)
    if case.error is not None:
        assert not answer.is_succeeded(), f"{case.statement} succeeded"
        assert answer.error_msg() == case.error, case.statement
        return
    assert answer.is_succeeded(), f"{case.statement}: {answer.error_msg()}"
    if case.columns is None:
        assert answer.row_size() == 0, case.statement
        return
    found = [" | ".join(map(render, answer.row_values(at))) for at in range(answer.row_size())]
    assert answer.keys() == case.columns, case.statement
    if case.ordered:
        assert found == case.rows, case.statement
    else:
        assert sorted(found) == sorted(case.rows), case.statement


@pytest.fixture(scope="module")
def town(pool: ConnectionPool) -> Iterator[Any]:
    """A session in a space with the small graph of `town.ngql`, which no case changes."""
    with pool.session_context("root", PASSWORD) as session:
        made = session.execute("CREATE SPACE town (vid_type = FIXED_STRING(16)); USE town")
        assert made.is_succeeded(), made.error_msg()
        for line in (CASES / "town.ngql").read_text(encoding="utf-8").splitlines():
            done = session.execute(line)
            assert done.is_succeeded(), f"{line}: {done.error_msg()}"
        yield session


@pytest.mark.parametrize("case", list(read("expressions.txt")), ids=lambda case: case.statement[6:-5])
def test_expression_has_its_documented_value(town: Any, case: Case) -> None:
    check(town, case)


@pytest.mark.parametrize("case", list(read("queries.txt")), ids=lambda case: case.statement)
def test_query_has_its_documented_answer(town: Any, case: Case) -> None:
    check(town, case)


@pytest.mark.parametrize("name", ["schema.txt", "writing.txt", "numbers.txt"])
def test_story_of_changes_reads_as_written(pool: ConnectionPool, name: str) -> None:
    with pool.session_context("root", PASSWORD) as session:
        for case in read(name):
            check(session, case)


def test_the_table_is_as_long_as_it_should_be() -> None:
    files = ["expressions.txt", "queries.txt", "schema.txt", "writing.txt", "numbers.txt"]
    assert sum(len(list(read(name))) for name in files) >= 300
