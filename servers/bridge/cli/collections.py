"""`capibara6 collections`: the collections and with whom they are shared, over the bridge's HTTP API."""

from typing import Annotated

import typer

from servers.bridge.cli.asking import Asking
from tools.clients.bridge import Bridge
from tools.clients.collections import Share, Sharing

app = typer.Typer(help="Colecciones: list, share · collections and their shares.", no_args_is_help=True)


@app.command("list")
def list_collections() -> None:
    """Las colecciones · the collections."""
    asking = Asking()
    found = asking.bridge(lambda bridge: bridge.collections())
    asking.table(
        ("Colección", "Dueño", "Documentos", "Fragmentos", "Modelo"),
        ("Collection", "Owner", "Documents", "Passages", "Embedder"),
        [
            (row["name"], row.get("owner", ""), row["documents"], row["chunks"], row["embedder"])
            for row in found
        ],
    )


@app.command()
def share(
    name: Annotated[str, typer.Argument(help="Colección · collection.")],
    user: Annotated[list[str] | None, typer.Option(help="Con esta persona · with this user.")] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="Con este papel y los superiores · with this role and above.")
    ] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="Con todos · with everybody.")] = False,
    write: Annotated[bool, typer.Option("--write", help="También para escribir · to write as well.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Deja de compartirla · no longer.")] = False,
) -> None:
    """Comparte una colección, o dice con quién lo está · share a collection, or say with whom it is."""
    asking = Asking()
    named = [("user", each) for each in user or ()] + [("role", each) for each in role or ()]
    named += [("everybody", "")] if everybody else []

    async def change(bridge: Bridge) -> Sharing:
        held = await bridge.shares(name)
        if not named:
            return held
        kept = [item for item in held["shares"] if (item["kind"], item["name"]) not in named]
        access = "write" if write else "read"
        new = [Share(kind=kind, name=whom, access=access) for kind, whom in named]
        return await bridge.share(name, kept if remove else kept + new)

    now = asking.bridge(change)
    asking.table(
        ("Con", "Nombre", "Puede"),
        ("With", "Name", "May"),
        [("owner", now["owner"], "write"), *((s["kind"], s["name"], s["access"]) for s in now["shares"])],
    )
