"""The command line `capibara6`: up, ask, ingest, sources, restore, doctor, serve, flows, models, mcp, route,
reembed, say, voices, and people: users, keys, sessions, collections, usage, what is held of one.

Heavy libraries are imported by the command that needs them, so that `capibara6 ask` stays quick.
"""

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from servers.api.cli import app as assistants
from servers.bridge.cli.collections import app as collections
from servers.bridge.cli.keys import app as keys
from servers.bridge.cli.reembed import reembed
from servers.bridge.cli.sessions import app as sessions
from servers.bridge.cli.usage import usage
from servers.bridge.cli.users import app as users
from servers.commands.people import app as people
from servers.deploy.cli import deploy
from servers.local.machines import Role, machines_of
from servers.mcp.cli import app as mcp
from servers.pool.cli.models import app as models
from servers.pool.cli.route import route
from servers.speech.cli import say, voices
from tools.errors import Capibara6Error
from tools.settings import Settings, load_command_settings, load_settings

app = typer.Typer(
    name="capibara6",
    help="Plataforma de agentes de IA autoalojada · Self-hosted AI agent platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(assistants, name="assistants")
app.add_typer(models, name="models")
app.add_typer(users, name="users")
app.add_typer(keys, name="keys")
app.add_typer(sessions, name="sessions")
app.add_typer(people, name="people")
app.add_typer(collections, name="collections")
app.add_typer(mcp, name="mcp")
app.command("usage")(usage)
app.command("route")(route)
app.command("deploy")(deploy)
app.command("reembed")(reembed)
app.command("say")(say)
app.command("voices")(voices)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

STORES = ("postgres", "redis", "milvus")
SERVICES = {
    "graph": "servers.graph.main",
    "pool": "servers.pool.main",
    "bridge": "servers.bridge.main",
    "speech": "servers.speech.main",
    "mcp": "servers.mcp.main",
    "api": "servers.api.main",
    "ui": "ui.main",
}
NAMES = ", ".join([*STORES, *SERVICES])


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Versión · version.")] = False,
) -> None:
    """Español por defecto; CAPIBARA6_LANGUAGE=en for English."""
    if version:
        console.print(package_version("capibara6"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        console.print(context.get_help())


@app.command("up")
def up_command(
    role: Annotated[
        Role | None,
        typer.Option(help="Lo de una máquina; por defecto, lo de esta. · One machine's services."),
    ] = None,
) -> None:
    """Arranca todo, espera a que funcione y muestra las direcciones; Ctrl-C lo para. · Start everything."""
    from servers.commands.up import up  # noqa: PLC0415

    up(_settings(), console, machines_of(role))


@app.command("ask")
def ask_command(
    question: Annotated[
        str, typer.Argument(help="La pregunta, o - para leerla de la entrada. · The question.")
    ],
    speak_to: Annotated[
        Path | None,
        typer.Option("--speak", help="Archivo WAV con la respuesta hablada, mientras se escribe."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="La respuesta completa como JSON.")] = False,
    agent: Annotated[str, typer.Option(help="Agente o modelo. · Agent or model.")] = "capibara6",
    collection: Annotated[str | None, typer.Option(help="Colección de documentos.")] = None,
    thread: Annotated[
        str | None, typer.Option(help="Conversación que continúa. · Thread to go on with.")
    ] = None,
) -> None:
    """Pregunta al agente: respuesta con citas, modelo, motivo y tiempos. · Ask the agent."""
    from servers.commands.ask import ask, fetch_answer  # noqa: PLC0415

    settings = _settings()
    given = {"collection": collection, "thread_id": thread}
    metadata = {key: value for key, value in given.items() if value is not None}
    text = sys.stdin.read() if question == "-" else question

    async def run() -> None:
        if as_json:
            answer = await fetch_answer(settings, text, agent=agent, metadata=metadata, speak_to=speak_to)
            typer.echo(json.dumps(answer.model_dump(), ensure_ascii=False, indent=2))
        else:
            await ask(settings, text, console=console, agent=agent, metadata=metadata, speak_to=speak_to)

    try:
        asyncio.run(run())
    except Capibara6Error as exc:
        _exit_with(exc, settings, as_json=as_json)


@app.command()
def ingest(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Archivos, carpetas, 'notas/*.md', https://…, s3://… · Files, folders, patterns, addresses."
        ),
    ],
    collection: Annotated[str | None, typer.Option(help="Colección. · Collection.")] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Borra lo que ya no está en la carpeta. · Delete what is gone.")
    ] = False,
    text_field: Annotated[
        str, typer.Option(help="Campo JSON con el texto. · JSON field that holds the text.")
    ] = "",
    name: Annotated[
        str, typer.Option(help="Nombre de la carpeta en los identificadores. · Name of the folder in ids.")
    ] = "",
) -> None:
    """Ingiere documentos con un flujo de Prefect, y espera a que termine. · Ingest documents.

    Termina con 3 si algo se rechazó, con 1 si falló. · Exits 3 when something was refused, 1 on failure."""
    settings = _settings()
    parameters = {
        "sources": [_absolute(source) for source in sources],
        "collection": collection or settings.chat.collection,
        "prune": prune,
        "text_field": text_field,
        "name": name,
    }
    _exec_flows(settings, ["run", "ingest/ingest", "--wait", "--parameters", json.dumps(parameters)])


@app.command()
def restore(
    name: Annotated[str, typer.Argument(help="La copia, una carpeta de backups. · The backup's folder.")],
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Aparte, y pregunta lo que se sabe. · Apart, and ask there.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Repone; sin esto, solo la comprueba. · Do it.")] = False,
) -> None:
    """Comprueba, ensaya o repone una copia, con un flujo. · Check, rehearse or restore a backup."""
    parameters = json.dumps({"name": name, "confirm": yes, "rehearse": rehearse})
    _exec_flows(_settings(), ["run", "restore/restore", "--wait", "--parameters", parameters])


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Como JSON.")] = False,
    hosts: Annotated[
        bool, typer.Option("--hosts", help="Cada servicio visto desde aquí. · Every service from here.")
    ] = False,
) -> None:
    """Qué funciona, qué falta y cómo conseguirlo. · What runs, what is missing, how to get it."""
    from servers.commands import connectivity, doctor  # noqa: PLC0415

    report = connectivity.print_matrix if hosts else doctor.print_report
    if not report(_settings(), console, as_json=as_json):
        raise typer.Exit(1)


@app.command()
def serve(
    name: Annotated[str, typer.Argument(help=NAMES)],
    stdio: Annotated[
        bool, typer.Option("--stdio", help="mcp: habla por la entrada y salida estándar.")
    ] = False,
) -> None:
    """Ejecuta un solo servicio (systemd, contenedores). · Run one service in the foreground."""
    settings = _settings(load_settings)
    if name in STORES:
        stores = importlib.import_module("servers.local.embedded_stores")
        getattr(stores, f"serve_{name}")(settings)
    if name not in SERVICES:
        raise typer.BadParameter(f"{name}: {NAMES}")
    service = importlib.import_module(SERVICES[name])
    if stdio:
        if name != "mcp":
            raise typer.BadParameter("--stdio: mcp")
        service.run_stdio(settings)
        return
    service.run(settings)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def flows(context: typer.Context) -> None:
    """Flujos de Prefect: list, run, logs, schedule… · Prefect flows; see `capibara6 flows --help`."""
    _exec_flows(_settings(), context.args)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def sources(context: typer.Context) -> None:
    """Fuentes vivas: add, list, sync, remove. · Living sources; see `capibara6 sources --help`."""
    _exec_flows(_settings(), ["sources", *context.args])


def main() -> None:
    """The console script: an error becomes one clear sentence and exit status 1."""
    try:
        app()
    except Capibara6Error as exc:
        _exit_with(exc, _settings(), as_json=False)


def _settings(load: Callable[[], Settings] = load_command_settings) -> Settings:
    try:
        return load()
    except ValidationError as exc:
        for error in exc.errors():
            where = ".".join(str(part) for part in error["loc"])
            errors.print(f"[red]✗[/] {escape(where)} {escape(error['msg'])}")
        sys.exit(2)


def _exit_with(exc: Capibara6Error, settings: Settings, *, as_json: bool) -> NoReturn:
    from servers.commands.messages import MESSAGES, message  # noqa: PLC0415
    from tools.error_messages import sentence  # noqa: PLC0415

    if as_json:
        typer.echo(json.dumps(exc.envelope(), ensure_ascii=False))
    elif exc.code in MESSAGES:
        errors.print(f"[red]✗[/] {escape(message(exc.code, settings.language, detail=exc.message))}")
    else:
        errors.print(f"[red]✗[/] {escape(sentence(exc.code, settings.language, exc.message))}")
    sys.exit(1)


def _absolute(source: str) -> str:
    """An address as it is; a path or a pattern as the worker finds it. Raises `typer.BadParameter`."""
    if "://" in source:
        return source
    path = Path(source).expanduser().absolute()
    if not any(mark in source for mark in "*?[") and not path.exists():
        raise typer.BadParameter(f"{source}: no existe · does not exist")
    return str(path)


def _exec_flows(settings: Settings, words: list[str]) -> NoReturn:
    """Become `python -m flows`: flows are a program of their own, never imported here."""
    os.execve(
        sys.executable,
        [sys.executable, "-m", "flows", *words],
        {**os.environ, **settings.environment()},
    )


if __name__ == "__main__":
    main()
