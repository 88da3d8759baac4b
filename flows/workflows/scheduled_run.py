"""Flow `scheduled_run`: one run of an agent or assistant at its hour, as the person who scheduled it.

Each cron of LangGraph's API is a deployment of this flow (`servers/api/runs/crons.py`).
"""

import asyncio
import time
from datetime import UTC, datetime

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed

from flows.operations.messages import say
from flows.operations.retry import LONG_RETRY
from tools.clients.api import open_api
from tools.clients.prefect import open_prefect
from tools.schema import JsonObject
from tools.settings import Settings, load_settings

ENDED = {"success": "run_success", "interrupted": "run_interrupted"}
"""What is said of a run that ended so; any other ending fails the flow's run."""
UNFINISHED = ("pending", "running")
POLL_S, LONGEST_S = 1.0, 3_600.0
"""How often the run is looked at, and how long; on a busy thread it waits for its turn."""


@flow(name="scheduled_run", flow_run_name="scheduled_run")
async def scheduled_run(
    run: JsonObject, thread_id: str | None = None, end_time: datetime | None = None
) -> State[JsonObject]:
    """Ejecuta a su hora lo que alguien programó. · Run at its hour what somebody scheduled.

    Args:
        run: the run as `POST /runs` takes it.
        thread_id: the thread that it goes on; without one it leaves none behind.
        end_time: from then on nothing is run, and the schedule is no longer active.
    """
    settings = load_settings()
    if end_time is not None and datetime.now(UTC) >= end_time:
        await _rest(settings)
        return Completed(message=say("cron_over", settings.language), data={})
    found = await start(settings, run, thread_id, str(deployment.id or ""), str(flow_run.id or ""))
    found = await follow(settings, found["run_id"])
    status, name = found["status"], found["run_id"]
    if status in UNFINISHED:
        return Failed(message=say("run_endless", settings.language, run=name, seconds=int(LONGEST_S)))
    if status not in ENDED:
        return Failed(message=say("run_failed", settings.language, run=name, status=status))
    return Completed(message=say(ENDED[status], settings.language, run=name), data=found)


@task(task_run_name="start", cache_policy=NO_CACHE, **LONG_RETRY)
async def start(
    settings: Settings, run: JsonObject, thread_id: str | None, cron_id: str, flow_run_id: str
) -> JsonObject:
    """Start the run; the one that this run of the flow has started already, when it is tried again."""
    mark = {"cron_id": cron_id, "flow_run_id": flow_run_id}
    async with open_api(settings) as api:
        if flow_run_id and (started := await api.find_runs(mark)):
            return started[0]
        marked = {**run, "metadata": {**run.get("metadata", {}), **mark}}
        return await api.start_run(marked, thread_id=thread_id)


@task(task_run_name="follow", cache_policy=NO_CACHE, **LONG_RETRY)
async def follow(settings: Settings, run_id: str) -> JsonObject:
    """The run when it has ended, or as it is after `LONGEST_S` seconds."""
    deadline = time.monotonic() + LONGEST_S
    async with open_api(settings) as api:
        while True:
            found = await api.run(run_id)
            if found["status"] not in UNFINISHED or time.monotonic() > deadline:
                return found
            await asyncio.sleep(POLL_S)


async def _rest(settings: Settings) -> None:
    """The cron's schedules are no longer active: nothing more is planned."""
    if not deployment.id:
        return
    async with open_prefect(settings) as prefect:
        path = f"/deployments/{deployment.id}"
        for item in (await prefect.call("GET", path))["schedules"]:
            await prefect.call("PATCH", f"{path}/schedules/{item['id']}", json={"active": False})
