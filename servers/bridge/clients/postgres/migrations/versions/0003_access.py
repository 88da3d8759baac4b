"""Keys with scopes and tenants; a tenant's conversations and leads have ids of their own."""

from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE api_keys (
            id VARCHAR(32) NOT NULL, digest VARCHAR(64) NOT NULL, tenant VARCHAR(64) NOT NULL,
            name VARCHAR NOT NULL, scopes JSONB NOT NULL, requests_per_minute INTEGER, concurrency INTEGER,
            body_bytes INTEGER, created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            PRIMARY KEY (id))""")
    op.execute("CREATE INDEX ix_api_keys_tenant ON api_keys (tenant)")
    for table in ("conversations", "leads"):
        op.execute(f"DROP INDEX IF EXISTS ix_{table}_tenant")
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (tenant, id)")
