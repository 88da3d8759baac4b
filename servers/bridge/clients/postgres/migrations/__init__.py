"""The history of the bridge's tables, in Alembic's form: one file a step, never changed once released."""
