"""The two read-only roles that callers' SQL runs as, their grants, and how a transaction takes one of them.

`capibara6_tenant` sees its tenant's rows of the shared tables and nothing else. `capibara6_reader`, the
deployment's own tenant, also reads every other table of the schema, except those that hold private things.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from servers.bridge.clients.postgres.migrate import VERSIONS
from servers.bridge.clients.store_client import request_id
from servers.bridge.clients.tenants import DEFAULT

READER, TENANT_READER = "capibara6_reader", "capibara6_tenant"
TENANT_TABLES = ("collections", "documents", "chunks", "extractions", "jobs")
PRIVATE_TABLES = frozenset(
    f"""
    {VERSIONS} api_keys conversations leads
    threads runs checkpoints checkpoint_blobs checkpoint_writes checkpoint_migrations
    store store_vectors store_migrations vector_migrations
    """.split()
)
"""What no SQL of a caller may read: keys, and what people wrote, here and in the agents' own tables."""
STATEMENT_MS = 5_000
"""Milliseconds that a caller's statement may run (`statement_timeout`)."""
_LIMITS = {
    "transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_MS),
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": str(STATEMENT_MS),
    "work_mem": "16MB",
    "hash_mem_multiplier": "1",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "search_path": "public",
}
# One round trip for all of them, the role last: a reader may not raise its own limits.
TAKE_ROLE = "SELECT {limits}, {spill}, {tenant}, {name}, {role}".format(
    limits=", ".join(f"set_config('{name}', '{value}', true)" for name, value in _LIMITS.items()),
    # Only those who may can limit temporary files: managed servers often reserve it.
    spill="CASE WHEN has_parameter_privilege('temp_file_limit', 'SET') "
    "THEN set_config('temp_file_limit', '256MB', true) END",
    tenant="set_config('capibara6.tenant', $1, true)",
    name="set_config('application_name', $2, true)",
    role="set_config('role', $3, true)",
)


def role_params(tenant: str) -> list[Any]:
    """The parameters of `TAKE_ROLE`. The request's id becomes the session's `application_name`."""
    role = READER if tenant == DEFAULT else TENANT_READER
    return [tenant, f"capibara6 {request_id()}"[:63], role]


async def grant(connection: AsyncConnection) -> None:
    """Make the two roles and grant them what they may read, within the connection's transaction; safe to run
    again. The caller holds a lock against other replicas."""
    for statement in grants():
        await connection.execute(text(statement))


def grants() -> list[str]:
    """The statements of `grant`."""
    private = ", ".join(f"'{name}'" for name in sorted(PRIVATE_TABLES))
    return [
        *(_create_role(role) for role in (TENANT_READER, READER)),
        f"GRANT {TENANT_READER} TO {READER}",
        f"GRANT {TENANT_READER}, {READER} TO CURRENT_USER",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {TENANT_READER}",
        f"GRANT SELECT ON {', '.join(TENANT_TABLES)} TO {TENANT_READER}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}",
        # A new table is readable once it was looked at: one of the agents' must not be for a moment.
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM {READER}",
        f"""DO $$ DECLARE name text; BEGIN
            FOR name IN SELECT tablename FROM pg_tables
                WHERE schemaname = 'public' AND tablename IN ({private})
            LOOP EXECUTE format('REVOKE ALL ON public.%I FROM {READER}', name); END LOOP; END $$""",
        *map(_create_policy, TENANT_TABLES),
    ]


def _create_role(role: str) -> str:
    return f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
            CREATE ROLE {role} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
        END IF; END $$"""


def _create_policy(table: str) -> str:
    """Made only where it is missing: it needs a lock that a busy table does not give at once."""
    rule = "tenant = current_setting(''capibara6.tenant'', true)"
    return f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = 'public'
                       AND tablename = '{table}' AND policyname = 'tenant_rows') THEN
            EXECUTE 'ALTER TABLE {table} ENABLE ROW LEVEL SECURITY';
            EXECUTE 'DROP POLICY IF EXISTS own_tenant ON {table}';
            EXECUTE 'CREATE POLICY tenant_rows ON {table} FOR SELECT TO {TENANT_READER} USING ({rule})';
        END IF; END $$"""
