"""What people said and asked to be remembered, in a backup and back: the API's SQLite files and the key that
seals them. Where the API keeps them in PostgreSQL, its dump holds them and only the key is here."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from flows.operations.archive import copy_database
from tools.settings import Settings

RUNS = "runs.sqlite"
FILES = ("threads.sqlite", "facts.sqlite", RUNS)
KEY = "seal.key"
INTERRUPTED = (
    "UPDATE runs SET status = 'cancelled' WHERE status IN ('pending', 'running')",
    "UPDATE threads SET status = 'idle' WHERE status = 'busy'",
)
"""A run that a backup caught in the middle has nobody who goes on with it, and must hold no thread."""


def copy_key(settings: Settings, target: Path) -> None:
    """Put the sealing key beside the copied databases, for its owner alone; nothing where there is none."""
    source = settings.home.absolute() / KEY
    if source.is_file():
        target.mkdir(parents=True, exist_ok=True)
        (target / KEY).touch(mode=0o600)
        shutil.copyfile(source, target / KEY)


def put_back(settings: Settings, source: Path) -> list[str]:
    """Replace conversations, memories and runs by those under `source`; the names of what was replaced.

    The API may run meanwhile: it reads the key anew, and the files change as one transaction each.
    In PostgreSQL the dump has put them back already, and only the runs caught in the middle are ended here.
    Raises sqlite3.OperationalError when another's transaction does not end in time, psycopg.Error.
    """
    home, done = settings.home.absolute(), []
    if (source / KEY).is_file():
        draft = home / f".{KEY}.restored"
        draft.touch(mode=0o600)
        shutil.copyfile(source / KEY, draft)
        draft.rename(home / KEY)
        done.append(KEY)
    for name in FILES:
        if (source / name).is_file():
            copy_database(source / name, home / name)
            done.append(name)
    if RUNS in done:
        with closing(sqlite3.connect(home / RUNS)) as connection, connection:
            for statement in INTERRUPTED:
                connection.execute(statement)
    if settings.stores.postgres_dsn is not None:
        _end_interrupted(settings.postgres_dsn)
    return done


def _end_interrupted(dsn: str) -> None:
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        tables = connection.execute("SELECT to_regclass('runs'), to_regclass('threads')").fetchone()
        if tables is not None and None not in tables:  # a backup of before the API was there has none
            for statement in INTERRUPTED:
                connection.execute(statement)
