"""`capibara6 reembed`: starts the job that gives a collection another embedder, and shows its progress.

The work is the bridge's; Ctrl-C cancels the job.
"""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tools.clients.bridge import Bridge, Job, open_bridge
from tools.errors import UpstreamFailed
from tools.settings import Settings, load_command_settings

POLL_S = 0.5


def reembed(
    name: Annotated[str, typer.Argument(help="Colección · collection.")],
    embedder: Annotated[
        str | None, typer.Option(help="Uno de la configuración; por omisión, el general · one of settings.")
    ] = None,
) -> None:
    """Vuelve a calcular los vectores de una colección sin dejar de servirla · embed a collection again."""
    settings, console = load_command_settings(), Console(highlight=False)
    version = asyncio.run(_run(settings, console, name, embedder))
    message = "Hecho: versión {}." if settings.language == "es" else "Done: version {}."
    console.print(message.format(version))


async def _run(settings: Settings, console: Console, name: str, embedder: str | None) -> int:
    """The collection's version when the job has ended. Ctrl-C cancels the job."""
    async with open_bridge(settings) as bridge:
        job = await bridge.reembed(name, embedder=embedder)
        try:
            ended = await _follow(bridge, console, job, name)
        except asyncio.CancelledError:
            await asyncio.shield(bridge.cancel_job(job))
            raise
        if ended["state"] != "done":
            raise UpstreamFailed(ended["reason"] or f"the job is {ended['state']}", source="bridge")
        collections = await bridge.collections()
        return next(row["version"] for row in collections if row["name"] == name)


async def _follow(bridge: Bridge, console: Console, job: str, name: str) -> Job:
    """Show the job's progress until it has ended; the job as it is then."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(name, total=None)
        while (state := await bridge.job(job))["state"] == "running":
            progress.update(bar, completed=state["done"], total=state["total"])
            await asyncio.sleep(POLL_S)
    return state
