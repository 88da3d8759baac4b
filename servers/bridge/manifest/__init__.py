"""The manifest in PostgreSQL: what was ingested, as which chunks, with which versions."""
