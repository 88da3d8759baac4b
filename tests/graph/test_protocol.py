"""The stock client against the server: pools, sessions, parameters, JSON."""

import json
import socket
from typing import Any

import pytest
from nebula3.Config import SessionPoolConfig
from nebula3.Exception import AuthFailedException
from nebula3.fbthrift.protocol.TCompactProtocol import TCompactProtocolFactory
from nebula3.fbthrift.util.Serializer import serialize
from nebula3.gclient.net import ConnectionPool
from nebula3.gclient.net.SessionPool import SessionPool

from servers.graph.health import alive
from servers.graph.server import compact_protocol
from servers.graph.server.thrift_values import thrift_dataset
from servers.graph.values import types as v
from tests.graph.conftest import PASSWORD, Ask, table


def test_wrong_password_is_refused_in_nebulas_words(pool: ConnectionPool) -> None:
    with pytest.raises(AuthFailedException, match="Invalid password"):
        pool.get_session("root", "wrong")
    with pytest.raises(AuthFailedException, match="User not exist"):
        pool.get_session("nobody", "nebula")


def test_a_session_keeps_its_own_space(pool: ConnectionPool, ask: Ask, space: str) -> None:
    assert ask("YIELD 1").space_name() == space
    with pool.session_context("root", PASSWORD) as other:
        assert other.execute("YIELD 1").space_name() == ""
        answer = other.execute("SHOW TAGS")
        assert answer.error_msg() == "SemanticError: Space was not chosen."
        assert answer.error_code() == -1009


def test_session_pool_works_unchanged(address: tuple[str, int], space: str) -> None:
    pool = SessionPool("root", PASSWORD, space, [address])
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
    session = pool.get_session("root", PASSWORD)
    number = session._session_id
    session.release()
    with pool.session_context("root", PASSWORD) as other:
        other._session_id = number
        with pytest.raises(Exception, match="Session not existed"):
            answer = other.execute("YIELD 1")
            raise RuntimeError(answer.error_msg())


def test_health_speaks_the_protocol(address: tuple[str, int]) -> None:
    assert alive(address)
    assert not alive((address[0], 9), 0.2)


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\xff" * 64, b"\x7f\xff\xff\xff" + b"\x0f\xff" + b"x" * 40],
)
def test_strangers_bytes_end_only_their_own_connection(
    address: tuple[str, int], ask: Ask, sent: bytes
) -> None:
    with socket.create_connection(address, timeout=60) as stranger:
        stranger.sendall(sent)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(1024):
            pass
    assert table(ask("YIELD 1")) == [["1"]]


def test_fast_bytes_are_those_of_the_generated_code() -> None:
    person = v.Vertex("a", {"t": {"x": 1, "y": v.NULL}})
    known, bare = v.Edge("a", "b", -3, "e", 7, {"k": 1.5}), v.Edge("a", "b", 3, "e", -7)
    numbers = [1, -5, 2**63 - 1, -(2**63), 1.5, True, False]
    texts = ["", "ñ" * 100, v.NULL, v.BAD_TYPE, v.EMPTY]
    containers = [[], [1, "a", [2]], list(range(20)), {}, {"a": 1}, v.NSet([1, 2])]
    graph = [person, known, bare, v.Path([person, v.Vertex("b")], [known]), v.Path([person], [])]
    moments = [v.Date(2020, 1, 2), v.Time(1, 2, 3, 4), v.DateTime(2020, 1, 2), v.Duration(1, 2, 3)]
    row = [*numbers, *texts, *containers, *graph, *moments]
    rows = [[value] for value in row] + [row]
    written = serialize(TCompactProtocolFactory(), thrift_dataset(["a", "b"], rows))
    assert compact_protocol.encode_dataset(["a", "b"], rows) == written
