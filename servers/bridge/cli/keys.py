"""`capibara6 keys`: API keys of the bridge, created, listed and revoked over its HTTP API."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from tools.clients.bridge import Bridge, open_bridge
from tools.settings import Settings, load_settings

Tenant = Annotated[str, typer.Option(help="De quién son los datos · whose data it reaches.")]
Scope = Annotated[list[str], typer.Option(help="read, write, admin; se puede repetir · may be repeated.")]
Limit = Annotated[
    int | None, typer.Option(help="Por omisión, el de la configuración · the settings' by default.")
]

app = typer.Typer(
    help="Claves de la API de datos: create, list, revoke · the bridge's keys.", no_args_is_help=True
)


@app.command()
def create(
    tenant: Tenant = "default",
    scope: Scope = ["read"],  # noqa: B006  (Typer reads it, nobody writes it)
    name: Annotated[str, typer.Option(help="Para reconocerla · to know it by.")] = "",
    requests_per_minute: Limit = None,
    concurrency: Limit = None,
    body_bytes: Limit = None,
    expires: Annotated[
        int | None, typer.Option(help="Días que vale; sin ella, siempre · days it lasts; for ever without.")
    ] = None,
) -> None:
    """Crea una clave y la muestra una sola vez · make a key; it is shown this once."""
    settings, console = load_settings(), Console(soft_wrap=True, highlight=False)
    wanted = {"tenant": tenant, "scopes": scope, "name": name, "requests_per_minute": requests_per_minute}
    wanted |= {"concurrency": concurrency, "body_bytes": body_bytes, "expires_in_days": expires}
    made = _ask(settings, lambda bridge: bridge.create_key(**wanted))
    console.print(made["key"], markup=False)
    note = (
        "Guárdala ahora: no se vuelve a mostrar"
        if _spanish(settings)
        else "Keep it now: it is not shown again"
    )
    console.print(f"[dim]{note} ({made['id']}, {made['tenant']}, {' '.join(made['scopes'])})[/]")


@app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Solo las suyas · only theirs.")] = None,
) -> None:
    """Las claves, sin el secreto · the keys, without their secret."""
    settings, console = load_settings(), Console()
    found = _ask(settings, lambda bridge: bridge.keys(tenant=tenant))
    spanish = ("Clave", "De", "Permisos", "Nombre", "Creada", "Caduca")
    english = ("Key", "Tenant", "Scopes", "Name", "Created", "Expires")
    table = Table(*(spanish if _spanish(settings) else english))
    for key in found:
        dates = (str(key[name] or "")[:19] for name in ("created_at", "expires_at"))
        table.add_row(key["id"], key["tenant"], " ".join(key["scopes"]), key["name"], *dates)
    console.print(table)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="El identificador que da `list` · the id from `list`.")],
) -> None:
    """Revoca una clave; deja de valer en segundos · revoke a key; it is dead within seconds."""
    settings = load_settings()
    _ask(settings, lambda bridge: bridge.revoke_key(key_id))
    Console(highlight=False).print(f"{key_id}: {'revocada' if _spanish(settings) else 'revoked'}")


def _spanish(settings: Settings) -> bool:
    return settings.language == "es"


def _ask(settings: Settings, ask: Callable[[Bridge], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with open_bridge(settings) as bridge:
            return await ask(bridge)

    return asyncio.run(run())
