"""PostgreSQL: sessions for the bridge's own tables, read-only queries for callers' SQL, migrations."""
