"""The first admin: made once, where a key is needed to enter and nobody has been made yet."""

from servers.bridge.cli.asking import Asking, generated_password
from tools.clients.bridge import Bridge
from tools.errors import Conflict

NAME = "admin"


async def ensure_first_admin(bridge: Bridge) -> str | None:
    """The password of the new user `admin`; None when there are users already. Raises `tools.errors`."""
    if await bridge.users():
        return None
    password = generated_password()
    try:
        await bridge.add_user(NAME, role="admin", password=password)
    except Conflict:  # another start was quicker
        return None
    return password


def announce_first_admin() -> None:
    """Make the first admin and print once how to sign in, where the platform has a key, as it has whenever
    other machines reach it."""
    asking = Asking()
    if asking.settings.api_key is None:
        return
    password = asking.bridge(ensure_first_admin)
    if password is not None:
        url = asking.settings.ui_url
        asking.say(
            f"Entra en {url} como {NAME} con la contraseña {password}. No se vuelve a mostrar; "
            f"`capibara6 users password {NAME}` la cambia.",
            f"Sign in at {url} as {NAME} with the password {password}. It is not shown again; "
            f"`capibara6 users password {NAME}` changes it.",
        )
