"""A person follows a run: its lines, a bar, and what Ctrl-C means.

The first Ctrl-C asks whether the run goes on without the person or is cancelled; a second one leaves at once.
"""

import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from flows.orchestration import terminal
from tools.access.identity import acting_as
from tools.clients.bridge import open_bridge
from tools.clients.credentials import principal_of
from tools.clients.prefect import Prefect, Run, open_prefect
from tools.errors import Capibara6Error, UpstreamSilent
from tools.settings import load_settings

CANCEL_S = 90.0
"""How long a worker may take to end a run that is cancelled."""
BAR_S = 1.0
CLOCKS_APART = timedelta(seconds=5)
"""How far this machine's clock and the database's may be apart."""


def follow(run: Run, timeout: float) -> Run:
    """Show a run until it has ended, `timeout` seconds at most; returns it as it ended.

    Raises `typer.Exit` with 130 when the person left, and with 1 on an error."""
    try:
        return terminal.run(_shown(run, timeout))
    except KeyboardInterrupt:
        return _interrupted(run)


async def cancel_run(run: Run, *, timeout: float = CANCEL_S) -> Run:
    """Ask for a run's end and wait for it, and stop what the bridge would go on writing for it; the run is
    returned as it is then, not `final` where nobody ended it."""
    began = datetime.fromisoformat(run.started) if run.started else datetime.now(UTC)
    async with open_prefect(load_settings()) as prefect:
        who = await prefect.acts_for(run.id)
        await prefect.cancel(run.id)
        try:
            ended = await prefect.wait(run.id, timeout=timeout)
        except UpstreamSilent:
            ended = await prefect.run(run.id)
    if "collection" in ended.parameters:
        await _cancel_jobs(ended, who or None, began - CLOCKS_APART)
    return ended


async def _cancel_jobs(run: Run, who: str | None, since: datetime) -> None:
    """A write that takes long, or whose caller went away, goes on as a job of the bridge; `who` it belongs
    to, with the role that the run has, may stop it."""
    async with open_bridge(load_settings()) as bridge:
        with acting_as(principal_of(who)):
            for job in await bridge.jobs():
                young = datetime.fromisoformat(job["created_at"] or "1970-01-01T00:00:00+00:00") >= since
                ours = job["collection"] == run.parameters["collection"] and job["state"] == "running"
                if young and ours:
                    await bridge.cancel_job(job["id"])


def _interrupted(run: Run) -> Run:
    """Ctrl-C: ask once. Without a terminal nobody can answer, and the run goes on."""
    try:
        if not sys.stdin.isatty():
            raise KeyboardInterrupt
        question = "¿Cancelarla? Si no, sigue sin ti · Cancel it? If not, it goes on without you"
        if typer.confirm(f"\n{run.name}: {question}", default=False):
            return terminal.run(cancel_run(run))
    except (KeyboardInterrupt, typer.Abort):
        terminal.console.print()
    name = escape(run.name)
    how = f"capibara6 flows logs -f {run.id} · capibara6 flows cancel {run.id}"
    terminal.errors.print(f"{name} sigue en marcha · goes on: {how}", soft_wrap=True)
    raise typer.Exit(terminal.CANCELLED_STATUS)


async def _shown(run: Run, timeout: float) -> Run:
    async with AsyncExitStack() as stack:
        prefect = await stack.enter_async_context(open_prefect(load_settings()))
        if terminal.console.is_terminal:
            columns = (BarColumn(), TextColumn("{task.description}"))
            bar = stack.enter_context(Progress(*columns, console=terminal.console, transient=True))
            moving = asyncio.create_task(_move(bar, bar.add_task(run.name, total=100.0), prefect, run.id))
            stack.push_async_callback(_stop, moving)
        return await prefect.wait(run.id, timeout=timeout, on_log=terminal.print_line)


async def _move(bar: Progress, task: TaskID, prefect: Prefect, run_id: str) -> None:
    """The bar shows what the run says of itself; where that can not be read, it stands still."""
    while True:
        with suppress(Capibara6Error):
            artifacts = await prefect.artifacts(run_id)
            for found in (item for item in artifacts if item["type"] == "progress"):
                bar.update(task, completed=float(found["data"]), description=found["description"] or "")
        await asyncio.sleep(BAR_S)


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
