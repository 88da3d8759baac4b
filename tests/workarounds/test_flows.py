"""What Prefect, and what it stands on, still does so that our flows stand on its insides."""

import ast
import inspect
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiosqlite
import anyio
import pytest

from flows.orchestration.sign_in import STORAGE_KEY
from tests.workarounds.rows import Row, installed


async def test_a_statement_that_sqlite_refused_stays_open(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine

    closed: list[Any] = []
    close = aiosqlite.Cursor.close

    async def noted(cursor: aiosqlite.Cursor) -> None:
        closed.append(cursor)
        await close(cursor)

    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/runs.db")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TABLE runs (name TEXT UNIQUE)"))
            await connection.execute(text("INSERT INTO runs VALUES ('one')"))
            monkeypatch.setattr(aiosqlite.Cursor, "close", noted)
            with pytest.raises(DBAPIError):
                await connection.execute(text("INSERT INTO runs VALUES ('one')"))
            assert closed == [], row.gone
    finally:
        await engine.dispose()


async def test_prefects_worker_dies_of_a_run_that_comes_back_too_early(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.client.schemas.objects import FlowRun
    from prefect.client.schemas.responses import WorkerFlowRunResponse
    from prefect.workers.process import ProcessWorker

    run = FlowRun(id=uuid4(), flow_id=uuid4())

    async def scheduled() -> list[WorkerFlowRunResponse]:
        return [WorkerFlowRunResponse(work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=run)]

    worker, places = ProcessWorker(work_pool_name="nowhere", limit=4), anyio.CapacityLimiter(4)
    places.acquire_on_behalf_of_nowait(run.id)
    # What it has once it has met its server.
    monkeypatch.setattr(worker, "_limiter", places)
    monkeypatch.setattr(worker, "_has_successfully_synced", True)
    monkeypatch.setattr(worker, "_get_scheduled_flow_runs", scheduled)
    try:
        await worker.get_and_submit_flow_runs()
    except RuntimeError as error:
        assert "already holding" in str(error), row.gone
    else:
        pytest.fail(row.gone)


def test_prefects_server_uses_what_fastapi_has_removed(row: Row) -> None:
    routes = (installed("prefect") / "server" / "api").glob("*.py")
    assert any("min_items=" in file.read_text("utf-8") for file in routes), row.gone


def test_prefects_scheduler_inserts_a_hybrid_in_bulk(row: Row) -> None:
    from prefect.server.database import provide_database_interface
    from prefect.server.models import deployments
    from sqlalchemy import inspect as mapped
    from sqlalchemy.ext.hybrid import hybrid_property

    attributes: Any = mapped(provide_database_interface().FlowRun)
    hybrids = {
        name for name, one in attributes.all_orm_descriptors.items() if isinstance(one, hybrid_property)
    }
    planned = ast.parse(textwrap.dedent(inspect.getsource(deployments._generate_scheduled_flow_runs)))
    keys = {
        key.value
        for node in ast.walk(planned)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert hybrids & keys, row.gone


def test_prefect_is_the_version_that_left_sockets_open(row: Row) -> None:
    assert version("prefect") == "3.8.8", row.gone


def test_prefects_server_lets_nobody_choose_how_it_is_served(row: Row) -> None:
    from prefect.cli import _server_utils

    started = ast.parse(textwrap.dedent(inspect.getsource(_server_utils._run_in_foreground)))
    calls = [node for node in ast.walk(started) if isinstance(node, ast.Call)]
    served = [call for call in calls if ast.unparse(call.func) == "uvicorn.run"]
    assert served, row.gone
    assert not any(word.arg in ("http", "ws") for call in served for word in call.keywords), row.gone


def test_prefects_page_keeps_its_auth_string_where_we_put_it(row: Row) -> None:
    for pages in ("ui", "ui-v2"):
        files = (installed("prefect") / "server" / pages).rglob("*.js")
        scripts = [script for script in (file.read_text("utf-8") for file in files) if STORAGE_KEY in script]
        assert any("localStorage.setItem" in script for script in scripts), row.gone
