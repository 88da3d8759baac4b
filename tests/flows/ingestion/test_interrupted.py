"""Ingestion into the real stores while PostgreSQL goes away, and by many runs at once: each document once."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from flows.ingest import ingest
from flows.reconcile import reconcile
from tests.flows.real_bridge import wait_for
from tests.flows.tcp_proxy import TcpProxy
from tools.settings import Settings


async def interrupted(
    real_services: Settings,
    stores_of_flows: Settings,
    run,
    proxy: TcpProxy,
    folder: Path,
    *,
    pages: int,
    down_s: float,
) -> None:
    """PostgreSQL goes away in the middle of an ingestion; afterwards every store has each page once."""
    folder.mkdir()
    for number in range(pages):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nWhat page {number} says.\n")
    collection = folder.name
    flow = asyncio.create_task(run(ingest, sources=[str(folder)], collection=collection, batch_size=2))
    counted = "SELECT count(*), count(DISTINCT id) FROM {} WHERE collection = %s AND state = 'done' {}"
    whole = {"documents": "AND in_graph", "chunks": ""}  # one that was cut off from the graph follows later
    with psycopg.connect(stores_of_flows.postgres_dsn, autocommit=True) as connection:

        def count(table: str) -> tuple[int, int]:
            try:
                query = counted.format(table, whole[table]).encode()
                rows = connection.execute(query, (collection,)).fetchone()
            except psycopg.errors.UndefinedTable:  # the bridge's first request makes them
                return 0, 0
            assert rows is not None
            return rows[0], rows[1]

        await wait_for(lambda: count("documents")[0] >= 2 or flow.done())
        proxy.cut()
        try:
            await wait_for(lambda: proxy.refused > 0 or flow.done())
            await asyncio.sleep(down_s)
        finally:
            proxy.mend()
        state = await flow
        assert state.is_completed(), state.message
        report = await state.aresult()
        assert (len(report.added), report.failed) == (pages, [])
        await wait_for(lambda: count("documents") == (pages, pages))
        assert count("chunks") == (pages, pages)
    assert (await (await run(reconcile, collections=[collection])).aresult()) == []


async def test_postgresql_that_goes_away_mid_ingest_loses_and_doubles_nothing(
    real_services: Settings, stores_of_flows: Settings, run, proxy: TcpProxy, tmp_path: Path
) -> None:
    await interrupted(real_services, stores_of_flows, run, proxy, tmp_path / "outage", pages=60, down_s=0.5)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_postgresql_that_is_away_for_thirty_seconds_is_waited_for(
    real_services: Settings, stores_of_flows: Settings, run, proxy: TcpProxy, tmp_path: Path
) -> None:
    await interrupted(
        real_services, stores_of_flows, run, proxy, tmp_path / "long_outage", pages=200, down_s=30.0
    )


async def test_one_document_from_many_runs_at_once_exists_once(
    real_services: Settings, run, tmp_path: Path
) -> None:
    folder = tmp_path / "same"
    folder.mkdir()
    (folder / "page.md").write_text(
        "# El puente\n\nEl puente es la única puerta a las bases de datos.\n", encoding="utf-8"
    )
    request = {"sources": [str(folder)], "collection": "of_many_flows"}
    states = await asyncio.gather(*(run(ingest, **request) for _ in range(4)))
    assert all(state.is_completed() for state in states)
    with psycopg.connect(real_services.postgres_dsn) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id) FROM chunks WHERE collection = 'of_many_flows'"
        ).fetchone()
    assert found == (1, 1)
    assert (await (await run(reconcile, collections=["of_many_flows"])).aresult()) == []
