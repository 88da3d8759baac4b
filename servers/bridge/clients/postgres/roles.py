"""The two read-only roles that callers' SQL runs as, their grants, and how a transaction takes one of them.

`capibara6_tenant` sees its tenant's rows of the shared tables, of collections that its user may read, and no
more. `capibara6_reader`, the deployment's own tenant, also reads every other table of the schema,
except those that hold private things. Who may read a collection is said in `manifest/sharing.py` and here.
"""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from servers.bridge.clients.postgres.migrate import VERSIONS
from servers.bridge.clients.store_client import request_id
from servers.bridge.clients.tenants import DEFAULT
from tools.access.identity import ROLES, Principal

READER, TENANT_READER = "capibara6_reader", "capibara6_tenant"
TENANT_TABLES = ("collections", "documents", "chunks", "extractions", "jobs")
PRIVATE_TABLES = frozenset(
    f"""
    {VERSIONS} api_keys capibara6_users capibara6_sessions capibara6_shares capibara6_usage
    capibara6_texts conversations leads
    threads runs checkpoints checkpoint_blobs checkpoint_writes checkpoint_migrations
    store store_vectors store_migrations vector_migrations
    """.split()
)
"""What no SQL of a caller may read: keys, people, what they used and wrote, here and in agents' tables."""
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
    tenant="set_config('capibara6.tenant', $1, true), set_config('capibara6.user', $2, true), "
    "set_config('capibara6.role', $3, true)",
    name="set_config('application_name', $4, true)",
    role="set_config('role', $5, true)",
)
PLATFORM = "platform"
"""What `capibara6.role` is for the deployment itself; for others it is their role and those below it."""


OF_TENANT = "tenant = current_setting('capibara6.tenant', true)"
OF_PLATFORM = "current_setting('capibara6.role', true) = 'platform'"
READABLE = "public.capibara6_readable_collections()"
# As the tables' owner, whom no policy binds: callers do not read the shares. Called once a statement.
_READABLE_COLLECTIONS = f"""
    CREATE OR REPLACE FUNCTION {READABLE} RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, public, pg_temp AS $f$
        SELECT coalesce(array_agg(c.name::text), '{{}}') FROM public.collections c
        WHERE c.tenant = current_setting('capibara6.tenant', true)
          AND (c.owner = current_setting('capibara6.user', true) OR EXISTS (
            SELECT FROM public.capibara6_shares s
            WHERE s.tenant = c.tenant AND s.collection = c.name AND (
                s.kind = 'everybody'
                OR (s.kind = 'user' AND s.name = current_setting('capibara6.user', true))
                OR (s.kind = 'role'
                    AND s.name = ANY (string_to_array(current_setting('capibara6.role', true), ','))))))
    $f$"""
_IN_READABLE = f"ANY ((SELECT {READABLE})::text[])"
_READABLE_ROWS = {
    "collections": f"name = {_IN_READABLE}",
    "documents": f"collection = {_IN_READABLE}",
    "chunks": f"collection = {_IN_READABLE}",
    "extractions": f"collection = {_IN_READABLE}",
    "jobs": "owner = current_setting('capibara6.user', true)",
}
"""Which rows of its tenant a caller reads besides the platform."""


def role_params(principal: Principal) -> list[Any]:
    """The parameters of `TAKE_ROLE`. The request's id becomes the session's `application_name`."""
    role = READER if principal.tenant == DEFAULT else TENANT_READER
    held = PLATFORM if principal.platform else ",".join(ROLES[: ROLES.index(principal.role) + 1])
    return [principal.tenant, principal.user, held, f"capibara6 {request_id()}"[:63], role]


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
        _READABLE_COLLECTIONS,
        f"REVOKE ALL ON FUNCTION {READABLE} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {READABLE} TO {TENANT_READER}",
        *(_create_policy(table, "tenant_rows", "PERMISSIVE", OF_TENANT) for table in TENANT_TABLES),
        *(
            _create_policy(table, "readable_rows", "RESTRICTIVE", f"{OF_PLATFORM} OR {rule}")
            for table, rule in _READABLE_ROWS.items()
        ),
    ]


def _create_role(role: str) -> str:
    return f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
            CREATE ROLE {role} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
        END IF; END $$"""


def _create_policy(table: str, name: str, kind: str, rule: str) -> str:
    """Made only where it is missing: it needs a lock that a busy table does not give at once."""
    return f"""DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = 'public'
                       AND tablename = '{table}' AND policyname = '{name}') THEN
            EXECUTE 'ALTER TABLE {table} ENABLE ROW LEVEL SECURITY';
            EXECUTE 'DROP POLICY IF EXISTS own_tenant ON {table}';
            EXECUTE $r$CREATE POLICY {name} ON {table} AS {kind} FOR SELECT TO {TENANT_READER}
                USING ({rule})$r$;
        END IF; END $$"""
