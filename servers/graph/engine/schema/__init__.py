"""Spaces, tags, edge types, indexes: changed and shown."""
