"""NebulaGraph: sessions, statements, and the check that a statement only reads."""
