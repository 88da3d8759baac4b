"""`capibara6 mcp`: our server over stdin and stdout, and the MCP servers of others whose tools agents use."""

import asyncio
import shlex
from typing import Annotated, NoReturn

import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.table import Table

from tools.mcp.options import ClientCredentials, McpServer
from tools.settings import Settings, load_command_settings, load_settings

app = typer.Typer(help="Servidores MCP: el nuestro y los de otros. · MCP servers.", no_args_is_help=True)
console = Console(soft_wrap=True, highlight=False)


@app.command("stdio")
def serve_stdio(
    url: Annotated[
        str | None, typer.Argument(help="https://…/mcp; por defecto, el de aquí. · By default, this one.")
    ] = None,
    toolsets: Annotated[str | None, typer.Option(help="knowledge,agents,data,speech,write | all")] = None,
) -> None:
    """Sirve MCP por la entrada y salida estándar; la llave, en CAPIBARA6_API_KEY. · Serve MCP over stdio."""
    from servers.mcp.main import run_stdio  # noqa: PLC0415

    try:
        run_stdio(load_settings(), url=url, toolsets=toolsets)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


@app.command("list")
def list_servers() -> None:
    """Los servidores de otros que los agentes pueden usar. · The servers of others that agents may use."""
    from tools.mcp.server_list import read_file, servers_file  # noqa: PLC0415

    settings = load_command_settings()
    path = servers_file(settings)
    held = {**read_file(path), **settings.agents.mcp}
    if not held:
        _say(settings, f"Ninguno: capibara6 mcp add, o {path}", f"None: capibara6 mcp add, or {path}")
        return
    columns = (
        ("nombre", "dónde", "para quién", "estado") if _es(settings) else ("name", "where", "for", "state")
    )
    view = Table(*columns, box=None, pad_edge=False)
    for name, server in held.items():
        state = [
            word for word, is_so in (("disabled", server.disabled), ("trusted", server.trusted)) if is_so
        ]
        where = server.url or shlex.join(server.line)
        view.add_row(name, where, ", ".join(server.users) or "*", ", ".join(state))
    console.print(view)


@app.command("test")
def test_servers(
    name: Annotated[
        str | None, typer.Argument(help="Uno; por defecto, todos. · One; by default all.")
    ] = None,
) -> None:
    """Abre cada servidor y lista sus herramientas. · Open each server and list its tools."""
    from tools.mcp.probe import probe, probe_all  # noqa: PLC0415
    from tools.mcp.server_list import read_servers  # noqa: PLC0415

    settings = load_command_settings()
    if name is None:
        found = asyncio.run(probe_all(settings))
    else:
        server = read_servers(settings).get(name)
        if server is None:
            raise typer.BadParameter(f"{name}: capibara6 mcp list")
        found = [asyncio.run(probe(name, server, settings.mcp.commands))]
    for one in found:
        said = one.error or " ".join(filter(None, (one.about.get("name"), one.about.get("version"))))
        protocol = one.about.get("protocol", "")
        told = f"{'✗' if one.error else '✓'} {one.name} · {said} · {protocol} · {one.took_ms:.0f} ms"
        console.print(told, markup=False)
        for tool in one.tools:
            reads = tool.annotations is not None and tool.annotations.read_only_hint
            console.print(f"    {one.name}__{tool.name}{'' if reads else ' !'}", markup=False)
    if any(one.error for one in found):
        raise typer.Exit(1)


@app.command("add", context_settings={"ignore_unknown_options": True})
def add(
    name: Annotated[str, typer.Argument(help="Nombre: letras, números y -. · Its name.")],
    line: Annotated[
        list[str],
        typer.Argument(help="https://…/mcp, o: -- programa argumentos… · an address, or a program."),
    ],
    header: Annotated[list[str], typer.Option(help="Cabecera 'Nombre: valor'. · A header.")] = [],  # noqa: B006
    env: Annotated[list[str], typer.Option(help="NOMBRE=valor para el programa. · For the program.")] = [],  # noqa: B006
    user: Annotated[list[str], typer.Option(help="casa/persona o rol. · tenant/user or a role.")] = [],  # noqa: B006
    client_id: Annotated[str | None, typer.Option(help="OAuth; el secreto se pregunta. · OAuth.")] = None,
    trusted: Annotated[bool, typer.Option(help="Sus lecturas no se preguntan. · Reads need no yes.")] = False,
) -> None:
    """Añade un servidor a mcp.json. · Add a server to mcp.json."""
    from tools.mcp.server_list import add_server  # noqa: PLC0415

    settings = load_command_settings()
    address = len(line) == 1 and line[0].startswith(("http://", "https://"))
    oauth = None
    if client_id:
        secret = typer.prompt("client_secret", hide_input=True)
        oauth = ClientCredentials(client_id=client_id, client_secret=SecretStr(secret))
    try:
        server = McpServer(
            url=line[0] if address else None,
            command=None if address else line[0],
            args=() if address else tuple(line[1:]),
            headers=_pairs(header, ":"),
            env=_pairs(env, "="),
            users=tuple(user),
            oauth=oauth,
            trusted=trusted,
        )
    except ValidationError as exc:
        _refuse(exc)
    path = add_server(settings, name, server)
    _say(
        settings,
        f"Añadido a {path}. Concédelo con {name}__* en CAPIBARA6_AGENTS__TOOLS y reinicia la API.",
        f"Added to {path}. Grant it with {name}__* in CAPIBARA6_AGENTS__TOOLS and restart the API.",
    )


def _pairs(given: list[str], mark: str) -> dict[str, SecretStr]:
    pairs = [one.partition(mark) for one in given]
    if wrong := next((one for one in pairs if not one[0].strip() or not one[1]), None):
        raise typer.BadParameter(f"{wrong[0]}{mark}…")
    return {name.strip(): SecretStr(value.strip()) for name, _, value in pairs}


def _refuse(exc: ValidationError) -> NoReturn:
    raise typer.BadParameter(exc.errors()[0]["msg"]) from exc


def _es(settings: Settings) -> bool:
    return settings.language == "es"


def _say(settings: Settings, spanish: str, english: str) -> None:
    console.print(spanish if _es(settings) else english, markup=False)
