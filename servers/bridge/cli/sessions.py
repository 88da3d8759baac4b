"""`capibara6 sessions`: who is signed in to the chat page, over the bridge's HTTP API."""

from typing import Annotated

import typer

from servers.bridge.cli.asking import Asking, shown

app = typer.Typer(help="Sesiones abiertas: list, revoke · open sessions.", no_args_is_help=True)


@app.command("list")
def list_sessions(
    user: Annotated[str, typer.Argument(help="De quién · whose.")],
    tenant: Annotated[str | None, typer.Option(help="De quién es la persona · whose user it is.")] = None,
) -> None:
    """Las sesiones de una persona · a user's sessions."""
    asking = Asking()
    found = asking.bridge(lambda bridge: bridge.sessions(user=user, tenant=tenant))
    asking.table(
        ("Sesión", "Navegador", "Abierta", "Vista", "Caduca"),
        ("Session", "Browser", "Opened", "Seen", "Expires"),
        [
            (
                row["id"],
                row["agent"],
                shown(row["created_at"]),
                shown(row["last_seen"]),
                shown(row["expires_at"]),
            )
            for row in found
        ],
    )


@app.command()
def revoke(
    session_id: Annotated[str, typer.Argument(help="El identificador que da `list` · the id from `list`.")],
) -> None:
    """Cierra una sesión; deja de valer en segundos · end a session; it is dead within seconds."""
    asking = Asking()
    asking.bridge(lambda bridge: bridge.end_session(session_id))
    asking.say(f"{session_id}: cerrada", f"{session_id}: ended")
