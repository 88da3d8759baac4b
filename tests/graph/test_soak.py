"""Long runs: a server that is killed while it writes, and sixty-four clients that read and write at once."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from nebula3.gclient.net import ConnectionPool

from servers.graph.health import alive
from servers.graph.main import run
from tests.graph.conftest import PASSWORD, connected, serving, table
from tools.settings import Settings

BATCH = 200


def write_until_killed(home: Settings, chance: random.Random, first: int) -> tuple[set[int], int]:
    """(batches that were acknowledged, the number of the next one)."""
    address = ("127.0.0.1", home.ports.nebula)
    server = multiprocessing.get_context("spawn").Process(target=run, args=(home,), daemon=True)
    server.start()
    while not alive(address, 0.5):
        assert server.is_alive()
    acknowledged, batch = set[int](), first
    with connected(address) as pool:
        session = pool.get_session("root", PASSWORD)
        session.execute("CREATE SPACE IF NOT EXISTS s (vid_type = INT64); USE s")
        session.execute("CREATE TAG IF NOT EXISTS t(n int)")
        assert server.pid is not None
        threading.Timer(chance.uniform(0.05, 1.0), os.kill, (server.pid, signal.SIGKILL)).start()
        # The client says in many ways that the server is gone; each ends the round.
        with suppress(Exception):
            while True:
                rows = ", ".join(f"{batch * BATCH + n}:({batch})" for n in range(BATCH))
                batch += 1
                if not session.execute(f"INSERT VERTEX t(n) VALUES {rows}").is_succeeded():
                    break
                acknowledged.add(batch - 1)
        server.join(60)
    return acknowledged, batch


# The client leaves sockets behind when a server is gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.soak
def test_killed_server_keeps_whole_batches_and_all_that_it_acknowledged(home: Settings) -> None:
    chance, acknowledged, following = random.Random(5), set[int](), 0
    for _ in range(12):
        more, following = write_until_killed(home, chance, following)
        acknowledged |= more
    with serving(home) as address, connected(address) as pool:
        session = pool.get_session("root", PASSWORD)
        found = session.execute("USE s; MATCH (v:t) RETURN v.t.n AS batch, count(*) AS n")
        counts = {int(batch): int(n) for batch, n in table(found)}
        session.release()
    assert set(counts.values()) == {BATCH}, "a batch is there whole or not at all"
    assert acknowledged <= counts.keys()


@pytest.mark.soak
def test_sixty_four_clients_lose_no_update(
    pool: ConnectionPool, ask: Callable[..., Any], space: str, seconds: float = 600.0
) -> None:
    ask("CREATE TAG t(n int); CREATE EDGE e(w int)")
    ask("INSERT VERTEX t(n) VALUES " + ", ".join(f'"{n}":(0)' for n in range(8)))
    end = time.monotonic() + seconds

    def client(number: int) -> int:
        chance, added = random.Random(number), 0
        with pool.session_context("root", PASSWORD) as session:
            session.execute(f"USE {space}")
            while time.monotonic() < end:
                one, other = chance.randrange(8), chance.randrange(8)
                statements = [
                    f'INSERT EDGE e(w) VALUES "{one}"->"{other}":({number})',
                    f'MATCH (a)-[:e]->(b) WHERE id(a) == "{one}" RETURN count(b)',
                    f'GO 2 STEPS FROM "{one}" OVER e YIELD dst(edge) AS d',
                    "MATCH (v) RETURN v LIMIT 5",
                ]
                answer = session.execute(chance.choice(statements))
                assert answer.is_succeeded(), answer.error_msg()
                changed = session.execute(f'UPDATE VERTEX ON t "{one}" SET n = n + 1')
                assert changed.is_succeeded(), changed.error_msg()
                added += 1
        return added

    with ThreadPoolExecutor(64) as threads:
        total = sum(threads.map(client, range(64)))
    assert table(ask("MATCH (v:t) RETURN sum(v.t.n) AS n")) == [[str(total)]]
