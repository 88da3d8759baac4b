"""What bounds a query, and what a reader may not do."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nebula3.Exception import AuthFailedException
from nebula3.gclient.net import ConnectionPool

from servers.graph.server.users import GUEST, add_user
from tests.conftest import settings_in
from tests.graph.conftest import PASSWORD, connected, serving, table
from tools.settings import Graph, Settings

RUNAWAY = "YIELD reduce(a = 0, n IN range(1, 900000) | reduce(b = a, m IN range(1, 900000) | b + m))"


@contextmanager
def bounded_by(home: Settings, deadline_s: float) -> Iterator[ConnectionPool]:
    """A server with small bounds and a read-only user."""
    users = home.home.absolute() / "graph" / "users.json"
    add_user(users, "root", PASSWORD, "GOD")
    add_user(users, "reader", "look", GUEST)
    limits = Graph(deadline_s=deadline_s, max_rows=2000, max_steps=5, max_sessions=70, max_query_bytes=2**21)
    with serving(home.model_copy(update={"graph": limits})) as address, connected(address) as pool:
        yield pool


@pytest.fixture
def bounded(home: Settings) -> Iterator[ConnectionPool]:
    with bounded_by(home, 60.0) as pool:
        yield pool


@pytest.fixture
def hurried(home: Settings) -> Iterator[ConnectionPool]:
    """Deadlines so short that only endless queries are sure to meet them."""
    with bounded_by(home, 0.5) as pool:
        yield pool


def fill(session: Any) -> None:
    assert session.execute("CREATE SPACE s (vid_type = INT64); USE s").is_succeeded()
    schema = "CREATE TAG t(a int); CREATE EDGE e(); CREATE TAG INDEX i ON t(a)"
    assert session.execute(schema).is_succeeded()
    rows = ", ".join(f"{n}:({n})" for n in range(300))
    assert session.execute(f"INSERT VERTEX t(a) VALUES {rows}").is_succeeded()


def test_runaway_query_is_interrupted_and_others_go_on(hurried: ConnectionPool) -> None:
    with (
        hurried.session_context("root", PASSWORD) as busy,
        hurried.session_context("root", PASSWORD) as other,
    ):
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(busy.execute(RUNAWAY)))
        thread.start()
        assert other.execute("YIELD 1").is_succeeded()
        thread.join()
        assert answers[0].error_code() == -3060
        assert "deadline" in answers[0].error_msg()
        assert busy.execute("YIELD 1").is_succeeded()


def test_steps_without_end_meet_the_deadline(hurried: ConnectionPool) -> None:
    with hurried.session_context("root", PASSWORD) as session:
        fill(session)
        assert session.execute("INSERT EDGE e() VALUES 1->2:(), 2->1:()").is_succeeded()
        answer = session.execute("GO 1000000000000 STEPS FROM 1 OVER e YIELD dst(edge) AS d")
        assert answer.error_code() == -3060


def test_runaway_pattern_is_interrupted(bounded: ConnectionPool) -> None:
    with bounded.session_context("root", PASSWORD) as session:
        answer = session.execute(f'YIELD "{"a" * 40}b" =~ "(a+)+$" AS r')
        assert answer.is_succeeded()
        assert table(answer) == [["BAD_TYPE"]] or table(answer) == [["False"]]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UNWIND range(1, 3000) AS x RETURN x", "rows"),
        ("MATCH (a:t) MATCH (b:t) RETURN a, b", "rows"),
        ("FIND ALL PATH FROM 1 TO 2 OVER e UPTO 9 STEPS YIELD path AS p", "9 STEPS is more than 5"),
        ("YIELD range(1, 100000000)", "range of 100000000 items"),
        ("YIELD [n IN range(1, 100000) | range(1, 100000)] AS l", "bytes"),
        ("UNWIND range(1, 900) AS n RETURN lpad('a', 4000000, 'b') AS s", "bytes"),
        ('YIELD reduce(s = "xxxxxxxx", n IN range(1, 40) | s + s)', "bytes"),
        ("YIELD " + "NOT " * 5000 + "true", "exceeds the maximum depth"),
        ("YIELD " + "(" * 2000 + "1" + ")" * 2000, "exceeds the maximum depth"),
        ("(" * 2000 + "YIELD 1" + ")" * 2000, "exceeds the maximum depth"),
        ("YIELD " + "[" * 100_000, "exceeds the maximum depth"),
        ("YIELD " + "(a:" * 2000, "syntax error"),
        (";".join(["YIELD 1"] * 600), "maximum number of statements"),
        ("YIELD 1 AS a" + " | YIELD $-.a AS a" * 600, "maximum number of statements"),
        ("YIELD 1 AS a" + " UNION YIELD 1 AS a" * 600, "maximum number of statements"),
    ],
)
def test_bounds_refuse_what_is_too_much(bounded: ConnectionPool, statement: str, said: str) -> None:
    with bounded.session_context("root", PASSWORD) as session:
        fill(session)
        answer = session.execute(statement)
        assert not answer.is_succeeded()
        assert said in answer.error_msg()
        assert session.execute("YIELD 1").is_succeeded()


WRITES = [
    "INSERT VERTEX t(a) VALUES 1:(1)",
    "PROFILE INSERT VERTEX t(a) VALUES 1:(1)",
    "EXPLAIN INSERT VERTEX t(a) VALUES 1:(1)",
    "PROFILE { YIELD 1; DELETE VERTEX 1 }",
    "YIELD 1 AS id | DELETE VERTEX $-.id",
    "$x = (YIELD 1 AS id | DELETE VERTEX $-.id)",
    "YIELD 1 AS id; DELETE VERTEX 1",
    "YIELD 1 AS a UNION (YIELD 1 AS id | DELETE VERTEX $-.id)",
    "(YIELD 1 AS id | DELETE VERTEX $-.id) INTERSECT YIELD 1 AS a",
    "UPDATE VERTEX ON t 1 SET a = 2",
    "UPSERT VERTEX ON t 9 SET a = 2",
    "DELETE EDGE e 1->2",
    "DELETE TAG * FROM 1",
    "CREATE TAG x()",
    "ALTER TAG t ADD (z int)",
    "DROP TAG t",
    "CREATE TAG INDEX j ON t(a)",
    "REBUILD TAG INDEX i",
    "CREATE SPACE other (vid_type = INT64)",
    "CREATE SPACE other AS s",
    "CLEAR SPACE s",
    "DROP SPACE s",
    "/* YIELD 1 */ DELETE /* really */ VERTEX 1 # yes",
    "USE s; DELETE VERTEX 1",
]


def test_guest_reads_and_writes_by_no_path(bounded: ConnectionPool) -> None:
    with bounded.session_context("root", PASSWORD) as god:
        fill(god)
        with bounded.session_context("reader", "look") as guest:
            assert guest.execute("USE s; FETCH PROP ON t 1 YIELD t.a").is_succeeded()
            for statement in WRITES:
                answer = guest.execute(statement)
                assert answer.error_code() == -1008, statement
                assert answer.error_msg().startswith("PermissionError: No permission to write "), statement
            shown = guest.execute("SHOW SESSIONS")
            assert shown.row_size() == 1, "the numbers of others' sessions would open them"
        assert table(god.execute("USE s; FETCH PROP ON t 1 YIELD t.a")) == [["1"]]
        assert table(god.execute("SHOW SPACES")) == [['"s"']]


def test_sessions_are_bounded(bounded: ConnectionPool) -> None:
    sessions = [bounded.get_session("root", PASSWORD) for _ in range(70)]
    with pytest.raises(Exception, match="Too many sessions"):
        bounded.get_session("root", PASSWORD)
    for session in sessions:
        session.release()


def test_idle_session_ends(home: Settings) -> None:
    limits = Graph(session_idle_s=0.05)
    with serving(home.model_copy(update={"graph": limits})) as address, connected(address) as pool:
        session = pool.get_session("root", PASSWORD)
        threading.Event().wait(0.1)
        assert session._connection is not None
        wire = session._connection._connection
        assert wire is not None
        answer = wire.execute(session._session_id, b"YIELD 1")
        assert answer.error_code == -1002
        assert answer.error_msg == b"Session was expired"


def test_a_home_of_before_with_the_stock_password_starts_and_takes_its_secret(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "home")
    add_user(settings.home.absolute() / "graph" / "users.json", "root", "nebula", "GOD")
    with serving(settings) as address, connected(address) as pool:
        with pytest.raises(AuthFailedException):
            pool.get_session("root", "nebula")
        assert pool.get_session("root", settings.nebula_password).execute("YIELD 1").is_succeeded()


def test_a_home_that_lost_its_secrets_is_served_with_the_new_ones(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path / "home")):
        pass
    (tmp_path / "home" / "secrets").unlink()
    settings = settings_in(tmp_path / "home")
    with serving(settings) as address, connected(address) as pool:
        assert pool.get_session("root", settings.nebula_password).execute("YIELD 1").is_succeeded()


def test_the_server_stays_on_loopback_whatever_the_host_is(home: Settings) -> None:
    wide = home.model_copy(update={"host": "0.0.0.0"})
    with serving(wide) as (host, _):
        assert host == "127.0.0.1"
