"""Schema statements (DDL): spaces, tags, edge types and indexes changed, and SHOW and DESCRIBE."""
