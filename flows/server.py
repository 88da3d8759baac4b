"""How Prefect's server and its one process worker are started here: commands and environment."""

import os
import sys
from typing import NoReturn

from tools.settings import Settings

POOL = "local"
FLOWS_AT_ONCE = 4


def prefect_environment(settings: Settings) -> dict[str, str]:
    """Variables that the server, the worker, its runs and Prefect's client need; our own settings included.

    The server keeps everything under `settings.home` and shares no profile with the user's own Prefect.
    With an API key, Prefect asks for it as the password of the user `capibara6`.
    """
    home = settings.home.absolute() / "prefect"
    environment = {
        **settings.environment(),
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": settings.prefect_url,
        "PREFECT_SERVER_API_HOST": settings.host,
        "PREFECT_SERVER_API_PORT": str(settings.ports.prefect),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home}/prefect.db",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_COLORS": "false",
        # A run that a person waits for starts within a second or so, not within ten.
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        # A run whose process died is noticed after three missed heartbeats.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    if settings.api_key is not None:
        login = f"capibara6:{settings.api_key.get_secret_value()}"
        environment |= {"PREFECT_API_AUTH_STRING": login, "PREFECT_SERVER_API_AUTH_STRING": login}
    return environment


def server_command() -> list[str]:
    """Host, port and database come from the environment."""
    return [sys.executable, "-m", "prefect", "server", "start"]


def worker_command() -> list[str]:
    """The worker creates its pool when the server does not have it yet."""
    return [
        *(sys.executable, "-m", "prefect", "worker", "start"),
        *("--pool", POOL, "--type", "process", "--name", "capibara6", "--limit", str(FLOWS_AT_ONCE)),
    ]


def become(command: list[str], settings: Settings) -> NoReturn:
    """Replace this process by Prefect's server or worker."""
    (settings.home.absolute() / "prefect").mkdir(parents=True, exist_ok=True, mode=0o700)
    os.execve(command[0], command, {**os.environ, **prefect_environment(settings)})
