"""From a path or address to documents: found, read, parsed in a sandbox, reported."""
