"""`capibara6 people`: what the platform holds of somebody, told and erased, over the API's HTTP."""

import asyncio
import json
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console

from tools.clients.credentials import Credentials
from tools.clients.http import open_http
from tools.schema import JsonObject
from tools.settings import Settings, load_command_settings

app = typer.Typer(
    help="Datos de una persona: export, erase · what is held of somebody (GDPR).", no_args_is_help=True
)
Address = Annotated[
    str, typer.Argument(help="Su dirección de correo, o su nombre de usuario · mail address or user.")
]
LONGEST_S = 600.0
"""An export reads every store."""


@app.command()
def export(
    address: Address,
    out: Annotated[
        Path | None, typer.Option(help="Archivo JSON; sin él, la salida · a JSON file, or the output.")
    ] = None,
) -> None:
    """Todo lo que hay de una persona, en todos los almacenes · everything held of somebody."""
    settings = load_command_settings()
    text = json.dumps(_asked(settings, "GET", address), ensure_ascii=False, indent=2)
    if out is None:
        typer.echo(text)
        return
    out.touch(mode=0o600)
    out.write_text(text + "\n", encoding="utf-8")


@app.command()
def erase(
    address: Address, yes: Annotated[bool, typer.Option("--yes", help="Sin preguntar · do not ask.")] = False
) -> None:
    """Lo borra de todos los almacenes, y dice cuánto había en cada uno · erase it everywhere."""
    settings = load_command_settings()
    spanish = settings.language == "es"
    if not yes:
        asked = f"¿Borrar todo lo de {address}?" if spanish else f"Erase everything of {address}?"
        typer.confirm(asked, abort=True)
    erased = _asked(settings, "DELETE", address)
    console = Console(soft_wrap=True, highlight=False)
    for store, tables in erased["stores"].items():
        counts = ", ".join(f"{name} {count}" for name, count in tables.items() if count)
        console.print(f"{store}: {counts or '—'}", markup=False)
    if erased["backups"]:
        names = ", ".join(erased["backups"])
        kept = "Las copias de antes lo conservan hasta que se retiren" if spanish else "Older backups keep it"
        console.print(f"{kept}: {names}", markup=False)


def _asked(settings: Settings, method: str, address: str) -> JsonObject:
    """What the API answers about somebody. Raises `tools.errors`."""

    async def run() -> JsonObject:
        async with open_http(settings.api_url, "api", auth=Credentials(settings), timeout=LONGEST_S) as http:
            return await http.json(method, f"/api/people/{quote(address.strip().lower(), safe='')}")

    return asyncio.run(run())
