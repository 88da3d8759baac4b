"""Launch of Prefect's server and its one process worker: their commands, environment and database."""

import os
import sys
from typing import NoReturn
from urllib.parse import urlsplit

from flows.operations import postgres
from tools.clients.prefect import TIMEOUT_S, WORK_POOL
from tools.settings import Settings

FLOWS_AT_ONCE = 4
HEARTBEAT_S = 30
BESIDE_OURS = "postgres"
"""The setting's word for a database beside the platform's own."""
DATABASE = "prefect"
TEMPORARY = "tmp"
CLOSED_CORS = dict.fromkeys(
    (f"PREFECT_SERVER_CORS_ALLOWED_{what}" for what in ("ORIGINS", "METHODS", "HEADERS")), ""
)
"""Which other origins may read is the door's business (`servers/web/door.py`)."""


def prefect_environment(settings: Settings) -> dict[str, str]:
    """Variables that the server, the worker, its runs and Prefect's client need; our own settings included.

    The server keeps everything under `settings.home` and shares no profile with the user's own Prefect.
    It asks everybody for its auth string: whoever may make a deployment can run any command here.
    """
    home = settings.home.absolute() / "prefect"
    environment = {
        **settings.environment(),
        "CAPIBARA6_ACT_AS": "platform",
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": settings.prefect_url,
        "PREFECT_SERVER_API_HOST": settings.host,
        "PREFECT_SERVER_API_PORT": str(settings.ports.prefect),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(settings),
        **CLOSED_CORS,
        # The page asks the server that it came from, by whichever of its names a person called it.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_COLORS": "false",
        # A run that a person waits for starts within a second or so, not within ten.
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        # A run that waits for its turn looks again within seconds, not within thirty.
        "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
        "PREFECT_API_REQUEST_TIMEOUT": f"{TIMEOUT_S:.0f}",
        # Prefect's worker keeps its runs' files under one name in the temporary folder: there two people on a
        # machine would meet, and the second could not write.
        "TMPDIR": str(home / TEMPORARY),
        # A run whose process died is noticed after three missed heartbeats.
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
    }
    if auth := settings.prefect_auth:
        environment |= {"PREFECT_API_AUTH_STRING": auth, "PREFECT_SERVER_API_AUTH_STRING": auth}
    return environment


def database_url(settings: Settings) -> str:
    """Where Prefect keeps runs: a file of its own, or PostgreSQL.

    `stores.prefect_database_url` is a PostgreSQL URL, or the word `postgres` for a database `prefect` beside
    the platform's own.
    """
    setting = settings.stores.prefect_database_url
    if setting is None:
        return f"sqlite+aiosqlite:///{settings.home.absolute()}/prefect/prefect.db"
    if setting.get_secret_value() == BESIDE_OURS:
        parts = urlsplit(settings.postgres_dsn)
        return parts._replace(scheme="postgresql+asyncpg", path=f"/{DATABASE}").geturl()
    return f"postgresql+asyncpg://{setting.get_secret_value().partition('://')[2]}"


async def ensure_database(settings: Settings) -> None:
    """Make the database `prefect` beside the platform's own when it is wanted and not there yet.

    Raises `StoreUnavailable`, `NotSupported`.
    """
    setting = settings.stores.prefect_database_url
    if setting is not None and setting.get_secret_value() == BESIDE_OURS:
        await postgres.create_database(settings, DATABASE)


def server_command() -> list[str]:
    """Prefect's server; host, port and database come from the environment."""
    return [sys.executable, "-m", "flows.orchestration.patched_server"]


def worker_command() -> list[str]:
    """Prefect's worker; it creates its work pool when the server does not have it yet."""
    return [
        *(sys.executable, "-m", "flows.orchestration.patched_worker", "worker", "start"),
        *("--pool", WORK_POOL, "--type", "process", "--name", "capibara6", "--limit", str(FLOWS_AT_ONCE)),
    ]


def become(command: list[str], settings: Settings) -> NoReturn:
    """Replace this process by Prefect's server or worker."""
    home = settings.home.absolute() / "prefect"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    (home / TEMPORARY).mkdir(exist_ok=True, mode=0o700)
    os.execve(command[0], command, {**os.environ, **prefect_environment(settings)})
