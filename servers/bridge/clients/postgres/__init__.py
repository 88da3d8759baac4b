"""PostgreSQL: the bridge's own session, the read-only door for other people's SQL, migrations."""
