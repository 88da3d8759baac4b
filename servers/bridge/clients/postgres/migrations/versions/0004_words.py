"""The index of words is kept up to date at once: what is read right after it was written must not be searched
in a list of what is still to be indexed, nor in the whole table."""

from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.execute("ALTER INDEX chunks_words SET (fastupdate = off)")
    op.execute("SELECT gin_clean_pending_list('chunks_words')")
