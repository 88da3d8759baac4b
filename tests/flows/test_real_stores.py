"""Flows against the real bridge over its real stores: in, lost, repaired, backed up, put back."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import httpx
import psycopg
import pytest
from nebula3.Config import Config
from nebula3.gclient.net import ConnectionPool
from pydantic import SecretStr
from pymilvus import MilvusClient

from flows.backup import backup
from flows.ingest import ingest
from flows.operations import archive, history
from flows.operations.machine import Check
from flows.orchestration.launch import database_url, ensure_database
from flows.reconcile import reconcile
from flows.restore import not_in_graph, restore
from tests.flows.real_bridge import another_bridge, wait_for
from tools.clients.bridge import open_bridge
from tools.errors import NotSupported
from tools.settings import Settings

COLLECTION = "of_the_flows"
PAGES = {
    "puente.md": "# El puente\n\nEl puente es la única puerta a las bases de datos.\n",
    "pool.md": "# The pool\n\nThe pool serves models and unloads idle ones after a while.\n",
}


def ask_graph(settings: Settings, statement: str) -> None:
    """One statement on the graph's own port, behind the bridge's back."""
    pool = ConnectionPool()
    assert pool.init([("127.0.0.1", settings.ports.nebula)], Config())
    with pool.session_context("root", settings.nebula_password) as session:
        answer = session.execute(f"USE {COLLECTION}; {statement}")
        assert answer.is_succeeded(), answer.error_msg()
    pool.close()


def _names(client: MilvusClient) -> list[str]:
    return cast("list[str]", client.list_collections())  # pymilvus types it as a coroutine too


def physical(settings: Settings, client: MilvusClient) -> str:
    return next(name for name in _names(client) if name.startswith(COLLECTION))


def empty(settings: Settings) -> None:
    """PostgreSQL as on a new machine: no tables, and none of the roles that a backup does not hold."""
    with psycopg.connect(settings.postgres_dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        for role in ("capibara6_reader", "capibara6_tenant"):
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


async def test_what_is_lost_is_repaired_and_what_is_deleted_comes_back(
    real_services: Settings, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    request = {"sources": [str(folder)], "collection": COLLECTION, "name": "pages"}
    first = await run(ingest, **request)
    assert sorted((await first.aresult()).added) == ["pages/pool.md", "pages/puente.md"]
    assert (await (await run(ingest, **request)).aresult()).unchanged == ["pages/pool.md", "pages/puente.md"]

    assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []
    milvus = MilvusClient(real_services.milvus_uri)
    milvus.delete(physical(real_services, milvus), filter='document_id == "pages/pool.md"')
    [lost] = await (await run(reconcile, collections=[COLLECTION])).aresult()
    assert (lost.document, lost.missing, lost.extra) == ("pages/pool.md", 1, 0)
    await wait_for(lambda: _listed(real_services) == 2)
    assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []

    ask_graph(real_services, f'DELETE VERTEX "{_passage(real_services, "pages/pool.md")}" WITH EDGE')
    [lost] = await (await run(reconcile, collections=[COLLECTION])).aresult()
    assert (lost.document, lost.missing, lost.extra, lost.unlinked) == ("pages/pool.md", 0, 0, 1)
    await wait_for(lambda: _listed(real_services) == 2)
    assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []

    saved = await run(backup, name="before", keep=3)
    assert (await saved.aresult()).counts[COLLECTION] == {"documents": 2, "chunks": 2}
    assert (await run(backup, name="before")).is_completed()

    milvus.drop_collection(physical(real_services, milvus))
    milvus.close()
    empty(real_services)
    assert (await run(restore, name="before")).is_failed(), "it asks for confirmation"
    with another_bridge(real_services) as new:
        monkeypatch.setenv("CAPIBARA6_PORTS", json.dumps(new.ports.model_dump()))
        for _ in range(2):  # a second time puts back the same
            back = await run(restore, name="before", confirm=True, timeout_s=180)
            assert back.is_completed(), back.message
            assert _listed(new) == 2
            assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []


@pytest.mark.timeout(600)  # it starts a second platform
async def test_a_backup_is_rehearsed_in_a_place_apart(real_services: Settings, run, tmp_path: Path) -> None:
    (tmp_path / "puente.md").write_text(PAGES["puente.md"], encoding="utf-8")
    await run(ingest, sources=[str(tmp_path)], collection="rehearsed", name="pages")
    await run(backup, name="rehearsed", keep=3)
    _, manifest = archive.read(real_services, "rehearsed")
    documents = sum(count["documents"] for count in manifest.counts.values())
    rehearsed = await run(restore, name="rehearsed", rehearse=True, timeout_s=500)
    assert rehearsed.is_completed(), rehearsed.message
    assert f"{documents} documentos" in rehearsed.message
    assert f"{len(manifest.probes)} de {len(manifest.probes)}" in rehearsed.message
    async with open_bridge(real_services) as bridge:
        rows = await bridge.documents(collection="rehearsed")
    assert [row["id"] for row in rows] == ["pages/puente.md"], "the running platform is as it was"


async def test_a_whole_collection_that_milvus_lost_is_noticed_and_written_again(
    real_services: Settings, run, tmp_path: Path
) -> None:
    folder, name = tmp_path / "pages", "of_a_lost_collection"
    folder.mkdir()
    (folder / "puente.md").write_text(PAGES["puente.md"], encoding="utf-8")
    await run(ingest, sources=[str(folder)], collection=name, name="pages")
    milvus = MilvusClient(real_services.milvus_uri)
    milvus.drop_collection(next(held for held in _names(milvus) if held.startswith(name)))
    milvus.close()
    [lost] = await (await run(reconcile, collections=[name])).aresult()
    assert (lost.document, lost.missing, lost.extra) == ("pages/puente.md", 1, 0)
    client = MilvusClient(real_services.milvus_uri)
    await wait_for(lambda: any(held.startswith(name) for held in _names(client)))
    client.close()
    deadline = time.monotonic() + 180
    while (await (await run(reconcile, collections=[name], repair=False)).aresult()) != []:
        assert time.monotonic() < deadline, "the collection was not embedded again"


async def test_a_collection_that_is_not_there_is_not_reconciled_in_silence(
    real_services: Settings, run
) -> None:
    state = await run(reconcile, collections=["of_nobody"])
    assert state.is_failed()
    assert "of_nobody" in state.message


async def test_the_history_of_checks_is_kept_in_postgresql_and_forgotten_in_time(
    real_services: Settings,
) -> None:
    now = datetime.now(UTC)
    for age, status in ((100, "down"), (2, "down"), (1, "ok")):
        await history.record(real_services, [Check("pool", status, "x", 7)], at=now - timedelta(days=age))
    await history.record(real_services, [Check("pool", "ok", "x", 7)], at=now - timedelta(days=1))  # again
    kept = await history.since(real_services, now - timedelta(days=365))
    assert [(check.name, check.status, check.ms) for check in kept] == [
        ("pool", "down", 7),
        ("pool", "ok", 7),
    ]


async def test_prefect_can_not_live_in_the_embedded_postgresql_and_says_so(stores_of_flows: Settings) -> None:
    own = stores_of_flows.stores.model_copy(update={"prefect_database_url": SecretStr("postgres")})
    settings = stores_of_flows.model_copy(update={"stores": own})
    assert database_url(settings).startswith("postgresql+asyncpg://postgres@/prefect?host=/")
    with pytest.raises(NotSupported, match="pg_trgm"):
        await ensure_database(settings)


def _passage(settings: Settings, key: str) -> str:
    """The id of a document's first passage."""
    url = f"{settings.bridge_url}/api/v1/documents/{key}?collection={COLLECTION}"
    return httpx.get(url, trust_env=False).json()["passages"][0]["id"]


def _listed(settings: Settings, collection: str = COLLECTION) -> int:
    """How many documents every store has, the graph too."""
    url = f"{settings.bridge_url}/api/v1/documents?collection={collection}"
    body = json.loads(httpx.get(url, trust_env=False).text)
    found = body.get("documents", [])
    return len(found) - len(not_in_graph({collection: found}))
