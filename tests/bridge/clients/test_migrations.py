"""The tables' history: a new database, an old one with data, two replicas at once, a newer one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from servers.bridge.access import accounts, keys
from servers.bridge.clients.postgres.client import Postgres
from servers.bridge.clients.postgres.migrate import VERSIONS, upgrade
from servers.bridge.clients.postgres.roles import READER, TENANT_READER
from servers.bridge.manifest import tables  # noqa: F401  (their tables join the metadata)
from servers.bridge.manifest.sharing import Sharings
from tools.access.identity import LOCAL
from tools.errors import Forbidden
from tools.sections import Access
from tools.settings import Settings

ADOPTED = {"collections", "documents", "chunks", "extractions", "jobs", "conversations", "leads"}
OURS = ADOPTED | {
    "api_keys",
    *(f"capibara6_{name}" for name in ("users", "sessions", "shares", "texts", "usage")),
}
OLD = """
CREATE TABLE documents (
    tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL, id VARCHAR(256) NOT NULL,
    title VARCHAR NOT NULL, source VARCHAR NOT NULL, language VARCHAR NOT NULL, state VARCHAR NOT NULL,
    content_hash VARCHAR NOT NULL, attributes_hash VARCHAR NOT NULL, versions VARCHAR NOT NULL,
    chunks INTEGER NOT NULL, in_graph BOOLEAN NOT NULL, metadata JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (tenant, collection, id));
CREATE INDEX ix_documents_state ON documents (state);
CREATE TABLE leads (
    id VARCHAR(64) NOT NULL, tenant VARCHAR(64) NOT NULL, name VARCHAR NOT NULL, email VARCHAR NOT NULL,
    message VARCHAR NOT NULL, metadata JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_leads_tenant ON leads (tenant);
INSERT INTO documents VALUES ('default', 'c', 'd', 'Title', '', 'es', 'done', 'h', 'a', 'v', 1, true, '{}');
INSERT INTO leads VALUES ('l', 'default', 'Ana', 'ana@example.org', 'hola', '{}')
"""

BEFORE_PEOPLE = """
INSERT INTO collections VALUES ('default', 'notes', 'notes__1', 'e', 2, '["es"]', 3);
INSERT INTO collections VALUES ('acme', 'notes', 'notes__2', 'e', 2, '["es"]', 1);
INSERT INTO documents
    VALUES ('default', 'notes', 'd', 'Title', '', '', 'es', 'done', 'h', 'a', 'v', 1, true, '{}');
INSERT INTO jobs VALUES ('j', 'default', 'notes', 'done', 1, 1, 1, 0, '[]', '');
INSERT INTO conversations VALUES ('thread', 'default', 'Hilo', '[]', '{}');
INSERT INTO leads VALUES ('l', 'default', 'Ana', 'ana@example.org', 'hola', '{}');
CREATE TABLE users (of_somebody_else int);
"""
OLD_KEYS = {
    "aaaaaaaaaaaaaaaa": ["read"],
    "bbbbbbbbbbbbbbbb": ["read", "write"],
    "cccccccccccccccc": ["admin"],
}


@pytest.fixture
def dsn(stores: Settings, request: pytest.FixtureRequest) -> Iterator[str]:
    """A new empty database on the shared server."""
    name = sql.Identifier(f"m{abs(hash(request.node.nodeid)) % 10**12}")
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield stores.postgres_dsn.replace("/capibara6?", f"/{name.as_string().strip(chr(34))}?")
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Postgres]:
    store = Postgres(dsn, "test", deadline_s=10.0)
    try:
        yield store
    finally:
        await store.close()


async def prepared(dsn: str) -> None:
    async with opened(dsn) as store:
        await store.prepare()


def differences(dsn: str) -> list[object]:
    """What a new migration would have to do to make the tables what the models say."""
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))

    def ours(_item: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return kind != "table" or name in OURS

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_object": ours, "version_table": VERSIONS}
        )
        found = compare_metadata(context, SQLModel.metadata)
    engine.dispose()
    return list(found)


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode()).fetchall()


async def test_a_new_database_has_the_tables_of_the_models(dsn: str) -> None:
    await prepared(dsn)
    assert differences(dsn) == []


async def test_an_old_database_is_adopted_with_its_data(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(OLD.encode())
    await prepared(dsn)
    assert differences(dsn) == []
    assert rows(dsn, "SELECT id, title, name FROM documents") == [("d", "Title", "")]
    assert rows(dsn, "SELECT tenant, id, name FROM leads") == [("default", "l", "Ana")]


async def test_a_database_that_the_models_made_is_adopted(dsn: str) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    ours = [SQLModel.metadata.tables[name] for name in ADOPTED]
    SQLModel.metadata.create_all(engine, tables=ours)
    engine.dispose()
    await prepared(dsn)
    assert differences(dsn) == []


async def test_replicas_that_start_together_migrate_once(dsn: str) -> None:
    await asyncio.gather(*(prepared(dsn) for _ in range(4)))
    assert differences(dsn) == []
    assert len(rows(dsn, f"SELECT * FROM {VERSIONS}")) == 1


async def test_a_second_start_changes_nothing(dsn: str) -> None:
    await prepared(dsn)
    before = rows(dsn, "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    await prepared(dsn)
    after = rows(dsn, "SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    assert sorted(before) == sorted(after)


async def test_a_database_of_a_newer_bridge_is_used_as_it_is(dsn: str) -> None:
    await prepared(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"UPDATE {VERSIONS} SET version_num = '9999'".encode())
    async with opened(dsn) as store:
        answer = await store.query("SELECT count(*) FROM documents", [], principal=LOCAL, max_rows=1)
    assert answer.rows == [[0]]


async def test_the_roles_may_read_what_they_should_and_no_more(dsn: str) -> None:
    await prepared(dsn)
    async with opened(dsn) as store:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE sales (n int); CREATE TABLE checkpoints (n int)")
        answer = await store.query("SELECT n FROM sales", [], principal=LOCAL, max_rows=1)
        assert answer.rows == []
        with pytest.raises(Forbidden):
            query = "WITH checkpoints AS (SELECT * FROM checkpoints) SELECT * FROM checkpoints"
            await store.query(query, [], principal=LOCAL, max_rows=1)
    with psycopg.connect(dsn, autocommit=True) as connection:
        granted = connection.execute(
            "SELECT r.rolname, c.relname FROM pg_class c, pg_roles r"
            " WHERE c.relkind = 'r' AND r.rolname IN (%s, %s)"
            " AND c.relnamespace = 'public'::regnamespace AND has_table_privilege(r.oid, c.oid, 'SELECT')",
            (READER, TENANT_READER),
        ).fetchall()
    shared = {"collections", "documents", "chunks", "extractions", "jobs"}
    assert {table for role, table in granted if role == TENANT_READER} == shared
    assert {table for role, table in granted if role == READER} == {*shared, "sales"}


def token_of(key_id: str) -> str:
    return f"{keys.PREFIX}{key_id}-{'A' * 43}"


async def test_the_rows_and_the_keys_of_before_people_go_on_working(dsn: str) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.begin() as connection:
        upgrade(connection, to="0005")
    engine.dispose()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(BEFORE_PEOPLE.encode())
        for key_id, scopes in OLD_KEYS.items():
            connection.execute(
                "INSERT INTO api_keys (id, digest, tenant, name, scopes) VALUES (%s, %s, 'acme', '', %s)",
                [key_id, keys.digest_of(token_of(key_id)), Jsonb(scopes)],
            )
    await prepared(dsn)
    assert differences(dsn) == []
    for table in ("collections", "documents", "jobs", "conversations", "leads"):
        assert {row[0] for row in rows(dsn, f"SELECT owner FROM {table}")} == {"local"}, table
    async with opened(dsn) as store:
        held = accounts.Accounts(store, Access())
        found = {key_id: await held.keys.find(token_of(key_id)) for key_id in OLD_KEYS}
        who = {key_id: key.principal for key_id, key in found.items() if key is not None}
        assert [(one.user, one.role) for one in who.values()] == [
            ("key:aaaaaaaaaaaaaaaa", "user"),
            ("key:bbbbbbbbbbbbbbbb", "operator"),
            ("key:cccccccccccccccc", "admin"),
        ]
        assert [sorted(one.scopes) for one in who.values()] == [
            ["read"],
            ["operate", "read", "write"],
            ["admin"],
        ]
        sharing = await Sharings(store).collection("acme", "notes")
        assert sharing is not None
        assert [sharing.may_read(one) for one in who.values()] == [True, True, True]
        assert [sharing.may_write(one) for one in who.values()] == [False, True, False]
        for principal in who.values():
            answer = await store.query("SELECT name FROM collections", [], principal=principal, max_rows=9)
            assert answer.rows == [["notes"]]
