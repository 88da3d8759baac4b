"""Users, their roles, what KILL ends, and snapshots: through sessions of the stock client."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from nebula3.Exception import AuthFailedException
from nebula3.gclient.net import ConnectionPool

from tests.graph.conftest import PASSWORD, Ask, connected, serving, table
from tools.settings import Settings

DENIED = -1008


@pytest.fixture
def realm(ask: Ask) -> Iterator[Ask]:
    """Two spaces, and a user of each role in the first."""
    for space in ("realm_one", "realm_two"):
        ask(f"CREATE SPACE IF NOT EXISTS {space} (vid_type = FIXED_STRING(8)); USE {space}")
        ask("CREATE TAG IF NOT EXISTS t(a int)")
        ask('INSERT VERTEX t(a) VALUES "x":(1)')
    for role in ("guest", "user", "dba", "admin"):
        ask(f'DROP USER IF EXISTS a_{role}; CREATE USER a_{role} WITH PASSWORD "pw {role}"')
        ask(f"GRANT ROLE {role} ON realm_one TO a_{role}")
    yield ask
    for role in ("guest", "user", "dba", "admin", "nobody"):
        ask(f"DROP USER IF EXISTS a_{role}")


@pytest.fixture
def login(pool: ConnectionPool) -> Iterator[Any]:
    with ExitStack() as sessions:
        yield lambda name: sessions.enter_context(pool.session_context(f"a_{name}", f"pw {name}"))


def code(session: Any, statement: str) -> int:
    return session.execute(statement).error_code()


READ, WRITE = 'FETCH PROP ON t "x" YIELD t.a', 'INSERT VERTEX t(a) VALUES "x":(1)'
SCHEMA, GRANT = "CREATE TAG IF NOT EXISTS u(b int)", "GRANT ROLE GUEST ON realm_one TO a_guest"
SPACE = "CREATE SPACE IF NOT EXISTS realm_three (vid_type = INT64)"


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("guest", {READ}),
        ("user", {READ, WRITE}),
        ("dba", {READ, WRITE, SCHEMA}),
        ("admin", {READ, WRITE, SCHEMA, GRANT}),
    ],
)
def test_role_allows_what_it_should_and_no_more(realm: Ask, login: Any, role: str, allowed: set[str]) -> None:
    session = login(role)
    assert code(session, "USE realm_one") == 0
    for statement in (READ, WRITE, SCHEMA, GRANT, SPACE):
        assert code(session, statement) == (0 if statement in allowed else DENIED), statement
    for statement in (
        'CREATE USER a_nobody WITH PASSWORD "x"',
        "DROP USER a_guest",
        'ALTER USER a_guest WITH PASSWORD "x"',
        "GRANT ROLE GOD ON realm_one TO a_guest",
        f"GRANT ROLE ADMIN ON realm_one TO a_{role}",
        "CREATE SNAPSHOT",
        "SHOW USERS",
        "DESC USER root",
    ):
        assert code(session, statement) == DENIED, statement


def test_space_without_a_role_is_neither_used_nor_shown(realm: Ask, login: Any) -> None:
    session = login("dba")
    refused = session.execute("USE realm_two")
    assert refused.error_msg() == "PermissionError: No permission to read space."
    shown = table(session.execute("SHOW SPACES"))
    assert ['"realm_one"'] in shown
    assert ['"realm_two"'] not in shown
    assert code(session, 'USE realm_one; USE realm_two; INSERT VERTEX t(a) VALUES "y":(1)') == DENIED
    assert table(session.execute("DESC USER a_dba")) == [['"DBA"', '"realm_one"']]


def test_roles_are_granted_shown_and_revoked(realm: Ask, session: Any) -> None:
    assert sorted(map(tuple, table(realm("SHOW ROLES IN realm_one")))) == [
        ('"a_admin"', '"ADMIN"'),
        ('"a_dba"', '"DBA"'),
        ('"a_guest"', '"GUEST"'),
        ('"a_user"', '"USER"'),
    ]
    users = realm("SHOW USERS")
    assert users.keys() == ["Account"]
    assert ['"root"'] in table(users)
    realm("GRANT ROLE ADMIN ON realm_two TO a_user")
    assert table(realm("DESC USER a_user")) == [['"USER"', '"realm_one"'], ['"ADMIN"', '"realm_two"']]
    said = {
        "REVOKE ROLE DBA ON realm_one FROM a_user": "Improper role!",
        "REVOKE ROLE DBA ON realm_one FROM a_nobody": "User not existed!",
        "GRANT ROLE DBA ON nowhere TO a_user": "SpaceNotFound: SpaceName `nowhere`",
        "GRANT ROLE DBA ON realm_one TO root": "SemanticError: User 'root' is GOD, cannot be granted.",
        "GRANT ROLE GOD ON realm_one TO a_user": "PermissionError: No permission to grant/revoke god user.",
        "DROP USER root": "SemanticError: Can't drop root user.",
        "DROP USER a_nobody": "User not existed!",
        "CREATE USER a_user": "Existed!",
        "CREATE USER a_name_that_is_too_long": "SemanticError: Username exceed maximum length 16 characters.",
        'CREATE USER x WITH PASSWORD "0123456789012345678901234"': (
            "SemanticError: Password exceed maximum length 24 characters."
        ),
    }
    for statement, message in said.items():
        assert session.execute(statement).error_msg() == message, statement
    realm("REVOKE ROLE USER ON realm_one FROM a_user")
    assert session.execute("REVOKE ROLE USER ON realm_one FROM a_user").error_msg() == "Role not existed!"


def test_role_ends_with_its_space(realm: Ask) -> None:
    realm("CREATE SPACE realm_four (vid_type = INT64); GRANT ROLE DBA ON realm_four TO a_user")
    realm("DROP SPACE realm_four; CREATE SPACE realm_four (vid_type = INT64)")
    assert table(realm("SHOW ROLES IN realm_four")) == []
    realm("DROP SPACE realm_four")


def test_password_changes_at_once_and_only_by_its_owner(realm: Ask, login: Any, pool: ConnectionPool) -> None:
    session = login("user")
    assert session.execute('CHANGE PASSWORD a_user FROM "wrong" TO "new"').error_msg() == "Invalid password!"
    assert code(session, 'CHANGE PASSWORD a_dba FROM "pw dba" TO "new"') == DENIED
    assert code(session, 'CHANGE PASSWORD a_user FROM "pw user" TO "new"') == 0
    with pytest.raises(AuthFailedException):
        pool.get_session("a_user", "pw user")
    pool.get_session("a_user", "new").release()
    assert code(session, 'CHANGE PASSWORD root FROM "x" TO "y"') == DENIED


def test_dropped_user_may_no_more_in_a_session_that_is_open(realm: Ask, login: Any) -> None:
    session = login("user")
    assert code(session, "USE realm_one; " + READ) == 0
    realm("DROP USER a_user")
    assert code(session, WRITE) == DENIED
    assert code(session, "USE realm_one") == DENIED


RUNAWAY = "UNWIND range(1, 900000) AS a UNWIND range(1, 900000) AS b RETURN count(*)"


def running(ask: Ask) -> list[list[str]]:
    """(session, plan) of the runaway queries under way."""
    rows = ask("SHOW ALL QUERIES | YIELD $-.SessionID AS s, $-.ExecutionPlanID AS p, $-.`Query` AS q")
    return [row[:2] for row in table(rows) if row[2] == f'"{RUNAWAY}"']


def start_runaway(session: Any) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(session.execute(RUNAWAY)))
    thread.start()
    return thread, answers


def await_running(ask: Ask) -> list[str]:
    for _ in range(600):
        found = running(ask)
        if found:
            return found[0]
        time.sleep(0.05)
    raise AssertionError("the query never ran")


def test_killed_query_ends_and_its_session_goes_on(realm: Ask, login: Any) -> None:
    busy, other = login("guest"), login("user")
    thread, answers = start_runaway(busy)
    session, plan = await_running(realm)
    assert code(other, f"KILL QUERY (session={session}, plan={plan})") == DENIED
    realm(f"KILL QUERY (session={session}, plan={plan})")
    thread.join(30)
    assert answers[0].error_msg() == "ExecutionError: Execution had been killed"
    assert code(busy, "YIELD 1") == 0
    gone = other.execute("KILL QUERY (plan=1)")
    assert "does not exist in Session" in gone.error_msg()
    assert code(other, "YIELD 0 AS p | KILL QUERY (plan=$-.p)") != 0


def test_killed_session_is_gone_with_what_it_ran(realm: Ask, login: Any) -> None:
    busy = login("guest")
    thread, answers = start_runaway(busy)
    session, _ = await_running(realm)
    realm(f"KILL SESSION {session}")
    thread.join(30)
    assert answers[0].error_msg() == "ExecutionError: Execution had been killed"
    assert session not in [row[0] for row in table(realm("SHOW SESSIONS"))]


def test_users_and_roles_outlive_a_restart(home: Settings) -> None:
    with serving(home) as address, connected(address) as pool, pool.session_context("root", PASSWORD) as root:
        assert code(root, "CREATE SPACE kept (vid_type = INT64)") == 0
        assert code(root, 'CREATE USER lasting WITH PASSWORD "p"; GRANT ROLE USER ON kept TO lasting') == 0
    with serving(home) as address, connected(address) as pool, pool.session_context("lasting", "p") as user:
        assert table(user.execute("DESC USER lasting")) == [['"USER"', '"kept"']]


def test_snapshot_is_a_whole_copy_that_later_writes_do_not_reach(home: Settings) -> None:
    with serving(home) as address, connected(address) as pool, pool.session_context("root", PASSWORD) as root:
        for statement in (
            "CREATE SPACE pictured (vid_type = INT64); USE pictured; CREATE TAG t(a int)",
            "INSERT VERTEX t(a) VALUES 1:(1), 2:(2)",
            "CREATE SNAPSHOT",
            "INSERT VERTEX t(a) VALUES 3:(3)",
        ):
            assert code(root, statement) == 0
        [[name, status, _]] = table(root.execute("SHOW SNAPSHOTS"))
        assert status == '"VALID"'
        folder = Path(home.home.absolute() / "graph" / "snapshots" / name.strip('"'))
        copies = [path for path in folder.iterdir() if path.name.startswith("space_")]
        with sqlite3.connect(copies[0]) as copy:
            assert copy.execute("SELECT count(*) FROM v").fetchone() == (2,)
        copy.close()
        assert root.execute("DROP SNAPSHOT none").error_msg() == "Snapshot not existed!"
        assert code(root, f"DROP SNAPSHOT {name.strip(chr(34))}") == 0
        assert table(root.execute("SHOW SNAPSHOTS")) == []
        assert not folder.exists()
