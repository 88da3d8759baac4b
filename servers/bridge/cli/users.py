"""`capibara6 users`: the people of a tenant, over the bridge's HTTP API. No password is an argument: those
are in the shell's history and in every list of processes."""

from typing import Annotated

import typer

from servers.bridge.cli.asking import Asking, generated_password, quota_fields, shown
from tools.access.identity import Role

Name = Annotated[str, typer.Argument(help="La persona · the user.")]
Tenant = Annotated[str | None, typer.Option(help="De quién es · whose user it is.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Lee la contraseña de la entrada · read it from stdin.")
]
Quota = Annotated[
    int | None, typer.Option(help="Cuánto al día (fragmentos: en total) · how much a day (passages: in all).")
]

app = typer.Typer(
    help="Personas: add, list, role, password, quota, disable, enable · users.", no_args_is_help=True
)


@app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="user, operator, admin")] = "user",
    tenant: Tenant = None,
    ask_password: Annotated[
        bool, typer.Option("--password", help="Pide la contraseña sin mostrarla · ask without echo.")
    ] = False,
    password_stdin: FromStdin = False,
    quota_requests: Quota = None,
    quota_tokens: Quota = None,
    quota_audio_s: Quota = None,
    quota_passages: Quota = None,
) -> None:
    """Añade una persona; sin contraseña se genera una, que se muestra una vez · add a user."""
    asking = Asking()
    given = asking.password(from_stdin=password_stdin) if ask_password or password_stdin else None
    password = given if given is not None else generated_password()
    quota = quota_fields(quota_requests, quota_tokens, quota_audio_s, quota_passages)
    made = asking.bridge(
        lambda bridge: bridge.add_user(name, role=role, password=password, quota=dict(quota), tenant=tenant)
    )
    asking.say(f"{made['name']}: {made['role']}", f"{made['name']}: {made['role']}")
    if given is None:
        asking.say(
            f"Contraseña, que no se vuelve a mostrar: {password}",
            f"Password, which is not shown again: {password}",
        )


@app.command("list")
def list_users(tenant: Tenant = None) -> None:
    """Las personas · the users."""
    asking = Asking()
    found = asking.bridge(lambda bridge: bridge.users(tenant=tenant))
    state = {True: asking.text("desactivada", "disabled"), False: ""}
    asking.table(
        ("Persona", "De", "Papel", "Estado", "Creada"),
        ("User", "Tenant", "Role", "State", "Created"),
        [
            (user["name"], user["tenant"], user["role"], state[user["disabled"]], shown(user["created_at"]))
            for user in found
        ],
    )


@app.command()
def disable(name: Name, tenant: Tenant = None) -> None:
    """Desactiva a una persona: sus claves y sesiones dejan de valer · disable a user at once."""
    asking = Asking()
    asking.bridge(lambda bridge: bridge.change_user(name, tenant=tenant, disabled=True))
    asking.say(f"{name}: desactivada", f"{name}: disabled")


@app.command()
def enable(name: Name, tenant: Tenant = None) -> None:
    """Vuelve a activarla · enable a user again."""
    asking = Asking()
    asking.bridge(lambda bridge: bridge.change_user(name, tenant=tenant, disabled=False))
    asking.say(f"{name}: activada", f"{name}: enabled")


@app.command("role")
def set_role(
    name: Name, role: Annotated[Role, typer.Argument(help="user, operator, admin")], tenant: Tenant = None
) -> None:
    """Cambia su papel · change a user's role."""
    asking = Asking()
    asking.bridge(lambda bridge: bridge.change_user(name, tenant=tenant, role=role))
    asking.say(f"{name}: {role}", f"{name}: {role}")


@app.command("password")
def set_password(name: Name, tenant: Tenant = None, password_stdin: FromStdin = False) -> None:
    """Cambia su contraseña y cierra sus sesiones · change a password; it ends the user's sessions."""
    asking = Asking()
    password = asking.password(from_stdin=password_stdin)
    asking.bridge(lambda bridge: bridge.change_user(name, tenant=tenant, password=password))
    asking.say(f"{name}: contraseña cambiada", f"{name}: password changed")


@app.command("quota")
def set_quota(
    name: Name,
    tenant: Tenant = None,
    requests: Quota = None,
    tokens: Quota = None,
    audio_s: Quota = None,
    passages: Quota = None,
) -> None:
    """Cuánto puede usar; lo que no se diga, lo de la configuración · a user's quota."""
    asking = Asking()
    quota = quota_fields(requests, tokens, audio_s, passages)
    user = asking.bridge(lambda bridge: bridge.change_user(name, tenant=tenant, quota=quota))
    held = " ".join(
        f"{field}={value:g}" for field, value in user["quota"].items() if isinstance(value, int | float)
    )
    asking.say(f"{name}: {held or 'lo de la configuración'}", f"{name}: {held or 'as the settings say'}")
