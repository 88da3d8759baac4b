"""The command line `capibara6 flows …`: deploy, list, run, logs, cancel, schedule; supervised processes.

Only `deploy` imports Prefect; the rest speaks to its API or becomes its process.
"""

import asyncio
import json
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from flows.orchestration import terminal
from flows.orchestration.following import cancel_run, follow
from flows.orchestration.launch import become, ensure_database, server_command, worker_command
from tools.clients.prefect import Run, open_prefect
from tools.errors import BadRequest, Capibara6Error
from tools.schema import JsonObject
from tools.settings import Settings, load_settings

app = typer.Typer(
    name="capibara6 flows",
    help="Flujos de Prefect: ver, ejecutar y programar · Prefect flows: list, run, cancel, schedule.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(help="Despliegue, por ejemplo ingest. · Deployment, such as ingest.")]


@app.command()
def server() -> None:
    """Se convierte en el servidor de Prefect. · Become Prefect's server."""
    settings = load_settings()
    terminal.run(ensure_database(settings))
    become(server_command(), settings)


@app.command()
def worker() -> None:
    """Se convierte en el proceso que ejecuta los flujos. · Become the worker that runs flows."""
    settings = load_settings()
    asyncio.run(_wait_for_server(settings))
    become(worker_command(), settings)


@app.command("deploy")
def deploy_command() -> None:
    """Registra los despliegues de prefect.yaml; repetirlo no cambia nada. · Register the deployments."""
    from flows.orchestration.deploy import deploy, warm_once  # noqa: PLC0415

    settings = load_settings()
    changed = terminal.run(deploy(settings))
    for name in changed:
        terminal.console.print(f"[green]✓[/] {name}")
    terminal.run(warm_once(settings, changed))


@app.command("list")
def list_command() -> None:
    """Los despliegues, sus horarios y su última ejecución. · Deployments, schedules and last runs."""
    table = Table(box=None, pad_edge=False)
    for title in ("flujo · flow", "horario · schedule", "última · last", "cuándo · when"):
        table.add_column(title, overflow="fold")
    for deployment, last in terminal.run(_overview()):
        schedules = ", ".join(terminal.schedule_of(item) for item in deployment["schedules"]) or "—"
        when = terminal.when(last.started or last.created) if last else ""
        table.add_row(deployment["name"], schedules, terminal.state_of(last) if last else "—", when)
    terminal.console.print(table)


@app.command()
def run(
    name: Name,
    wait: Annotated[bool, typer.Option("--wait", help="Espera y muestra el registro. · Follow it.")] = False,
    parameters: Annotated[str, typer.Option(help="Parámetros como JSON. · Parameters as JSON.")] = "{}",
    timeout: Annotated[float, typer.Option(help="Segundos. · Seconds.")] = 3_600.0,
) -> None:
    """Ejecuta un despliegue ahora. · Run a deployment now."""
    found = terminal.run(_start(name, parameters))
    if not wait:
        terminal.console.print(f"{found.name} · {found.id}")
        return
    terminal.report(follow(found, timeout))


@app.command()
def logs(
    run_id: Annotated[str, typer.Argument(help="Identificador o despliegue. · Run id or deployment.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Hasta que termine. · Until the end.")
    ] = False,
) -> None:
    """El registro de una ejecución (o de la última de un despliegue). · A run's log."""

    async def show() -> None:
        async with open_prefect(load_settings()) as prefect:
            found = await _find(run_id)
            if follow:
                await prefect.wait(found.id, timeout=86_400.0, on_log=terminal.print_line)
                return
            for record in await prefect.logs(found.id):
                terminal.print_line(str(record["level"]), record["message"])

    terminal.run(show())


@app.command()
def cancel(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="Identificador o despliegue. · Run id or deployment.")
    ],
) -> None:
    """Cancela una ejecución (o la última de un despliegue); lo escrito se queda. · Cancel a run.

    Termina con 0 cuando ya no se ejecuta. · Exits 0 once it is not running any more."""
    found = terminal.run(_find(run_id))
    if found.final:
        terminal.errors.print(f"[red]✗[/] {found.name}: ya terminó · it has ended ({found.state.lower()})")
        raise typer.Exit(1)
    ended = terminal.run(cancel_run(found))
    terminal.console.print(f"{ended.name}: {terminal.state_of(ended)}")
    if not ended.final:
        raise typer.Exit(1)


@app.command()
def schedule(
    name: Name,
    pause: Annotated[bool, typer.Option("--pause/--resume", help="Parar o seguir. · Stop or go on.")],
) -> None:
    """Detiene o reanuda los horarios de un despliegue. · Pause or resume a deployment's schedules."""

    async def change() -> None:
        async with open_prefect(load_settings()) as prefect:
            if not await prefect.schedule(name, active=not pause):
                raise BadRequest(f"{name} has no schedule: flows run {name}", param="name")

    terminal.run(change())
    terminal.console.print(f"{name}: {'en pausa · paused' if pause else 'activo · active'}")


@app.command("sign-in")
def sign_in_command() -> None:
    """Un enlace, para una sola vez, a la página de Prefect. · A link, good once, to Prefect's page."""

    async def link() -> str:
        async with open_prefect(load_settings()) as prefect:
            return await prefect.sign_in_link()

    typer.echo(terminal.run(link()))


async def _wait_for_server(settings: Settings) -> None:
    """Wait for Prefect's server: a worker that starts before it never hears of cancelled runs."""
    async with open_prefect(settings) as prefect:
        while True:
            try:
                return await prefect.health()
            except Capibara6Error:
                await asyncio.sleep(0.3)


async def _overview() -> list[tuple[JsonObject, Run | None]]:
    async with open_prefect(load_settings()) as prefect:
        deployments = await prefect.deployments()
        latest = await prefect.last_runs([item["id"] for item in deployments])
        return [(item, latest.get(item["id"])) for item in deployments]


async def _start(name: str, parameters: str) -> Run:
    try:
        values = json.loads(parameters)
    except ValueError as exc:
        raise BadRequest(f"--parameters: {exc}", param="parameters") from exc
    if not isinstance(values, dict):
        raise BadRequest("--parameters: a JSON object is needed", param="parameters")
    async with open_prefect(load_settings()) as prefect:
        return await prefect.start(name, values)


async def _find(text: str) -> Run:
    async with open_prefect(load_settings()) as prefect:
        if _is_id(text):
            return await prefect.run(text)
        deployment = await prefect.deployment(text)
        found = (await prefect.last_runs([deployment["id"]])).get(deployment["id"])
        if found is None:
            raise BadRequest(f"{text} has not run yet", param="run")
        return found


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
