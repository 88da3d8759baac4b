"""PostgreSQL that is silent, dies in the middle or is busy: bounded waits, typed errors, nothing twice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from servers.bridge.clients.postgres import client as bridge_postgres
from servers.bridge.clients.postgres.client import Postgres, open_postgres
from servers.bridge.clients.postgres.roles import READER
from servers.local.embedded_stores import open_stores
from tests.bridge.proxy import Proxy, eventually
from tests.conftest import settings_in
from tools.access.identity import LOCAL
from tools.errors import StoreUnavailable, TooLarge
from tools.settings import Settings

LONG = "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b"


def socket_of(settings: Settings) -> str:
    return str(settings.postgres_socket_dir / f".s.PGSQL.{settings.ports.postgres}")


@asynccontextmanager
async def proxied(settings: Settings) -> AsyncIterator[tuple[Proxy, Postgres]]:
    proxy = Proxy(socket_of(settings))
    await proxy.start()
    dsn = SecretStr(f"postgresql://postgres@127.0.0.1:{proxy.port}/capibara6")
    stores = settings.stores.model_copy(update={"postgres_dsn": dsn})
    async with open_postgres(settings.model_copy(update={"stores": stores})) as postgres:
        try:
            yield proxy, postgres
        finally:
            proxy.flowing.set()
            await proxy.stop()


async def one(postgres: Postgres) -> list[list[object]]:
    return (await postgres.query("SELECT 1", [], principal=LOCAL, max_rows=1)).rows


async def running(postgres: Postgres) -> object:
    """How many of a stranger's statements the server works on."""
    async with postgres.autocommit() as connection:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%'"
        return (await connection.execute(text(asked))).scalar_one()


async def test_fault_31_a_refusing_server_is_503_and_comes_back(stores: Settings) -> None:
    async with proxied(stores) as (proxy, postgres):
        assert await one(postgres) == [[1]]
        await proxy.stop()
        with pytest.raises(StoreUnavailable) as caught:
            await one(postgres)
        assert (caught.value.source, caught.value.retry_after) == ("postgres", 1)
        await proxy.start()
        await eventually(lambda: one(postgres), [[1]])


async def test_fault_31_a_silent_server_is_503_and_comes_back(stores: Settings) -> None:
    async with proxied(stores) as (proxy, postgres):
        assert await one(postgres) == [[1]]
        async with postgres.session() as session:
            await session.execute(text("SELECT 1"))
        proxy.flowing.clear()
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(30):
                await one(postgres)
        await asyncio.sleep(1.1)
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(30), postgres.session() as session:
                await session.execute(text("SELECT 1"))
        proxy.flowing.set()
        await eventually(lambda: one(postgres), [[1]])


async def test_fault_31_a_cut_connection_is_replaced(stores: Settings) -> None:
    async with proxied(stores) as (proxy, postgres):
        assert await one(postgres) == [[1]]
        await proxy.cut()
        await eventually(lambda: one(postgres), [[1]])


async def test_fault_33_a_busy_pool_is_503_within_a_bounded_wait(
    stores: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_postgres, "READ_ONLY_CONNECTIONS", 4)
    async with proxied(stores) as (_, postgres):
        assert await one(postgres) == [[1]]
        slow = [asyncio.create_task(_asked(postgres)) for _ in range(8)]
        ended = await asyncio.gather(*slow)
        assert StoreUnavailable in ended
        assert set(ended) <= {StoreUnavailable, TooLarge}
        await eventually(lambda: one(postgres), [[1]])


async def _asked(postgres: Postgres) -> type[BaseException]:
    with pytest.raises((StoreUnavailable, TooLarge)) as caught:
        await postgres.query(LONG, [], principal=LOCAL, max_rows=1)
    return caught.type


async def test_fault_34_a_caller_who_leaves_ends_the_query_in_the_server(stores: Settings) -> None:
    async with proxied(stores) as (_, postgres):
        asked = asyncio.create_task(postgres.query(LONG, [], principal=LOCAL, max_rows=1))
        await eventually(lambda: running(postgres), 1)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await eventually(lambda: running(postgres), 0)


async def test_fault_32_a_server_killed_in_the_middle_is_503_and_no_write_is_run_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = settings_in(tmp_path_factory.mktemp("pg"))
    with open_stores(settings, "postgres"):
        async with proxied(settings) as (_, postgres):
            async with postgres.session() as session:
                await session.execute(text("CREATE TABLE marks (at timestamptz DEFAULT now())"))
            asked = asyncio.create_task(postgres.query(LONG, [], principal=LOCAL, max_rows=1))
            await eventually(lambda: running(postgres), 1)
            with pytest.raises(StoreUnavailable):
                async with postgres.session() as session:
                    await session.execute(text("INSERT INTO marks DEFAULT VALUES"))
                    server = (await session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                    os.kill(int(server), signal.SIGKILL)  # the server ends every other connection with it
                    await session.execute(text("INSERT INTO marks DEFAULT VALUES"))
            with pytest.raises(StoreUnavailable):
                await asked
            await eventually(lambda: one(postgres), [[1]])
            async with postgres.session() as session:
                assert (await session.execute(text("SELECT count(*) FROM marks"))).scalar_one() == 0


async def test_a_connection_is_given_back_as_new_and_used_again(stores: Settings) -> None:
    async def idle() -> list[int]:
        return [connection.info.backend_pid for connection in postgres.read_only_pool.idle]

    async with open_postgres(stores) as postgres:
        assert await one(postgres) == [[1]]
        await asyncio.gather(*postgres.background)
        before = await idle()
        assert await one(postgres) == [[1]]
        await asyncio.gather(*postgres.background)
        assert len(before) == 1
        assert await idle() == before
        (connection,) = postgres.read_only_pool.idle
        asked = "SELECT current_user::text, current_setting('transaction_read_only')"
        found = await (await connection.execute(asked)).fetchone()
        assert found is not None
        assert (found[0] == READER, found[1]) == (False, "off")
