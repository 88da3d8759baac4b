"""People with roles and sessions, owners of what is kept, shares of collections, what keys and people used.

The new tables have a prefix: a database that others use as well may well have a table `users`. What was there
before is the deployment's own (`local`), and its collections go on being read by everybody of their tenant.
"""

from alembic import op

revision, down_revision = "0006", "0005"

OWNED = ("collections", "documents", "jobs", "conversations", "leads")
STATEMENTS = """
CREATE TABLE capibara6_users (
    tenant VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL, role VARCHAR(16) NOT NULL, password VARCHAR,
    issuer VARCHAR, subject VARCHAR, disabled BOOLEAN NOT NULL, quota JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (tenant, name));
CREATE UNIQUE INDEX capibara6_users_external ON capibara6_users (issuer, subject);

CREATE TABLE capibara6_sessions (
    id VARCHAR(32) NOT NULL, digest VARCHAR(64) NOT NULL, tenant VARCHAR(64) NOT NULL,
    user_name VARCHAR(64) NOT NULL, agent VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (id));
CREATE UNIQUE INDEX capibara6_sessions_digest ON capibara6_sessions (digest);
CREATE INDEX capibara6_sessions_user ON capibara6_sessions (tenant, user_name);

CREATE TABLE capibara6_shares (
    tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL, kind VARCHAR(16) NOT NULL,
    name VARCHAR(80) NOT NULL, access VARCHAR(16) NOT NULL, PRIMARY KEY (tenant, collection, kind, name));
INSERT INTO capibara6_shares SELECT tenant, name, 'everybody', '', 'read' FROM collections;

CREATE TABLE capibara6_usage (
    tenant VARCHAR(64) NOT NULL, user_name VARCHAR(80) NOT NULL, key_id VARCHAR(64) NOT NULL,
    model VARCHAR(256) NOT NULL, day DATE NOT NULL, requests BIGINT NOT NULL, tokens_in BIGINT NOT NULL,
    tokens_out BIGINT NOT NULL, audio_s DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (tenant, user_name, key_id, model, day));
CREATE INDEX capibara6_usage_day ON capibara6_usage (day);

ALTER TABLE api_keys ADD COLUMN user_name VARCHAR(64);
ALTER TABLE api_keys ADD COLUMN quota JSONB NOT NULL DEFAULT '{}';
UPDATE api_keys SET scopes = scopes || '["operate"]' WHERE scopes @> '["write"]';

ALTER TABLE conversations DROP CONSTRAINT conversations_pkey, ADD PRIMARY KEY (tenant, owner, id);
ALTER TABLE leads DROP CONSTRAINT leads_pkey, ADD PRIMARY KEY (tenant, owner, id);
CREATE INDEX IF NOT EXISTS documents_by_owner ON documents (tenant, owner)
"""


def upgrade() -> None:
    # The default stays: a replica of the version before, which knows no owners, goes on writing meanwhile.
    for table in OWNED:
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS owner VARCHAR(80) NOT NULL DEFAULT 'local'")
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
