"""What extractors found in a document."""

from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE IF NOT EXISTS extractions (
            tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL, document_id VARCHAR(256) NOT NULL,
            extractor VARCHAR(128) NOT NULL, content_hash VARCHAR NOT NULL, state VARCHAR NOT NULL,
            entities JSONB NOT NULL, relations JSONB NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            PRIMARY KEY (tenant, collection, document_id, extractor))""")
    op.execute("CREATE INDEX IF NOT EXISTS ix_extractions_state ON extractions (state)")
