"""The query engine: the planner resolves names and types, the executor runs compiled closures over rows."""
