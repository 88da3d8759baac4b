"""A PostgreSQL database of one's own on the session's server: its people, keys, threads are nobody else's."""

import itertools
import os
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from pydantic import SecretStr

from tools.settings import Settings

_NUMBERS = itertools.count()


def with_own_database(stores: Settings) -> Settings:
    """`stores` with a new, empty database in place of the shared one."""
    name = f"own_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    dsn = SecretStr(urlsplit(stores.postgres_dsn)._replace(path=f"/{name}").geturl())
    return stores.model_copy(update={"stores": stores.stores.model_copy(update={"postgres_dsn": dsn})})
