"""Flows against the real bridge over its real stores: in, lost, repaired, backed up, put back."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from pymilvus import MilvusClient

from flows.backup import backup
from flows.ingest import ingest
from flows.reconcile import reconcile
from flows.restore import restore
from tests.ports import free_ports
from tools.settings import Settings

COLLECTION = "of_the_flows"
PAGES = {
    "puente.md": "# El puente\n\nEl puente es la única puerta a las bases de datos.\n",
    "pool.md": "# The pool\n\nThe pool serves models and unloads idle ones after a while.\n",
}


@pytest.fixture(scope="module")
def real(stores: Settings, prefect: Settings) -> Iterator[Settings]:
    """Settings of running stores, graph server and bridge, and of the session's Prefect."""
    bridge, nebula = free_ports(2)
    ports = stores.ports.model_copy(
        update={"bridge": bridge, "nebula": nebula, "prefect": prefect.ports.prefect}
    )
    settings = stores.model_copy(update={"ports": ports})
    environment = {**os.environ, **settings.environment()}
    command = [sys.executable, "-m", "servers", "serve"]
    with (settings.log_dir / "flows-test.log").open("wb") as log:
        children = [
            subprocess.Popen([*command, name], env=environment, stdout=log, stderr=log)
            for name in ("graph", "bridge")
        ]
        try:
            _until_whole(settings)
            yield settings
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(20)


def _until_whole(settings: Settings) -> None:
    deadline, seen = time.monotonic() + 60, ""
    while time.monotonic() < deadline:
        try:
            seen = httpx.get(f"{settings.bridge_url}/health/detailed", trust_env=False, timeout=5).text
        except httpx.HTTPError:
            time.sleep(0.2)
            continue
        if seen.count("connected") >= 4:
            return
        time.sleep(0.2)
    raise AssertionError(seen)


@pytest.fixture
def here(real: Settings, monkeypatch: pytest.MonkeyPatch, run) -> Settings:
    """`run` speaks to the real services."""
    for name, value in real.environment().items():
        monkeypatch.setenv(name, value)
    return real


def physical(settings: Settings, client: MilvusClient) -> str:
    return next(name for name in client.list_collections() if name.startswith(COLLECTION))


async def _wait_for(check) -> None:
    deadline = time.monotonic() + 60
    while not check():
        assert time.monotonic() < deadline, "the bridge did not repair"
        await asyncio.sleep(0.3)


async def test_what_is_lost_is_repaired_and_what_is_deleted_comes_back(
    here: Settings, run, tmp_path: Path
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    request = {"sources": [str(folder)], "collection": COLLECTION}
    first = await run(ingest, **request)
    assert sorted((await first.aresult()).added) == ["pages/pool.md", "pages/puente.md"]
    assert (await (await run(ingest, **request)).aresult()).unchanged == ["pages/pool.md", "pages/puente.md"]

    assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []
    milvus = MilvusClient(here.milvus_uri)
    milvus.delete(physical(here, milvus), filter='document_id == "pages/pool.md"')
    [lost] = await (await run(reconcile, collections=[COLLECTION])).aresult()
    assert (lost.document, lost.missing, lost.extra) == ("pages/pool.md", 1, 0)
    await _wait_for(lambda: _listed(here) == 2)
    assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []

    saved = await run(backup, name="before", keep=3)
    assert (await saved.aresult()).counts[COLLECTION] == {"documents": 2, "chunks": 2}
    assert (await run(backup, name="before")).is_completed()

    with psycopg.connect(here.postgres_dsn) as connection:
        connection.execute("DELETE FROM documents WHERE collection = %s", (COLLECTION,))
        connection.execute("DELETE FROM chunks WHERE collection = %s", (COLLECTION,))
    milvus.delete(physical(here, milvus), filter='document_id != ""')
    milvus.close()
    assert _listed(here) == 0
    assert (await run(restore, name="before")).is_failed(), "it asks for confirmation"
    assert _listed(here) == 0
    back = await run(restore, name="before", confirm=True, timeout_s=60)
    assert back.is_completed(), back.message
    assert _listed(here) == 2
    assert (await (await run(reconcile, collections=[COLLECTION])).aresult()) == []


async def test_one_document_from_many_runs_at_once_exists_once(here: Settings, run, tmp_path: Path) -> None:
    folder = tmp_path / "same"
    folder.mkdir()
    (folder / "page.md").write_text(PAGES["puente.md"], encoding="utf-8")
    request = {"sources": [str(folder)], "collection": "of_many_flows"}
    states = await asyncio.gather(*(run(ingest, **request) for _ in range(4)))
    assert all(state.is_completed() for state in states)
    with psycopg.connect(here.postgres_dsn) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT id) FROM chunks WHERE collection = 'of_many_flows'"
        ).fetchone()
    assert found == (1, 1)
    assert (await (await run(reconcile, collections=["of_many_flows"])).aresult()) == []


def _listed(settings: Settings) -> int:
    url = f"{settings.bridge_url}/api/v1/documents?collection={COLLECTION}"
    body = json.loads(httpx.get(url, trust_env=False).text)
    return len(body["documents"]) if "documents" in body else 0
