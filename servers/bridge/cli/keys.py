"""`capibara6 keys`: API keys of the bridge, created, listed and revoked over its HTTP API."""

from typing import Annotated

import typer

from servers.bridge.cli.asking import Asking, quota_fields, shown

Tenant = Annotated[str, typer.Option(help="De quién son los datos · whose data it reaches.")]
Scope = Annotated[
    list[str], typer.Option(help="read, write, operate, admin; se puede repetir · may be repeated.")
]
Limit = Annotated[
    int | None, typer.Option(help="Por omisión, el de la configuración · the settings' by default.")
]
Quota = Annotated[
    int | None, typer.Option(help="Cuánto al día (fragmentos: en total) · how much a day (passages: in all).")
]

app = typer.Typer(
    help="Claves de la API de datos: create, list, revoke · the bridge's keys.", no_args_is_help=True
)


@app.command()
def create(
    tenant: Tenant = "default",
    scope: Scope = ["read"],  # noqa: B006  (Typer reads it, nobody writes it)
    name: Annotated[str, typer.Option(help="Para reconocerla · to know it by.")] = "",
    user: Annotated[
        str | None, typer.Option(help="De quién; sin él, de un programa · whose; a program's without.")
    ] = None,
    requests_per_minute: Limit = None,
    concurrency: Limit = None,
    body_bytes: Limit = None,
    quota_requests: Quota = None,
    quota_tokens: Quota = None,
    quota_audio_s: Quota = None,
    quota_passages: Quota = None,
    expires: Annotated[
        int | None, typer.Option(help="Días que vale; sin ella, siempre · days it lasts; for ever without.")
    ] = None,
) -> None:
    """Crea una clave y la muestra una sola vez · make a key; it is shown this once."""
    asking = Asking()
    wanted = {"tenant": tenant, "scopes": scope, "name": name, "user": user, "expires_in_days": expires}
    wanted |= {"requests_per_minute": requests_per_minute, "concurrency": concurrency}
    wanted |= {"body_bytes": body_bytes}
    quota = quota_fields(quota_requests, quota_tokens, quota_audio_s, quota_passages)
    made = asking.bridge(lambda bridge: bridge.create_key(**wanted, quota=quota))
    token = made.get("key", "")
    asking.say(token, token)
    whose = f"({made['id']}, {made['tenant']}, {' '.join(made['scopes'])})"
    asking.say(
        f"Guárdala ahora: no se vuelve a mostrar {whose}", f"Keep it now: it is not shown again {whose}"
    )


@app.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Solo las suyas · only theirs.")] = None,
    user: Annotated[str | None, typer.Option(help="Solo las de esta persona · only this user's.")] = None,
) -> None:
    """Las claves, sin el secreto · the keys, without their secret."""
    asking = Asking()
    found = asking.bridge(lambda bridge: bridge.keys(tenant=tenant, user=user))
    asking.table(
        ("Clave", "De", "Persona", "Permisos", "Nombre", "Creada", "Caduca"),
        ("Key", "Tenant", "User", "Scopes", "Name", "Created", "Expires"),
        [
            (
                key["id"],
                key["tenant"],
                key["user"],
                " ".join(key["scopes"]),
                key["name"],
                shown(key["created_at"]),
                shown(key["expires_at"]),
            )
            for key in found
        ],
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="El identificador que da `list` · the id from `list`.")],
) -> None:
    """Revoca una clave; deja de valer en segundos · revoke a key; it is dead within seconds."""
    asking = Asking()
    asking.bridge(lambda bridge: bridge.revoke_key(key_id))
    asking.say(f"{key_id}: revocada", f"{key_id}: revoked")
