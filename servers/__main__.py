"""The `capibara6` command: start everything, ask, ingest, look after it."""

import importlib
from typing import Annotated

import typer

from servers import stores
from tools.settings import load_settings

app = typer.Typer(
    name="capibara6",
    help="Plataforma de agentes de IA autoalojada · Self-hosted AI agent platform.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

STORES = {"postgres": stores.serve_postgres, "redis": stores.serve_redis, "milvus": stores.serve_milvus}
SERVICES = {
    "graph": "servers.graph.main",
    "pool": "servers.pool.main",
    "bridge": "servers.bridge.main",
    "speech": "servers.speech.main",
    "mcp": "servers.mcp.main",
    "api": "servers.api.main",
    "ui": "ui.main",
}


@app.callback()
def root() -> None:
    """Español por defecto; `CAPIBARA6_LANGUAGE=en` para inglés."""


@app.command()
def serve(name: Annotated[str, typer.Argument(help=f"{', '.join([*STORES, *SERVICES])}")]) -> None:
    """Run one service in the foreground (for systemd and containers)."""
    settings = load_settings()
    if name in STORES:
        STORES[name](settings)
    if name not in SERVICES:
        raise typer.BadParameter(f"{name}: {', '.join([*STORES, *SERVICES])}")
    # Imported by name: the command stays quick, and no service loads another's libraries.
    importlib.import_module(SERVICES[name]).run(settings)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
