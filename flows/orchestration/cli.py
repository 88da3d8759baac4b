"""The command line `capibara6 flows …`: deploy, list, run, logs, schedule; and the supervisor's processes.

Only `deploy` imports Prefect; the rest speaks to its API or becomes its process.
"""

import asyncio
import json
from collections.abc import Coroutine
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.orchestration.launch import become, ensure_database, server_command, worker_command
from tools.clients.prefect import Run, open_prefect
from tools.error_messages import sentence
from tools.errors import BadRequest, Capibara6Error
from tools.schema import JsonObject
from tools.settings import Settings, load_settings

app = typer.Typer(
    name="capibara6 flows",
    help="Flujos de Prefect: ver, ejecutar y programar · Prefect flows: list, run, schedule.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
COLOURS = {"COMPLETED": "green", "FAILED": "red", "CRASHED": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}
Name = Annotated[str, typer.Argument(help="Despliegue, por ejemplo ingest. · Deployment, such as ingest.")]
T = TypeVar("T")


@app.command()
def server() -> None:
    """Se convierte en el servidor de Prefect. · Become Prefect's server."""
    settings = load_settings()
    _run(ensure_database(settings))
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
    changed = _run(deploy(settings))
    for name in changed:
        console.print(f"[green]✓[/] {name}")
    _run(warm_once(settings, changed))


@app.command("list")
def list_command() -> None:
    """Los despliegues, sus horarios y su última ejecución. · Deployments, schedules and last runs."""
    table = Table(box=None, pad_edge=False)
    for title in ("flujo · flow", "horario · schedule", "última · last", "cuándo · when"):
        table.add_column(title, overflow="fold")
    for deployment, last in _run(_overview()):
        schedules = ", ".join(_schedule(item) for item in deployment["schedules"]) or "—"
        when = _when(last.started or last.created) if last else ""
        table.add_row(deployment["name"], schedules, _state(last) if last else "—", when)
    console.print(table)


@app.command()
def run(
    name: Name,
    wait: Annotated[bool, typer.Option("--wait", help="Espera y muestra el registro. · Follow it.")] = False,
    parameters: Annotated[str, typer.Option(help="Parámetros como JSON. · Parameters as JSON.")] = "{}",
    timeout: Annotated[float, typer.Option(help="Segundos. · Seconds.")] = 3_600.0,
) -> None:
    """Ejecuta un despliegue ahora. · Run a deployment now."""
    found = _run(_start(name, parameters))
    if not wait:
        console.print(f"{found.name} · {found.id}")
        return
    found = _run(_follow(found.id, timeout))
    _report(found)


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
                await prefect.wait(found.id, timeout=86_400.0, on_log=_print_line)
                return
            for record in await prefect.logs(found.id):
                _print_line(str(record["level"]), record["message"])

    _run(show())


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

    _run(change())
    console.print(f"{name}: {'en pausa · paused' if pause else 'activo · active'}")


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


async def _follow(run_id: str, timeout: float) -> Run:
    async with open_prefect(load_settings()) as prefect:
        return await prefect.wait(run_id, timeout=timeout, on_log=_print_line)


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


def _report(found: Run) -> None:
    console.print(f"{_state(found)} {escape(found.message)} · {found.seconds:.1f} s")
    if found.state != "COMPLETED":
        raise typer.Exit(1)


def _schedule(item: JsonObject) -> str:
    text = str(item["schedule"].get("cron") or "…")
    return text if item["active"] else f"[dim strike]{text}[/]"


def _when(moment: str | None) -> str:
    """A moment of Prefect's as this machine's clock tells it."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


def _state(found: Run) -> str:
    return f"[{COLOURS.get(found.state, 'white')}]{found.state.lower()}[/]"


def _print_line(level: str, message: str) -> None:
    """One record; where the platform says why it refused, its own sentence is enough."""
    if "\ntools.errors." in message:
        message = message.partition("\nTraceback")[0]
    colour = {"warning": "yellow", "30": "yellow", "error": "red", "40": "red", "critical": "red"}.get(level)
    console.print(f"  [{colour}]{escape(message)}[/]" if colour else f"  {escape(message)}")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; an error is one clear line and exit status 1."""
    try:
        return asyncio.run(work)
    except Capibara6Error as exc:
        text = sentence(exc.code, load_settings().language, exc.message)
        errors.print(f"[red]✗[/] {escape(text)}")
        raise typer.Exit(1) from None
