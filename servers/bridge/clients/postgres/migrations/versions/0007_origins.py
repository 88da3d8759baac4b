"""Documents know which source brought them, from which file, as that was then; and what they were called.

What was there before has no source until the next ingestion takes it over. Every column has a default: a
replica of the version before goes on writing meanwhile.
"""

from alembic import op

revision, down_revision = "0007", "0006"

STATEMENTS = """
ALTER TABLE documents ADD COLUMN IF NOT EXISTS source_uri VARCHAR NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN IF NOT EXISTS origin VARCHAR NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN IF NOT EXISTS origin_hash VARCHAR NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN IF NOT EXISTS origin_reader VARCHAR NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN IF NOT EXISTS origin_documents INTEGER NOT NULL DEFAULT 0;
ALTER TABLE documents ADD COLUMN IF NOT EXISTS replaces VARCHAR NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN IF NOT EXISTS former_ids JSONB NOT NULL DEFAULT '[]';
ALTER TABLE documents ADD COLUMN IF NOT EXISTS created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL;
UPDATE documents SET created_at = updated_at;
CREATE INDEX IF NOT EXISTS documents_by_origin ON documents (tenant, collection, origin);
CREATE INDEX IF NOT EXISTS documents_by_origin_hash ON documents (tenant, collection, origin_hash)
    WHERE origin_hash <> '';
CREATE INDEX IF NOT EXISTS documents_by_source_uri ON documents (tenant, collection, source_uri)
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
