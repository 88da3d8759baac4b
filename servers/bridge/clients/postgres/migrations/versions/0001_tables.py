"""The first tables. A database that an earlier bridge made without migrations is adopted as it is."""

from alembic import op

revision, down_revision = "0001", None

STATEMENTS = """
CREATE TABLE IF NOT EXISTS collections (
    tenant VARCHAR(64) NOT NULL, name VARCHAR(63) NOT NULL, physical VARCHAR NOT NULL,
    embedder VARCHAR NOT NULL, dimensions INTEGER NOT NULL, languages JSONB NOT NULL,
    version BIGINT NOT NULL, PRIMARY KEY (tenant, name));

CREATE TABLE IF NOT EXISTS documents (
    tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL, id VARCHAR(256) NOT NULL,
    title VARCHAR NOT NULL, name VARCHAR NOT NULL, source VARCHAR NOT NULL, language VARCHAR NOT NULL,
    state VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, attributes_hash VARCHAR NOT NULL,
    versions VARCHAR NOT NULL, chunks INTEGER NOT NULL, in_graph BOOLEAN NOT NULL, metadata JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (tenant, collection, id));
ALTER TABLE documents ADD COLUMN IF NOT EXISTS name VARCHAR NOT NULL DEFAULT '';
ALTER TABLE documents ALTER COLUMN name DROP DEFAULT;
CREATE INDEX IF NOT EXISTS ix_documents_state ON documents (state);
CREATE INDEX IF NOT EXISTS documents_by_name ON documents (tenant, collection, name);

CREATE TABLE IF NOT EXISTS chunks (
    id VARCHAR(36) NOT NULL, tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL,
    document_id VARCHAR(256) NOT NULL, chunk_hash VARCHAR(64) NOT NULL, position INTEGER NOT NULL,
    heading VARCHAR NOT NULL, text VARCHAR NOT NULL, tokens VARCHAR NOT NULL, state VARCHAR NOT NULL,
    PRIMARY KEY (id));
CREATE INDEX IF NOT EXISTS chunks_by_hash ON chunks (tenant, collection, chunk_hash);
CREATE INDEX IF NOT EXISTS chunks_of_document ON chunks (tenant, collection, document_id);
CREATE INDEX IF NOT EXISTS chunks_words ON chunks USING gin (to_tsvector('simple'::regconfig, tokens));

CREATE TABLE IF NOT EXISTS jobs (
    id VARCHAR(36) NOT NULL, tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL,
    state VARCHAR NOT NULL, total INTEGER NOT NULL, done INTEGER NOT NULL, accepted INTEGER NOT NULL,
    unchanged INTEGER NOT NULL, failed JSONB NOT NULL, reason VARCHAR NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (id));
CREATE INDEX IF NOT EXISTS ix_jobs_tenant ON jobs (tenant);

CREATE TABLE IF NOT EXISTS conversations (
    id VARCHAR(64) NOT NULL, tenant VARCHAR(64) NOT NULL, title VARCHAR NOT NULL, messages JSONB NOT NULL,
    metadata JSONB NOT NULL, updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (id));
CREATE INDEX IF NOT EXISTS ix_conversations_tenant ON conversations (tenant);

CREATE TABLE IF NOT EXISTS leads (
    id VARCHAR(64) NOT NULL, tenant VARCHAR(64) NOT NULL, name VARCHAR NOT NULL, email VARCHAR NOT NULL,
    message VARCHAR NOT NULL, metadata JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, PRIMARY KEY (id));
CREATE INDEX IF NOT EXISTS ix_leads_tenant ON leads (tenant)
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
