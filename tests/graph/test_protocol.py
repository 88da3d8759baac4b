"""The stock client against the server: pools, sessions, parameters, JSON."""

import json
from typing import Any

import pytest
from nebula3.Config import SessionPoolConfig
from nebula3.Exception import AuthFailedException
from nebula3.gclient.net import ConnectionPool
from nebula3.gclient.net.SessionPool import SessionPool

from servers.graph.health import alive
from tests.graph.conftest import Ask, table


def test_wrong_password_is_refused_in_nebulas_words(pool: ConnectionPool) -> None:
    with pytest.raises(AuthFailedException, match="Invalid password"):
        pool.get_session("root", "wrong")
    with pytest.raises(AuthFailedException, match="User not exist"):
        pool.get_session("nobody", "nebula")


def test_a_session_keeps_its_own_space(pool: ConnectionPool, ask: Ask, space: str) -> None:
    assert ask("YIELD 1").space_name() == space
    with pool.session_context("root", "nebula") as other:
        assert other.execute("YIELD 1").space_name() == ""
        answer = other.execute("SHOW TAGS")
        assert answer.error_msg() == "SemanticError: Space was not chosen."
        assert answer.error_code() == -1009


def test_session_pool_works_unchanged(address: tuple[str, int], space: str) -> None:
    pool = SessionPool("root", "nebula", space, [address])
    assert pool.init(SessionPoolConfig())
    assert pool.execute("CREATE TAG t(a int)").is_succeeded()
    assert table(pool.execute("SHOW TAGS")) == [['"t"']]
    pool.close()


def test_parameters_keep_their_types(session: Any) -> None:
    given = {"a": "xñ", "b": 5, "c": [1, "two", True], "d": 1.5}
    answer = session.execute_py("YIELD $a AS a, $b + 1 AS b, $c AS c, $d AS d", given)
    assert table(answer) == [['"xñ"', "6", '[1, "two", True]', "1.5"]]


def test_json_answers_carry_rows_and_meta(session: Any, ask: Ask, space: str) -> None:
    ask("CREATE TAG t(a int)")
    ask('INSERT VERTEX t(a) VALUES "v":(1)')
    body = json.loads(session.execute_json('FETCH PROP ON t "v" YIELD vertex AS v'))
    assert body["errors"] == [{"code": 0}]
    assert body["results"][0]["columns"] == ["v"]
    assert body["results"][0]["data"] == [{"row": [{"t.a": 1}], "meta": [{"type": "vertex", "id": "v"}]}]
    failed = json.loads(session.execute_json("YIELD"))
    assert failed["errors"][0]["code"] == -1004


def test_a_signed_out_session_is_over(pool: ConnectionPool) -> None:
    session = pool.get_session("root", "nebula")
    number = session._session_id
    session.release()
    with pool.session_context("root", "nebula") as other:
        other._session_id = number
        with pytest.raises(Exception, match="Session not existed"):
            answer = other.execute("YIELD 1")
            raise RuntimeError(answer.error_msg())


def test_health_speaks_the_protocol(address: tuple[str, int]) -> None:
    assert alive(address)
    assert not alive((address[0], 9), 0.2)
