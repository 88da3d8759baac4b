"""Where a passage stands in its document and file, and the document's text that its span counts in.

What was there before has neither: it gets them when its document is ingested again.
"""

from alembic import op

revision, down_revision = "0008", "0007"

STATEMENTS = """
ALTER TABLE chunks ADD COLUMN IF NOT EXISTS whereabouts JSONB;
CREATE TABLE IF NOT EXISTS capibara6_texts (
    tenant VARCHAR(64) NOT NULL, collection VARCHAR(63) NOT NULL, id VARCHAR(256) NOT NULL,
    text VARCHAR NOT NULL, PRIMARY KEY (tenant, collection, id),
    FOREIGN KEY (tenant, collection, id) REFERENCES documents (tenant, collection, id)
        ON DELETE CASCADE ON UPDATE CASCADE)
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";"):
        op.execute(statement)
