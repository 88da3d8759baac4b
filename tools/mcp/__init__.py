"""MCP servers of others as tools of an agent: which there are, sessions with them, what they answer."""
