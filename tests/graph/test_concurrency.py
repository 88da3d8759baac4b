"""Readers and writers together: nothing lost, nothing locked, and what was acknowledged survives a kill."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nebula3.gclient.net import ConnectionPool

from servers.graph.health import alive
from servers.graph.main import run
from tests.graph.conftest import PASSWORD, connected, serving, table
from tools.settings import Settings


def run_in(pool: ConnectionPool, space: str, statements: list[str]) -> list[Any]:
    with pool.session_context("root", PASSWORD) as session:
        session.execute(f"USE {space}")
        answers = [session.execute(statement) for statement in statements]
    failed = [answer.error_msg() for answer in answers if not answer.is_succeeded()]
    assert not failed, failed[0]
    return answers


def together(pool: ConnectionPool, space: str, jobs: list[list[str]]) -> None:
    with ThreadPoolExecutor(len(jobs)) as threads:
        for done in [threads.submit(run_in, pool, space, job) for job in jobs]:
            done.result()


def test_no_update_is_lost(pool: ConnectionPool, ask: Callable[..., Any], space: str) -> None:
    ask("CREATE TAG t(n int)")
    ask('INSERT VERTEX t(n) VALUES "v":(0)')
    together(pool, space, [['UPDATE VERTEX ON t "v" SET n = n + 1'] * 25] * 8)
    assert table(ask('FETCH PROP ON t "v" YIELD t.n')) == [["200"]]


def test_no_tag_is_lost_that_others_make_at_once(
    pool: ConnectionPool, ask: Callable[..., Any], space: str
) -> None:
    jobs = [[f"CREATE TAG t{job}_{number}(n int)" for number in range(12)] for job in range(8)]
    together(pool, space, jobs)
    assert len(table(ask("SHOW TAGS"))) == 96


def test_readers_and_writers_never_meet_a_lock(
    pool: ConnectionPool, ask: Callable[..., Any], space: str
) -> None:
    ask("CREATE TAG t(n int); CREATE EDGE e(); CREATE TAG INDEX i ON t(n)")
    writers = [
        [
            f'INSERT VERTEX t(n) VALUES "{w}-{n}":({n}); INSERT EDGE e() VALUES "{w}-{n}"->"{w}-0":()'
            for n in range(15)
        ]
        for w in range(6)
    ]
    readers = [
        ["LOOKUP ON t WHERE t.n >= 0 YIELD id(vertex) AS id", 'GO FROM "1-1" OVER e YIELD dst(edge) AS d'] * 8
    ] * 6
    together(pool, space, writers + readers)
    assert table(ask("LOOKUP ON t YIELD id(vertex) AS id | YIELD count(*) AS n")) == [["90"]]


def test_sixty_four_sessions_work_side_by_side(
    pool: ConnectionPool, ask: Callable[..., Any], space: str
) -> None:
    ask("CREATE TAG t(n int)")
    jobs = [[f'INSERT VERTEX t(n) VALUES "{n}":({n})', f'FETCH PROP ON t "{n}" YIELD t.n'] for n in range(64)]
    together(pool, space, jobs)
    assert table(ask("SHOW STATS"))[0] == ['"Tag"', '"t"', "64"]


def test_sessions_see_their_own_space_only(pool: ConnectionPool, ask: Callable[..., Any], space: str) -> None:
    ask("CREATE TAG here()")
    ask(f"CREATE SPACE {space}_b (vid_type = INT64)")

    def visit(name: str) -> None:
        answers = run_in(pool, name, ["SHOW TAGS"] * 10)
        wanted = [['"here"']] if name == space else []
        assert all(table(answer) == wanted for answer in answers)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(visit, [space, f"{space}_b"] * 4))


def test_what_was_acknowledged_survives_a_kill(home: Settings) -> None:
    address = ("127.0.0.1", home.ports.nebula)
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=run, args=(home,), daemon=True)
    server.start()
    while not alive(address, 0.5):
        assert server.is_alive()
    kept = 0
    with connected(address) as pool:
        session = pool.get_session("root", PASSWORD)
        session.execute("CREATE SPACE s (vid_type = INT64); USE s; CREATE TAG t(n int)")
        for n in range(30):
            kept += session.execute(f"INSERT VERTEX t(n) VALUES {n}:({n})").is_succeeded()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        server.join(60)
    with serving(home) as again, connected(again) as pool, pool.session_context("root", PASSWORD) as session:
        keys = ", ".join(map(str, range(30)))
        answer = session.execute(f"USE s; FETCH PROP ON t {keys} YIELD t.n")
        assert answer.row_size() == kept == 30


def test_sigterm_ends_the_process_cleanly(home: Settings) -> None:
    address = ("127.0.0.1", home.ports.nebula)
    server = multiprocessing.get_context("spawn").Process(target=run, args=(home,), daemon=True)
    server.start()
    while not alive(address, 0.5):
        assert server.is_alive()
    with connected(address) as pool:
        assert pool.get_session("root", PASSWORD).execute("YIELD 1").is_succeeded()
        server.terminate()
        server.join(60)
    assert server.exitcode == 0


@pytest.mark.parametrize("damage", ["overwritten", "foreign"])
def test_damaged_space_is_refused_and_others_are_served(home: Settings, damage: str) -> None:
    with (
        serving(home) as address,
        connected(address) as pool,
        pool.session_context("root", PASSWORD) as session,
    ):
        for name in ("good", "bad"):
            made = session.execute(f"CREATE SPACE {name} (vid_type = INT64); USE {name}; CREATE TAG t()")
            assert made.is_succeeded(), made.error_msg()
    file = home.home.absolute() / "graph" / "space_2.db"
    _damage(file, damage)
    with (
        serving(home) as address,
        connected(address) as pool,
        pool.session_context("root", PASSWORD) as session,
    ):
        answer = session.execute("USE bad")
        assert answer.error_code() == -2021
        assert "space_2.db" in answer.error_msg()
        assert table(session.execute("USE good; SHOW TAGS")) == [['"t"']]


def _damage(file: Path, how: str) -> None:
    if how == "overwritten":
        data = bytearray(file.read_bytes())
        data[:512] = b"\x99" * 512
        file.write_bytes(bytes(data))
        return
    import sqlite3

    file.unlink()
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE something (x)")
    other.commit()
    other.close()
