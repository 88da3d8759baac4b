"""A run comes back before its last attempt is over: Prefect's worker lives, and takes it later."""

import asyncio
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import temporary_settings
from prefect.states import Scheduled
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessWorker

from flows.orchestration.patched_worker import wait_for_last_attempt
from tests.flows.conftest import reaching
from tools.settings import Settings

METHOD = "get_and_submit_flow_runs"
NAME = "of_a_worker"


@flow(name=NAME)
def nothing() -> None:
    """Only planned, and never run here."""


async def planned() -> UUID:
    """A run that is due in a pool of its own."""
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=NAME, type="process"))
        return (await client.create_flow_run(nothing, state=Scheduled(), work_pool_name=NAME)).id


async def test_a_run_that_still_holds_its_place_waits_for_the_next_round(
    prefect: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BaseWorker, METHOD, getattr(BaseWorker, METHOD))  # put back afterwards
    with temporary_settings(reaching(prefect)):
        run_id = await planned()
        async with ProcessWorker(work_pool_name=NAME, limit=4) as worker:
            await worker.sync_with_backend()
            worker.limiter.acquire_on_behalf_of_nowait(run_id)
            with pytest.raises(RuntimeError, match="already holding"):  # what would end the worker
                await worker.get_and_submit_flow_runs()
            wait_for_last_attempt()
            assert await worker.get_and_submit_flow_runs() == []
            worker.limiter.release_on_behalf_of(run_id)
            async with asyncio.timeout(60):
                assert [run.id for run in await worker.get_and_submit_flow_runs()] == [run_id]
